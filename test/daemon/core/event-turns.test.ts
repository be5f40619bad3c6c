/** Which of the switch's events are one turn. */
import { describe, expect, it } from 'vitest';
import { turnsOf, turnsOfDatagrams } from '../../../daemon/core/event-turns.ts';
import type { SwitchEvent } from '../../../switch/switch.ts';

const frame = (port: string, vlan = 0): SwitchEvent => {
  return { kind: 'frame', port, vlan, frame: new Uint8Array() };
};

describe('turnsOf', () => {
  it('takes frames of one port together, sixteen at most, and loses none', () => {
    const events = Array.from({ length: 40 }, (_, i) => frame('swp1', i));
    const turns = turnsOf(events);
    expect(turns.map(({ length }) => length)).toEqual([16, 16, 8]);
    expect(turns.flat()).toEqual(events);
  });

  it('keeps ports, and what is no frame, apart and in their order', () => {
    const down: SwitchEvent = { kind: 'link', port: 'swp1', up: false };
    const held: SwitchEvent = { kind: 'held-back', port: 'swp1' };
    const events = [frame('swp1'), frame('swp1'), down, held, frame('swp1'), frame('swp2'), frame('swp1')];
    expect(turnsOf(events)).toEqual([
      [frame('swp1'), frame('swp1')],
      [down],
      [held],
      [frame('swp1')],
      [frame('swp2')],
      [frame('swp1')],
    ]);
    expect(turnsOf([])).toEqual([]);
  });

  it('has what came together from a server in one turn, sixteen datagrams at most, in order', () => {
    const many = Array.from({ length: 33 }, (_, i) => Uint8Array.of(i));
    const turns = turnsOfDatagrams(many);
    expect(turns.map(({ length }) => length)).toEqual([16, 16, 1]);
    expect(turns.flat()).toEqual(many);
    expect(turnsOfDatagrams(many.slice(0, 2))).toEqual([many.slice(0, 2)]);
  });
});
