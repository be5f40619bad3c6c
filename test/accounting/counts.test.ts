import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addReading, countAttributes, NO_COUNTS } from '../../accounting/counts.ts';
import { firstInteger } from '../../radius/attributes.ts';
import type { AccountingCounts } from '../../session/records.ts';
import { reading, readMessage } from './books.ts';

describe('addReading', () => {
  it('counts from the first reading on', () => {
    const first = reading(1_000, 5_000);
    expect(addReading(NO_COUNTS, first, reading(1_300, 5_900))).toEqual(reading(300, 900));
  });

  it('goes on where a counter began again, each direction for itself', () => {
    const last = reading(1_000, 5_000);
    expect(addReading(reading(700, 900), last, reading(200, 5_100))).toEqual(reading(900, 1_000));
    expect(addReading(reading(700, 900), last, reading(1_100, 0))).toEqual(reading(800, 900));
  });

  it('sums what really passed, over any resets, and never goes down', () => {
    const step = fc.record({ reset: fc.boolean(), input: fc.nat(1e9), output: fc.nat(1e9) });
    fc.assert(
      fc.property(fc.nat(1e12), fc.array(step, { maxLength: 30 }), (begin, steps) => {
        let kernel = { input: begin, output: 2 * begin };
        let last: AccountingCounts = whole(kernel.input, kernel.output);
        let counts = NO_COUNTS;
        let truth = { input: 0, output: 0 };
        for (const { reset, input, output } of steps) {
          // Less passed since than before it: else a reset cannot be seen by anyone.
          const base =
            reset && input < kernel.input && output < kernel.output ? { input: 0, output: 0 } : kernel;
          kernel = { input: base.input + input, output: base.output + output };
          truth = { input: truth.input + input, output: truth.output + output };
          const now = whole(kernel.input, kernel.output);
          const next = addReading(counts, last, now);
          expect(next.inputOctets).toBeGreaterThanOrEqual(counts.inputOctets);
          expect(next.outputOctets).toBeGreaterThanOrEqual(counts.outputOctets);
          counts = next;
          last = now;
        }
        expect(counts).toMatchObject({ inputOctets: truth.input, outputOctets: truth.output });
      }),
    );
  });
});

describe('countAttributes', () => {
  it('conformance 44: Gigawords when octets passed 2^32, and only then', () => {
    const below = countAttributes({ ...NO_COUNTS, inputOctets: 2 ** 32 - 1, outputOctets: 5 });
    expect(firstInteger(below, 42)).toBe(2 ** 32 - 1);
    expect(below.some((a) => a.type === 52 || a.type === 53)).toBe(false);
    const above = countAttributes({ ...NO_COUNTS, inputOctets: 3 * 2 ** 32 + 7, outputOctets: 2 ** 32 });
    expect([42, 52, 43, 53].map((type) => firstInteger(above, type))).toEqual([7, 3, 0, 1]);
  });

  it('is read back by a server as it was counted', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.nat(Number.MAX_SAFE_INTEGER), (input, output) => {
        const counts = { ...NO_COUNTS, inputOctets: input, outputOctets: output };
        expect(readMessage(countAttributes(counts))).toMatchObject({ input, output });
      }),
    );
  });
});

function whole(inputOctets: number, outputOctets: number): AccountingCounts {
  return { inputOctets, outputOctets, inputPackets: inputOctets, outputPackets: outputOctets };
}
