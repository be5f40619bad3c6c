import { expect, it } from 'vitest';
import type { HaConfig } from '../../../config/config.ts';
import { Doubt } from '../../../daemon/ha/doubt.ts';
import { otherGaveWay } from '../../../daemon/ha/giving-way.ts';
import { OtherNode } from '../../../daemon/ha/other-node.ts';
import type { Standby } from '../../../daemon/ha/standby.ts';
import { Timeline } from '../../../daemon/ha/timeline.ts';

it('asks no node to give way whose records this one cannot read', async () => {
  let asked = 0;
  const now = () => 1_000;
  const other = new OtherNode(now);
  const candidate = (mismatch: Standby['mismatch']) => ({
    config: { leaseMs: 250, aloneAfterMs: 1_000 } as HaConfig,
    standby: {
      isLinked: true,
      heardAt: 1_000,
      inStepUntil: undefined,
      mismatch,
      ask: () => {
        asked++;
        other.released();
      },
    } as unknown as Standby,
    other,
    doubt: new Doubt(now, 250),
    timeline: new Timeline(now),
    now,
    isWanted: () => true,
    claim: () => {},
    woken: () => Promise.resolve(),
  });
  expect(await otherGaveWay(candidate({ isOneWay: false, why: 'of version 9' }))).toBe('of version 9');
  expect(asked).toBe(0);
  expect(await otherGaveWay(candidate({ isOneWay: true, why: 'of version 9' }))).toBe(undefined);
  expect(asked).toBe(1);
});
