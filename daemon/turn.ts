/**
 * The end of a turn: what the core has to do is done, what the switch refused goes back to the core, and
 * what the core does about that is done too. The daemon, `castgate replay` and tests end their turns alike.
 */
import type { Switch } from '../switch/switch.ts';
import type { Core } from './core.ts';
import { carryOut, type DatagramSender, type Effect } from './effects.ts';

/**
 * Carries the core's effects out. A refused effect makes new ones, which take back what it was part of: never
 * more than a few rounds. Effects that are not `wanted` are left undone. Throws where they do not come to
 * an end, which is a bug.
 */
export function endTurn(
  core: Core,
  target: Switch,
  datagrams: DatagramSender,
  now: () => number,
  wanted: (effect: Effect) => boolean = () => true,
): void {
  for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
    const effects = core.drainEffects().filter(wanted);
    if (effects.length === 0) return;
    const failed = carryOut(effects, target, datagrams);
    if (failed.length > 0) core.failed(now(), failed);
  }
  throw new Error('effects did not come to an end');
}

const MAX_ROUNDS = 10;
