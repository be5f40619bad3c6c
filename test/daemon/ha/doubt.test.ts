import { expect, it } from 'vitest';
import { Doubt } from '../../../daemon/ha/doubt.ts';

it('is there after a freeze, and a node that was busy takes nothing for silence before it has read what came', () => {
  let now = 1_000;
  const doubt = new Doubt(() => now, 240);
  const after = (ms: number, tick: boolean) => {
    now += ms;
    if (tick) doubt.tick();
    return [doubt.isBusy, doubt.isThere];
  };
  expect(after(40, true)).toEqual([false, false]);
  expect(after(119, false)).toEqual([false, false]);
  // In the middle of a long piece of work, and right after it.
  expect(after(30, false)).toEqual([true, false]);
  expect(after(1, true)).toEqual([true, false]);
  expect(after(40, true)).toEqual([false, false]);
  expect(after(300, true)).toEqual([true, true]);
  expect(after(160, false)).toEqual([true, false]);
});
