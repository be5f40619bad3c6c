/** The VLANs of a port by counts: the same as a look at every session says. */
import { describe, expect, it } from 'vitest';
import { PortVlans } from '../../../daemon/subscribers/port-vlans.ts';

interface Place {
  readonly port: string;
  readonly vlan: number;
  readonly assignedVlan: number | undefined;
}

function next(seed: number): number {
  return (Math.imul(seed, 1103515245) + 12345) >>> 0;
}

function untagged(places: Iterable<Place>, port: string): Place[] {
  return [...places].filter((one) => one.port === port && one.vlan === 0);
}

describe('the VLANs of a port', () => {
  it('are those of its sessions, however they came, changed and went', () => {
    const vlans = new PortVlans();
    const sessions = new Map<number, Place>();
    let seed = 7;
    const draw = <T>(from: readonly T[]): T => {
      seed = next(seed);
      return from[(seed >>> 16) % from.length] as T;
    };
    const hosts = Array.from({ length: 12 }, (_, host) => host);
    for (let step = 0; step < 2_000; step++) {
      const host = draw(hosts);
      const before = sessions.get(host);
      const vlan = before?.vlan ?? draw([0, 0, 7]);
      const place = {
        port: draw(['swp1', 'swp2']),
        vlan,
        assignedVlan: vlan === 0 ? draw([undefined, 42, 43]) : undefined,
      };
      const after = draw([place, place, undefined]);
      vlans.move(before, after);
      if (after === undefined) sessions.delete(host);
      else sessions.set(host, after);
      for (const port of ['swp1', 'swp2']) {
        const there = [...sessions.values()].filter((one) => one.port === port);
        expect(vlans.tags(port)).toEqual([...new Set(there.map((one) => one.vlan))].sort());
        const brought = untagged(there, port).flatMap((one) => one.assignedVlan ?? []);
        expect([...vlans.assigned(port)].sort()).toEqual([...new Set(brought)].sort());
        for (const own of [undefined, ...there]) {
          for (const asked of [undefined, 42]) {
            const others = untagged(there, port).filter((one) => one !== own);
            const differs = others.some((one) => one.assignedVlan !== asked);
            expect(vlans.hasOther(port, asked, own)).toBe(differs);
          }
        }
      }
    }
  });

  it('a port that nobody is in on has none', () => {
    const vlans = new PortVlans();
    const alice = { port: 'swp1', vlan: 0, assignedVlan: 42 };
    vlans.move(undefined, alice);
    vlans.move(alice, undefined);
    expect(vlans.tags('swp1')).toEqual([]);
    expect(vlans.assigned('swp1')).toEqual([]);
    expect(vlans.hasOther('swp1', 43, undefined)).toBe(false);
  });
});
