/**
 * The standby's end of the replication link, without sockets: keeps the stores as the active has them. A
 * snapshot is taken into new stores, which replace the old ones when it is complete: a link that breaks
 * before leaves the last whole state. Changes are taken in their order, once; a gap, a repetition or a
 * record that cannot be read ends the link, and the next one goes on from the last good change.
 */
import { readChanges } from './change-log.ts';
import { encodeFrame, type FrameFault, FrameReader, FrameType } from './frame.ts';
import { type ControlMessage, encodeMessage, readMessage, type SeenConnection } from './message.ts';
import { RecordDecoder, type RecordFault } from './record-codec.ts';
import {
  type Mismatch,
  mismatchOf,
  OWN_RECORDS,
  type RecordVersions,
  UNTOLD_RECORDS,
} from './record-version.ts';
import type { ReplicatedStores } from './replicated-stores.ts';
import { Scrub } from './scrub.ts';
import { type Digest, differences, StateDigest } from './state-digest.ts';

/** Why a link cannot go on. */
export type TargetFault =
  | FrameFault
  | RecordFault
  | 'message-malformed'
  | 'changes-out-of-order'
  | 'not-begun';

/** `empty`: there was never a whole state. `stale`: whole, but behind. `in-step`: as the active. */
export type TargetState = 'empty' | 'stale' | 'in-step';

/** What the active said, beside its records. */
export type TargetEvent =
  | { readonly kind: 'beat'; readonly at: number; readonly epoch: number; readonly saidUntil: number }
  /** Packets for the virtual addresses reach it at this MAC address. */
  | { readonly kind: 'reach'; readonly mac: string }
  /** It ends the link, and lives. */
  | { readonly kind: 'bye' }
  /** It serves no more; `whole`: the stores are all that it had. */
  | { readonly kind: 'released'; readonly epoch: number; readonly whole: boolean };

interface Replica<S extends ReplicatedStores> {
  readonly stores: S;
  readonly digest: StateDigest;
  readonly scrub: Scrub;
  /** Of which log its changes are. */
  readonly logId: string;
  /** Number of the last change in it. */
  have: number;
}

export class ReplicationTarget<S extends ReplicatedStores> {
  readonly #fresh: () => S;
  #whole: Replica<S> | undefined;
  /** A snapshot that is not complete. */
  #taking: Replica<S> | undefined;
  #activeLog = '';
  #inStep = false;
  #reader = new FrameReader();
  #output: Uint8Array[] = [];
  #events: TargetEvent[] = [];
  #acked = 0;
  readonly #versions: RecordVersions;
  #mismatch: Mismatch | undefined;
  #activeRecords: RecordVersions | undefined;

  /** `fresh` makes empty stores; `versions`: what is written and read here. */
  constructor(fresh: () => S, versions = OWN_RECORDS) {
    this.#fresh = fresh;
    this.#versions = versions;
  }

  /** What the active's version is to this one; undefined: the same, or it was not heard. */
  get mismatch(): Mismatch | undefined {
    return this.#mismatch;
  }

  /** Versions of the active's records; undefined: it was not heard. */
  get activeRecords(): RecordVersions | undefined {
    return this.#activeRecords;
  }

  get state(): TargetState {
    if (this.#whole === undefined) return 'empty';
    return this.#inStep ? 'in-step' : 'stale';
  }

  /** The last whole state; undefined where there never was one. */
  get stores(): S | undefined {
    return this.#whole?.stores;
  }

  /** Digest of the stores: it goes with them to the source of a node that takes over. */
  get digest(): StateDigest | undefined {
    return this.#whole?.digest;
  }

  /** Number of the last change that is in the stores. */
  get have(): number {
    return this.#whole?.have ?? 0;
  }

  /** The link is there. */
  connected(): void {
    this.#reader = new FrameReader();
    this.#output = [];
    this.#taking = undefined;
    this.#activeLog = '';
    this.#mismatch = undefined;
  }

  /** The link is gone: what is whole stays. */
  disconnected(): void {
    this.#taking = undefined;
    this.#inStep = false;
    this.#output = [];
  }

  /** Octets from the active. A fault: close the link. */
  receive(octets: Uint8Array): TargetFault | undefined {
    for (const { type, payload } of this.#reader.push(octets)) {
      const fault =
        type === FrameType.Message
          ? this.#message(payload)
          : this.#cannotRead
            ? undefined
            : type === FrameType.Records
              ? this.#records(payload)
              : type === FrameType.Changes
                ? this.#changes(payload)
                : undefined;
      if (fault !== undefined) return fault;
    }
    this.#acknowledge();
    return this.#reader.fault;
  }

  /** Asks the active to let this node serve. */
  take(): void {
    this.#say({ say: 'take' });
  }

  /** Tells the active that it is to wait for this node no more. */
  leave(): void {
    this.#say({ say: 'leave' });
  }

  /** Tells the active up to where this node itself has seen connections, and whether packets come to it first. */
  seen(inTheWay: boolean, seen: readonly SeenConnection[]): void {
    this.#say({ say: 'seen', inTheWay, seen });
  }

  drainEvents(): readonly TargetEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  drainOutput(): readonly Uint8Array[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  /** An active that knows nothing of versions may send its records nevertheless. */
  get #cannotRead(): boolean {
    return this.#mismatch?.isOneWay === false;
  }

  #message(payload: Uint8Array): TargetFault | undefined {
    const message = readMessage(payload);
    if (message === undefined) return 'message-malformed';
    if (this.#cannotRead && OF_RECORDS.has(message.say)) return undefined;
    switch (message.say) {
      case 'hello':
        this.#activeLog = message.logId;
        this.#activeRecords = message.versions ?? UNTOLD_RECORDS;
        this.#mismatch = mismatchOf(this.#activeRecords, this.#versions);
        this.#say({
          say: 'have',
          logId: this.#whole?.logId ?? '',
          change: this.have,
          versions: this.#versions,
        });
        return undefined;
      case 'snapshot':
        this.#taking = newReplica(this.#fresh(), this.#activeLog, message.at);
        this.#inStep = false;
        return undefined;
      case 'complete':
        return this.#complete(message.at, message.digest);
      case 'digest':
        if (this.#inStep && message.at === this.have) this.#compare(message.digest);
        return undefined;
      case 'beat':
        this.#events.push({
          kind: 'beat',
          at: message.at,
          epoch: message.epoch,
          saidUntil: message.saidUntil,
        });
        this.#say({ say: 'heard', at: message.at });
        return undefined;
      case 'reach':
        this.#events.push({ kind: 'reach', mac: message.mac });
        return undefined;
      case 'bye':
        this.#events.push({ kind: 'bye' });
        return undefined;
      case 'released': {
        const whole = this.#inStep && message.at === this.have;
        this.#events.push({ kind: 'released', epoch: message.epoch, whole });
        return undefined;
      }
      default:
        return undefined;
    }
  }

  /** A snapshot or the missed changes are all here. A snapshot that lacks something never counts as whole. */
  #complete(at: number, digest: Digest): TargetFault | undefined {
    const replica = this.#taking ?? this.#whole;
    if (replica === undefined || replica.logId !== this.#activeLog) return 'not-begun';
    if (at !== replica.have) return 'changes-out-of-order';
    const stores = differences(replica.digest.digest(), digest);
    this.#taking = undefined;
    if (stores.length > 0) {
      this.#differs(stores);
      return undefined;
    }
    this.#whole = replica;
    this.#inStep = true;
    this.#acked = -1;
    return undefined;
  }

  #records(payload: Uint8Array): TargetFault | undefined {
    return this.#taking === undefined ? 'not-begun' : take(this.#taking, payload);
  }

  #changes(payload: Uint8Array): TargetFault | undefined {
    const decoder = new RecordDecoder(payload);
    const first = decoder.count();
    const last = decoder.count();
    if (decoder.fault !== undefined) return decoder.fault;
    const replica = this.#taking ?? this.#whole;
    if (replica === undefined) return 'not-begun';
    if (first !== replica.have + 1 || last < first) return 'changes-out-of-order';
    const fault = take(replica, payload.subarray(decoder.at), last - first + 1);
    if (fault === undefined) replica.have = last;
    return fault;
  }

  #compare(digest: Digest): void {
    if (this.#whole === undefined) return;
    const strayed = this.#whole.scrub.step(SCRUB_RECORDS).map(({ store }) => store);
    const stores = [...new Set([...strayed, ...differences(this.#whole.digest.digest(), digest)])];
    if (stores.length > 0) this.#differs(stores);
  }

  /** From here on nothing is acknowledged until a snapshot has come. */
  #differs(stores: readonly string[]): void {
    this.#inStep = false;
    this.#say({ say: 'differs', stores });
  }

  /** One acknowledgement for all that came together. */
  #acknowledge(): void {
    if (!this.#inStep || this.#acked === this.have) return;
    this.#acked = this.have;
    this.#say({ say: 'ack', change: this.have });
  }

  #say(message: ControlMessage): void {
    this.#output.push(encodeFrame(FrameType.Message, encodeMessage(message)));
  }
}

function newReplica<S extends ReplicatedStores>(stores: S, logId: string, have: number): Replica<S> {
  const digest = new StateDigest();
  return { stores, digest, scrub: new Scrub(stores, digest), logId, have };
}

/** Puts the records of a slice or batch into the stores: all of them or, where one cannot be read, none. */
function take(
  replica: Replica<ReplicatedStores>,
  octets: Uint8Array,
  expected?: number,
): TargetFault | undefined {
  const changes = readChanges(octets);
  if (typeof changes === 'string') return changes;
  if (expected !== undefined && changes.length !== expected) return 'changes-out-of-order';
  for (const change of changes) {
    const { store, key, record } = change;
    replica.stores.store(store).apply(key, record);
    replica.digest.update(store, key, record === undefined ? undefined : change.octets);
  }
  return undefined;
}

/** Messages about records. */
const OF_RECORDS: ReadonlySet<ControlMessage['say']> = new Set(['snapshot', 'complete', 'digest']);
/** Records that are looked at each time a digest arrives. */
const SCRUB_RECORDS = 500;
