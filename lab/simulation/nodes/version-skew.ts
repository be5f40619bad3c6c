/**
 * A pair of nodes of two versions: the newer one has a store and a field that the older one does not know.
 * What the older one is handed it must hand on as it was, also when it has taken over meanwhile.
 */
import { RecordEncoder } from '../../../replication/record-codec.ts';
import type { Random } from '../../random.ts';
import { must } from '../checks/violation.ts';
import { isKeptOnly, NodeStores, OlderStores } from './node-stores.ts';

export class VersionSkew {
  readonly #random: Random;
  readonly #decisions: number;
  /** What an older node that serves holds and has no use for. */
  #kept: Buffer | undefined;
  /** Sessions that carried the field when the older node took over, by Acct-Multi-Session-Id. */
  #marked = new Set<string>();
  #count = 0;

  constructor(random: Random, decisions: number) {
    this.#random = random;
    this.#decisions = decisions;
  }

  /** Empty stores of a node; nodes count from 0, every second one is older. */
  stores(node: number): NodeStores {
    return node % 2 === 0 ? new NodeStores(this.#decisions) : new OlderStores(this.#decisions);
  }

  /** What only the newer version does, within a turn of it. */
  act(stores: NodeStores): void {
    if (stores instanceof OlderStores) return;
    for (const session of [...stores.sessions.values()]) {
      if (FIELD in session) continue;
      const marked = Object.assign({ ...session }, { [FIELD]: [session.acctMultiSessionId, 0.5, undefined] });
      stores.sessions.put(session.key, marked);
    }
    if (!this.#random.chance(0.3)) return;
    const key = `preview ${this.#random.whole(0, 9)}`;
    if (this.#random.chance(0.3)) stores.store(STORE).apply(key, undefined);
    else stores.store(STORE).apply(key, { v: 9, count: ++this.#count, since: [0.5, null, 'x'] });
  }

  /** A node is about to serve with nothing. */
  beginsAnew(): void {
    this.#kept = undefined;
    this.#marked.clear();
  }

  /** A node is about to serve with these stores, which another one or its own journal gave it. */
  takesOver(stores: NodeStores): void {
    const has = unused(stores);
    must(
      this.#kept === undefined || this.#kept.equals(has),
      () => 'the older node did not hand on what it did not know',
    );
    this.#kept = stores instanceof OlderStores ? has : undefined;
    if (this.#kept === undefined) return;
    const marked = [...stores.sessions.values()].filter((session) => FIELD in session);
    this.#marked = new Set(marked.map((session) => session.acctMultiSessionId));
  }

  /** After a turn: what an older node has no use for is still there. */
  check(stores: NodeStores): void {
    if (this.#kept === undefined) return;
    must(this.#kept.equals(unused(stores)), () => 'the older node changed what it does not know');
    for (const session of stores.sessions.values()) {
      const { acctMultiSessionId, key } = session;
      if (!this.#marked.has(acctMultiSessionId)) continue;
      const field: unknown = FIELD in session ? session[FIELD] : undefined;
      const whole = Array.isArray(field) && field[0] === acctMultiSessionId && field.length === 3;
      must(whole, () => `the session of ${key} lost a field that this version does not know`);
    }
  }
}

/** The records that an older node only keeps. */
function unused(stores: NodeStores): Buffer {
  const encoder = new RecordEncoder();
  for (const store of [...stores.all()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (store.name !== STORE && !isKeptOnly(store.name)) continue;
    const records = [...store.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    if (records.length > 0) encoder.text(store.name);
    for (const [key, record] of records) {
      encoder.text(key);
      encoder.value(record);
    }
  }
  return Buffer.from(encoder.take());
}

const STORE = 'previews-of-version-9';
const FIELD = 'tomorrow';
