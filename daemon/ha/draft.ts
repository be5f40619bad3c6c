/**
 * A core that is made before its node serves: it follows the records of the node that does, so that a takeover has
 * nothing left to build, however many sessions and channels there are. Nothing happens in it before it is taken up.
 */
import type { Config, HaConfig } from '../../config/config.ts';
import type { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import type { Switch } from '../../switch/switch.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import type { FedStores, SavedState } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import { type Commit, Serving } from '../serving.ts';

/** What a core of a pair's node is made around. */
export interface DraftOptions {
  readonly config: Config & { readonly ha: HaConfig };
  readonly log: Logger;
  readonly bridge: Switch;
  readonly state: SavedState;
  readonly watch: TurnWatch | undefined;
  readonly guard: ConnectionGuard | undefined;
}

export class Draft {
  readonly fed: FedStores;
  readonly serving: Serving;
  #commit: Commit | undefined;

  constructor(options: DraftOptions, fed: FedStores) {
    this.fed = fed;
    const { config, log, bridge, state, watch, guard } = options;
    const commit = () => this.#commit;
    this.serving = new Serving({
      config,
      log,
      bridge,
      stores: fed.stores,
      saved: () => state.endTurn(),
      disk: state.accountingDisk,
      watch,
      guard,
      follows: true,
      commit: {
        seal: (now) => {
          if (this.#commit === undefined) throw new Error('a turn before the records were taken up');
          return this.#commit.seal(now);
        },
        get committed() {
          return commit()?.committed ?? 0;
        },
        get mayAct() {
          return commit()?.mayAct ?? false;
        },
        turned: () => this.#commit?.turned(),
      },
    });
  }

  /**
   * From here on the records are this node's, and what it does leaves as `commit` says. `clockOffsetMs`: what the time of
   * the records is ahead of this machine's clock.
   */
  takeUp(commit: Commit, clockOffsetMs: number): void {
    this.#commit = commit;
    this.serving.takeUp(clockOffsetMs);
  }

  /** Nobody takes it up. */
  discard(): void {
    this.fed.stores.ledBy('own');
    this.serving.close();
  }
}
