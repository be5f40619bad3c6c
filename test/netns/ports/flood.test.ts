/**
 * A flood of real EAPOL-Starts from made-up addresses on one port, while a subscriber on another port, and one
 * who was in before on the same port, log in through castgate and FreeRADIUS. In network namespaces.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';
import { NetworkNamespace } from '../../../switch/linux/link/network-namespace.ts';
import { loadNative } from '../../../switch/native.ts';
import { ethernet } from '../switch/tap.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';
const FRAMES_PER_TICK = 100;
const TICK_MS = 10;

let lab: Lab | undefined;
let castgate: Castgate | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined)
    console.error(`castgate's last lines:\n${castgate.tail(20).join('\n')}`);
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

/** Sends Starts from a new address each out of a host's interface, ten thousand a second where the machine can. */
function flood(namespace: string): { stop(): number } {
  const native = loadNative();
  const inside = NetworkNamespace.at(`/run/netns/${namespace}`);
  const nothing = new Uint8Array(8);
  new DataView(nothing.buffer).setUint16(0, 6, true);
  const fd = inside.run(() => native.packetOpen(nothing, 1 << 16));
  const index = inside.run(() => native.interfaceIndex('eth0'));
  let sent = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < FRAMES_PER_TICK; i++) {
      const hex = (sent++).toString(16).padStart(6, '0');
      const from = `06:ff:ff:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
      native.packetSend(fd, index, ethernet('01:80:c2:00:00:03', from, 0x888e, Uint8Array.of(2, 1, 0, 0)));
    }
  }, TICK_MS);
  return {
    stop: () => {
      clearInterval(timer);
      native.close(fd);
      inside.close();
      return sent;
    },
  };
}

describe.skipIf(notRoot || notBuilt)(`a flood of EAPOL${why}`, { timeout: 90_000 }, () => {
  it('subscribers log in meanwhile, on another port and, known, on the same one', async () => {
    lab = await Lab.open({
      hosts: [
        { name: 'mallory', port: 'swp1' },
        { name: 'alice', port: 'swp1' },
        { name: 'bob', port: 'swp2' },
      ],
      users: [
        { name: 'alice', password: 'alice-password' },
        { name: 'bob', password: 'bob-password' },
      ],
      permissions: [],
      channels: [],
    });
    const daemon = await lab.startCastgate({});
    castgate = daemon;
    const on = lab;
    const login = async (name: string) => {
      const credentials = { method: 'md5', identity: name, password: `${name}-password` } as const;
      const supplicant = await on.startSupplicant(name, credentials);
      return supplicant;
    };
    await on.topology.plugIn(on.topology.host('mallory'));
    await on.topology.plugIn(on.topology.host('alice'));
    const alice = await login('alice');
    await alice.authenticated(15_000);
    await alice.logoff();
    await until('alice is out', 5_000, async () =>
      (await daemon.sessions()).some(({ account, authorized }) => account === 'alice' && authorized)
        ? undefined
        : (true as const),
    );

    const flooding = flood(on.topology.host('mallory').namespace);
    let sent = 0;
    try {
      await until('the flood is felt', 10_000, async () => {
        const [port] = (await daemon.ports()).filter((row) => row.port === 'swp1');
        return (port?.drops['login-rate'] ?? 0) > 2_000 ? (true as const) : undefined;
      });
      await alice.logon();
      await alice.authenticatedAgain(20_000);
      const bob = await login('bob');
      await on.topology.plugIn(on.topology.host('bob'));
      await bob.authenticated(20_000);
    } finally {
      sent = flooding.stop();
    }
    const sessions = (await daemon.sessions()).filter(({ authorized }) => authorized);
    expect(sessions.map(({ account }) => account).sort()).toEqual(['alice', 'bob']);
    expect(sent).toBeGreaterThan(5_000);
    const [port] = (await daemon.ports()).filter((row) => row.port === 'swp1');
    expect(port?.hosts).toBeLessThanOrEqual(32);
  });
});
