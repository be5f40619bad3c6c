import { describe, expect, it } from 'vitest';
import { GeneralQueries, type GeneralQuery } from '../../../daemon/channels/general-queries.ts';
import { queryFrame, senderOf } from '../../../daemon/channels/group-frames.ts';

const ADDRESSES = { address: '198.18.0.1', address6: undefined };
const FIRST: GeneralQuery = {
  mac: '02:00:00:00:00:01',
  bridge: '02:00:00:00:00:ff',
  terms: { robustness: 2, queryIntervalMs: 125_000 },
  family: 4,
  maxResponseMs: 1000,
};

describe('general queries', () => {
  it('are the frames that they would be without being kept, whatever differs, and the same array each time', () => {
    const queries = new GeneralQueries(ADDRESSES);
    const all: GeneralQuery[] = [
      FIRST,
      { ...FIRST, family: 6 },
      { ...FIRST, mac: '02:00:00:00:00:02' },
      { ...FIRST, family: 6, bridge: '02:00:00:00:00:fe' },
      { ...FIRST, maxResponseMs: 10_000 },
      { ...FIRST, terms: { robustness: 3, queryIntervalMs: 125_000 } },
      { ...FIRST, terms: { robustness: 2, queryIntervalMs: 60_000 } },
    ];
    const frames = all.map((query) => queries.frame(query));
    expect(new Set(frames.map((frame) => Buffer.from(frame).toString('hex'))).size).toBe(all.length);
    for (const [i, query] of all.entries()) {
      const { mac, bridge, terms, family, maxResponseMs } = query;
      expect(frames[i]).toEqual(
        queryFrame(senderOf(mac, bridge, ADDRESSES), terms, { family, maxResponseMs }),
      );
      expect(queries.frame({ ...query })).toBe(frames[i]);
    }
  });

  it('are not kept without end', () => {
    const queries = new GeneralQueries(ADDRESSES);
    const first = queries.frame(FIRST);
    for (let robustness = 0; robustness < 5000; robustness++)
      queries.frame({ ...FIRST, terms: { robustness: robustness % 7, queryIntervalMs: 1000 * robustness } });
    expect(queries.frame(FIRST)).not.toBe(first);
    expect(queries.frame(FIRST)).toEqual(first);
  });
});
