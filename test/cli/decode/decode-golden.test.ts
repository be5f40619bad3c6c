/**
 * `castgate decode` against captures of real programs and against damaged ones, frame by frame and field by
 * field. The expectations come from tshark and from a second, strict reading (`strict`). Where castgate
 * differs on purpose, the table of this file says on which frames, and by which text.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../../cli/decode/capture-file.ts';
import { FrameDecoder, type FrameRecord } from '../../../cli/decode/frame-decoder.ts';

const FOLDER = new URL('../../../../shared/captures/', import.meta.url).pathname;

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Expected = { readonly [key: string]: Json } & {
  readonly frame: number;
  readonly malformed: boolean;
  readonly strict?: readonly string[];
};

/** Notes of the strict reading that say what a decoder sees and not that it refuses. */
const NOTES: readonly [RegExp, string][] = [
  [/^igmp: type 0x/, 'RFC 9776 §4: unrecognized types are ignored, which is no damage'],
  [/^(igmp|mld): record type /, 'RFC 9776 §4.2.13: unrecognized record types are ignored, the others stand'],
  [/^(igmp|mld): \d+ bytes after the last record/, 'RFC 9776 §4.2.11: ignored'],
  [/^radius: \d+ bytes of padding/, 'RFC 2865 §3: ignored'],
  [/^radius: attribute \d+ empty/, 'RFC 2865 §5 lets a server refuse it; castgate judges lengths in replies'],
  [/^igmp: ttl /, 'RFC 9776 §4 binds the sender'],
];

/** Frames that castgate refuses and the expectations let pass: capture, reason, why. */
const REFUSED_MORE: readonly [RegExp, RegExp, string][] = [
  [/mutated-eapol/, /^eapol-unknown-type$/, '802.1X-2020 §11.4: an unknown packet type is discarded'],
  [/mutated-igmp/, /^igmp-group-not-multicast$/, 'RFC 9776 §4.1.3: a group, or zero, in a query'],
  [/mutated-mld/, /^mld-group-not-multicast$/, 'RFC 9777 §5.1.5: a group, or zero, in a query'],
  [/mutated-igmp/, /^igmp-short$/, 'nothing at all behind the IP header'],
  [
    /mld|suricata-smb2|zeek-nd/,
    /^mld-source-not-link-local$/,
    'RFC 9777 §5.2.14: a report from :: is discarded',
  ],
  [
    /radius-foreign/,
    /^radius-attribute-bad-length$/,
    'RFC 2865 §5: a reply with an attribute of wrong length',
  ],
  [/tcpdump-bad|39-byte|oobr/, /^ipv[46]-(short|bad)-/, 'crashers: the IP header itself is damaged'],
];

/** Captures whose packets stand in a tunnel, or go by a source route: tshark shows what is inside or at the end. */
const INNER_SHOWN = /ndpi-capwap|pcpp-ipv4-options\.pcap#[67]$/;

/** What tshark's file lacks or has in another form. */
const UNCOMPARED: readonly RegExp[] = [
  // tshark sums the first eight octets of an IGMPv1 or v2 message; RFC 9776 §4.1.2 has the whole payload summed.
  /^mutated\/mutated-igmp\.pcap#\d+ igmp\.checksum_ok$/,
  // Of a Nak the expectations keep one type; the first is compared.
  / eap\.desired_types$/,
  // The identity of EAP-SIM is the method's own matter.
  /^public\/tcpdump-eapon1\.pcap#\d+ eap\.identity(_hex)?$/,
  // tshark stops at the first attribute that its own dissector does not like.
  /^public\/freeradius-radius-foreign\.pcap#\d+ radius\.attributes$/,
  // An unknown type: nothing is shown but type and checksum.
  /^mutated\/mutated-igmp\.pcap#136 igmp\./,
];

const SECRETS: readonly [RegExp, string][] = [
  [/^recorded\//, 'lab-secret-1'],
  [/chewie-radius/, 'SECRET'],
];

async function decodeAll(name: string): Promise<FrameRecord[]> {
  const decoder = new FrameDecoder(SECRETS.find(([pattern]) => pattern.test(name))?.[1]);
  const records: FrameRecord[] = [];
  await readCapture(`${FOLDER}${name}`, (frame) => records.push(decoder.decode(frame)));
  return records;
}

/** Every difference between one frame and what is expected of it, a line each. */
function differences(name: string, expected: Expected, got: FrameRecord): string[] {
  const where = `${name}#${expected.frame}`;
  const lines: string[] = [];
  const compare = (path: string, want: unknown, have: unknown) => {
    if (UNCOMPARED.some((pattern) => pattern.test(`${where} ${path}`))) return;
    const [a, b] = [JSON.stringify(want), JSON.stringify(have)];
    if (a !== b) lines.push(`${where} ${path}: expected ${a}, got ${b}`);
  };
  const refused = got.malformed !== false;
  for (const key of ['frame', 'len', 'caplen', 'time', 'eth', 'vlan', 'tcp', 'eapol'] as const) {
    compare(key, expected[key], got[key]);
  }
  const brokenIp = refused && /^ipv[46]-/.test(got.malformed);
  if (!INNER_SHOWN.test(where) && !brokenIp) compare('ip', expected['ip'], got.ip);
  if (!brokenIp) compare('udp', expected['udp'], got.udp);
  lines.push(...verdict(name, where, expected, got));
  for (const key of ['eap', 'igmp', 'mld', 'radius'] as const) {
    const want = expected[key] as Record<string, Json> | undefined;
    const have = got[key] as Record<string, unknown> | undefined;
    if (want === undefined || INNER_SHOWN.test(name)) continue;
    // Of a refused frame castgate shows less than tshark does, but nothing else.
    if (have === undefined && refused) continue;
    if (have === undefined) lines.push(`${where} ${key}: expected, but not there`);
    for (const [field, value] of Object.entries(want)) {
      if (field === 'attributes') {
        if (!refused)
          compare('radius.attributes', value && attributes(value), attributes(have?.['attributes']));
      } else if (field === 'eap') {
        if (!refused) compare('radius.eap', value, firstDesired(have?.['eap'], value));
      } else if (NEIGHBOURS.has(field) && !name.startsWith('recorded/')) {
      } else if (have !== undefined && (field in have || !refused)) {
        compare(`${key}.${field}`, field === 'records' ? whole(value) : value, have[field]);
      }
    }
  }
  const nak = (expected['eap'] as { desired_types?: readonly number[] } | undefined)?.desired_types;
  if (nak !== undefined && !refused && got.eap?.desired_types?.[0] !== nak[0]) lines.push(`${where}: Nak`);
  return lines;
}

/** Malformed exactly where the strict reading refuses, but for the tables above. */
function verdict(name: string, where: string, expected: Expected, got: FrameRecord): string[] {
  const notes = expected.strict ?? [];
  const refusals = notes.filter((note) => !NOTES.some(([pattern]) => pattern.test(note)));
  const { malformed } = got;
  if (refusals.length > 0) {
    if (malformed === false) return [`${where}: to be refused for ${refusals.join('; ')}`];
    const wrong = refusals.every((note) => !fits(note, malformed));
    return wrong ? [`${where}: refused for ${malformed}, expected ${refusals.join('; ')}`] : [];
  }
  if (malformed === false) return [];
  const known = REFUSED_MORE.some(([capture, reason]) => capture.test(name) && reason.test(malformed));
  return known ? [] : [`${where}: refused for ${malformed}, expected to pass`];
}

/** A note and a reason are of one layer. */
function fits(note: string, reason: string): boolean {
  return reason.startsWith(note.slice(0, note.indexOf(':')));
}

/** tshark reads octets behind the last record as one more, without a group. */
function whole(records: unknown): unknown {
  return (records as { group: string | null }[]).filter(({ group }) => group !== null);
}

function attributes(list: unknown): unknown {
  return (list as { type: number; value: string; vendor?: number }[] | undefined)?.map(
    ({ type, value, vendor }) => [type, value, vendor ?? null],
  );
}

function firstDesired(have: unknown, want: unknown): unknown {
  if (typeof have !== 'object' || have === null || !('desired_types' in have)) return have;
  const types = (want as { desired_types?: unknown }).desired_types;
  return Array.isArray(types) && types.length === 1 ? { ...have, desired_types: types } : have;
}

function captures(): string[] {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' });
  return files.filter((name) => name.endsWith('.pcap')).sort();
}

const NEIGHBOURS: ReadonlySet<string> = new Set(['reply_to_frame', 'duplicate_of_frame']);

describe.skipIf(!existsSync(FOLDER))(
  'decode against the recorded captures (skipped where they are not there)',
  () => {
    const names = existsSync(FOLDER) ? captures() : [];

    it('finds them', () => {
      expect(names.length).toBeGreaterThan(100);
    });

    it.each(names)('%s', async (name) => {
      const path = `${FOLDER}${name.replace(/\.pcap$/, '.expected.json')}`;
      const expected = JSON.parse(readFileSync(path, 'utf8')) as Expected[];
      const got = await decodeAll(name);
      expect(got.length).toBe(expected.length);
      const lines = expected.flatMap((frame, i) => {
        const record = got[i];
        return record === undefined ? [`no frame ${frame.frame}`] : differences(name, frame, record);
      });
      expect(lines).toEqual([]);
    });
  },
);
