/** The records of the process that serves, on their way to the new one. */
import { ChangeLog } from '../../replication/change-log.ts';
import { FrameType } from '../../replication/frame.ts';
import { RecordEncoder } from '../../replication/record-codec.ts';
import type { FedStores } from '../journal/saved-state.ts';
import type { Newcomer } from './hand-over.ts';

/** Sends all records, a slice at a time while this process serves, and what changes meanwhile, each in its order. */
export class Following {
  readonly #fed: FedStores;
  readonly #newcomer: Newcomer;
  readonly #changes = new ChangeLog(0, 'none');
  #soon: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(fed: FedStores, newcomer: Newcomer) {
    this.#fed = fed;
    this.#newcomer = newcomer;
  }

  async all(): Promise<void> {
    this.#fed.feed.follow(this.#changes);
    const encoder = new RecordEncoder();
    for (const store of this.#fed.stores.all()) {
      for (const [key, record] of store.entries()) {
        encoder.text(store.name);
        encoder.text(key);
        encoder.value(record);
        if (encoder.length < SLICE_OCTETS) continue;
        await this.#slice(encoder);
        if (this.#isOver) return;
      }
    }
    await this.#slice(encoder);
    if (!this.#isOver) this.#soon = setInterval(() => this.flush(), FOLLOW_MS);
  }

  /** All changes until now. */
  flush(): void {
    const batch = this.#changes.seal();
    if (batch !== undefined) this.#newcomer.send(FrameType.Changes, batch.octets);
  }

  end(): void {
    this.#isOver = true;
    clearInterval(this.#soon);
    this.#fed.feed.unfollow(this.#changes);
  }

  /** Changes first: the slice is as records are now. */
  async #slice(encoder: RecordEncoder): Promise<void> {
    this.flush();
    if (encoder.length > 0 && !this.#newcomer.send(FrameType.Records, encoder.take())) {
      await this.#newcomer.drained();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const SLICE_OCTETS = 1 << 16;
const FOLLOW_MS = 20;
