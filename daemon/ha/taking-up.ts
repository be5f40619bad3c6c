/** A node that stands by serves from here on, with the records that there are: those of the other node, its own, or none. */
import type { Config, HaConfig } from '../../config/config.ts';
import type { StandbyFirst } from '../../connection-backup/linux/standby-first.ts';
import { digestOf } from '../../replication/state-digest.ts';
import { graceMs } from '../core/grace.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import { emptyStores, type FedStores, type SavedState } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import type { Serving } from '../serving.ts';
import { Active, sendClaim } from './active.ts';
import type { Draft } from './draft.ts';
import type { EpochFile } from './epoch-file.ts';
import type { OwnRecords } from './estate.ts';
import type { FencedSwitch } from './fenced-switch.ts';
import type { Standby } from './standby.ts';
import type { Timeline } from './timeline.ts';
import { isUnanswered } from './unanswered.ts';

/** What is taken up, and who is told on the way. */
export interface Succession {
  readonly config: Config & { readonly ha: HaConfig };
  readonly log: Logger;
  readonly bridge: FencedSwitch;
  readonly watch: TurnWatch | undefined;
  readonly state: SavedState;
  readonly epochs: EpochFile;
  readonly first: StandbyFirst | undefined;
  /** It stops following. */
  readonly standby: Standby;
  /** Where the other node's records never were here as a whole. */
  readonly own: OwnRecords | undefined;
  readonly timeline: Timeline;
  /** A core for records that nobody followed. */
  readonly draft: (fed: FedStores) => Draft;
  /** The standby asks to serve. */
  readonly asked: () => void;
  /** What is told of the standby has changed. */
  readonly changed: () => void;
  /** Called before anything happens in the core: the node's it is from here on, also where what follows throws. */
  readonly became: (active: Active) => void;
  /** What needs the servers may go on, as soon as they can be reached. */
  readonly reach: (serving: Serving) => void;
}

/** Never refused. What throws here is a bug, and leaves a node that must carry nothing. */
export function takeUp(succession: Succession): Active {
  const { config, log, bridge, state, epochs, standby, timeline, reach } = succession;
  const epoch = epochs.epoch + 1;
  timeline.step('other node out');
  // The channels flow before anything else is done: the switch is programmed already.
  const refused = bridge.renewLease(TAKEOVER_LEASE_MS + RECORD_LEASE_MS * standby.records);
  if (refused !== undefined) log.error('lease-refused', { why: refused.failed, errno: refused.errno });
  sendClaim(config, bridge, epoch, false);
  timeline.step('ports open');
  epochs.raise(epoch);
  succession.first?.takeOver();
  const legacy = standby.stop();
  const own = legacy.draft === undefined ? succession.own : undefined;
  const fed = legacy.draft?.fed ?? own?.fed ?? emptyStores(config);
  const clockOffsetMs = legacy.draft === undefined ? (own?.clockOffsetMs ?? 0) : legacy.clockOffsetMs;
  // Before anybody follows the changes: a standby gets the records as they are afterwards.
  const isCold = legacy.draft === undefined && own === undefined;
  const disk = state.accountingDisk;
  if (isCold) disk?.load(fed);
  else disk?.follow(fed);
  const digest = legacy.draft === undefined ? digestOf(fed.stores) : legacy.digest;
  const active = new Active({
    ...{ config, log, bridge, state, epoch, digest, clockOffsetMs },
    draft: legacy.draft ?? succession.draft(fed),
    graceMs: isCold ? undefined : graceMs(config),
    watch: succession.watch,
    first: succession.first,
    asked: succession.asked,
    changed: succession.changed,
  });
  succession.became(active);
  const { serving } = active;
  serving.open(false);
  serving.turn((at) => {
    if (isCold) serving.core.start(at, disk?.aliveAt);
    else {
      if (own !== undefined) serving.core.dropChangedPorts(at);
      if (own !== undefined) serving.core.resume(at, own.counters, true);
      else serving.core.resume(at, 'new', true, legacy.saidUntil);
    }
  });
  timeline.step('records taken up');
  const unanswered = legacy.events.filter((event) => isUnanswered(event, fed.stores));
  // What hosts have asked leaves with the first words to the servers, but those do not wait for a flood of it.
  if (unanswered.length > FEW_EVENTS) reach(serving);
  serving.switchEvents(unanswered);
  timeline.step('links and last frames looked at');
  reach(serving);
  active.begin();
  return active;
}

/** Building the core is one long turn, in which nobody renews a lease. */
const TAKEOVER_LEASE_MS = 5_000;
/** And for each record that it takes up: well over what that takes on a slow machine. The first tick shortens it. */
const RECORD_LEASE_MS = 1;
const FEW_EVENTS = 64;
