/** What a hostile host cannot make grow: questions to RADIUS. */
import { describe, expect, it } from 'vitest';
import { World, wish } from '../world.ts';

/** alice is in. */
function world(more?: Readonly<Record<string, unknown>>) {
  const w = new World(more);
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  alice.login();
  return { w, alice };
}

describe('questions to RADIUS', () => {
  it('are bounded for a host that asks and leaves before the answer', () => {
    const { w, alice } = world({ multicast: { max_groups_per_host: 8 } });
    w.server.delayMs = 300;
    for (let i = 0; i < 100; i++) {
      alice.join(`239.2.0.${i}`);
      alice.leave(`239.2.0.${i}`);
    }
    expect(w.server.questions()).toHaveLength(8);
    expect(w.core.tally.of('swp1', 'refused/host-group-limit')).toBe(92);
    w.pass(300);
    expect(w.core.stores.questions.size).toBe(0);
    alice.join('239.2.0.200');
    expect(w.server.questions()).toHaveLength(9);
  });

  it('stay bounded over a takeover', () => {
    const { w, alice } = world({ multicast: { max_groups_per_host: 8 } });
    w.server.delayMs = 300;
    alice.report(...Array.from({ length: 8 }, (_, i) => wish(`239.2.0.${i}`)));
    for (let i = 0; i < 8; i++) alice.leave(`239.2.0.${i}`);
    w.takeOver();
    const before = w.server.questions().length;
    alice.join('239.2.0.100');
    expect(w.server.questions()).toHaveLength(before);
  });

  it('are not needed anew by who comes back before the answer', () => {
    const { w, alice } = world({ multicast: { max_groups_per_host: 1 } });
    w.server.permit('alice', '239.2.0.1');
    w.server.delayMs = 20;
    alice.join('239.2.0.1');
    alice.leave('239.2.0.1');
    alice.join('239.2.0.1');
    expect(w.server.questions()).toHaveLength(1);
    w.pass(20);
    expect(w.core.stores.grants.size).toBe(1);
  });
});
