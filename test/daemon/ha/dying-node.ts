/** The other node of a pair as the one under test sees it: it serves, and can end as a killed process does. */
import type { Config, HaConfig } from '../../../config/config.ts';
import { type Link, LinkServer } from '../../../daemon/ha/link.ts';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import { ReplicationSource } from '../../../replication/source.ts';
import { now } from '../../../switch/clock.ts';

export class DyingNode {
  readonly #server: LinkServer;
  readonly #source: ReplicationSource;
  readonly #beating: NodeJS.Timeout;
  #link: Link | undefined;

  private constructor(config: Config & { readonly ha: HaConfig }) {
    const fed = emptyStores(config);
    this.#source = new ReplicationSource(fed.stores, {
      logId: 'a/1',
      mode: 'sync',
      patienceMs: 1_000,
      keepOctets: 1 << 16,
      digestIntervalMs: 1_000,
    });
    fed.feed.follow(this.#source);
    this.#server = new LinkServer(config.ha, (link) => {
      this.#link = link;
      this.#source.connected(now());
      link.listen(
        (octets) => {
          this.#source.receive(now(), octets);
          this.#pump();
        },
        () => {},
      );
      this.#beat();
    });
    this.#beating = setInterval(() => this.#beat(), 10);
  }

  /** Serves as this node, under the epoch 1. */
  static async serve(config: Config & { readonly ha: HaConfig }): Promise<DyingNode> {
    const node = new DyingNode(config);
    const refused = await node.#server.open();
    if (refused !== undefined) throw new Error(refused);
    return node;
  }

  /** Its kernel closes what it had. */
  die(): void {
    clearInterval(this.#beating);
    this.#server.close();
    this.#link?.destroy();
  }

  /** It serves no more, and the other one has everything. */
  giveWay(): void {
    clearInterval(this.#beating);
    this.#source.release(1);
    this.#pump();
    this.#link?.end();
  }

  #beat(): void {
    this.#source.beat(now(), 1, now());
    this.#pump();
  }

  #pump(): void {
    do this.#link?.send(this.#source.drainOutput(now()));
    while (this.#link !== undefined && this.#source.hasMore);
    this.#source.drainEvents();
  }
}
