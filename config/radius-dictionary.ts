/**
 * Names and readable values of RADIUS attributes, for the log, `castgate show` and `castgate decode`; no
 * decision is made by them. The dictionary of the `radius` package knows the standard attributes; those of
 * vendors that castgate speaks to, and a few newer ones, are in the table here. The package is kept to what
 * it does well: it is loaded once, and reads only values that were cut out by our own decoder, one at a time.
 */
import { createRequire } from 'node:module';
import { addressOf, decodeVendorSpecific, integerOf } from '../radius/attributes.ts';
import { u8, u32 } from '../wire/bytes.ts';

/** An attribute for people. */
export interface NamedAttribute {
  /** `User-Name`, `H3C-IPv4-Multicast-Receive-Group`, `Attr-250`, `Vendor-9-Attr-1`. */
  readonly name: string;
  /** Secrets read `<hidden>`; octets that are no text are `0x…`. */
  readonly text: string;
}

/** The name of a packet code, `Code-99` for an unknown one. */
export function packetName(code: number): string {
  return CODES[code] ?? `Code-${code}`;
}

/** The name of an attribute, of a vendor's where one is given. */
export function attributeName(type: number, vendor?: number): string {
  const own = OWN.get(vendor ?? 0)?.[type];
  if (own !== undefined) return own[0];
  if (vendor !== undefined) return `Vendor-${vendor}-Attr-${type}`;
  return loaded().attr_id_to_name(type) ?? `Attr-${type}`;
}

/** Name and readable value of one attribute. Never throws; a value that does not fit its type reads as octets. */
export function describeAttribute(type: number, value: Uint8Array, vendor?: number): NamedAttribute {
  const name = attributeName(type, vendor);
  if (vendor === undefined && HIDDEN.has(type)) return { name, text: '<hidden>' };
  const own = OWN.get(vendor ?? 0)?.[type];
  if (own !== undefined) return { name, text: FORMS[own[1]](value) };
  return { name, text: vendor === undefined ? standardValue(name, type, value) : octets(value) };
}

/** Every attribute of a packet in order; a vendor's attributes each by themselves. */
export function describeAttributes(
  attributes: readonly { readonly type: number; readonly value: Uint8Array }[],
): NamedAttribute[] {
  return attributes.flatMap(({ type, value }) => {
    if (type !== VENDOR_SPECIFIC || value.length < 4) return [describeAttribute(type, value)];
    const inner = decodeVendorSpecific(value);
    if ('malformed' in inner) return [{ name: `Vendor-${u32(value, 0)}`, text: octets(value.subarray(4)) }];
    return inner.attributes.map((each) => describeAttribute(each.type, each.value, inner.vendor));
  });
}

/** What is used of the package, which has no types of its own. */
interface RadiusPackage {
  load_dictionaries(): void;
  attr_id_to_name(type: number): string | undefined;
  decode_without_secret(args: { packet: Buffer }): { attributes: Readonly<Record<string, unknown>> };
}

let radiusPackage: RadiusPackage | undefined;

function loaded(): RadiusPackage {
  if (radiusPackage === undefined) {
    const required: RadiusPackage = createRequire(import.meta.url)('radius');
    required.load_dictionaries();
    radiusPackage = required;
  }
  return radiusPackage;
}

/** The value as the package reads it out of a packet with nothing else in it. */
function standardValue(name: string, type: number, value: Uint8Array): string {
  if (value.length > 253) return octets(value);
  const packet = Buffer.alloc(22 + value.length);
  packet.set([1, 0, packet.length >> 8, packet.length & 0xff]);
  packet.set([type, 2 + value.length], 20);
  packet.set(value, 22);
  try {
    const read = loaded().decode_without_secret({ packet }).attributes[name];
    if (!Array.isArray(read)) return readable(read, value, 4);
    const tag = Number(read[0]);
    return `${readable(read[1], value.subarray(1), 3)}${tag === 0 ? '' : ` (tag ${tag})`}`;
  } catch {
    // The package throws for the whole packet where one value is too short.
    return octets(value);
  }
}

/** `numberLength`: the octets of an integer, which the package reads also out of longer values. */
function readable(read: unknown, value: Uint8Array, numberLength: number): string {
  if (typeof read === 'string' && read === LENIENT_UTF8.decode(value)) return text(value);
  if (value.length !== numberLength) return octets(value);
  if (read instanceof Date) return read.toISOString();
  return typeof read === 'string' || typeof read === 'number' ? String(read) : octets(value);
}

function text(value: Uint8Array): string {
  try {
    const decoded = STRICT_UTF8.decode(value);
    return /[\p{Cc}\p{Cf}]/u.test(decoded) ? octets(value) : decoded;
  } catch {
    return octets(value);
  }
}

function octets(value: Uint8Array): string {
  const shown = Array.from(value.subarray(0, SHOWN_OCTETS), (_, i) =>
    u8(value, i).toString(16).padStart(2, '0'),
  );
  return `0x${shown.join('')}${value.length > SHOWN_OCTETS ? `… (${value.length} octets)` : ''}`;
}

type Form = 'text' | 'integer' | 'address' | 'octets' | 'hidden';
const FORMS: Readonly<Record<Form, (value: Uint8Array) => string>> = {
  text,
  octets,
  integer: (value) => String(integerOf(value) ?? octets(value)),
  address: (value) => addressOf(value) ?? octets(value),
  hidden: () => '<hidden>',
};

const LENIENT_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Enough for a line of a log. */
const SHOWN_OCTETS = 64;
const VENDOR_SPECIFIC = 26;
/** User-Password, CHAP-Password, Tunnel-Password, ARAP-Password: hidden octets can be guessed at off line. */
const HIDDEN: ReadonlySet<number> = new Set([2, 3, 69, 70]);

type OwnNames = Readonly<Record<number, readonly [name: string, form: Form]>>;
/** By vendor; 0 holds standard attributes that the package lacks or leaves as octets (RFC 3162, 6911, 7268). */
const OWN: ReadonlyMap<number, OwnNames> = new Map<number, OwnNames>([
  [
    0,
    {
      95: ['NAS-IPv6-Address', 'address'],
      98: ['Login-IPv6-Host', 'address'],
      168: ['Framed-IPv6-Address', 'address'],
      169: ['DNS-Server-IPv6-Address', 'address'],
      171: ['Delegated-IPv6-Prefix-Pool', 'text'],
      174: ['Allowed-Called-Station-Id', 'text'],
      175: ['EAP-Peer-Id', 'text'],
      176: ['EAP-Server-Id', 'text'],
    },
  ],
  [
    311,
    {
      16: ['MS-MPPE-Send-Key', 'hidden'],
      17: ['MS-MPPE-Recv-Key', 'hidden'],
      7: ['MS-MPPE-Encryption-Policy', 'integer'],
      8: ['MS-MPPE-Encryption-Types', 'integer'],
      1: ['MS-CHAP-Response', 'hidden'],
      2: ['MS-CHAP-Error', 'octets'],
      10: ['MS-CHAP-Domain', 'octets'],
      11: ['MS-CHAP-Challenge', 'octets'],
      25: ['MS-CHAP2-Response', 'hidden'],
      26: ['MS-CHAP2-Success', 'octets'],
    },
  ],
  [
    2011,
    {
      37: ['Huawei-IGMP-Enable', 'integer'],
      93: ['Huawei-Multicast-Profile', 'text'],
      97: ['Huawei-Multicast-Source-Group', 'text'],
      98: ['Huawei-Multicast-Receive-Group', 'address'],
      99: ['Huawei-User-Multicast-Type', 'integer'],
    },
  ],
  [
    25506,
    {
      98: ['H3C-IPv4-Multicast-Receive-Group', 'address'],
      100: ['H3C-IPv6-Multicast-Receive-Group', 'address'],
      101: ['H3C-MLD-Access-Limit', 'integer'],
      103: ['H3C-IGMP-Access-Limit', 'integer'],
      140: ['H3C-User-Group', 'text'],
    },
  ],
  [11344, { 1: ['FreeRADIUS-Proxied-To', 'address'] }],
]);

const CODES: Readonly<Record<number, string>> = {
  1: 'Access-Request',
  2: 'Access-Accept',
  3: 'Access-Reject',
  4: 'Accounting-Request',
  5: 'Accounting-Response',
  11: 'Access-Challenge',
  12: 'Status-Server',
  13: 'Status-Client',
  40: 'Disconnect-Request',
  41: 'Disconnect-ACK',
  42: 'Disconnect-NAK',
  43: 'CoA-Request',
  44: 'CoA-ACK',
  45: 'CoA-NAK',
};
