/**
 * castgate as a whole between real parts: wpa_supplicant, the kernel's own IGMP, FreeRADIUS, a Linux bridge.
 * Each test raises a lab of its own in network namespaces; what arrives is counted on the cable.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { EapCode } from '../../eapol/eap.ts';
import { decodeIgmp } from '../../igmp/igmp.ts';
import { type CapturedFrame, ofGroup, tally } from '../../lab/capture.ts';
import type { Castgate, CastgateSettings } from '../../lab/castgate.ts';
import type { Supplicant } from '../../lab/hosts/supplicant.ts';
import { Lab, type LabPlan } from '../../lab/lab.ts';
import { builtProgram, type LineProgram } from '../../lab/line-program.ts';
import { pause, run, until } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { isMalformed } from '../../wire/malformed.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SPORT = '239.1.1.3';
const SSM = '232.1.1.1';
const MAPPED = '232.1.1.9';
/** Behind the four octets of the EAPOL header. */
const EAP_CODE_AT = 4;

const PLAN: LabPlan = {
  hosts: [
    { name: 'alice', port: 'swp1' },
    { name: 'bob', port: 'swp2', igmpVersion: 2 },
  ],
  users: [
    { name: 'alice', password: 'alice-password' },
    { name: 'bob', password: 'bob-password' },
  ],
  permissions: [
    { account: 'alice', group: NEWS, holdsS: 600 },
    { account: 'alice', group: SPORT, holdsS: 600 },
    { account: 'bob', group: FILM, holdsS: 600 },
    { account: 'bob', group: SPORT, holdsS: 600 },
  ],
  channels: [NEWS, FILM, SPORT],
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

async function raise(plan: LabPlan, settings: CastgateSettings = {}): Promise<[Lab, Castgate]> {
  lab = await Lab.open(plan);
  castgate = await lab.startCastgate(settings);
  return [lab, castgate];
}

/** Logs a host in by EAP-MD5 and starts its player. */
async function admit(on: Lab, name: string): Promise<{ supplicant: Supplicant; player: LineProgram }> {
  const credentials = { method: 'md5', identity: name, password: `${name}-password` } as const;
  const supplicant = await on.startSupplicant(name, credentials);
  await on.topology.plugIn(on.topology.host(name));
  await supplicant.authenticated(15_000);
  return { supplicant, player: await on.startReceiver(name) };
}

async function packets(player: LineProgram, group: string): Promise<number> {
  const counts = (await player.ask('counts'))['channels'] as Record<string, { packets: number }>;
  return counts[group]?.packets ?? 0;
}

function receives(player: LineProgram, group: string): Promise<true> {
  return until(`${group} at the ${player.process.name}`, 8_000, async () =>
    (await packets(player, group)) > 0 ? (true as const) : undefined,
  );
}

/** Why castgate refuses the host the group now; undefined where it does not. */
async function refusal(of: Castgate, on: Lab, name: string, group: string): Promise<string | undefined> {
  const { mac } = on.topology.host(name);
  const row = (await of.groups()).find((candidate) => candidate.mac === mac && candidate.group === group);
  return row?.state === 'refused' ? (row.reason ?? undefined) : undefined;
}

function refusedFor(of: Castgate, on: Lab, name: string, group: string): Promise<string> {
  return until(`a refusal of ${group} for ${name}`, 8_000, () => refusal(of, on, name, group));
}

function hasSeveralRecords(frame: CapturedFrame): boolean {
  if (frame.ip?.protocol !== IpProtocol.Igmp) return false;
  const message = decodeIgmp(frame.ip.payload);
  return !isMalformed(message) && message.kind === 'record-report' && message.records.length > 1;
}

function isReportOfVersion2(frame: CapturedFrame, group: string): boolean {
  if (frame.ip?.protocol !== IpProtocol.Igmp) return false;
  const message = decodeIgmp(frame.ip.payload);
  return (
    !isMalformed(message) && message.kind === 'report' && message.version === 2 && message.group === group
  );
}

function accounting(on: Lab, status: string, account: string, group: string | undefined) {
  return on.radius
    .accountingRecords()
    .filter(
      (record) =>
        record.text('Acct-Status-Type') === status &&
        record.text('User-Name') === account &&
        (record.text('H3C-IPv4-Multicast-Receive-Group') ?? record.text('Huawei-Multicast-Receive-Group')) ===
          group,
    );
}

function accounted(on: Lab, status: string, account: string, group: string | undefined) {
  return until(`${status} of ${account} ${group ?? 'session'} at FreeRADIUS`, 8_000, () =>
    accounting(on, status, account, group).at(0),
  );
}

describe.skipIf(notRoot || notBuilt)(`end to end${why}`, { timeout: 60_000 }, () => {
  for (const encoding of ['h3c', 'huawei'] as const) {
    it(`conformance 54, 62, 64: ${encoding}: what is permitted flows, what is not does not`, async () => {
      const [on, daemon] = await raise(
        { ...PLAN, hosts: [...PLAN.hosts, { name: 'carol', port: 'swp3' }] },
        {
          groups: { encoding },
          multicast: {
            query_interval: '2s',
            query_response_interval: '500ms',
            querier: { election: false },
          },
        },
      );
      const carol = on.topology.host('carol');
      await on.topology.plugIn(carol);
      const [alice, bob] = [await admit(on, 'alice'), await admit(on, 'bob')];
      const stranger = await on.startReceiver('carol');
      const cables = {
        alice: await on.capture('alice'),
        bob: await on.capture('bob'),
        carol: await on.capture('carol'),
      };
      for (const player of [alice.player, bob.player, stranger])
        for (const group of [NEWS, FILM]) await player.ask(`join ${group}`);
      await receives(alice.player, NEWS);
      await receives(bob.player, FILM);
      expect(await refusedFor(daemon, on, 'alice', FILM)).toBe('radius-reject');
      expect(await refusedFor(daemon, on, 'bob', NEWS)).toBe('radius-reject');
      // The answer to the next general query holds what is permitted and what is not in one report.
      await until('a report of several records', 6_000, () => cables.alice.frames().find(hasSeveralRecords));
      await pause(1_000);

      const [aliceSaw, bobSaw, carolSaw] = await Promise.all([
        cables.alice.finish(),
        cables.bob.finish(),
        cables.carol.finish(),
      ]);
      expect(tally(aliceSaw, ofGroup(NEWS)).packets).toBeGreaterThan(50);
      expect(tally(bobSaw, ofGroup(FILM)).packets).toBeGreaterThan(50);
      expect(tally(aliceSaw, ofGroup(FILM)).packets).toBe(0);
      expect(tally(bobSaw, ofGroup(NEWS)).packets).toBe(0);
      expect(
        tally(
          carolSaw,
          (frame) => frame.ip !== undefined && frame.src !== carol.mac && frame.ip.protocol === 17,
        ).packets,
      ).toBe(0);

      const told = (await on.router.ask('groups'))['groups'] as Record<string, unknown>;
      expect(Object.keys(told).sort()).toEqual([NEWS, FILM].sort());
      const attribute =
        encoding === 'h3c' ? 'H3C-IPv4-Multicast-Receive-Group' : 'Huawei-Multicast-Receive-Group';
      const questions = on.radius.accessRequests().filter((request) => request.text(attribute) !== undefined);
      expect(
        questions.map((request) => `${request.text('User-Name')} ${request.text(attribute)}`).sort(),
      ).toEqual([`alice ${NEWS}`, `alice ${FILM}`, `bob ${NEWS}`, `bob ${FILM}`].sort());
      await accounted(on, 'Start', 'alice', NEWS);
      await accounted(on, 'Start', 'bob', FILM);
      expect(on.radius.accountingRecords().filter((record) => record.text('User-Name') === 'carol')).toEqual(
        [],
      );
    });
  }

  it('conformance 5: a wrong password ends in HELD, and nothing passes', async () => {
    const [on, daemon] = await raise(PLAN);
    const supplicant = await on.startSupplicant('alice', {
      method: 'md5',
      identity: 'alice',
      password: 'wrong',
    });
    await on.topology.plugIn(on.topology.host('alice'));
    await supplicant.refused(15_000);
    const [session] = await daemon.sessions();
    expect(session).toMatchObject({ port: 'swp1', state: 'HELD', authorized: false });
    const player = await on.startReceiver('alice');
    expect((await player.ask(`echo ${LabAddress.upstream} 10`))['returned']).toBe(0);
    await player.ask(`join ${NEWS}`);
    await pause(500);
    expect(await packets(player, NEWS)).toBe(0);
    expect(on.radius.accountingRecords().filter((record) => record.text('User-Name') !== undefined)).toEqual(
      [],
    );
  });

  it('conformance 29, 41: reauthentication by Session-Timeout loses nothing and books nothing', async () => {
    const [on] = await raise({
      ...PLAN,
      users: [{ name: 'alice', password: 'alice-password', sessionTimeoutS: 2, whenOver: 'reauthenticate' }],
    });
    const { supplicant, player } = await admit(on, 'alice');
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    const again = supplicant.authenticatedAgain(10_000);
    const echo = player.ask(`echo ${LabAddress.upstream} 600`, 15_000);
    await again;
    expect((await echo)['returned']).toBe(600);
    expect(await player.ask(`leave ${NEWS}`)).toMatchObject({ missing: 0 });
    expect(accounting(on, 'Start', 'alice', undefined)).toHaveLength(1);
    expect(accounting(on, 'Stop', 'alice', undefined)).toHaveLength(0);
  });

  it('Session-Timeout without reauthentication ends the session', async () => {
    const [on, daemon] = await raise({
      ...PLAN,
      users: [{ name: 'alice', password: 'alice-password', sessionTimeoutS: 3, whenOver: 'end' }],
    });
    const { player } = await admit(on, 'alice');
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    const stop = await accounted(on, 'Stop', 'alice', undefined);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Session-Timeout');
    expect((await accounted(on, 'Stop', 'alice', NEWS)).octets('Output')).toBeGreaterThan(0);
    // The supplicant answers when it is asked again at once: another session, with another id.
    const [session] = await daemon.sessions();
    expect(session?.acctSessionId).not.toBe(stop.text('Acct-Session-Id'));
  });

  it('a reject at reauthentication ends the session and its channels', async () => {
    const [on, daemon] = await raise({
      ...PLAN,
      users: [{ name: 'alice', password: 'alice-password', sessionTimeoutS: 3, whenOver: 'reauthenticate' }],
    });
    const { supplicant, player } = await admit(on, 'alice');
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    await supplicant.usePassword('forgotten');
    const stop = await accounted(on, 'Stop', 'alice', undefined);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Reauthentication-Failure');
    const channel = await accounted(on, 'Stop', 'alice', NEWS);
    expect(channel.text('Acct-Terminate-Cause')).toBe('Reauthentication-Failure');
    const seen = await packets(player, NEWS);
    await pause(500);
    expect(await packets(player, NEWS)).toBe(seen);
    expect((await player.ask(`echo ${LabAddress.upstream} 10`))['returned']).toBe(0);
    expect(await daemon.sessions()).toMatchObject([{ state: 'HELD', authorized: false }]);
  });

  it('conformance 61: a source of an SSM group is received, any source of it is refused, but by the source map', async () => {
    const plan = {
      ...PLAN,
      permissions: [SSM, MAPPED].map((group) => ({ account: 'alice', group, holdsS: 600 })),
      channels: [SSM, MAPPED],
    };
    const ssm_map = [{ groups: [MAPPED], sources: [LabAddress.upstream] }];
    const [on, daemon] = await raise(plan, { multicast: { ssm_map } });
    const { player } = await admit(on, 'alice');
    const cable = await on.capture('alice');
    await player.ask(`join ${SSM}`);
    await refusedFor(daemon, on, 'alice', SSM);
    expect(tally(cable.frames(), ofGroup(SSM)).packets).toBe(0);
    await player.ask(`leave ${SSM}`);
    await player.ask(`join ${SSM} ${LabAddress.upstream}`);
    await receives(player, `${SSM} from ${LabAddress.upstream}`);
    await player.ask(`leave ${SSM} ${LabAddress.upstream}`);
    await accounted(on, 'Stop', 'alice', SSM);
    // A kernel of IGMPv2 cannot name the source; the bridge forwards from that one alone nevertheless.
    await run(['sysctl', '-qw', 'net.ipv4.conf.eth0.force_igmp_version=2'], {
      namespace: on.topology.host('alice').namespace,
    });
    await player.ask(`join ${MAPPED}`);
    await receives(player, MAPPED);
    expect(cable.frames().some((frame) => isReportOfVersion2(frame, MAPPED))).toBe(true);
    const mdb = await run(['bridge', '-d', 'mdb', 'show'], { namespace: on.topology.switchNamespace });
    expect(mdb).toContain(`grp ${MAPPED} src ${LabAddress.upstream}`);
    await player.ask(`leave ${MAPPED}`);
    await accounted(on, 'Stop', 'alice', MAPPED);
  });

  it('a clean stop leaves viewers as they are, and with --cleanup puts everything back', async () => {
    const [on, daemon] = await raise(PLAN, { restart: { warm: false } });
    const inSwitch = { namespace: on.topology.switchNamespace };
    const { player } = await admit(on, 'alice');
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    await daemon.stop();
    const atStop = await packets(player, NEWS);
    const books = (status: string) => [
      accounting(on, status, 'alice', undefined).length,
      accounting(on, status, 'alice', NEWS).length,
    ];
    expect(books('Stop')).toEqual([1, 1]);
    const offs = on.radius.accountingRecords().filter((r) => r.text('Acct-Status-Type') === 'Accounting-Off');
    expect(offs).toHaveLength(1);
    await pause(1_000);
    expect(await packets(player, NEWS)).toBeGreaterThan(atStop + 50);
    expect(await run(['nft', 'list', 'tables'], inSwitch)).toContain('castgate');

    await daemon.resume({ cleanup: true });
    await daemon.stop();
    expect(await run(['nft', 'list', 'tables'], inSwitch)).not.toContain('castgate');
    const ports = JSON.parse(await run(['bridge', '-d', '-j', 'link', 'show'], inSwitch)) as Record<
      string,
      unknown
    >[];
    for (const port of ports) expect(port).toMatchObject({ locked: false, learning: true, flood: true });
    expect(await run(['bridge', 'mdb', 'show'], inSwitch)).not.toContain(`${NEWS} permanent`);
    expect(await run(['bridge', 'fdb', 'show', 'dev', 'swp1'], inSwitch)).not.toContain(
      `${on.topology.host('alice').mac} master br0 static`,
    );
  });

  it('a silent RADIUS server refuses the join with radius-timeout, and is asked again when it is back', async () => {
    const [on, daemon] = await raise(PLAN, {
      groups: { patience: '1s', max_tries: 2, timeout_hold: '500ms' },
      retransmit: { initial: '400ms' },
      multicast: {
        query_interval: '3s',
        query_response_interval: '1s',
        querier: { election: false },
      },
    });
    const { player } = await admit(on, 'alice');
    await on.radius.halt();
    await player.ask(`join ${NEWS}`);
    expect(await refusedFor(daemon, on, 'alice', NEWS)).toBe('radius-timeout');
    expect(await packets(player, NEWS)).toBe(0);
    await on.radius.resume();
    // Nobody joins anew: the host's answer to the next general query asks again.
    await receives(player, NEWS);
  });

  it('conformance 8: a deleted port ends its session; made anew, its host logs in and receives', async () => {
    const [on, daemon] = await raise(PLAN);
    const { supplicant, player } = await admit(on, 'alice');
    await player.ask(`join ${NEWS}`);
    await receives(player, NEWS);
    await on.topology.deletePort('swp1');
    const stop = await accounted(on, 'Stop', 'alice', undefined);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Lost-Carrier');
    expect(await daemon.sessions()).toEqual([]);
    await player.stop();
    await supplicant.kill();

    await on.topology.recreatePort('swp1');
    const before = await on.startReceiver('alice');
    expect((await before.ask(`echo ${LabAddress.upstream} 10`))['returned']).toBe(0);
    await before.stop();
    const again = await admit(on, 'alice');
    await again.player.ask(`join ${NEWS}`);
    await again.player.ask(`join ${FILM}`);
    await receives(again.player, NEWS);
    expect(await refusedFor(daemon, on, 'alice', FILM)).toBe('radius-reject');
    expect(await packets(again.player, FILM)).toBe(0);
  });

  it('after kill -9 present viewers go on and nobody new gets in', async () => {
    const [on, daemon] = await raise(PLAN);
    const alice = await admit(on, 'alice');
    await alice.player.ask(`join ${NEWS}`);
    await receives(alice.player, NEWS);
    await daemon.kill();
    const atKill = await packets(alice.player, NEWS);

    await alice.player.ask(`join ${SPORT}`);
    const supplicant = await on.startSupplicant('bob', {
      method: 'md5',
      identity: 'bob',
      password: 'bob-password',
    });
    await on.topology.plugIn(on.topology.host('bob'));
    const bob = await on.startReceiver('bob');
    await bob.ask(`join ${SPORT}`);
    await pause(3_000);
    expect(await packets(alice.player, NEWS)).toBeGreaterThan(atKill + 200);
    expect(await alice.player.ask(`leave ${NEWS}`)).toMatchObject({ missing: 0 });
    expect(await packets(alice.player, SPORT)).toBe(0);
    expect(await packets(bob, SPORT)).toBe(0);
    expect((await bob.ask(`echo ${LabAddress.upstream} 10`))['returned']).toBe(0);
    expect((await supplicant.status()).get('Supplicant PAE state')).not.toBe('AUTHENTICATED');
  });

  it.each(['kill -9', 'a stop'])('after %s and a new start nobody notices anything', async (how) => {
    const [on, daemon] = await raise(PLAN, {
      multicast: {
        query_interval: '2s',
        query_response_interval: '500ms',
        querier: { election: false },
      },
    });
    const alice = await admit(on, 'alice');
    const cable = await on.capture('alice');
    await alice.player.ask(`join ${NEWS}`);
    await receives(alice.player, NEWS);
    const before = await daemon.sessions();
    if (how === 'kill -9') await daemon.kill();
    else await daemon.stop();
    await daemon.resume();
    await pause(3_000);
    const after = await daemon.sessions();
    expect(after.map((row) => [row.acctSessionId, row.since, row.authorized])).toEqual(
      before.map((row) => [row.acctSessionId, row.since, true]),
    );
    expect(await daemon.groups()).toMatchObject([{ group: NEWS, state: 'granted', account: 'alice' }]);
    // Not one packet of the channel is missing, and nobody asked the host who it is.
    expect(await alice.player.ask(`leave ${NEWS}`)).toMatchObject({ missing: 0 });
    const asked = cable
      .frames()
      .filter(
        ({ etherType, payload }) => etherType === EtherType.Eapol && payload[EAP_CODE_AT] === EapCode.Request,
      );
    expect(asked).toHaveLength(0);
    const stop = await accounted(on, 'Stop', 'alice', NEWS);
    expect(accounting(on, 'Start', 'alice', NEWS)).toHaveLength(1);
    expect(accounting(on, 'Start', 'alice', undefined)).toHaveLength(1);
    // The counter is read as the leave is heard, a moment before the channel stops: within 1 % of the cable.
    const received = tally(cable.frames(), ofGroup(NEWS)).packets;
    const booked = Number(stop.text('Acct-Output-Packets'));
    expect(received).toBeGreaterThan(250);
    expect(Math.abs(booked - received)).toBeLessThanOrEqual(Math.ceil(received / 100));
    const ons = on.radius.accountingRecords().filter((r) => r.text('Acct-Status-Type') === 'Accounting-On');
    expect(ons).toHaveLength(1);
    // What it took up it also takes back.
    await alice.supplicant.logoff();
    await accounted(on, 'Stop', 'alice', undefined);
    expect((await alice.player.ask(`echo ${LabAddress.upstream} 5`))['returned']).toBe(0);
  });

  it('a cable that was out while no daemon watched lets nobody stay in', async () => {
    const [on, daemon] = await raise(PLAN);
    const alice = await admit(on, 'alice');
    await alice.player.ask(`join ${NEWS}`);
    await receives(alice.player, NEWS);
    await daemon.kill();
    await alice.supplicant.kill();
    const { namespace } = on.topology.host('alice');
    await run(['ip', 'link', 'set', 'eth0', 'down'], { namespace });
    await run(['ip', 'link', 'set', 'eth0', 'up'], { namespace });
    await daemon.resume();
    const stop = await accounted(on, 'Stop', 'alice', undefined);
    expect(stop.text('Acct-Terminate-Cause')).toBe('Lost-Carrier');
    expect((await daemon.groups()).filter((row) => row.state === 'granted')).toEqual([]);
    const swp1 = (await daemon.ports()).find((row) => row.port === 'swp1');
    expect(swp1).toMatchObject({ authorizedHosts: 0, channels: 0 });
  });

  it('without a warm restart the viewer logs in again and goes on', async () => {
    const [on, daemon] = await raise(PLAN, {
      restart: { warm: false },
      multicast: {
        query_interval: '2s',
        query_response_interval: '500ms',
        querier: { election: false },
      },
    });
    const alice = await admit(on, 'alice');
    await alice.player.ask(`join ${NEWS}`);
    await receives(alice.player, NEWS);
    await daemon.kill();
    await daemon.resume();
    await until('the session of the new daemon', 8_000, async () =>
      (await daemon.sessions()).some((session) => session.authorized) ? true : undefined,
    );
    // The host does not join anew: it answers the general query of the new daemon.
    await until('the grant of the new daemon', 8_000, async () =>
      (await daemon.groups()).some((row) => row.state === 'granted' && row.group === NEWS) ? true : undefined,
    );
    const seen = await packets(alice.player, NEWS);
    await pause(1_000);
    expect(await packets(alice.player, NEWS)).toBeGreaterThan(seen + 50);
  });

  it('conformance 63: two hosts on one port are asked for and accounted for separately', async () => {
    const [on, daemon] = await raise({
      ...PLAN,
      hosts: [
        { name: 'alice', port: 'swp1' },
        { name: 'bob', port: 'swp1', igmpVersion: 2 },
        { name: 'carol', port: 'swp1' },
      ],
    });
    const alice = await admit(on, 'alice');
    await alice.player.ask(`join ${SPORT}`);
    await receives(alice.player, SPORT);
    const bob = await admit(on, 'bob');
    await bob.player.ask(`join ${SPORT}`);
    await accounted(on, 'Start', 'bob', SPORT);
    expect(accounting(on, 'Start', 'alice', SPORT)).toHaveLength(1);

    // A third host behind the same hub has no session: port-based mode would let it ask (patent 1).
    await on.topology.plugIn(on.topology.host('carol'));
    const carol = await on.startReceiver('carol');
    await carol.ask(`join ${NEWS}`);
    expect(await refusedFor(daemon, on, 'carol', NEWS)).toBe('no-session');

    // The first leaves, the second goes on: the port keeps the channel for who is left.
    await alice.player.ask(`leave ${SPORT}`);
    await accounted(on, 'Stop', 'alice', SPORT);
    expect(accounting(on, 'Stop', 'bob', SPORT)).toHaveLength(0);
    const seen = await packets(bob.player, SPORT);
    await pause(1_000);
    expect(await packets(bob.player, SPORT)).toBeGreaterThan(seen + 50);
    expect(await bob.player.ask(`leave ${SPORT}`)).toMatchObject({ missing: 0 });
  });
});
