/**
 * What the switch tells, as turns. Frames of one port that came together are one turn, sixteen at most, so that the
 * end of a turn is not paid for each of them; all else is a turn of its own.
 */
import type { SwitchEvent } from '../../switch/switch.ts';

/** The events of one turn: of one port, in their order. */
export type EventTurn = readonly [SwitchEvent, ...SwitchEvent[]];

export function turnsOf(events: readonly SwitchEvent[]): EventTurn[] {
  const turns: [SwitchEvent, ...SwitchEvent[]][] = [];
  for (const event of events) {
    const last = turns.at(-1);
    if (last !== undefined && last.length < FRAMES_IN_TURN && areTogether(last[0], event)) last.push(event);
    else turns.push([event]);
  }
  return turns;
}

function areTogether(first: SwitchEvent, event: SwitchEvent): boolean {
  return first.kind === 'frame' && event.kind === 'frame' && first.port === event.port;
}

const FRAMES_IN_TURN = 16;
