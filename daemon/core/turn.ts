/**
 * The end of a turn: what the core has to do is done, what the switch refused goes back to the core, and
 * what the core does about that is done too. The daemon, `castgate replay` and tests end their turns alike.
 */
import type { Switch } from '../../switch/switch.ts';
import type { Core } from './core.ts';
import { carryOut, type DatagramSender, type Effect } from './effects.ts';

/** How a turn ends. */
export interface TurnEnd {
  /** Called before effects leave: what they follow from can be made safe. */
  readonly before?: () => void;
  /** Effects that are not wanted are left undone. */
  readonly wanted?: (effect: Effect) => boolean;
  /** Takes the turn's effects, none too, and gives those that may leave now: a gate in which others wait. */
  readonly pass?: (effects: readonly Effect[]) => readonly Effect[];
}

/**
 * Carries the core's effects out. A refused effect makes new ones, which take back what it was part of: never
 * more than a few rounds. Throws where they do not come to an end, which is a bug.
 */
export function endTurn(
  core: Core,
  target: Switch,
  datagrams: DatagramSender,
  now: () => number,
  { before, wanted, pass }: TurnEnd = {},
): void {
  for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
    before?.();
    const drained = core.drainEffects();
    const chosen = wanted === undefined ? drained : drained.filter(wanted);
    const effects = pass === undefined ? chosen : pass(chosen);
    if (effects.length === 0) return;
    const failed = carryOut(effects, target, datagrams);
    if (failed.length > 0) core.failed(now(), failed);
  }
  throw new Error('effects did not come to an end');
}

const MAX_ROUNDS = 10;
