/**
 * One round: kernels of every version of IGMP and MLD join, stay over several membership intervals, leave and are
 * refused, two of them behind a hub. What arrived is counted on the cables, not believed of the hosts.
 */
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { Capture, CapturedFrame } from '../capture.ts';
import { ofGroup, tally } from '../capture.ts';
import type { Castgate } from '../castgate.ts';
import type { Lab } from '../lab.ts';
import { pause } from '../processes.ts';
import { BRIEF, FILM, HOSTS, MEMBERSHIP_MS, NEWS, SPORT, silence, Viewer } from './viewers.ts';

/** Says what is looked at, and throws where it is not so. */
export type Check = (what: string, look: () => Promise<void>) => Promise<void>;

export async function playRound(lab: Lab, daemon: Castgate, check: Check): Promise<void> {
  const cables = new Map<string, Capture>();
  for (const name of ['one', 'two', 'three', 'left']) cables.set(name, await lab.capture(name));
  const upstream = await lab.capture(undefined);
  const viewers: Viewer[] = [];
  await check('every host logs in', async () => {
    for (const { name } of HOSTS) viewers.push(await Viewer.enter(lab, daemon, name));
  });
  const viewer = (name: string): Viewer => {
    const found = viewers.find((one) => one.name === name);
    if (found === undefined) throw new Error(`${name} is not in`);
    return found;
  };
  const onCable = (name: string, group: string) => {
    const frames = cables.get(name)?.frames() ?? [];
    return tally(frames, ofGroup(group)).packets;
  };

  await check('each receives what it may, by IPv4 and IPv6', async () => {
    for (const each of viewers) for (const group of [...NEWS, ...FILM]) await each.join(group);
    for (const each of viewers) for (const group of NEWS) await each.receives(group);
  });
  await check('each is refused what it may not have', async () => {
    for (const each of viewers)
      for (const group of FILM) same(await each.isRefused(group), 'radius-reject', `${each.name} ${group}`);
  });
  await check('behind the hub each is asked about for itself', async () => {
    for (const name of ['left', 'right']) for (const group of SPORT) await viewer(name).join(group);
    for (const group of SPORT) {
      await viewer('left').receives(group);
      same(await viewer('right').isRefused(group), 'radius-reject', `right ${group}`);
    }
  });
  await check('permissions of six seconds go on without a gap, memberships over two intervals', async () => {
    for (const each of viewers) for (const group of BRIEF) await each.join(group);
    for (const each of viewers) for (const group of BRIEF) await each.receives(group);
    await pause(2 * MEMBERSHIP_MS);
    for (const each of viewers) {
      for (const group of [...BRIEF, ...NEWS]) {
        await each.receives(group);
        same((await each.counts(group)).missing, 0, `missing of ${group} at ${each.name}`);
      }
    }
  });
  await check('leaves end it: at once, for IGMPv1 with the membership interval', async () => {
    for (const name of ['one', 'two', 'three']) {
      for (const group of BRIEF) {
        await viewer(name).leave(group);
        await viewer(name).hasEnded(group);
        await silence(() => onCable(name, group), `${group} at ${name}`);
      }
    }
  });
  await check(
    'behind the hub the first leave takes nothing from the other one, the last ends it',
    async () => {
      for (const group of NEWS) {
        await viewer('left').leave(group);
        await viewer('left').hasEnded(group);
        await viewer('right').receives(group);
        await viewer('right').leave(group);
        await viewer('right').hasEnded(group);
        await silence(() => onCable('left', group), `${group} behind the hub`);
      }
    },
  );
  const seen = new Map<string, readonly CapturedFrame[]>();
  for (const [name, cable] of cables) seen.set(name, await cable.finish());
  const above = await upstream.finish();
  await check('hosts spoke the versions that they were set to', async () => {
    for (const { name, igmpVersion, mldVersion } of HOSTS.filter((host) => seen.has(host.name))) {
      const { mac } = lab.topology.host(name);
      const versions = versionsOf(seen.get(name) ?? [], mac);
      same([...versions[4]].join(), String(igmpVersion), `IGMP of ${name}`);
      same([...versions[6]].join(), String(mldVersion), `MLD of ${name}`);
    }
  });
  await check(
    'not one datagram of what was refused came to a port, not one report of it upstream',
    async () => {
      for (const [name, frames] of seen)
        for (const group of FILM) same(tally(frames, ofGroup(group)).packets, 0, `${group} at ${name}`);
      const reported = groupsIn(above, lab.topology.upstreamMac);
      for (const group of FILM) same(reported.has(group), false, `${group} reported upstream`);
      for (const group of NEWS) same(reported.has(group), true, `${group} reported upstream`);
    },
  );
}

/** Versions of the reports that a host sent. */
function versionsOf(frames: readonly CapturedFrame[], mac: string): Record<4 | 6, Set<number>> {
  const versions = { 4: new Set<number>(), 6: new Set<number>() };
  for (const { src, etherType, payload } of frames) {
    const packet = src === mac ? decodeGroupPacket(etherType, payload) : undefined;
    if (packet === undefined || isMalformed(packet)) continue;
    const { message, family } = packet;
    if (message.kind === 'record-report' || message.kind === 'report') versions[family].add(message.version);
  }
  return versions;
}

/** Groups that somebody else than the upstream itself reported there. */
function groupsIn(frames: readonly CapturedFrame[], upstreamMac: string): Set<string> {
  const groups = new Set<string>();
  for (const { src, etherType, payload } of frames) {
    const packet = src === upstreamMac ? undefined : decodeGroupPacket(etherType, payload);
    if (packet === undefined || isMalformed(packet)) continue;
    const { message } = packet;
    if (message.kind === 'record-report') for (const { group } of message.records) groups.add(group);
    else if (message.kind === 'report') groups.add(message.group);
  }
  return groups;
}

function same(seen: unknown, wanted: unknown, what: string): void {
  if (seen !== wanted) throw new Error(`${what}: ${String(seen)}, not ${String(wanted)}`);
}
