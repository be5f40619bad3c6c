/**
 * The active's end of the replication link, without sockets: a snapshot of all stores first, then the
 * change log from exactly there, in one ordered stream. It says up to which change effects may leave
 * (output commit, US7957269B2): in mode `sync` what the standby has acknowledged, as long as one is in
 * step or was a moment ago; alone, everything, and loudly.
 *
 * Invariant: a standby that has acknowledged change n holds every record as it was after change n.
 */
import type { Change, ChangeFeed } from '../session/store.ts';
import { type Batch, ChangeLog } from './change-log.ts';
import { encodeFrame, type FrameFault, FrameReader, FrameType } from './frame.ts';
import { type ControlMessage, encodeMessage, readMessage, type SeenConnection } from './message.ts';
import { RecordEncoder } from './record-codec.ts';
import {
  type Mismatch,
  mismatchOf,
  OWN_RECORDS,
  type RecordVersions,
  UNTOLD_RECORDS,
} from './record-version.ts';
import type { ReplicatedStores } from './replicated-stores.ts';
import { Scrub } from './scrub.ts';
import { type Digest, StateDigest } from './state-digest.ts';

/** `away`: no link. `joining`: a snapshot or the missed changes are on their way. `in-step`: it acknowledges. */
export type StandbyState = 'away' | 'joining' | 'in-step';

export interface SourceOptions {
  /** Tells this run of the active from others: a standby goes on only where it was with the same run. */
  readonly logId: string;
  /** `sync`: effects wait for the standby. `async`: they do not. */
  readonly mode: 'sync' | 'async';
  /**
   * How long effects wait for a standby that was in step: then one that does not acknowledge is let go, one
   * that has lost its link is waited for no more, and the active goes on alone.
   */
  readonly patienceMs: number;
  /** How much of the past is kept for a standby that was away for a moment, in octets. */
  readonly keepOctets: number;
  /** How often digests are compared. */
  readonly digestIntervalMs: number;
  /** Octets of a snapshot that go out together. */
  readonly sliceOctets?: number;
  /** What is written and read here; those of this version by default. */
  readonly versions?: RecordVersions;
}

/** What happened, for log, alarm and `castgate show ha`. */
export type SourceEvent =
  | { readonly kind: 'standby'; readonly state: StandbyState; readonly why: string }
  /** Effects wait for no standby any more: what is believed from here on, a takeover may not know. */
  | { readonly kind: 'alone'; readonly why: string }
  /** The standby writes or reads other records than this node. */
  | { readonly kind: 'mismatch'; readonly mismatch: Mismatch }
  /** The standby is to serve: nothing more is to be taken up, and when it has everything, `release`. */
  | { readonly kind: 'take' }
  /** The standby has seen what peers of connections sent: all before these positions. */
  | { readonly kind: 'seen'; readonly inTheWay: boolean; readonly seen: readonly SeenConnection[] }
  /** The standby has other records than the active: it begins again. */
  | { readonly kind: 'diverged'; readonly stores: readonly string[] }
  /** A record of the active was changed without being put: a bug. It is in the log now. */
  | { readonly kind: 'strayed'; readonly store: string; readonly key: string };

export class ReplicationSource implements ChangeFeed {
  readonly #options: SourceOptions;
  readonly #stores: ReplicatedStores;
  readonly #log: ChangeLog;
  readonly #scrub: Scrub;
  /** For what goes out: a new one for each message would cost more than the message. */
  readonly #encoder = new RecordEncoder();
  #reader = new FrameReader();
  #state: StandbyState = 'away';
  #connected = false;
  #output: Uint8Array[] = [];
  #events: SourceEvent[] = [];
  /** Walks through the stores while a snapshot is taken. */
  #snapshot: Iterator<readonly [string, string, object]> | undefined;
  /** The standby that joins was given a snapshot, not only what it had missed. */
  #gaveSnapshot = false;
  #acked = 0;
  /** How long the last beat took there and back, in milliseconds. */
  #roundTripMs: number | undefined;
  /** The standby was in step a moment ago, and effects still wait for it. */
  #holding = false;
  /** When the oldest change that is not acknowledged was sealed. */
  #waitingSince: number | undefined;
  /** When a standby that joins last got on. */
  #joiningSince: number | undefined;
  #digestAt = Infinity;
  #mismatch: Mismatch | undefined;
  #standbyRecords: RecordVersions | undefined;

  /** `state` is the digest of records that the stores hold already: a standby's own, once it has taken over. */
  constructor(stores: ReplicatedStores, options: SourceOptions, state = new StateDigest()) {
    this.#stores = stores;
    this.#options = options;
    this.#log = new ChangeLog(options.keepOctets, state);
    this.#scrub = new Scrub(stores, this.#log.state);
  }

  get state(): StandbyState {
    return this.#state;
  }

  /** Number of the last change. */
  get last(): number {
    return this.#log.last;
  }

  /** Number of the last change that a standby has acknowledged. */
  get acknowledged(): number {
    return this.#acked;
  }

  /** What the standby's version is to this one; undefined: the same, or no standby is there. */
  get mismatch(): Mismatch | undefined {
    return this.#mismatch;
  }

  /** Versions of the standby's records; undefined: it was not heard. */
  get standbyRecords(): RecordVersions | undefined {
    return this.#standbyRecords;
  }

  /** Milliseconds that the last beat took to the standby and back; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Milliseconds for which the oldest change that is not acknowledged has waited; 0 where all are. */
  lagMs(now: number): number {
    return this.#waitingSince === undefined ? 0 : now - this.#waitingSince;
  }

  /** True where a standby in step has acknowledged every change. */
  get isCovered(): boolean {
    return this.#state === 'in-step' && this.#acked === this.#log.last;
  }

  /** Digest of the records as the log has made them; between turns. */
  get digest(): Digest {
    return this.#log.state.digest();
  }

  /**
   * Tells a standby that this node serves. To be called several times within the time for which it is believed.
   * `saidUntil`: everything that was decided before has left.
   */
  beat(now: number, epoch: number, saidUntil: number): void {
    this.#say({ say: 'beat', at: now, epoch, saidUntil });
  }

  /** Tells the standby at which MAC address packets for the virtual addresses reach this node. */
  reach(mac: string): void {
    this.#say({ say: 'reach', mac });
  }

  /** Tells the standby that the link ends and this node does not. */
  part(): void {
    this.#say({ say: 'bye' });
  }

  /** Tells the standby that this node serves no more. To be said once `isCovered`, and after the last effect. */
  release(epoch: number): void {
    this.#say({ say: 'released', at: this.#log.last, epoch });
  }

  /** Effects that follow from changes up to this one may leave now. */
  get committed(): number {
    return this.#waits ? this.#acked : this.#log.last;
  }

  changed(change: Change): void {
    this.#log.changed(change);
  }

  /** Ends a turn: its changes are one batch. Gives the number of the last change, for the effects of the turn. */
  seal(now: number): number {
    const batch = this.#log.seal();
    if (batch === undefined) return this.#log.last;
    if (this.#state !== 'away') this.#sendBatch(batch);
    if (this.#state === 'in-step' || this.#holding) this.#waitingSince ??= now;
    return this.#log.last;
  }

  /** A standby has connected. */
  connected(now: number): void {
    if (this.#connected) this.disconnected('it has connected anew');
    this.#connected = true;
    this.#reader = new FrameReader();
    this.#output = [];
    this.#joiningSince = now;
    this.#say({ say: 'hello', logId: this.#options.logId, versions: this.#versions });
  }

  /** The link is gone. */
  disconnected(why: string): void {
    this.#connected = false;
    this.#mismatch = undefined;
    this.#output = [];
    this.#snapshot = undefined;
    this.#joiningSince = undefined;
    this.#digestAt = Infinity;
    this.#fallBehind('away', why);
  }

  /** Octets from the standby. A fault: close the link. */
  receive(now: number, octets: Uint8Array): FrameFault | 'message-malformed' | undefined {
    for (const frame of this.#reader.push(octets)) {
      const message = frame.type === FrameType.Message ? readMessage(frame.payload) : undefined;
      if (message === undefined) return 'message-malformed';
      this.#heard(now, message);
    }
    return this.#reader.fault;
  }

  /** Takes what is to be sent. A snapshot goes in slices: ask again when the link has taken this one. */
  drainOutput(now: number): readonly Uint8Array[] {
    if (this.#snapshot !== undefined && this.#output.length === 0) this.#nextSlice(now);
    const output = this.#output;
    this.#output = [];
    return output;
  }

  /** True while a snapshot has more to give. */
  get hasMore(): boolean {
    return this.#snapshot !== undefined;
  }

  handleTimeout(now: number): void {
    if (this.#waitingSince !== undefined && now - this.#waitingSince >= this.#options.patienceMs) {
      this.#patienceEnds();
    }
    if (this.#joiningSince !== undefined && now - this.#joiningSince >= JOIN_PATIENCE_MS) {
      this.#letGo('it does not get on');
    }
    if (now >= this.#digestAt) {
      this.#digestAt = now + this.#options.digestIntervalMs;
      for (const { store, key, record } of this.#scrub.step(SCRUB_RECORDS)) {
        this.#events.push({ kind: 'strayed', store, key });
        this.#log.changed({ store, key, record });
      }
      this.seal(now);
      this.#say({ say: 'digest', at: this.#log.last, digest: this.#log.state.digest() });
    }
  }

  nextTimeout(): number | undefined {
    const patience = (this.#waitingSince ?? Infinity) + this.#options.patienceMs;
    const joining = (this.#joiningSince ?? Infinity) + JOIN_PATIENCE_MS;
    const next = Math.min(patience, joining, this.#digestAt);
    return next === Infinity ? undefined : next;
  }

  /** True where the link was given up from this side: it is to be closed. */
  get wantsLink(): boolean {
    return this.#connected;
  }

  drainEvents(): SourceEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  get #versions(): RecordVersions {
    return this.#options.versions ?? OWN_RECORDS;
  }

  get #waits(): boolean {
    return this.#options.mode === 'sync' && (this.#state === 'in-step' || this.#holding);
  }

  #patienceEnds(): void {
    this.#waitingSince = undefined;
    if (this.#state === 'in-step') this.#letGo('it does not acknowledge');
    if (!this.#holding) return;
    this.#holding = false;
    this.#events.push({ kind: 'alone', why: 'no standby acknowledges' });
  }

  /** Ends the link from this side: what is left to send is a goodbye. */
  #letGo(why: string): void {
    this.disconnected(why);
    this.#output = [encodeFrame(FrameType.Message, encodeMessage({ say: 'bye' }))];
  }

  /** A standby that was in step is not any more: for a while effects wait for it nevertheless. */
  #fallBehind(state: StandbyState, why: string): void {
    if (this.#state === 'in-step') this.#holding = this.#options.mode === 'sync';
    if (!this.#holding) this.#waitingSince = undefined;
    this.#become(state, why);
  }

  #heard(now: number, message: ControlMessage): void {
    switch (message.say) {
      case 'have':
        if (this.#isReadableFor(message.versions ?? UNTOLD_RECORDS))
          this.#begin(now, message.logId, message.change);
        return;
      case 'leave':
        this.#left();
        return;
      case 'ack':
        this.#acknowledged(now, message.change);
        return;
      case 'heard':
        this.#roundTripMs = Math.max(0, now - message.at);
        return;
      case 'take':
        // One that cannot read the records would begin without them.
        if (this.#mismatch?.isOneWay !== false) this.#events.push({ kind: 'take' });
        return;
      case 'seen':
        this.#events.push({ kind: 'seen', inTheWay: message.inTheWay, seen: message.seen });
        return;
      case 'differs':
        this.#events.push({ kind: 'diverged', stores: message.stores });
        // A snapshot that is wrong at once would be so for ever: whoever connects again does so at his own pace.
        if (this.#state === 'joining' && this.#gaveSnapshot)
          this.#letGo('it differs from what it was just given');
        else this.#begin(now, '', 0);
        return;
      default:
        // A later version may say more; what it needs an answer to it will not send to this one.
        return;
    }
  }

  /** False: it gets no records. The link stays, so that it hears that this node lives. */
  #isReadableFor(versions: RecordVersions): boolean {
    this.#standbyRecords = versions;
    this.#mismatch = mismatchOf(this.#versions, versions);
    if (this.#mismatch === undefined) return true;
    this.#events.push({ kind: 'mismatch', mismatch: this.#mismatch });
    if (this.#mismatch.isOneWay) return true;
    this.#joiningSince = undefined;
    return false;
  }

  /** The standby has gone of its own will: nothing waits for it. */
  #left(): void {
    const wasWaitedFor = this.#state === 'in-step' || this.#holding;
    this.disconnected('it has left');
    if (!wasWaitedFor || this.#options.mode !== 'sync') return;
    this.#waitingSince = undefined;
    this.#holding = false;
    this.#events.push({ kind: 'alone', why: 'the standby has left' });
  }

  /** The standby has everything up to `change` of that log: goes on from there, or with a snapshot. */
  #begin(now: number, logId: string, change: number): void {
    this.#snapshot = undefined;
    this.#joiningSince = now;
    this.#digestAt = Infinity;
    const missed = logId === this.#options.logId ? this.#log.since(change) : undefined;
    this.#gaveSnapshot = missed === undefined;
    if (missed === undefined) {
      this.#fallBehind('joining', 'it takes a snapshot');
      this.#say({ say: 'snapshot', at: this.#log.last });
      this.#snapshot = this.#walk();
      return;
    }
    this.#fallBehind('joining', `it goes on from change ${change}`);
    for (const batch of missed) this.#sendBatch(batch);
    this.#completed(now);
  }

  #nextSlice(now: number): void {
    this.#joiningSince = now;
    const encoder = this.#encoder;
    const slice = this.#options.sliceOctets ?? SLICE_OCTETS;
    while (this.#snapshot !== undefined && encoder.length < slice) {
      const next = this.#snapshot.next();
      if (next.done === true) {
        this.#snapshot = undefined;
        break;
      }
      const [store, key, record] = next.value;
      encoder.text(store);
      encoder.text(key);
      encoder.value(record);
    }
    if (encoder.length > 0) this.#output.push(encodeFrame(FrameType.Records, encoder.take()));
    if (this.#snapshot === undefined) this.#completed(now);
  }

  /**
   * Records as they are when they are reached: later changes of them follow in the same stream, so that at
   * its end the standby has what the active has.
   */
  *#walk(): Generator<readonly [string, string, object]> {
    for (const store of this.#stores.all()) {
      for (const [key, record] of store.entries()) yield [store.name, key, record];
    }
  }

  /** Everything up to here is on its way: once this is acknowledged, the standby is in step. */
  #completed(now: number): void {
    this.#say({ say: 'complete', at: this.#log.last, digest: this.#log.state.digest() });
    this.#digestAt = now + this.#options.digestIntervalMs;
  }

  #acknowledged(now: number, change: number): void {
    if (change > this.#log.last || change < this.#acked) return;
    this.#acked = change;
    if (this.#state === 'joining' && this.#snapshot === undefined) {
      this.#joiningSince = undefined;
      this.#holding = false;
      this.#become('in-step', 'it has everything');
    }
    this.#waitingSince = change === this.#log.last ? undefined : now;
  }

  #sendBatch({ first, last, octets }: Batch): void {
    const encoder = this.#encoder;
    encoder.count(first);
    encoder.count(last);
    const head = encoder.take();
    const body = new Uint8Array(head.length + octets.length);
    body.set(head);
    body.set(octets, head.length);
    this.#output.push(encodeFrame(FrameType.Changes, body));
  }

  #say(message: ControlMessage): void {
    if (this.#connected) this.#output.push(encodeFrame(FrameType.Message, encodeMessage(message)));
  }

  #become(state: StandbyState, why: string): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.push({ kind: 'standby', state, why });
  }
}

/** Records that are looked at each time a digest is sent. */
const SCRUB_RECORDS = 500;
/** A standby that takes nothing and says nothing for this long while it joins is given up. */
const JOIN_PATIENCE_MS = 10_000;
const SLICE_OCTETS = 1 << 18;
