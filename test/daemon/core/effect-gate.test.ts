import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EffectGate } from '../../../daemon/core/effect-gate.ts';
import type { Effect } from '../../../daemon/core/effects.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';

const frame = (n: number): Effect => ({ kind: 'frame', port: 'swp1', vlan: 0, frame: Uint8Array.of(n) });
const numbers = (effects: readonly Effect[]) =>
  effects.map((effect) => (effect.kind === 'frame' ? (effect.frame[0] ?? -1) : -1));

describe('the gate of effects', () => {
  it('holds what follows from a change until that change is committed, and keeps the order', () => {
    const gate = new EffectGate();
    gate.hold([frame(1), frame(2)], 4);
    gate.hold([], 6);
    gate.hold([frame(3)], 6);
    gate.hold([frame(4)], 6);
    gate.hold([frame(5)], 9);
    expect(numbers(gate.release(3))).toEqual([]);
    expect([gate.released, gate.waiting.length]).toEqual([0, 5]);
    expect(numbers(gate.release(5))).toEqual([1, 2]);
    expect(numbers(gate.release(8))).toEqual([3, 4]);
    expect(gate.released).toBe(6);
    expect(numbers(gate.release(9))).toEqual([5]);
    expect(numbers(gate.release(9))).toEqual([]);
  });

  it('lets everything pass where everything is committed: alone, or in async mode', () => {
    const gate = new EffectGate();
    for (let change = 1; change < 5; change++) {
      gate.hold([frame(change)], change);
      expect(numbers(gate.release(change))).toEqual([change]);
    }
    expect(gate.waiting).toEqual([]);
  });

  it('gives every effect once and in order, whatever is committed when', () => {
    const turn = fc.record({ effects: fc.nat(3), changes: fc.nat(4), lag: fc.nat(6) });
    fc.assert(
      fc.property(fc.array(turn), (turns) => {
        const gate = new EffectGate();
        const given: number[] = [];
        const heldAt: number[] = [];
        let change = 0;
        let acked = 0;
        for (const { effects, changes, lag } of turns) {
          change += changes;
          const made = Array.from({ length: effects }, () => frame(heldAt.push(change) - 1));
          gate.hold(made, change);
          acked = Math.max(acked, change - lag);
          for (const n of numbers(gate.release(acked))) {
            expect(heldAt[n]).toBeLessThanOrEqual(acked);
            given.push(n);
          }
          expect(given.length).toBe(heldAt.filter((at) => at <= acked).length);
        }
        given.push(...numbers(gate.release(change)));
        expect(given).toEqual(heldAt.map((_, i) => i));
      }),
    );
  });

  it('hides what the switch still counts for a host or channel whose end is held', () => {
    const bridge = new MemorySwitch({ ports: ['swp1'], uplinks: [] }, () => {});
    const host = { port: 'swp1', vlan: 0, mac: '02:00:00:00:00:01' };
    const group = '239.1.1.1';
    bridge.openHost(host);
    bridge.transmit(host, 100);
    bridge.setForwarding('swp1', 0, group, { mode: 'exclude', sources: [] });
    bridge.deliver(group, '10.0.0.1', 700);
    const gate = new EffectGate();
    const readings = gate.readings(bridge);
    expect(readings.hostCounters(host)?.input.octets).toBe(100);
    expect(readings.channelCounter('swp1', 0, group).octets).toBe(700);
    gate.hold(
      [
        { kind: 'close-host', host },
        { kind: 'forward', port: 'swp1', vlan: 0, group, filter: undefined },
      ],
      7,
    );
    gate.hold([{ kind: 'close-host', host }], 8);
    expect(readings.hostCounters(host)).toBeUndefined();
    expect(readings.channelCounter('swp1', 0, group).octets).toBe(0);
    gate.release(7);
    expect(readings.hostCounters(host)).toBeUndefined();
    expect(readings.channelCounter('swp1', 0, group).octets).toBe(700);
    gate.release(8);
    expect(readings.hostCounters(host)?.input.octets).toBe(100);
  });
});
