/**
 * A port for guests between real parts: nobody speaks 802.1X, so the port moves to the guests' bridge; a
 * supplicant begins, logs in at FreeRADIUS, and the port is back. In network namespaces.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { run, until } from '../../../lab/processes.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

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

describe.skipIf(notRoot || notBuilt)(`a port for guests${why}`, { timeout: 60_000 }, () => {
  it('moves to their bridge, and back when somebody logs in', async () => {
    lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [],
      channels: [],
    });
    const on = lab;
    const inSwitch = { namespace: on.topology.switchNamespace };
    await run(['ip', 'link', 'add', 'br-guests', 'type', 'bridge'], inSwitch);
    await run(['ip', 'link', 'set', 'br-guests', 'up'], inSwitch);
    castgate = await on.startCastgate({
      vlan_bridges: { 99: 'br-guests' },
      authenticator: { guest_vlan: 99, tx_period: '1s', reauth_max: 1 },
    });
    const masterOf = async () => {
      const [link] = JSON.parse(await run(['ip', '-j', 'link', 'show', 'swp1'], inSwitch)) as {
        master: string;
      }[];
      return link?.master;
    };
    await on.topology.plugIn(on.topology.host('alice'));
    await until('the port is in the bridge of guests', 10_000, async () =>
      (await masterOf()) === 'br-guests' ? (true as const) : undefined,
    );
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await on.startSupplicant('alice', credentials);
    await supplicant.authenticated(20_000);
    expect(await masterOf()).toBe(LabAddress.bridge);
    const player = await on.startReceiver('alice');
    expect(Number((await player.ask(`echo ${LabAddress.upstream} 10`, 15_000))['returned'])).toBeGreaterThan(
      0,
    );
    await castgate.stop();
  });
});
