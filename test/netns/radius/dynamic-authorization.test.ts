/**
 * Dynamic authorization between real parts: FreeRADIUS's radclient, a daemon on a Linux bridge, wpa_supplicant
 * and players behind it. What arrives is counted at the player.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import type { Supplicant } from '../../../lab/hosts/supplicant.ts';
import { Lab, type LabPlan } from '../../../lab/lab.ts';
import { builtProgram, type LineProgram } from '../../../lab/line-program.ts';
import { run, until } from '../../../lab/processes.ts';
import { radclient } from '../../../lab/radius/radclient.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const TO = `${LabAddress.switchOnRadiusLink}:3799`;
const PLAN: LabPlan = {
  hosts: [{ name: 'alice', port: 'swp1' }],
  users: [{ name: 'alice', password: 'alice-password' }],
  permissions: [{ account: 'alice', group: NEWS, holdsS: 600 }],
  channels: [NEWS, FILM],
};

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

/** A lab with alice logged in and her player. */
async function raise(): Promise<{ on: Lab; daemon: Castgate; alice: Supplicant; player: LineProgram }> {
  const on = await Lab.open(PLAN);
  lab = on;
  const daemon = await on.startCastgate({
    // A host's answer to the first request after the link is back may be lost in the veth.
    authenticator: { tx_period: '2s' },
    multicast: { query_interval: '2s', query_response_interval: '500ms' },
    groups: { deny: '1s' },
    radius: {
      dynamic_authorization: {
        clients: [{ name: 'lab', address: LabAddress.radius, secret_file: on.radius.secretFile }],
        listen: [LabAddress.switchOnRadiusLink],
        port_bounce: '1s',
      },
    },
  });
  castgate = daemon;
  const alice = await on.startSupplicant('alice', {
    method: 'md5',
    identity: 'alice',
    password: 'alice-password',
  });
  await on.topology.plugIn(on.topology.host('alice'));
  await alice.authenticated(15_000);
  return { on, daemon, alice, player: await on.startReceiver('alice') };
}

const ask = (on: Lab, kind: 'coa' | 'disconnect', ...attributes: string[]) =>
  radclient(on.topology.radiusNamespace, TO, kind, on.radius.plan.secret, attributes);

async function packets(player: LineProgram, group: string): Promise<number> {
  const counts = (await player.ask('counts'))['channels'] as Record<string, { packets: number }>;
  return counts[group]?.packets ?? 0;
}

const receives = (player: LineProgram, group: string, more = 0) =>
  until(`${group} at the player`, 8_000, async () =>
    (await packets(player, group)) > more ? (true as const) : undefined,
  );

const stops = (on: Lab, group: string | undefined) =>
  on.radius
    .accountingRecords()
    .filter(
      (record) =>
        record.text('Acct-Status-Type') === 'Stop' &&
        record.text('H3C-IPv4-Multicast-Receive-Group') === group,
    );

describe.skipIf(notRoot || notBuilt)(`dynamic authorization by radclient${why}`, { timeout: 60_000 }, () => {
  it('conformance 47, 49: Disconnect ends the session, who is in again when it logs in again', async () => {
    const { on, daemon, alice, player } = await raise();
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    const [session] = await daemon.sessions();
    const unknown = await ask(on, 'disconnect', 'User-Name = "nobody"');
    expect(unknown).toMatchObject({ code: 'Disconnect-NAK', errorCause: 'Session-Context-Not-Found' });
    const again = alice.authenticatedAgain(15_000);
    const done = await ask(
      on,
      'disconnect',
      `Acct-Session-Id = "${session?.acctSessionId}"`,
      `NAS-IP-Address = ${LabAddress.switchOnRadiusLink}`,
      'Message-Authenticator = 0x00',
    );
    expect(done, done.output).toMatchObject({ code: 'Disconnect-ACK', errorCause: undefined });
    await until('the Stop of the session', 8_000, () => stops(on, undefined)[0]);
    expect(stops(on, undefined)[0]?.text('Acct-Terminate-Cause')).toBe('Admin-Reset');
    expect(stops(on, NEWS)[0]?.text('Acct-Terminate-Cause')).toBe('Admin-Reset');
    await again;
    const [next] = await daemon.sessions();
    expect(next?.acctSessionId).not.toBe(session?.acctSessionId);
  });

  it('conformance 48: CoA gives and takes channels while they play', async () => {
    const { on, player } = await raise();
    await player.ask(`join ${NEWS}`);
    await player.ask(`join ${FILM}`);
    await receives(player, NEWS);
    expect(await packets(player, FILM)).toBe(0);
    const granted = await ask(on, 'coa', 'User-Name = "alice"', `H3C-IPv4-Multicast-Receive-Group = ${FILM}`);
    expect(granted, granted.output).toMatchObject({ code: 'CoA-ACK' });
    await receives(player, FILM);
    const revoked = await ask(
      on,
      'coa',
      'User-Name = "alice"',
      'Cisco-AVPair = "castgate:channels=revoke"',
      `H3C-IPv4-Multicast-Receive-Group = ${FILM}`,
    );
    expect(revoked, revoked.output).toMatchObject({ code: 'CoA-ACK' });
    const last = await packets(player, FILM);
    const news = await packets(player, NEWS);
    await receives(player, NEWS, news + 50);
    expect(await packets(player, FILM)).toBe(last);
    const stop = await until('the Stop of the channel', 8_000, () => stops(on, FILM)[0]);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Admin-Reset');
  });

  it('CoA has the host authenticate again without a gap, and bounces its port', async () => {
    const { on, daemon, alice, player } = await raise();
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    const [before] = await daemon.sessions();
    const again = alice.authenticatedAgain(15_000);
    const reauth = await ask(
      on,
      'coa',
      'User-Name = "alice"',
      'Cisco-AVPair = "subscriber:command=reauthenticate"',
    );
    expect(reauth, reauth.output).toMatchObject({ code: 'CoA-ACK' });
    await again;
    expect((await daemon.sessions())[0]?.acctSessionId).toBe(before?.acctSessionId);
    expect(stops(on, NEWS)).toEqual([]);
    const back = alice.authenticatedAgain(20_000);
    const bounced = await ask(
      on,
      'coa',
      'User-Name = "alice"',
      'Cisco-AVPair = "subscriber:command=bounce-host-port"',
    );
    expect(bounced, bounced.output).toMatchObject({ code: 'CoA-ACK' });
    const link = ['ip', '-n', on.topology.switchNamespace, '-o', 'link', 'show', 'swp1'];
    expect(await run(link)).not.toContain(',UP');
    await until('the link to be up again', 8_000, async () =>
      (await run(link)).includes(',UP') ? (true as const) : undefined,
    );
    await back;
    const stop = await until('the Stop of the session', 8_000, () => stops(on, undefined)[0]);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Port-Reinit');
  });

  it('conformance 45, 46: a wrong secret gets no answer, and neither does another source', async () => {
    const { on, daemon } = await raise();
    const { radiusNamespace } = on.topology;
    const attributes = ['User-Name = "alice"'];
    const wrong = await radclient(radiusNamespace, TO, 'disconnect', 'not-the-secret', attributes);
    expect(wrong.code).toBeUndefined();
    await run(['ip', '-n', radiusNamespace, 'addr', 'add', '198.18.99.9/32', 'dev', 'lo']);
    await run([
      'ip',
      '-n',
      on.topology.switchNamespace,
      'route',
      'add',
      '198.18.99.9/32',
      'via',
      LabAddress.radius,
    ]);
    const elsewhere = [...attributes, 'Packet-Src-IP-Address = 198.18.99.9'];
    const other = await radclient(radiusNamespace, TO, 'disconnect', on.radius.plan.secret, elsewhere);
    expect(other.output).toContain('Sent Disconnect-Request');
    expect(other.code, other.output).toBeUndefined();
    expect((await daemon.sessions())[0]?.authorized).toBe(true);
    const right = await ask(on, 'disconnect', ...attributes);
    expect(right.code, right.output).toBe('Disconnect-ACK');
  });
});
