/**
 * What an Access-Accept of a login says about the session, and when it asks for something that castgate
 * does not offer: that is then a reject, never a session without it (RFC 2865 §5.6, RFC 2868 §3.1).
 */
import {
  AttributeType,
  allValues,
  badAttributeLength,
  firstInteger,
  firstValue,
  textOf,
  vendorAttributes,
} from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import { EXAMPLE_VENDOR, ServiceType, TerminationAction, Vendor } from '../radius/values.ts';
import type { SessionRights } from '../session/records.ts';
import { isMalformed } from '../wire/malformed.ts';
import type { Domain } from './crowd.ts';
import { type RightsForm, readRights } from './rights/rights-attributes.ts';

/** The terms of a session. Octets are copies, not views. */
export interface LoginTerms {
  /** User-Name of the Accept, where the server names the account (RFC 2865 §5.1). */
  readonly userName: Uint8Array | undefined;
  readonly classes: readonly Uint8Array[];
  readonly state: Uint8Array | undefined;
  /** Undefined: as configured here. */
  readonly reAuthPeriodMs: number | undefined;
  /** The session ends after this; undefined: it does not end by itself. */
  readonly endsAfterMs: number | undefined;
  readonly interimMs: number | undefined;
  /** Undefined: nothing was said of channels. */
  readonly rights: SessionRights | undefined;
  /** Cisco-AVPair `device-traffic-class=voice`. */
  readonly domain: Domain;
}

/** Why an Access-Accept counts as a reject. */
export type UnacceptableAccept =
  | 'accept-malformed'
  | 'accept-service-type'
  | 'accept-tunnel'
  /** Session-Timeout 0: a session that would end as it begins, and begin anew, without end. */
  | 'accept-for-no-time'
  /** Rights to channels that cannot be read. */
  | 'accept-rights'
  /** A profile that the configuration does not have. */
  | 'accept-profile';

/** Reads the Accept's attributes. */
export function readAccept(
  attributes: readonly RadiusAttribute[],
  form: RightsForm = NO_PROFILES,
): LoginTerms | UnacceptableAccept {
  if (badAttributeLength(attributes) !== undefined) return 'accept-malformed';
  const pairs = vendorAttributes(attributes, Vendor.Cisco);
  if (isMalformed(pairs)) return 'accept-malformed';
  const service = firstInteger(attributes, AttributeType.ServiceType);
  if (service !== undefined && service !== ServiceType.Framed && service !== ServiceType.Login) {
    return 'accept-service-type';
  }
  if (firstValue(attributes, AttributeType.TunnelType) !== undefined) return 'accept-tunnel';
  const seconds = firstInteger(attributes, AttributeType.SessionTimeout);
  if (seconds === 0) return 'accept-for-no-time';
  const rights = readRights(attributes, form);
  if (typeof rights === 'string') return rights;
  const action = firstInteger(attributes, AttributeType.TerminationAction);
  const again = seconds !== undefined && action === TerminationAction.RadiusRequest;
  const interim = firstInteger(attributes, AttributeType.AcctInterimInterval);
  return {
    userName: firstValue(attributes, AttributeType.UserName)?.slice(),
    classes: allValues(attributes, AttributeType.Class).map((value) => value.slice()),
    state: firstValue(attributes, AttributeType.State)?.slice(),
    reAuthPeriodMs: again ? seconds * 1000 : undefined,
    endsAfterMs: seconds !== undefined && !again ? seconds * 1000 : undefined,
    domain: pairs.some(({ type, value }) => type === CISCO_AV_PAIR && textOf(value) === VOICE)
      ? 'voice'
      : 'data',
    rights,
    interimMs: interim === undefined ? undefined : Math.max(interim, LEAST_INTERIM_S) * 1000,
  };
}

const NO_PROFILES: RightsForm = { nativeVendor: EXAMPLE_VENDOR, profiles: new Set() };
const CISCO_AV_PAIR = 1;
const VOICE = 'device-traffic-class=voice';
/** RFC 2869 §5.16: an interval below 60 seconds must not be used. */
export const LEAST_INTERIM_S = 60;
