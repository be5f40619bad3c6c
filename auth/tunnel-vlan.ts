/**
 * The VLAN of an Access-Accept: Tunnel-Type VLAN, Tunnel-Medium-Type IEEE-802 and Tunnel-Private-Group-ID, tied
 * together by the tag of RFC 2868 §3 (RFC 3580 §3.31). Exactly one whole tunnel is taken; what is incomplete, of
 * another kind or of another medium is no VLAN that castgate could give, and the accept is then a reject.
 */
import { AttributeType, textOf } from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import { TUNNEL_MEDIUM_TYPE_IEEE_802, TUNNEL_TYPE_VLAN } from '../radius/values.ts';

/** The VLAN, 1 to 4094; undefined where the accept names no tunnel at all; 'unusable' where it cannot be read. */
export function tunnelVlan(attributes: readonly RadiusAttribute[]): number | 'unusable' | undefined {
  const tunnels = new Map<number, Tunnel>();
  for (const { type, value } of attributes) {
    const known = TUNNEL_ATTRIBUTES.has(type);
    if (!known) continue;
    const tagged = split(type, value);
    if (tagged === undefined) return 'unusable';
    const tunnel = tunnels.get(tagged.tag) ?? {};
    if (tunnel[tagged.part] !== undefined) return 'unusable';
    tunnels.set(tagged.tag, { ...tunnel, [tagged.part]: tagged.value });
  }
  if (tunnels.size === 0) return undefined;
  const [only, ...others] = tunnels.values();
  if (only === undefined || others.length > 0) return 'unusable';
  if (only.type !== TUNNEL_TYPE_VLAN || only.medium !== TUNNEL_MEDIUM_TYPE_IEEE_802) return 'unusable';
  return vlanOf(only.group);
}

/** True for the attributes that tunnelVlan reads. */
export function isTunnelAttribute(type: number): boolean {
  return TUNNEL_ATTRIBUTES.has(type);
}

interface Tunnel {
  readonly type?: number | string;
  readonly medium?: number | string;
  readonly group?: number | string;
}

interface Tagged {
  readonly tag: number;
  readonly part: keyof Tunnel;
  readonly value: number | string;
}

/** Tag and value: an octet and three for numbers, an octet that is there only up to 0x1f for text. */
function split(type: number, value: Uint8Array): Tagged | undefined {
  const [first = 0] = value;
  if (type === AttributeType.TunnelPrivateGroupId) {
    const hasTag = first <= GREATEST_TAG && value.length > 0;
    return { tag: hasTag ? first : 0, part: 'group', value: textOf(hasTag ? value.subarray(1) : value) };
  }
  if (value.length !== 4 || first > GREATEST_TAG) return undefined;
  const number = ((value[1] ?? 0) << 16) | ((value[2] ?? 0) << 8) | (value[3] ?? 0);
  return { tag: first, part: type === AttributeType.TunnelType ? 'type' : 'medium', value: number };
}

function vlanOf(group: number | string | undefined): number | 'unusable' {
  if (typeof group !== 'string' || !/^[1-9]\d{0,3}$/.test(group)) return 'unusable';
  const vlan = Number(group);
  return vlan <= GREATEST_VLAN ? vlan : 'unusable';
}

const TUNNEL_ATTRIBUTES: ReadonlySet<number> = new Set([
  AttributeType.TunnelType,
  AttributeType.TunnelMediumType,
  AttributeType.TunnelPrivateGroupId,
]);
const GREATEST_TAG = 0x1f;
const GREATEST_VLAN = 4094;
