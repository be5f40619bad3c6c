import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../daemon/log/log.ts';
import { RefusalLog, refusalRows } from '../../../daemon/show/kernel-refusals.ts';
import type { Counter } from '../../../switch/switch.ts';

describe('what the kernel refused', () => {
  it('is a row for each counter', () => {
    const counters = new Map([
      ['senders', { packets: 3, octets: 300 }],
      ['strangers', { packets: 0, octets: 0 }],
    ]);
    expect(refusalRows(() => counters)).toEqual([
      { what: 'senders', packets: 3, octets: 300 },
      { what: 'strangers', packets: 0, octets: 0 },
    ]);
  });

  it('is logged where it grew, from the beginning on, also when the counters begin anew', () => {
    let packets: Record<string, number> = { senders: 5, strangers: 1 };
    const read = () =>
      new Map<string, Counter>(
        Object.entries(packets).map(([name, n]) => [name, { packets: n, octets: 60 * n }]),
      );
    const lines: unknown[] = [];
    const log = new RefusalLog(read, {
      ...silentLog,
      info: (event, fields) => lines.push([event, fields]),
    });
    const look = (next: Record<string, number>) => {
      packets = next;
      lines.length = 0;
      log.look();
      return [...lines];
    };
    log.begin();
    expect(look({ senders: 5, strangers: 1 })).toEqual([]);
    expect(look({ senders: 9, strangers: 1 })).toEqual([['kernel-refused', { packets: { senders: 4 } }]]);
    expect(look({ senders: 9, strangers: 1 })).toEqual([]);
    expect(look({ senders: 2, strangers: 1 })).toEqual([['kernel-refused', { packets: { senders: 2 } }]]);
    expect(look({ senders: 2, strangers: 4, pim: 1 })).toEqual([
      ['kernel-refused', { packets: { strangers: 3, pim: 1 } }],
    ]);
  });
});
