import { expect, it } from 'vitest';
import { Querier, type QuerierRecord } from '../../igmp/querier/querier.ts';
import { Store } from '../../session/store.ts';

it('asks at once, again after a quarter of the interval, then at each interval, until the port is down', () => {
  const querier = new Querier(
    { robustness: 2, queryIntervalMs: 100_000, startupQueryIntervalMs: 25_000, startupQueryCount: 2 },
    new Store<QuerierRecord>('queriers'),
  );
  querier.startPort(1000, 'swp1');
  const asked: number[] = [];
  for (let i = 0; i < 4; i++) {
    const at = querier.nextTimeout() ?? 0;
    expect(querier.takeDue(at - 1)).toEqual([]);
    expect(querier.takeDue(at)).toEqual(['swp1']);
    asked.push(at);
  }
  expect(asked).toEqual([1000, 26_000, 126_000, 226_000]);
  querier.stopPort('swp1');
  expect(querier.nextTimeout()).toBeUndefined();
});
