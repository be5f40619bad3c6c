/**
 * What the switch and servers tell, as turns. Frames of one port that came together are one turn, and so are datagrams of
 * one server, sixteen at most, so that the end of a turn is not paid for each of them; all else is a turn of its own.
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

/** What came together from one server, as turns. */
export function turnsOfDatagrams(many: readonly Uint8Array[]): (readonly Uint8Array[])[] {
  if (many.length <= DATAGRAMS_IN_TURN) return [many];
  const turns: (readonly Uint8Array[])[] = [];
  for (let at = 0; at < many.length; at += DATAGRAMS_IN_TURN)
    turns.push(many.slice(at, at + DATAGRAMS_IN_TURN));
  return turns;
}

const FRAMES_IN_TURN = 16;
const DATAGRAMS_IN_TURN = 16;
