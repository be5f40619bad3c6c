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
import type { SessionFilter } from '../session/filter-rule.ts';
import type { SessionRights } from '../session/records.ts';
import { isMalformed } from '../wire/malformed.ts';
import type { Domain } from './admission/crowd.ts';
import {
  type FilterForm,
  type FilterRefusal,
  isFilterRefusal,
  readFilter,
} from './filter/filter-attributes.ts';
import { type RightsForm, readRights } from './rights/rights-attributes.ts';
import { tunnelVlan } from './tunnel-vlan.ts';

/** The terms of a session. Octets are copies, not views. */
export interface LoginTerms {
  /** User-Name of the Accept, where the server names the account (RFC 2865 §5.1). */
  readonly userName: Uint8Array | undefined;
  readonly classes: readonly Uint8Array[];
  readonly state: Uint8Array | undefined;
  /** RFC 4372; a NUL says that there is none. */
  readonly chargeableUserIdentity: Uint8Array | undefined;
  /** Undefined: as configured here. */
  readonly reAuthPeriodMs: number | undefined;
  /** The session ends after this; undefined: it does not end by itself. */
  readonly endsAfterMs: number | undefined;
  readonly interimMs: number | undefined;
  /** Undefined: nothing was said of channels. */
  readonly rights: SessionRights | undefined;
  /** Cisco-AVPair `device-traffic-class=voice`. */
  readonly domain: Domain;
  /** The VLAN that the port's untagged frames are put into, 1 to 4094; undefined: the port's own. */
  readonly vlan: number | undefined;
  /** The session ends after so long without a frame of the host (RFC 2865 §5.28); undefined: as configured. */
  readonly idleMs: number | undefined;
  /** What the host may send and receive; undefined: anything. */
  readonly filter: SessionFilter | undefined;
}

/** What castgate can give here. */
export interface AcceptOptions {
  /** VLANs that a port can be put into. */
  readonly vlanIsThere: (vlan: number) => boolean;
  /** How rights to channels are read; without it no profile is known. */
  readonly rights?: RightsForm;
  /** Packet filters; without it none has a name. */
  readonly filters?: FilterForm;
  /** Service-Types that are granted beside Framed and Login. */
  readonly services?: readonly number[];
}

/** Why an Access-Accept counts as a reject. */
export type UnacceptableAccept =
  | 'accept-malformed'
  | 'accept-service-type'
  | 'accept-tunnel'
  /** A VLAN that the bridge does not have, and that no other bridge stands for. */
  | 'accept-vlan'
  /** Session-Timeout 0: a session that would end as it begins, and begin anew, without end. */
  | 'accept-for-no-time'
  /** Rights to channels that cannot be read. */
  | 'accept-rights'
  /** A profile that the configuration does not have. */
  | 'accept-profile'
  | FilterRefusal;

/** Reads the Accept's attributes. */
export function readAccept(
  attributes: readonly RadiusAttribute[],
  options: AcceptOptions,
): LoginTerms | UnacceptableAccept {
  if (badAttributeLength(attributes) !== undefined) return 'accept-malformed';
  const pairs = vendorAttributes(attributes, Vendor.Cisco);
  if (isMalformed(pairs)) return 'accept-malformed';
  const service = firstInteger(attributes, AttributeType.ServiceType);
  const services: readonly number[] = [ServiceType.Framed, ServiceType.Login, ...(options.services ?? [])];
  if (service !== undefined && !services.includes(service)) return 'accept-service-type';
  const vlan = tunnelVlan(attributes);
  if (vlan === 'unusable') return 'accept-tunnel';
  if (vlan !== undefined && !options.vlanIsThere(vlan)) return 'accept-vlan';
  const seconds = firstInteger(attributes, AttributeType.SessionTimeout);
  const rights = readRights(attributes, options.rights ?? NO_PROFILES);
  if (typeof rights === 'string') return rights;
  const filter = readFilter(attributes, options.filters ?? NO_FILTERS);
  if (isFilterRefusal(filter)) return filter;
  const action = firstInteger(attributes, AttributeType.TerminationAction);
  const again = seconds !== undefined && action === TerminationAction.RadiusRequest;
  if (seconds === 0 && !again) return 'accept-for-no-time';
  const idle = firstInteger(attributes, AttributeType.IdleTimeout);
  const interim = firstInteger(attributes, AttributeType.AcctInterimInterval);
  return {
    userName: firstValue(attributes, AttributeType.UserName)?.slice(),
    classes: allValues(attributes, AttributeType.Class).map((value) => value.slice()),
    state: firstValue(attributes, AttributeType.State)?.slice(),
    chargeableUserIdentity: chargeableIn(attributes),
    reAuthPeriodMs: again ? Math.max(seconds, LEAST_REAUTH_S) * 1000 : undefined,
    endsAfterMs: seconds !== undefined && !again ? seconds * 1000 : undefined,
    vlan,
    idleMs: idle === undefined ? undefined : idle * 1000,
    domain: pairs.some(({ type, value }) => type === CISCO_AV_PAIR && textOf(value) === VOICE)
      ? 'voice'
      : 'data',
    rights,
    filter: filter === 'none' ? undefined : filter,
    interimMs: interim === undefined ? undefined : Math.max(interim, LEAST_INTERIM_S) * 1000,
  };
}

function chargeableIn(attributes: readonly RadiusAttribute[]): Uint8Array | undefined {
  const value = firstValue(attributes, AttributeType.ChargeableUserIdentity);
  return value === undefined || value.every((octet) => octet === 0) ? undefined : value.slice();
}

const NO_PROFILES: RightsForm = { nativeVendor: EXAMPLE_VENDOR, profiles: new Set() };
const NO_FILTERS: FilterForm = { named: new Map(), unknown: 'refuse' };
/** Session-Timeout 0 means at once (RFC 3580 §3.17), not without a pause for ever. */
const LEAST_REAUTH_S = 1;
const CISCO_AV_PAIR = 1;
const VOICE = 'device-traffic-class=voice';
/** RFC 2869 §5.16: an interval below 60 seconds must not be used. */
export const LEAST_INTERIM_S = 60;
