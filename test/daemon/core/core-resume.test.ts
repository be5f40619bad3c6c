/** A core that goes on with the records of another, under another configuration or after a bug. */
import { describe, expect, it } from 'vitest';
import { World } from '../world.ts';

const NEWS = '239.1.1.1';

function watching(more?: Readonly<Record<string, unknown>>): World {
  const w = new World(more);
  w.server.users.set('alice', []);
  w.server.permit('alice', NEWS);
  const alice = w.host('alice');
  alice.login();
  alice.join(NEWS);
  w.pass(5);
  expect(w.core.stores.grants.size).toBe(1);
  return w;
}

describe('going on under another configuration', () => {
  it('reports what is forwarded once the proxy is switched on, and forgets it once it is off', () => {
    const w = watching({ multicast: { proxy: false } });
    expect(w.core.stores.upstreamGroups.size).toBe(0);
    w.takeOver({ multicast: { proxy: true } });
    expect([...w.core.stores.upstreamGroups.values()]).toMatchObject([{ group: NEWS }]);
    w.takeOver({ multicast: { proxy: false } });
    expect(w.core.stores.upstreamGroups.size).toBe(0);
    w.pass(10_000);
  });

  it('begins and ends to query as the file says now', () => {
    const w = watching({ multicast: { querier: { enabled: false } } });
    expect(w.core.stores.queriers.size).toBe(0);
    w.takeOver({ multicast: { querier: { enabled: true } } });
    expect(w.core.stores.queriers.has('swp1')).toBe(true);
    w.takeOver({ multicast: { querier: { enabled: false } } });
    expect(w.core.stores.queriers.size).toBe(0);
  });
});

it('a port that a bug has shut goes on with nobody in, and whoever logs in again is queried', () => {
  const w = watching();
  w.turn(() => w.core.shutPort(w.now, 'swp1'));
  expect(w.core.stores.sessions.size).toBe(0);
  expect(w.switch.openHosts()).toEqual([]);
  expect(w.core.stores.ports.get('swp1')?.up).toBe(true);
  expect(w.core.stores.queriers.has('swp1')).toBe(true);
});
