/**
 * IPv6 channels between real parts: kernel hosts with MLDv1 and MLDv2, FreeRADIUS, a Linux bridge. Each test
 * raises a lab of its own; what arrives is counted on the cable.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { type CapturedFrame, ofGroup, tally } from '../../lab/capture.ts';
import type { Castgate } from '../../lab/castgate.ts';
import { Lab, type LabPlan } from '../../lab/lab.ts';
import { builtProgram, type LineProgram } from '../../lab/line-program.ts';
import { pause, run, until } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';
import { isMalformed } from '../../wire/malformed.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const NEWS = 'ff15::101';
const FILM = 'ff15::102';
const SSM = 'ff3e::1';

const PLAN: LabPlan = {
  ipv6: true,
  hosts: [
    { name: 'alice', port: 'swp1' },
    { name: 'bob', port: 'swp2', mldVersion: 1 },
  ],
  users: [
    { name: 'alice', password: 'alice-password' },
    { name: 'bob', password: 'bob-password' },
  ],
  permissions: [
    { account: 'alice', group: NEWS, holdsS: 600 },
    { account: 'alice', group: SSM, holdsS: 600 },
    { account: 'bob', group: FILM, holdsS: 600 },
  ],
  channels: [NEWS, FILM, SSM],
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

async function raise(): Promise<[Lab, Castgate]> {
  lab = await Lab.open(PLAN);
  castgate = await lab.startCastgate({
    multicast: { query_interval: '2s', query_response_interval: '500ms' },
  });
  return [lab, castgate];
}

async function admit(on: Lab, name: string): Promise<LineProgram> {
  const credentials = { method: 'md5', identity: name, password: `${name}-password` } as const;
  const supplicant = await on.startSupplicant(name, credentials);
  await on.topology.plugIn(on.topology.host(name));
  await supplicant.authenticated(15_000);
  return on.startReceiver(name);
}

async function packets(player: LineProgram, channel: string): Promise<number> {
  const counts = (await player.ask('counts'))['channels'] as Record<string, { packets: number }>;
  return counts[channel]?.packets ?? 0;
}

function receives(player: LineProgram, channel: string): Promise<true> {
  return until(`${channel} at the ${player.process.name}`, 8_000, async () =>
    (await packets(player, channel)) > 0 ? (true as const) : undefined,
  );
}

function refusedFor(of: Castgate, on: Lab, name: string, group: string): Promise<string> {
  const { mac } = on.topology.host(name);
  return until(`a refusal of ${group} for ${name}`, 8_000, async () => {
    const row = (await of.groups()).find((one) => one.mac === mac && one.group === group);
    return row?.state === 'refused' ? (row.reason ?? undefined) : undefined;
  });
}

/** Groups beyond the link that reports on a cable name. */
function reported(frames: readonly CapturedFrame[], from: string): Set<string> {
  const groups = new Set<string>();
  for (const { src, etherType, payload } of frames) {
    const packet = src === from ? decodeGroupPacket(etherType, payload) : undefined;
    if (packet === undefined || isMalformed(packet) || packet.family !== 6) continue;
    const { message } = packet;
    if (message.kind === 'record-report') for (const { group } of message.records) groups.add(group);
    else if (message.kind === 'report') groups.add(message.group);
  }
  return groups;
}

describe.skipIf(notRoot || notBuilt)(`MLD end to end${why}`, { timeout: 60_000 }, () => {
  it('conformance 54, 62: MLDv1 and MLDv2 hosts receive what they may, and nothing else leaks or goes upstream', async () => {
    const [on, daemon] = await raise();
    const [alice, bob] = [await admit(on, 'alice'), await admit(on, 'bob')];
    const cables = { alice: await on.capture('alice'), bob: await on.capture('bob') };
    const upstream = await on.capture(undefined);
    for (const player of [alice, bob]) for (const group of [NEWS, FILM]) await player.ask(`join ${group}`);
    await receives(alice, NEWS);
    await receives(bob, FILM);
    expect(await refusedFor(daemon, on, 'alice', FILM)).toBe('radius-reject');
    expect(await refusedFor(daemon, on, 'bob', NEWS)).toBe('radius-reject');
    // Past the membership interval: the hosts have answered castgate's queries, each in its own version.
    await pause(5_000);
    for (const [player, group] of [
      [alice, NEWS],
      [bob, FILM],
    ] as const) {
      const before = await packets(player, group);
      await until(`more of ${group}`, 3_000, async () =>
        (await packets(player, group)) > before ? (true as const) : undefined,
      );
    }
    const sums = await Promise.all([alice.ask(`leave ${NEWS}`), bob.ask(`leave ${FILM}`)]);
    for (const sum of sums) expect(sum).toMatchObject({ missing: 0 });
    const mdb = () => run(['bridge', '-d', 'mdb', 'show'], { namespace: on.topology.switchNamespace });
    await until('the database without the channels', 3_000, async () =>
      (await mdb()).includes('ff15::') ? undefined : (true as const),
    );
    const [aliceSaw, bobSaw, upstreamSaw] = await Promise.all([
      cables.alice.finish(),
      cables.bob.finish(),
      upstream.finish(),
    ]);
    expect(tally(aliceSaw, ofGroup(NEWS)).packets).toBeGreaterThan(100);
    expect(tally(bobSaw, ofGroup(FILM)).packets).toBeGreaterThan(100);
    expect(tally(aliceSaw, ofGroup(FILM)).packets).toBe(0);
    expect(tally(bobSaw, ofGroup(NEWS)).packets).toBe(0);
    const bridge = JSON.parse(
      await run(['ip', '-j', 'link', 'show', LabAddress.bridge], { namespace: on.topology.switchNamespace }),
    ) as { address: string }[];
    const told = reported(upstreamSaw, bridge[0]?.address ?? '');
    expect(told.has(NEWS) && told.has(FILM)).toBe(true);
    // Bob was refused news, alice film: each group was said for the other's sake alone, nothing beside them.
    expect([...told].filter((group) => !group.startsWith('ff02:')).sort()).toEqual([NEWS, FILM]);
    for (const [account, group] of [
      ['alice', NEWS],
      ['bob', FILM],
    ]) {
      const stop = await until(`Stop of ${account} ${group}`, 8_000, async () =>
        on.radius
          .accountingRecords()
          .find(
            (record) =>
              record.text('Acct-Status-Type') === 'Stop' &&
              record.text('User-Name') === account &&
              record.text('H3C-IPv6-Multicast-Receive-Group') === group,
          ),
      );
      expect(stop.octets('Output')).toBeGreaterThan(100_000);
    }
  });

  it('conformance 61: a source of an IPv6 SSM group is received, any source of it is refused', async () => {
    const [on, daemon] = await raise();
    const alice = await admit(on, 'alice');
    const cable = await on.capture('alice');
    await alice.ask(`join ${SSM}`);
    expect(await refusedFor(daemon, on, 'alice', SSM)).toBe('ssm-needs-source');
    expect(tally(cable.frames(), ofGroup(SSM)).packets).toBe(0);
    await alice.ask(`leave ${SSM}`);
    await alice.ask(`join ${SSM} ${LabAddress.upstream6}`);
    await receives(alice, `${SSM} from ${LabAddress.upstream6}`);
    await alice.ask(`leave ${SSM} ${LabAddress.upstream6}`);
    await until('the end of it in the database', 3_000, async () =>
      (await run(['bridge', 'mdb', 'show'], { namespace: on.topology.switchNamespace })).includes(SSM)
        ? undefined
        : (true as const),
    );
  });

  it('conformance 58: neighbour discovery and duplicate address detection of hosts that are in go on', async () => {
    const [on] = await raise();
    const players = { alice: await admit(on, 'alice'), bob: await admit(on, 'bob') };
    const [a, b] = [on.topology.host('alice'), on.topology.host('bob')];
    for (const player of Object.values(players)) await player.ask('answer');
    const reaches = (from: LineProgram, to: string) =>
      until(`an echo of ${to}`, 10_000, async () =>
        Number((await from.ask(`echo ${to} 1`))['returned']) === 1 ? (true as const) : undefined,
      );
    await reaches(players.alice, b.address6);
    await reaches(players.bob, a.address6);
    await reaches(players.alice, LabAddress.upstream6);
    // An address that a neighbour has is found out, through castgate, by the host that wants it too.
    await run(['ip', '-n', b.namespace, '-6', 'addr', 'add', `${a.address6}/64`, 'dev', 'eth0']);
    const state = () => run(['ip', '-n', b.namespace, '-6', 'addr', 'show', 'dev', 'eth0']);
    await until('the duplicate to be noticed', 5_000, async () =>
      (await state()).includes('dadfailed') ? (true as const) : undefined,
    );
    await run(['ip', '-n', b.namespace, '-6', 'addr', 'add', 'fd77::99/64', 'dev', 'eth0']);
    await until('another address to be good', 5_000, async () => {
      const text = await state();
      return text.includes('fd77::99') && !/fd77::99[^\n]*tentative/.test(text) ? (true as const) : undefined;
    });
    await reaches(players.alice, 'fd77::99');
  });
});
