/** The counts of `castgate show radius`. */
import { expect, it } from 'vitest';
import { radiusRows } from '../../../daemon/show/show.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { World } from '../world.ts';

it('tells what was sent again, and what was given up, from what was answered or no longer wanted', () => {
  const w = new World();
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  alice.login();
  expect(radiusRows(w.core)[0]).toMatchObject({ timeouts: 0, retransmits: 0 });
  w.server.alive = false;
  alice.join('239.1.1.1');
  w.pass(10_000);
  const asked = w.server.questions().length;
  expect(asked).toBeGreaterThan(1);
  expect(radiusRows(w.core)[0]).toMatchObject({ timeouts: 1, retransmits: asked - 1 });
  const bob = w.host('bob', 'swp2');
  bob.start();
  bob.identity(bob.heard().at(-1)?.id ?? 0);
  bob.logoff();
  expect(w.server.logins().at(-1)).toBeDefined();
  expect(radiusRows(w.core)[0]).toMatchObject({ timeouts: 1, retransmits: asked - 1, inFlight: 0 });
});

it('tells what of it was asked of the server itself', () => {
  const server = { name: 'r1', address: '198.18.0.2', secret_file: 'secret', status_server: true };
  const w = new World({ radius: { servers: [server] } });
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  alice.login();
  expect(radiusRows(w.core)[0]).toMatchObject({ statusServer: 0 });
  w.server.alive = false;
  alice.join('239.1.1.1');
  w.pass(900);
  const probes = w.server.asked.filter(({ packet }) => packet.code === RadiusCode.StatusServer).length;
  expect(probes).toBe(1);
  expect(radiusRows(w.core)[0]).toMatchObject({ statusServer: 1 });
});

it('tells which connections are gone, and which never came to be', () => {
  const w = new World();
  for (const why of ['closed', 'refused', 'closed'] as const)
    w.core.connectionLost(w.now, 'r1', 'auth', 0, why);
  expect(radiusRows(w.core)[0]).toMatchObject({ connectionsLost: { closed: 2, refused: 1 }, handshakes: {} });
});
