/** What a standby sees of connections, by the active's records. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConnectionRecord, PlaceRecord } from '../../connection-backup/records.ts';
import { decodeSegment, TcpFlag } from '../../connection-backup/segment.ts';
import { segmentData } from '../../connection-backup/segment-data.ts';
import { plus } from '../../connection-backup/sequence.ts';
import { Tap } from '../../connection-backup/tap.ts';
import { Store } from '../../session/store.ts';
import { concatBytes, putU16, putU32, u8, u16 } from '../../wire/bytes.ts';
import { foldChecksum, internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { encodeIpv4 } from '../../wire/ipv4.ts';
import { encodeIpv6 } from '../../wire/ipv6.ts';

const FROM = 0xffff_fff0;
const ENDS = {
  4: { local: { address: '198.18.0.10', port: 40_000 }, remote: { address: '198.18.0.2', port: 1812 } },
  6: { local: { address: 'fd77::10', port: 40_000 }, remote: { address: 'fd77::2', port: 1812 } },
} as const;

function record(family: 4 | 6 = 4, changes: Partial<ConnectionRecord> = {}): ConnectionRecord {
  return {
    v: 1,
    key: 'c',
    ...ENDS[family],
    sentFrom: 1000,
    receivedFrom: FROM,
    options: { mss: 1460, windowScale: undefined, sack: true, timestamps: false },
    timestamp: { value: 0, at: 0, perMs: 1 },
    peerWindow: 65_535,
    ownWindow: 65_535,
    ...changes,
  };
}

function recordsOf(one: ConnectionRecord, received: number) {
  const connections = new Store<ConnectionRecord>('connections');
  const places = new Store<PlaceRecord>('places');
  connections.put(one.key, one);
  places.put(one.key, { v: 1, key: one.key, received, rest: new Uint8Array(0), acknowledged: 0 });
  return { connections, places };
}

interface Shape {
  readonly family?: 4 | 6;
  readonly flags?: number;
  /** As within one machine: the network card would finish it. */
  readonly unfinished?: boolean;
}

/** A segment from the peer, whose data begins at this position. */
function segment(position: number, data: Uint8Array, shape: Shape = {}): Uint8Array {
  const { family = 4, flags = TcpFlag.Ack, unfinished = false } = shape;
  const { local, remote } = ENDS[family];
  const header = new Uint8Array(20);
  putU16(header, 0, remote.port);
  putU16(header, 2, local.port);
  putU32(header, 4, plus(FROM, position));
  header[12] = 0x50;
  header[13] = flags;
  const payload = concatBytes(header, data);
  const pseudo = pseudoHeaderSum(remote.address, local.address, payload.length, 6);
  const begun = ~foldChecksum(pseudo) & 0xffff;
  putU16(payload, 16, unfinished ? begun : internetChecksum(payload, 0, payload.length, pseudo));
  const ends = { src: remote.address, dst: local.address, payload };
  return family === 4
    ? encodeIpv4({ ...ends, protocol: 6, ttl: 64 })
    : encodeIpv6({ ...ends, nextHeader: 6, hopLimit: 64 });
}

const octets = (...values: number[]) => Uint8Array.from(values);
const seenAll = (awaited: number, family: 4 | 6 = 4) => [{ ...ENDS[family], receivedFrom: FROM, awaited }];

describe('a tap', () => {
  it.each([4, 6] as const)(
    'takes up where the records are, and tells how far it has come (IPv%i)',
    (family) => {
      const tap = new Tap(100);
      const one = record(family);
      expect(tap.follow(recordsOf(one, 10))).toBe(0);
      tap.packet(segment(12, octets(3, 4), { family }));
      expect(tap.drainSeen()).toEqual([]);
      tap.packet(segment(10, octets(1, 2), { family, unfinished: true }));
      expect(tap.drainSeen()).toEqual(seenAll(plus(FROM, 14), family));
      expect(tap.drainSeen()).toEqual([]);
      expect(tap.from(one, 10)).toEqual(octets(1, 2, 3, 4));
      expect(tap.follow(recordsOf(one, 12))).toBe(0);
      expect(tap.from(one, 12)).toEqual(octets(3, 4));
      expect(tap.from(one, 10)).toHaveLength(0);
    },
  );

  it('counts what the records had first', () => {
    const tap = new Tap(100);
    tap.follow(recordsOf(record(), 0));
    tap.packet(segment(0, octets(1)));
    expect(tap.follow(recordsOf(record(), 5))).toBe(4);
    expect(tap.counts).toEqual({ octets: 1, unseen: 4, overflowed: 0, damaged: 0 });
  });

  it('leaves to the records what it has no room for', () => {
    const tap = new Tap(4);
    tap.follow(recordsOf(record(), 0));
    tap.packet(segment(0, octets(1, 2, 3, 4, 5, 6)));
    expect(tap.drainSeen()).toEqual(seenAll(plus(FROM, 4)));
    expect(tap.counts.overflowed).toBe(2);
    // Beyond: as long as the records do not come nearer, nothing more is told.
    tap.packet(segment(6, octets(7)));
    expect(tap.drainSeen()).toEqual([]);
    tap.follow(recordsOf(record(), 6));
    tap.packet(segment(6, octets(7)));
    expect(tap.drainSeen()).toEqual(seenAll(plus(FROM, 7)));
  });

  it('knows nothing of connections without a record, and of another one between the same ends', () => {
    const tap = new Tap(100);
    tap.packet(segment(0, octets(1)));
    expect(tap.drainSeen()).toEqual([]);
    tap.follow(recordsOf(record(), 0));
    tap.packet(segment(0, octets(1)));
    expect(tap.from(record(4, { receivedFrom: 7 }), 0)).toHaveLength(0);
    tap.follow(recordsOf(record(4, { receivedFrom: 7 }), 0));
    expect(tap.from(record(), 0)).toHaveLength(0);
  });

  it('takes data alone: nothing of a handshake, of a refusal, or without data', () => {
    const tap = new Tap(100);
    tap.follow(recordsOf(record(), 0));
    for (const flags of [TcpFlag.Syn | TcpFlag.Ack, TcpFlag.Rst | TcpFlag.Ack, 0])
      tap.packet(segment(0, octets(1), { flags }));
    tap.packet(segment(0, octets()));
    expect(tap.drainSeen()).toEqual([]);
    tap.packet(segment(0, octets(1), { flags: TcpFlag.Fin | TcpFlag.Ack }));
    expect(tap.drainSeen()).toEqual(seenAll(plus(FROM, 1)));
  });
});

describe('the data of a segment', () => {
  const dataOf = (packet: Uint8Array) => {
    const decoded = decodeSegment(packet);
    return decoded === undefined ? undefined : segmentData(packet, decoded);
  };

  it('is what was sent, or nothing: one octet that is otherwise makes it damaged', () => {
    const data = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.constantFrom(4 as const, 6 as const),
        data,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (family, sent, at, change) => {
          const packet = segment(0, sent, { family });
          expect(dataOf(packet)).toEqual(sent);
          const place = packet.length - 1 - (at % sent.length);
          const damaged = Uint8Array.from(packet, (octet, i) => (i === place ? octet ^ change : octet));
          // Unless it comes out as one that nobody has finished.
          const start = family === 4 ? 20 : 40;
          const ends = ENDS[family];
          const begun =
            ~foldChecksum(
              pseudoHeaderSum(ends.remote.address, ends.local.address, packet.length - start, 6),
            ) & 0xffff;
          fc.pre(u16(packet, start + 16) !== begun);
          expect(dataOf(damaged)).toBe('damaged');
        },
      ),
    );
  });

  it('is not taken of a packet that is cut off, or a fragment', () => {
    const packet = segment(0, octets(1, 2, 3));
    expect(dataOf(packet.subarray(0, packet.length - 1))).toBe('cut');
    const fragment = Uint8Array.from(packet);
    fragment[6] = u8(fragment, 6) | 0x20;
    expect(dataOf(fragment)).toBe('cut');
  });

  it('of whatever octets throws nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(0x45, 0x46, 0x60, 0x4f), (b, first) => {
        if (b.length > 9) b.set([first], 0);
        if (b.length > 9) b.set([6], first === 0x60 ? 6 : 9);
        dataOf(b);
        new Tap(10).packet(b);
      }),
    );
  });
});
