import { expect, it } from 'vitest';
import { StandbyPlane } from '../../../daemon/ha/standby-plane.ts';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import { configOf } from '../world.ts';

it('tells a switch that has begun with hosts and channels how its ports are served, and nothing else', () => {
  const config = configOf();
  const [port = ''] = config.ports.map(({ name }) => name);
  const bridge = new MemorySwitch({ ports: [port], uplinks: [] }, () => {});
  const plane = new StandbyPlane(config, silentLog, bridge);
  const { stores } = emptyStores(config);
  const mac = '06:00:00:00:00:01';
  const place = { port, vlan: 0, mac };
  stores.sessions.put(`${port}/0/${mac}`, { v: 1, key: `${port}/0/${mac}`, ...place } as never);
  stores.portServices.put(port, { v: 1, key: port, open: true } as never);
  plane.beginWith(stores);
  expect(bridge.serviceOf(port)).toMatchObject({ open: true });
  expect(bridge.openHosts()).toEqual([]);
  // What the records say later is compared with all of it.
  const later = plane.fresh();
  plane.follow(later);
  expect(bridge.serviceOf(port)).toMatchObject({ open: false });
});
