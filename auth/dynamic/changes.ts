/**
 * What a CoA-Request wants changed (RFC 5176 §2.2), read as a whole before anything is done: one attribute that
 * castgate cannot carry out refuses the request (§3). Sessions: Session-Timeout with Termination-Action,
 * Idle-Timeout, Class, filter (Filter-Id, NAS-Filter-Rule), VLAN (RFC 3580 §3.31). Commands and channels: Cisco-AVPair, with groups in the vendors' attributes; how many
 * channels at one time: H3C's 101 and 103, Ericsson's 35, castgate's 7; and kbit/s: castgate's 8.
 *
 *   subscriber:command=reauthenticate | bounce-host-port | disable-host-port
 *   castgate:channels=grant | revoke    the groups of the packet; without the pair they are granted,
 *                                       and a revoke without groups is one of all channels
 */
import {
  AttributeType,
  addressOf,
  decodeVendorSpecific,
  integerOf,
  textOf,
} from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import {
  CastgateAttribute,
  CISCO_AVPAIR,
  EricssonAttribute,
  ErrorCause,
  EXAMPLE_VENDOR,
  H3cAttribute,
  HuaweiAttribute,
  TerminationAction,
  Vendor,
} from '../../radius/values.ts';
import type { SessionFilter } from '../../session/filter-rule.ts';
import type { SessionRights } from '../../session/records.ts';
import { type IpAddress, isMulticastIp } from '../../wire/address.ts';
import type { AcceptOptions } from '../access-accept.ts';
import { isFilterRefusal, readFilter } from '../filter/filter-attributes.ts';
import { isTunnelAttribute, tunnelVlan } from '../tunnel-vlan.ts';

/** Rights to channels: granted or revoked. `groups` undefined: all that there are. */
export interface ChannelChange {
  readonly verb: 'grant' | 'revoke';
  readonly groups: readonly IpAddress[] | undefined;
}

/** What a CoA-Request asks for. Undefined: to be left as it is. */
export interface Changes {
  readonly session: SessionChange | undefined;
  readonly channels: ChannelChange | undefined;
  /** Take the link of the port down: for a moment, or until somebody sets it up again. */
  readonly port: 'bounce' | 'disable' | undefined;
  readonly reauthenticate: boolean;
}

/** How much an account may receive at one time; what is left out stays as it is. */
export type ChannelCounts = Partial<
  Pick<SessionRights, 'maxGroups' | 'maxGroups4' | 'maxGroups6' | 'maxKbps'>
>;

/** New terms of a session. */
export interface SessionChange {
  /** From now on; `next`: what Session-Timeout means at its end (RFC 2865 §5.29). */
  readonly timeout: { readonly ms: number; readonly next: 'end' | 'reauthenticate' } | undefined;
  readonly classes: readonly Uint8Array[] | undefined;
  readonly idleMs?: number | undefined;
  /** What is received at one time: channels beyond it end. */
  readonly limits?: ChannelCounts | undefined;
  /** Rights to channels in place of those of the login. */
  readonly rights?: SessionRights | undefined;
  /** In place of the one that it has; 'none': anything may pass. */
  readonly filter?: SessionFilter | 'none' | undefined;
  /** The VLAN that the port is put into, 1 to 4094. */
  readonly vlan?: number | undefined;
}

/** Reads the attributes that are left once identification is taken away; a number is the Error-Cause. */
export function readChanges(
  attributes: readonly RadiusAttribute[],
  options: AcceptOptions,
): Changes | ErrorCause {
  const filter = readFilter(attributes, options.filters ?? NO_FILTERS);
  const vlan = tunnelVlan(attributes);
  if (isFilterRefusal(filter) || vlan === 'unusable') return ErrorCause.InvalidAttributeValue;
  if (vlan !== undefined && !options.vlanIsThere(vlan)) return ErrorCause.InvalidAttributeValue;
  const reader = new ChangeReader({ filter, vlan }, options.rights?.nativeVendor ?? EXAMPLE_VENDOR);
  for (const { type, value } of attributes) {
    const refused = reader.take(type, value);
    if (refused !== undefined) return refused;
  }
  return reader.end();
}

class ChangeReader {
  #timeoutS: number | undefined;
  #action: number | undefined;
  #idleS: number | undefined;
  #limits: ChannelCounts | undefined;
  readonly #classes: Uint8Array[] = [];
  readonly #groups: IpAddress[] = [];
  #verb: ChannelChange['verb'] | undefined;
  #port: Changes['port'];
  #reauthenticate = false;
  readonly #whole: Pick<SessionChange, 'filter' | 'vlan'>;
  readonly #nativeVendor: number;

  /** What several attributes say together was read before. */
  constructor(whole: Pick<SessionChange, 'filter' | 'vlan'>, nativeVendor: number) {
    this.#whole = whole;
    this.#nativeVendor = nativeVendor;
  }

  take(type: number, value: Uint8Array): ErrorCause | undefined {
    switch (type) {
      case AttributeType.SessionTimeout:
        this.#timeoutS = integerOf(value);
        return this.#timeoutS === undefined ? ErrorCause.InvalidAttributeValue : undefined;
      case AttributeType.TerminationAction:
        this.#action = integerOf(value);
        return KNOWN_ACTIONS.has(this.#action ?? -1) ? undefined : ErrorCause.InvalidAttributeValue;
      case AttributeType.IdleTimeout:
        this.#idleS = integerOf(value);
        return this.#idleS === undefined ? ErrorCause.InvalidAttributeValue : undefined;
      case AttributeType.Class:
        this.#classes.push(value.slice());
        return undefined;
      case AttributeType.VendorSpecific:
        return this.#takeVendor(value);
      case AttributeType.FilterId:
        // A name that is not there and is to be passed over elsewhere: a change that would change nothing.
        return this.#whole.filter === undefined ? ErrorCause.InvalidAttributeValue : undefined;
      case AttributeType.NasFilterRule:
        return undefined;
      default:
        if (isTunnelAttribute(type)) return undefined;
        return ErrorCause.UnsupportedAttribute;
    }
  }

  end(): Changes | ErrorCause {
    const session = this.#session();
    if (typeof session === 'number') return session;
    const channels = this.#channels();
    if (typeof channels === 'number') return channels;
    const changes: Changes = {
      session,
      channels,
      port: this.#port,
      reauthenticate: this.#reauthenticate,
    };
    const others = session !== undefined || channels !== undefined || this.#reauthenticate;
    // The port's sessions end with its link: there is nothing left to change in them.
    if (this.#port !== undefined && others) return ErrorCause.InvalidRequest;
    return this.#port === undefined && !others ? ErrorCause.MissingAttribute : changes;
  }

  #session(): SessionChange | undefined | ErrorCause {
    const seconds = this.#timeoutS;
    if (this.#action !== undefined && seconds === undefined) return ErrorCause.MissingAttribute;
    const again = this.#action === TerminationAction.RadiusRequest;
    // A session for no time would be a Disconnect-Request.
    if (seconds === 0 && !again) return ErrorCause.InvalidAttributeValue;
    const { filter, vlan } = this.#whole;
    const nothing =
      this.#classes.length === 0 &&
      this.#idleS === undefined &&
      this.#limits === undefined &&
      filter === undefined &&
      vlan === undefined;
    if (seconds === undefined && nothing) return undefined;
    return {
      timeout:
        seconds === undefined ? undefined : { ms: seconds * 1000, next: again ? 'reauthenticate' : 'end' },
      classes: this.#classes.length === 0 ? undefined : this.#classes,
      idleMs: this.#idleS === undefined ? undefined : this.#idleS * 1000,
      limits: this.#limits,
      filter,
      vlan,
    };
  }

  #channels(): ChannelChange | undefined | ErrorCause {
    if (this.#groups.length > 0) return { verb: this.#verb ?? 'grant', groups: this.#groups };
    if (this.#verb === 'grant') return ErrorCause.MissingAttribute;
    return this.#verb === undefined ? undefined : { verb: 'revoke', groups: undefined };
  }

  #takeVendor(value: Uint8Array): ErrorCause | undefined {
    const decoded = decodeVendorSpecific(value);
    if ('malformed' in decoded) return ErrorCause.InvalidRequest;
    for (const attribute of decoded.attributes) {
      const isPair = decoded.vendor === Vendor.Cisco && attribute.type === CISCO_AVPAIR;
      const refused = isPair
        ? this.#takePair(textOf(attribute.value))
        : this.#takeGroup(decoded.vendor, attribute);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #takePair(pair: string): ErrorCause | undefined {
    switch (pair) {
      case 'subscriber:command=reauthenticate':
        this.#reauthenticate = true;
        return undefined;
      // How a switch is to re-authenticate: by what the host last used, which castgate does anyway.
      case 'subscriber:reauthenticate-type=last':
      case 'subscriber:reauthenticate-type=rerun':
        return undefined;
      case 'subscriber:command=bounce-host-port':
        return this.#setPort('bounce');
      case 'subscriber:command=disable-host-port':
        return this.#setPort('disable');
      case 'castgate:channels=grant':
        return this.#setVerb('grant');
      case 'castgate:channels=revoke':
        return this.#setVerb('revoke');
      default:
        return ErrorCause.UnsupportedAttribute;
    }
  }

  #takeGroup(vendor: number, { type, value }: RadiusAttribute): ErrorCause | undefined {
    const limited = vendor === this.#nativeVendor ? NATIVE_LIMITS.get(type) : LIMITS.get(`${vendor}/${type}`);
    if (limited !== undefined) {
      const count = integerOf(value);
      if (count === undefined) return ErrorCause.InvalidAttributeValue;
      this.#limits = { ...this.#limits, [limited]: count };
      return undefined;
    }
    const length = GROUP_LENGTHS.get(`${vendor}/${type}`);
    if (length === undefined) return ErrorCause.UnsupportedAttribute;
    const group = value.length === length ? addressOf(value) : undefined;
    if (group === undefined || !isMulticastIp(group)) return ErrorCause.InvalidAttributeValue;
    if (!this.#groups.includes(group)) this.#groups.push(group);
    return undefined;
  }

  #setPort(port: 'bounce' | 'disable'): ErrorCause | undefined {
    if (this.#port !== undefined && this.#port !== port) return ErrorCause.InvalidRequest;
    this.#port = port;
    return undefined;
  }

  #setVerb(verb: ChannelChange['verb']): ErrorCause | undefined {
    if (this.#verb !== undefined && this.#verb !== verb) return ErrorCause.InvalidRequest;
    this.#verb = verb;
    return undefined;
  }
}

const NO_FILTERS = { named: new Map(), unknown: 'refuse' } as const;
const KNOWN_ACTIONS: ReadonlySet<number> = new Set(Object.values(TerminationAction));
const LIMITS: ReadonlyMap<string, keyof ChannelCounts> = new Map([
  [`${Vendor.H3c}/${H3cAttribute.IgmpAccessLimit}`, 'maxGroups4'],
  [`${Vendor.H3c}/${H3cAttribute.MldAccessLimit}`, 'maxGroups6'],
  [`${Vendor.Ericsson}/${EricssonAttribute.McastMaxGroups}`, 'maxGroups'],
] as const);
const NATIVE_LIMITS: ReadonlyMap<number, keyof ChannelCounts> = new Map([
  [CastgateAttribute.MaxGroups, 'maxGroups'],
  [CastgateAttribute.MaxBandwidth, 'maxKbps'],
] as const);
/** Vendor and attribute to the octets of its address. */
const GROUP_LENGTHS: ReadonlyMap<string, number> = new Map([
  [`${Vendor.H3c}/${H3cAttribute.Ipv4MulticastReceiveGroup}`, 4],
  [`${Vendor.H3c}/${H3cAttribute.Ipv6MulticastReceiveGroup}`, 16],
  [`${Vendor.Huawei}/${HuaweiAttribute.MulticastReceiveGroup}`, 4],
]);
