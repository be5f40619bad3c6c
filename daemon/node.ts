/** What the daemon is around: a node alone, or one of two. */
import type { Config } from '../config/config.ts';
import type { SwitchEvent } from '../switch/switch.ts';
import type { Serving } from './serving.ts';
import type { HaRow } from './show/show-rows.ts';
import type { AccountingDisk } from './spool/accounting-disk.ts';

export interface Node {
  /** The core while this node serves. */
  readonly serving: Serving | undefined;
  /** Undefined: nothing is accounted for. */
  readonly accountingDisk: AccountingDisk | undefined;
  /** Why there is no core; undefined while there is one. */
  readonly idle: string | undefined;
  /** What it knows of itself and the other one; undefined for a node alone. */
  readonly ha: HaRow | undefined;
  /** Undefined: it runs. Else one line that says why not. Throws SwitchStartError. */
  start(): Promise<string | undefined>;
  switchEvents(events: readonly SwitchEvent[]): void;
  /** Goes on under another configuration, which differs in keys that can be changed live. */
  reconfigure(config: Config): void;
  /** Stops; with `cleanup` nothing of castgate's state is to outlive it. The switch is stopped by the caller, afterwards. */
  stop(cleanup: boolean): Promise<void>;
  /** After the switch has stopped. */
  closed(): void;
  /** Once a second. */
  sync(): void;
}
