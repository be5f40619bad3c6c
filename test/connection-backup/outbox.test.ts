import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../connection-backup/outbox.ts';

const message = (n: number) => Uint8Array.of(n);

describe('messages on their way to the kernel', () => {
  it('leave when the standby has them and what they follow from was let go, in their order', () => {
    const outbox = new Outbox();
    const [a, b, c] = [message(1), message(2), message(3)];
    outbox.add(0, a, true);
    outbox.add(1, b, false);
    expect(outbox.take(99)).toEqual([]);
    outbox.sealed(5);
    outbox.add(2, c, true);
    outbox.sealed(6);
    expect(outbox.take(4)).toEqual([]);
    expect(outbox.take(6)).toEqual([a]);
    expect(outbox.release(b)).toBe(true);
    expect(outbox.take(6)).toEqual([b, c]);
    expect(outbox.size).toBe(0);
  });

  it('are known by themselves: equal octets are another message', () => {
    const outbox = new Outbox();
    outbox.add(0, message(1), false);
    expect(outbox.release(message(1))).toBe(false);
  });

  it('never overtake and never come twice, however commits and releases come', () => {
    const step = fc.record({
      does: fc.constantFrom('add', 'seal', 'commit', 'release'),
      flag: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const outbox = new Outbox();
        const all: Uint8Array[] = [];
        const held: Uint8Array[] = [];
        const left: Uint8Array[] = [];
        let change = 0;
        for (const { does, flag } of [...steps, { does: 'seal', flag: true }]) {
          if (does === 'add') {
            const octets = new Uint8Array(1);
            all.push(octets);
            if (!flag) held.push(octets);
            outbox.add(all.length, octets, flag);
          } else if (does === 'seal') outbox.sealed(++change);
          else if (does === 'commit') left.push(...outbox.take(flag ? change : change - 1));
          else {
            const octets = held.shift();
            if (octets !== undefined) outbox.release(octets);
          }
        }
        for (const octets of held) outbox.release(octets);
        left.push(...outbox.take(change));
        expect(left).toHaveLength(all.length);
        left.forEach((octets, i) => {
          expect(octets).toBe(all[i]);
        });
      }),
    );
  });
});
