/**
 * What a standby sees of the peers of all connections before the active does, by the active's records: which
 * connections there are, and up to where the records have what came. Of a connection that no record knows nothing is
 * kept.
 */
import type { ConnectionRecord, ConnectionStores, Endpoint } from './records.ts';
import { decodeSegment, TcpFlag } from './segment.ts';
import { segmentData } from './segment-data.ts';
import { TappedStream } from './tapped-stream.ts';

/** How far a standby has seen what the peer of a connection sends: all before the sequence number `awaited`. */
export interface Seen {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Sequence number of the first octet that the peer ever sent: it tells connections of the same ends apart. */
  readonly receivedFrom: number;
  readonly awaited: number;
}

/** Since the beginning. */
export interface TapCounts {
  /** Octets that were seen, in order, before the records had them. */
  octets: number;
  /** Octets that the records had first: they came another way, or were missed. */
  unseen: number;
  /** Octets for which there was no room. */
  overflowed: number;
  /** Segments that were damaged, cut off, or say something else than one before them: they are left to the records. */
  damaged: number;
}

interface Tapped {
  readonly record: ConnectionRecord;
  readonly stream: TappedStream;
}

export class Tap {
  readonly counts: TapCounts = { octets: 0, unseen: 0, overflowed: 0, damaged: 0 };
  readonly #room: number;
  readonly #connections = new Map<string, Tapped>();
  readonly #advanced = new Set<Tapped>();

  /** `room`: octets that are kept of each connection. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Goes by these records. How many octets these have that were not seen here. */
  follow({ connections, places }: Pick<ConnectionStores, 'connections' | 'places'>): number {
    const before = this.counts.unseen;
    const there = new Set<string>();
    for (const record of connections.values()) {
      const key = keyOf(record.remote, record.local);
      const place = places.get(record.key);
      if (place === undefined) continue;
      there.add(key);
      const known = this.#connections.get(key);
      if (known?.record.receivedFrom === record.receivedFrom)
        this.counts.unseen += known.stream.trim(place.received);
      else
        this.#connections.set(key, {
          record,
          stream: new TappedStream(record.receivedFrom, place.received, this.#room),
        });
    }
    for (const key of this.#connections.keys()) if (!there.has(key)) this.#connections.delete(key);
    return this.counts.unseen - before;
  }

  /** An IP packet on its way to the active. */
  packet(octets: Uint8Array): void {
    const segment = decodeSegment(octets);
    if (segment === undefined || segment.length === 0) return;
    if ((segment.flags & (TcpFlag.Syn | TcpFlag.Rst)) !== 0 || (segment.flags & TcpFlag.Ack) === 0) return;
    const tapped = this.#connections.get(keyOf(segment.source, segment.destination));
    if (tapped === undefined) return;
    const data = segmentData(octets, segment);
    if (typeof data === 'string') {
      this.counts.damaged++;
      return;
    }
    const { stream } = tapped;
    const { end: before, differences } = stream;
    this.counts.overflowed += stream.see(segment.sequence, data);
    if (stream.differences > differences) this.counts.damaged++;
    if (stream.end < before) this.#advanced.delete(tapped);
    if (stream.end <= before) return;
    this.counts.octets += stream.end - before;
    this.#advanced.add(tapped);
  }

  /** How far it has come on connections where that has changed since the last call. */
  drainSeen(): Seen[] {
    const seen = [...this.#advanced].map(({ record, stream }) => ({
      local: record.local,
      remote: record.remote,
      receivedFrom: record.receivedFrom,
      awaited: stream.awaited,
    }));
    this.#advanced.clear();
    return seen;
  }

  /** What was seen of a connection from a position on, without a gap. */
  from({ local, remote, receivedFrom }: ConnectionRecord, position: number): Uint8Array {
    const tapped = this.#connections.get(keyOf(remote, local));
    return tapped?.record.receivedFrom === receivedFrom ? tapped.stream.from(position) : NOTHING;
  }
}

function keyOf(from: Endpoint, to: Endpoint): string {
  return `${from.address} ${from.port} ${to.address} ${to.port}`;
}

const NOTHING = new Uint8Array(0);
