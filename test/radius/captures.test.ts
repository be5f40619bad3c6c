/**
 * Recorded packets of real programs against the golden files beside them: attributes, and every statement about
 * a signature. Needs ../shared/captures; without it the tests are skipped.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eapMessage } from '../../radius/attributes.ts';
import { decodeRadius } from '../../radius/packet.ts';
import { authenticity } from '../../radius/sign.ts';
import { toHex } from '../../wire/bytes.ts';
import { utf8 } from './arbitraries.ts';

const CAPTURES = new URL('../../../shared/captures/', import.meta.url);
const LAB_SECRET = utf8('lab-secret-1');

/** Codes that ask; all others answer. */
const REQUESTS: ReadonlySet<number> = new Set([1, 4, 12, 40, 43]);

interface GoldenRadius {
  readonly code: number;
  readonly id: number;
  readonly length: number;
  readonly authenticator: string;
  readonly attributes: readonly { readonly type: number; readonly value: string }[];
  readonly reply_to_frame?: number;
  readonly authenticator_ok?: boolean;
  readonly message_authenticator_ok?: boolean;
  readonly eap?: { readonly length: number };
}

interface GoldenFrame {
  readonly frame: number;
  readonly radius?: GoldenRadius;
  readonly strict?: readonly string[];
  readonly malformed: boolean;
}

/** The UDP payloads of a classic little-endian capture on Ethernet, by frame number; no payload: undefined. */
function udpPayloads(path: URL): (Uint8Array | undefined)[] {
  const file = readFileSync(path);
  const payloads: (Uint8Array | undefined)[] = [undefined];
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const frame = file.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const ipv6 = frame.readUInt16BE(12) === 0x86dd;
    const udp = 14 + (ipv6 ? 40 : ((frame[14] ?? 0) & 0x0f) * 4);
    const protocol = ipv6 ? frame[20] : frame[23];
    payloads.push(protocol === 17 ? frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)) : undefined);
  }
  return payloads;
}

function golden(path: URL): readonly GoldenFrame[] {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const there = existsSync(CAPTURES);
const recorded = there
  ? readdirSync(new URL('recorded/', CAPTURES)).filter(
      (name) => /-radius\.pcap$/.test(name) && !/tcp/.test(name),
    )
  : [];

describe.skipIf(!there)('recorded RADIUS (skipped where ../shared/captures is not there)', () => {
  it('finds the captures', () => {
    expect(recorded.length).toBeGreaterThan(25);
  });

  it.each(recorded)('%s: attributes and every *_ok flag agree', (name) => {
    const payloads = udpPayloads(new URL(`recorded/${name}`, CAPTURES));
    const frames = golden(new URL(`recorded/${name.replace('.pcap', '.expected.json')}`, CAPTURES));
    let compared = 0;
    for (const { frame, radius, strict } of frames) {
      const bytes = payloads[frame];
      if (radius === undefined || bytes === undefined || strict !== undefined) continue;
      const packet = decodeRadius(bytes);
      if ('malformed' in packet) throw new Error(`frame ${frame}: ${packet.malformed}`);
      expect({ ...packet, authenticator: toHex(packet.authenticator), attributes: undefined }).toMatchObject({
        code: radius.code,
        id: radius.id,
        authenticator: radius.authenticator,
      });
      expect(packet.attributes.map(({ type, value }) => ({ type, value: toHex(value) }))).toEqual(
        radius.attributes.map(({ type, value }) => ({ type, value })),
      );
      if (radius.eap !== undefined) expect(eapMessage(packet.attributes)).toHaveLength(radius.eap.length);
      // The golden file pairs no reply to Status-Server: there the last request with that identifier counts.
      const before = payloads.findLastIndex(
        (p, i) => i < frame && p !== undefined && REQUESTS.has(p[0] ?? 0) && p[1] === radius.id,
      );
      const request = REQUESTS.has(radius.code) ? undefined : payloads[radius.reply_to_frame ?? before];
      expect(authenticity(bytes, LAB_SECRET, request?.subarray(4, 20)), `frame ${frame}`).toEqual({
        authenticatorOk: radius.authenticator_ok,
        messageAuthenticatorOk: radius.message_authenticator_ok,
      });
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });

  it('mutated-radius.pcap: refuses what a strict reader must, and nothing else', () => {
    const payloads = udpPayloads(new URL('mutated/mutated-radius.pcap', CAPTURES));
    const frames = golden(new URL('mutated/mutated-radius.expected.json', CAPTURES));
    // Octets behind the packet and attributes without octets are noted there, but no reason to refuse.
    const harmless = /of padding after the packet|attribute \d+ empty$/;
    const refusals = frames.map(({ frame, strict }) => ({
      frame,
      refused: (strict ?? []).some((note) => !harmless.test(note)),
    }));
    const found = frames.map(({ frame }) => ({
      frame,
      refused: 'malformed' in decodeRadius(payloads[frame] ?? new Uint8Array()),
    }));
    expect(found).toEqual(refusals);
    expect(refusals.filter(({ refused }) => refused).length).toBeGreaterThan(80);
  });

  it.each(['public', 'recorded', 'mutated'])(
    '%s: no octets of any capture make the decoder throw',
    (folder) => {
      const base = new URL(`${folder}/`, CAPTURES);
      for (const name of readdirSync(base).filter((file) => /radius.*\.pcap$/.test(file))) {
        for (const bytes of udpPayloads(new URL(name, base))) {
          if (bytes === undefined) continue;
          expect(decodeRadius(bytes)).toBeTypeOf('object');
          expect(authenticity(bytes, LAB_SECRET, new Uint8Array(16))).toBeTypeOf('object');
        }
      }
    },
  );
});
