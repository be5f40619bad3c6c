/**
 * RADIUS is gone when a re-authentication is due, between real parts: wpa_supplicant's host stays in on the session that
 * it had, hears no EAP-Success that nobody gave, and is authenticated again once FreeRADIUS is back.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

let lab: Lab | undefined;
let castgate: Castgate | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined)
    console.error(`castgate's last lines:\n${castgate.tail(40).join('\n')}`);
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

describe.skipIf(notRoot || notBuilt)(`going on without RADIUS${why}`, { timeout: 240_000 }, () => {
  it('a host stays in on its session while FreeRADIUS is gone, and is asked again when it is back', async () => {
    lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: "alice's password" }],
      permissions: [],
      channels: [],
    });
    castgate = await lab.startCastgate({
      authenticator: { reauth_period: '8s', reauth_without_radius: '10m', server_timeout: '10s' },
      retransmit: { initial: '500ms', max_interval: '1s', max_count: 4, max_duration: '3s' },
    });
    const [open, daemon] = [lab, castgate];
    await lab.topology.plugIn(lab.topology.host('alice'));
    const credentials = { method: 'md5', identity: 'alice', password: "alice's password" } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await supplicant.authenticated(30_000);
    const row = async () => (await daemon.sessions()).find(({ port }) => port === 'swp1');
    const before = await row();
    expect(before).toMatchObject({ authorized: true, account: 'alice' });
    await lab.radius.kill();
    const successes = () => supplicant.tail().filter((line) => line.includes('EAP-SUCCESS')).length;
    const atDeath = successes();
    await until('a session that goes on without RADIUS', 90_000, async () =>
      (await row())?.state.includes('no RADIUS') === true ? (true as const) : undefined,
    );
    const player = await lab.startReceiver('alice');
    const ping = await player.ask(`echo ${LabAddress.upstream} 3`, 15_000);
    expect(Number(ping['returned'])).toBe(3);
    expect(await row()).toMatchObject({ authorized: true, acctSessionId: before?.acctSessionId });
    expect(successes()).toBe(atDeath);
    await lab.radius.resume();
    await until('a re-authentication by the server that is back', 120_000, async () =>
      (await row())?.state === 'AUTHENTICATED' ? (true as const) : undefined,
    );
    expect(await row()).toMatchObject({ authorized: true, acctSessionId: before?.acctSessionId });
    // castgate knows it before the supplicant has read the frame.
    await until('the supplicant to hear of it', 5_000, () => successes() > atDeath || undefined);
    const statuses = open.radius.accountingRecords().map((record) => record.text('Acct-Status-Type'));
    expect(statuses.filter((status) => status === 'Start')).toHaveLength(1);
    expect(statuses).not.toContain('Stop');
  });
});
