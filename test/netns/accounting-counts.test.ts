/**
 * What FreeRADIUS is told of octets and packets beside what tcpdump counts at the subscriber's end of the cable: IPv4
 * and IPv6, sessions and channels, over a kill of castgate, counters that begin again, and a cable that is pulled out.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type CapturedFrame, ofGroup, type Tally, tally } from '../../lab/capture.ts';
import type { Castgate } from '../../lab/castgate.ts';
import type { Supplicant } from '../../lab/hosts/supplicant.ts';
import { Lab, type LabPlan } from '../../lab/lab.ts';
import { builtProgram, type LineProgram } from '../../lab/line-program.ts';
import { run, until } from '../../lab/processes.ts';
import type { DetailRecord } from '../../lab/radius/detail-file.ts';
import type { LabHost } from '../../lab/topology.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const NEWS = '239.1.1.1';
const NEWS6 = 'ff15::101';
/** Where MLDv2 reports go (RFC 9777 §5.2.14). */
const MLD_REPORTS = 'ff02::16';
const PLAN: LabPlan = {
  ipv6: true,
  hosts: [
    { name: 'alice', port: 'swp1' },
    { name: 'bob', port: 'swp2' },
  ],
  users: [
    { name: 'alice', password: 'alice-password' },
    { name: 'bob', password: 'bob-password' },
  ],
  permissions: [NEWS, NEWS6].map((group) => ({ account: 'alice', group, holdsS: 3_600 })),
  channels: [NEWS, NEWS6],
  rate: 200,
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

async function supplicantOf(on: Lab, name: string): Promise<Supplicant> {
  const credentials = { method: 'md5', identity: name, password: `${name}-password` } as const;
  const supplicant = await on.startSupplicant(name, credentials);
  await on.topology.plugIn(on.topology.host(name));
  await supplicant.authenticated(30_000);
  return supplicant;
}

/** Datagrams to the other host and back, until all of them came back: a new neighbour's first may be lost. */
async function talk(player: LineProgram, to: LabHost, count: number): Promise<void> {
  for (const address of [to.address, to.address6]) {
    await until(`an answer of ${address}`, 15_000, async () =>
      Number((await player.ask(`echo ${address} 1`))['returned']) === 1 ? (true as const) : undefined,
    );
    await player.ask(`echo ${address} ${count}`);
  }
}

async function flows(player: LineProgram, group: string, more = 200): Promise<void> {
  const packets = async () => {
    const { channels } = await player.ask('counts');
    return (channels as Record<string, { packets: number }>)[group]?.packets ?? 0;
  };
  const from = await packets();
  await until(`${group} to flow`, 15_000, async () =>
    (await packets()) >= from + more ? (true as const) : undefined,
  );
}

function told(on: Lab, status: string, group: string | undefined): DetailRecord[] {
  return on.radius
    .accountingRecords()
    .filter(
      (record) =>
        record.text('Acct-Status-Type') === status &&
        record.text('User-Name') === 'alice' &&
        (record.text('H3C-IPv4-Multicast-Receive-Group') ??
          record.text('H3C-IPv6-Multicast-Receive-Group')) === group,
    );
}

/** The n-th Stop. */
function stopOf(on: Lab, group: string | undefined, n = 1): Promise<DetailRecord> {
  return until(`Stop ${n} of ${group ?? 'the session'}`, 20_000, async () => told(on, 'Stop', group)[n - 1]);
}

/** Everything up to now is counted: castgate has read the counters after it. */
async function counted(on: Lab): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  await until('an interim record of the session from now on', 20_000, async () => {
    const last = told(on, 'Interim-Update', undefined).at(-1);
    const at = Date.parse(last?.text('Event-Timestamp') ?? '') / 1000;
    return at > now + 1 ? (true as const) : undefined;
  });
}

/** Within 1 %, octets and packets; what was captured is no trifle. */
function expectSame(record: DetailRecord, direction: 'Input' | 'Output', captured: Tally): void {
  expect(captured.packets).toBeGreaterThan(150);
  const packets = record.number(`Acct-${direction}-Packets`);
  const octets = record.octets(direction);
  const what = `${direction} packets ${packets} of ${captured.packets}, octets ${octets} of ${captured.octets}`;
  expect(Math.abs(packets / captured.packets - 1), what).toBeLessThan(0.01);
  expect(Math.abs(octets / captured.octets - 1), what).toBeLessThan(0.01);
}

/** What passes the switch from a host: all but EAPOL and reports of memberships, which are for the switch. */
function sentBy(frames: readonly CapturedFrame[], mac: string): Tally {
  return tally(frames, (frame) => frame.src === mac && isForOthers(frame));
}

/** What is delivered to its MAC address. */
function deliveredTo(frames: readonly CapturedFrame[], mac: string): Tally {
  return tally(frames, (frame) => frame.dst === mac && isForOthers(frame));
}

function isForOthers({ etherType, ip }: CapturedFrame): boolean {
  return etherType !== EtherType.Eapol && ip?.protocol !== IpProtocol.Igmp && ip?.dst !== MLD_REPORTS;
}

/** The counters of a host begin again, as in a new table, without a packet that meets none. */
async function resetCounters(on: Lab, { port, mac }: LabHost): Promise<void> {
  const change = (set: string) =>
    ['delete', 'add'].map((verb) => `${verb} element bridge castgate ${set} { "${port}" . ${mac} }`);
  const input = `${[...change('hosts_in'), ...change('hosts_out')].join('\n')}\n`;
  await run(['nft', '-f', '-'], { namespace: on.topology.switchNamespace, input });
}

describe.skipIf(notRoot || notBuilt)(`accounting beside a capture${why}`, { timeout: 180_000 }, () => {
  it('is within 1 % of the subscriber’s end, over a kill, counters that begin again, and a cable that is out', async () => {
    const on = await Lab.open(PLAN);
    lab = on;
    const daemon = await on.startCastgate({ accounting: { interim_interval: '1s', note_interval: '1s' } });
    castgate = daemon;
    const [a, b] = [on.topology.host('alice'), on.topology.host('bob')];
    const supplicant = await supplicantOf(on, 'alice');
    await supplicantOf(on, 'bob');
    const alice = await on.startReceiver('alice');
    await (await on.startReceiver('bob')).ask('answer');

    const first = await on.capture('alice');
    await alice.ask(`join ${NEWS}`);
    await alice.ask(`join ${NEWS6}`);
    await flows(alice, NEWS);
    await flows(alice, NEWS6);
    await talk(alice, b, 400);
    await daemon.kill();
    // Nobody reads the counters meanwhile.
    await talk(alice, b, 150);
    await flows(alice, NEWS6);
    await daemon.resume();
    await talk(alice, b, 150);
    await counted(on);
    await resetCounters(on, a);
    await talk(alice, b, 200);
    await flows(alice, NEWS, 600);
    await alice.ask(`leave ${NEWS}`);
    await stopOf(on, NEWS);
    await flows(alice, NEWS6, 600);
    const seen = await first.finish();
    const atFinish = tally(seen, ofGroup(NEWS6)).packets;
    await on.topology.unplug(a);
    const [session, news, news6] = [
      await stopOf(on, undefined),
      await stopOf(on, NEWS),
      await stopOf(on, NEWS6),
    ];
    expect([session, news, news6].map((stop) => stop.text('Acct-Terminate-Cause'))).toEqual([
      'Lost-Carrier',
      'User-Request',
      'Lost-Carrier',
    ]);
    expectSame(news, 'Output', tally(seen, ofGroup(NEWS)));
    expectSame(session, 'Input', sentBy(seen, a.mac));
    expectSame(session, 'Output', deliveredTo(seen, a.mac));
    // The capture ended before the cable was pulled out: the player counted on.
    const left = await alice.ask(`leave ${NEWS6}`);
    expect(Number(left['packets'])).toBeGreaterThanOrEqual(atFinish);
    const whole = tally(seen, ofGroup(NEWS6));
    const packets = Number(left['packets']);
    expectSame(news6, 'Output', { ...whole, packets, octets: (whole.octets / whole.packets) * packets });
    expect(told(on, 'Start', undefined)).toHaveLength(1);

    // Back again: other records, which begin at nothing.
    await on.topology.plugIn(a);
    await supplicant.authenticated(30_000);
    const second = await on.capture('alice');
    await talk(alice, b, 200);
    await alice.ask(`join ${NEWS}`);
    await flows(alice, NEWS, 600);
    await alice.ask(`leave ${NEWS}`);
    await supplicant.logoff();
    const [later, newsAgain] = [await stopOf(on, undefined, 2), await stopOf(on, NEWS, 2)];
    const rest = await second.finish();
    expectSame(newsAgain, 'Output', tally(rest, ofGroup(NEWS)));
    expectSame(later, 'Input', sentBy(rest, a.mac));
    expectSame(later, 'Output', deliveredTo(rest, a.mac));
    expect(new Set([session, news, news6, later, newsAgain].map((r) => r.text('Acct-Session-Id'))).size).toBe(
      5,
    );
  });
});
