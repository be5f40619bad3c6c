import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinkType } from '../../../cli/decode/capture-file.ts';
import { describeFrame } from '../../../cli/decode/decode.ts';
import { FrameDecoder } from '../../../cli/decode/frame-decoder.ts';
import { decodeLink } from '../../../cli/decode/link-layer.ts';
import { RadiusStreams, readTcp } from '../../../cli/decode/radius-streams.ts';
import { fromHex, toHex } from '../../../wire/bytes.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { encodeIpv4 } from '../../../wire/ipv4.ts';
import { encodeIpv6 } from '../../../wire/ipv6.ts';
import { encodeUdp } from '../../../wire/udp.ts';
import { ownCaptures, SECRET } from './own-captures.ts';

const LINKS: readonly LinkType[] = ['ethernet', 'linux-sll', 'linux-sll2', 'raw-ip'];

function captured(data: Uint8Array, linkType: LinkType = 'ethernet', number = 1, timeUs = 0) {
  return { number, timeUs, linkType, capturedLength: data.length, length: data.length, data };
}

function decode(data: Uint8Array, linkType: LinkType = 'ethernet') {
  return new FrameDecoder(SECRET).decode(captured(data, linkType));
}

function ethernet(etherType: number, payload: Uint8Array): Uint8Array {
  return encodeEthernet({ dst: '02:00:00:00:00:01', src: '02:00:00:00:00:02', etherType, payload });
}

function udp(srcPort: number, dstPort: number, payload: Uint8Array): Uint8Array {
  const [src, dst] = ['192.0.2.1', '192.0.2.2'];
  const datagram = encodeUdp({ src, dst, srcPort, dstPort, payload });
  return ethernet(EtherType.Ipv4, encodeIpv4({ src, dst, ttl: 64, protocol: 17, payload: datagram }));
}

const hex = (text: string) => fromHex(text) ?? new Uint8Array();

describe('link layers', () => {
  it('brings all to the form of Ethernet', () => {
    const payload = hex('4500');
    expect(decodeLink('linux-sll', hex('0004 0001 0006 020000000001 0000 0800 4500'))).toEqual({
      dst: '00:00:00:00:00:00',
      src: '02:00:00:00:00:01',
      vlans: [],
      etherType: 0x0800,
      payload,
    });
    expect(decodeLink('linux-sll2', hex('86dd 0000 00000003 0001 00 06 020000000001 0000 60'))).toMatchObject(
      {
        src: '02:00:00:00:00:01',
        etherType: 0x86dd,
      },
    );
    expect(decodeLink('raw-ip', payload)).toMatchObject({ etherType: 0x0800, payload });
    expect(decodeLink('raw-ip', hex('60'))).toMatchObject({ etherType: 0x86dd });
    const tagged = decodeLink('linux-sll', hex('0004 0001 0006 020000000001 0000 8100 002a 888e 02'));
    expect(tagged).toMatchObject({ vlans: [{ id: 42 }], etherType: 0x888e, payload: hex('02') });
  });

  it('refuses cut headers and IP of no version', () => {
    expect(decodeLink('linux-sll', new Uint8Array(15))).toMatchObject({ malformed: 'ethernet-short-header' });
    expect(decodeLink('linux-sll2', new Uint8Array(19))).toMatchObject({
      malformed: 'ethernet-short-header',
    });
    expect(decodeLink('raw-ip', hex('50'))).toMatchObject({ malformed: 'ipv4-bad-version' });
    expect(decodeLink('raw-ip', new Uint8Array(0))).toMatchObject({ malformed: 'ipv4-bad-version' });
  });
});

describe('frames', () => {
  it('never throw, whatever the octets, and a line never steers a terminal', () => {
    const etherType = fc.constantFrom(0x0800, 0x86dd, 0x888e, 0x8100);
    fc.assert(
      fc.property(
        fc.constantFrom(...LINKS),
        etherType,
        fc.uint8Array({ maxLength: 200 }),
        (link, type, bytes) => {
          for (const record of [decode(bytes, link), decode(ethernet(type, bytes))]) {
            const line = describeFrame(record);
            expect(line).not.toMatch(/[\p{Cc}]/u);
            expect(JSON.stringify(record)).not.toContain('\n');
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never throw on RADIUS ports, nor on any truncation of our own captures', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1812, 1813, 3799), (bytes, port) => {
        expect(decode(udp(40_000, port, bytes))).toMatchObject({ udp: { dst: port } });
      }),
    );
    for (const bytes of ownCaptures().values()) {
      const decoder = new FrameDecoder(SECRET);
      for (let at = 24; at < bytes.length; ) {
        const length = new DataView(bytes.buffer).getUint32(at + 8, true);
        for (let cut = 0; cut <= length; cut++) {
          for (const link of LINKS) {
            const record = decoder.decode(captured(bytes.slice(at + 16, at + 16 + cut), link));
            expect(describeFrame(record)).not.toContain('\n');
          }
        }
        at += 16 + length;
      }
    }
  });

  it('tells the time from the first frame on, also backwards', () => {
    const decoder = new FrameDecoder(undefined);
    const times = [5_000_001, 5_000_002, 8_123_456, 4_999_999].map(
      (timeUs) => decoder.decode(captured(new Uint8Array(0), 'ethernet', 1, timeUs)).time,
    );
    expect(times).toEqual(['0.000000000', '0.000001000', '3.123455000', '-0.000002000']);
  });

  it('shows of a broken header what is there', () => {
    expect(decode(hex('02000000000102000000000288'))).toMatchObject({ malformed: 'ethernet-short-header' });
    expect(decode(ethernet(0x888e, hex('0203')))).toMatchObject({
      eapol: { version: 2, type: 3, length: null },
      malformed: 'eapol-short-header',
    });
    expect(decode(ethernet(0x888e, hex('02000003 020701')))).toMatchObject({ malformed: 'eap-short-header' });
    expect(decode(ethernet(0x888e, hex('02000004 09070004')))).toMatchObject({
      eap: { code: 9, id: 7, length: 4 },
      malformed: 'eap-unknown-code',
    });
    expect(decode(ethernet(0x0800, hex('450000140000400001020000c0000201')))).toMatchObject({
      ip: { version: 4, src: '192.0.2.1', dst: null, ttl: 1 },
      malformed: 'ipv4-short-header',
    });
    expect(decode(ethernet(0x0800, hex('4500')))).toMatchObject({ ip: { src: null, ttl: null } });
    expect(decode(ethernet(0x86dd, hex('60000000')))).toMatchObject({
      ip: { version: 6, src: null, dst: null, ttl: null },
      malformed: 'ipv6-short-header',
    });
    expect(decode(udp(1, 1812, hex('0102')))).toMatchObject({ malformed: 'radius-short-header' });
  });

  it('lets fragments of other protocols pass, and refuses those of its own', () => {
    const parts = { src: '192.0.2.1', dst: '224.0.0.22', ttl: 1, payload: new Uint8Array(16) };
    for (const [protocol, malformed] of [
      [17, false],
      [2, 'ipv4-fragment'],
    ] as const) {
      const packet = encodeIpv4({ ...parts, protocol });
      packet.fill(0x60, 6, 7).fill((packet[10] ?? 0) - 0x20, 10, 11);
      expect(decode(ethernet(0x0800, packet))).toMatchObject({ malformed });
    }
    const ip = { src: 'fe80::1', dst: 'ff02::16', hopLimit: 1, nextHeader: 44 };
    const udp6 = encodeIpv6({ ...ip, payload: hex('1100000100000007') });
    expect(decode(ethernet(0x86dd, udp6))).toMatchObject({ malformed: false });
    const mld = encodeIpv6({ ...ip, payload: hex('3a000001000000078f00') });
    expect(decode(ethernet(0x86dd, mld))).toMatchObject({ malformed: 'ipv6-fragment' });
  });

  it('reads no RADIUS on other ports, nor inside TLS', () => {
    const packet = hex('0101001400000000000000000000000000000000');
    expect(decode(udp(1, 1812, packet)).radius).toBeDefined();
    expect(decode(udp(1645, 9, packet)).radius).toBeDefined();
    expect(decode(udp(1, 5353, packet)).radius).toBeUndefined();
    expect(decode(udp(1, 2083, hex('16fefd0000000000000000004b')))).toMatchObject({ malformed: false });
  });

  it('an empty EAP-Message of an Access-Request is EAP-Start, of an answer it is broken', () => {
    const body = '00000000000000000000000000000000';
    expect(decode(udp(1, 1812, hex(`01010016${body}4f02`)))).toMatchObject({ malformed: false });
    expect(decode(udp(1812, 1, hex(`0b010016${body}4f02`)))).toMatchObject({ malformed: 'eap-short-header' });
  });

  it('makes control characters of an identity visible', () => {
    const eap = hex('0207000c011b5b324a0a7f9b');
    const line = describeFrame(decode(ethernet(0x888e, Uint8Array.of(2, 0, 0, 12, ...eap))));
    expect(line).toContain('Identity "\\x1b[2J\\x0a\\x7f');
  });

  it('says how much of a frame was captured', () => {
    const frame = { ...captured(ethernet(0x88cc, hex('00'))), length: 400 };
    expect(describeFrame(new FrameDecoder(undefined).decode(frame))).toContain('EtherType 0x88cc [15 of 400');
  });
});

describe('RADIUS streams', () => {
  const packet = (id: number) => hex(`05${toHex(Uint8Array.of(id))}0014${'00'.repeat(16)}`);
  const segment = (sequence: number, payload: Uint8Array) => ({ srcPort: 1, dstPort: 2, sequence, payload });

  it('reads a TCP header with options, and none that is cut', () => {
    const header = `0001000200000007000000006018 0000 0000 0000`.replaceAll(' ', '');
    expect(readTcp(hex(`${header}01010101abcd`))).toEqual(segment(7, hex('abcd')));
    expect(readTcp(hex(header))).toBeUndefined();
    expect(readTcp(hex(header).subarray(0, 19))).toBeUndefined();
    expect(readTcp(hex(header.replace('6018', '4018')))).toBeUndefined();
  });

  it('cuts packets at any places', () => {
    const both = Uint8Array.of(...packet(1), ...packet(2), ...packet(3));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: both.length - 1 })),
        fc.nat(2 ** 32 - 1),
        (cuts, start) => {
          const streams = new RadiusStreams();
          const found: Uint8Array[] = [];
          const places = [0, ...cuts.sort((a, b) => a - b), both.length];
          for (let i = 0; i + 1 < places.length; i++) {
            const from = places[i] ?? 0;
            const part = segment((start + from) % 2 ** 32, both.subarray(from, places[i + 1]));
            found.push(...streams.take('a', part));
            // Sent again: nothing new.
            expect(streams.take('a', part)).toEqual([]);
          }
          expect(found).toEqual([packet(1), packet(2), packet(3)]);
        },
      ),
    );
  });

  it('takes what is new of a segment that overlaps', () => {
    const streams = new RadiusStreams();
    const both = Uint8Array.of(...packet(1), ...packet(2));
    expect(streams.take('a', segment(100, both.subarray(0, 30)))).toEqual([packet(1)]);
    expect(streams.take('a', segment(110, both.subarray(10)))).toEqual([packet(2)]);
  });

  it('begins anew after a gap, and keeps directions apart', () => {
    const streams = new RadiusStreams();
    expect(streams.take('a', segment(0, packet(1).subarray(0, 12)))).toEqual([]);
    expect(streams.take('b', segment(0, packet(9)))).toEqual([packet(9)]);
    expect(streams.take('a', segment(500, packet(2)))).toEqual([packet(2)]);
  });

  it('gives what cannot be a packet once, and begins anew', () => {
    const streams = new RadiusStreams();
    expect(streams.take('a', segment(0, hex('05010013aa')))).toEqual([hex('05010013aa')]);
    expect(streams.take('a', segment(5, packet(2)))).toEqual([packet(2)]);
  });
});
