/**
 * What holds of a node's records, and of its switch, after every single turn. Written against the records'
 * meaning, not against the code that makes them.
 */
import type { Effect } from '../../../daemon/core/effects.ts';
import type { Stores } from '../../../daemon/core/stores.ts';
import { membershipKey } from '../../../igmp/membership.ts';
import { channelKey, hostKey } from '../../../session/records.ts';
import type { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { IpAddress } from '../../../wire/address.ts';
import { must } from './violation.ts';

/** Everybody who is granted something is in, everything that is forwarded is granted, nobody waits in vain. */
export function checkRecords(stores: Stores, now: number): void {
  for (const { key, authorized, eap } of stores.authenticators.values()) {
    must(authorized === stores.sessions.has(key), () => `${key}: authorized ${authorized} without a session`);
    const round = stores.conversations.get(key)?.round;
    const asked = stores.radiusRequests.has(`login/${key}/${round}`);
    must(
      asked === (eap === 'AAA_IDLE'),
      () => `${key} is ${eap}, its request ${asked ? '' : 'not '}in flight`,
    );
  }
  for (const { key, port, endsAt } of stores.sessions.values()) {
    must(!stores.shutPorts.has(port), () => `${key} has a session on a port that is shut`);
    must(stores.authenticators.has(key), () => `${key} has a session and no authenticator`);
    must((endsAt ?? now) >= now, () => `the session of ${key} should have ended`);
  }
  for (const { key, host, expiresAt } of stores.memberships.values()) {
    must(stores.sessions.has(host), () => `${key} is wanted by somebody who is not in`);
    must(expiresAt >= now, () => `the wish ${key} should have ended`);
  }
  checkGrants(stores, now);
  checkLimits(stores);
  checkForwardings(stores);
  checkQuestions(stores);
  checkAccounting(stores);
}

/** The switch is as the records say, once the effects that are held have left. */
export function checkSwitch(stores: Stores, bridge: MemorySwitch, held: readonly Effect[]): void {
  const hosts = new Map(bridge.openHosts().map((host) => [hostKey(host.port, host.vlan, host.mac), host]));
  const channels = new Map(
    bridge.forwardings().map(({ port, vlan, group, filter }) => [`${port}/${vlan}/${group}`, say(filter)]),
  );
  for (const effect of held) {
    if (effect.kind === 'open-host') hosts.set(effect.key, effect.host);
    else if (effect.kind === 'close-host') {
      const { port, vlan, mac } = effect.host;
      hosts.delete(hostKey(port, vlan, mac));
    } else if (effect.kind === 'forward') {
      const key = `${effect.port}/${effect.vlan}/${effect.group}`;
      if (effect.filter === undefined) channels.delete(key);
      else channels.set(key, say(effect.filter));
    }
  }
  for (const { key, rights, sends, filter } of stores.sessions.values()) {
    const at = hosts.get(key);
    must(hosts.delete(key), () => `${key} has a session and its port is shut`);
    const [may, said] = [sends, rights?.send].map((ranges) => JSON.stringify(ranges ?? []));
    must(may === said, () => `${key} was allowed to send to ${said}, and may to ${may}`);
    must(JSON.stringify(at?.sends ?? []) === may, () => `${key} may send to ${may}, at the switch otherwise`);
    const [rules, held] = [filter?.rules, at?.filter].map((each) => JSON.stringify(each ?? []));
    must(rules === held, () => `${key} has the filter ${rules}, at the switch ${held}`);
  }
  must(hosts.size === 0, () => `open without a session: ${[...hosts.keys()].join(', ')}`);
  for (const { key, mode, sources } of stores.forwardings.values()) {
    const there = channels.get(key);
    const wanted = say({ mode, sources });
    must(there === wanted, () => `${key} is forwarded as ${there}, not ${wanted}`);
    channels.delete(key);
  }
  must(channels.size === 0, () => `forwarded without a grant: ${[...channels.keys()].join(', ')}`);
}

/** Channels of the account: each once for each port, however many of its hosts are there. */
export function channelsOf(stores: Stores, account: string): number {
  const channels = new Set<string>();
  for (const grant of stores.grants.values()) {
    const { port, vlan, group, source } = grant;
    if (grant.account === account) channels.add(`${port}/${vlan}/${group}/${source ?? '*'}`);
  }
  return channels.size;
}

/** No account has more channels than the most that a login of it allows. */
function checkLimits(stores: Stores): void {
  const most = new Map<string, number>();
  for (const { account, rights } of stores.sessions.values())
    most.set(account, Math.max(most.get(account) ?? 0, rights?.maxGroups ?? Infinity));
  for (const [account, limit] of most) {
    const used = limit === Infinity ? 0 : channelsOf(stores, account);
    must(used <= limit, () => `${account} has ${used} channels, and its logins allow ${limit}`);
  }
}

function checkGrants(stores: Stores, now: number): void {
  for (const { key, host, group, source, account, expiresAt } of stores.grants.values()) {
    must(stores.sessions.get(host)?.account === account, () => `${key} is granted without a session`);
    must(expiresAt >= now, () => `the permission ${key} should have ended`);
    const wish = stores.memberships.get(membershipKey(host, group));
    const wanted =
      wish !== undefined &&
      (wish.mode === 'exclude' ? source === undefined : wish.sources.includes(source ?? ''));
    must(wanted, () => `${key} is granted and not wanted`);
  }
}

/** A port receives a packet exactly where one of the grants behind it is for that packet. */
function checkForwardings(stores: Stores): void {
  const grantsOf = new Map<string, { source: IpAddress | undefined; excluded: readonly IpAddress[] }[]>();
  const sources = new Set<IpAddress>([ANY_OTHER_SOURCE]);
  for (const { port, vlan, host, group, source } of stores.grants.values()) {
    const wish = stores.memberships.get(membershipKey(host, group));
    const excluded = wish?.mode === 'exclude' ? wish.sources : [];
    const key = `${port}/${vlan}/${group}`;
    grantsOf.set(key, [...(grantsOf.get(key) ?? []), { source, excluded }]);
    for (const one of [...excluded, ...(source === undefined ? [] : [source])]) sources.add(one);
  }
  for (const [key, grants] of grantsOf) {
    const forwarding = stores.forwardings.get(key);
    must(forwarding !== undefined, () => `${key} is granted and not forwarded`);
    for (const source of sources) {
      const granted = grants.some((grant) =>
        grant.source === undefined ? !grant.excluded.includes(source) : grant.source === source,
      );
      const passes = forwarding.sources.includes(source) === (forwarding.mode === 'include');
      must(passes === granted, () => `${key} from ${source}: granted ${granted}, passes ${passes}`);
    }
  }
  for (const key of keysOf(stores.forwardings)) {
    must(grantsOf.has(key), () => `${key} is forwarded without a grant`);
  }
}

function checkQuestions(stores: Stores): void {
  for (const { key, host, group, source, question } of stores.pending.values()) {
    must(stores.memberships.has(membershipKey(host, group)), () => `${key} is pending and not wanted`);
    const open = stores.grants.get(channelKey(host, group, source));
    must(open === undefined || open.by === 'optimistic', () => `${key} is pending and granted`);
    must(stores.questions.has(question), () => `${key} waits for ${question}, which nobody asked`);
  }
  for (const key of keysOf(stores.questions)) {
    must(stores.radiusRequests.has(`group/${key}`), () => `question ${key} is not in flight`);
  }
  for (const { token } of stores.radiusRequests.values()) {
    const asker = token.startsWith('group/')
      ? stores.questions.has(token.slice('group/'.length))
      : token.startsWith('acct/')
        ? stores.accountingQueue.has(token.slice('acct/'.length))
        : stores.authenticators.get(token.slice('login/'.length, token.lastIndexOf('/')))?.eap === 'AAA_IDLE';
    must(asker, () => `nobody waits for the answer to ${token}`);
  }
}

function checkAccounting(stores: Stores): void {
  const running = new Set(keysOf(stores.accountingRecords));
  for (const key of keysOf(stores.sessions)) {
    must(running.delete(`session/${key}`), () => `${key} is in and not accounted for`);
  }
  for (const { key, by } of stores.grants.values()) {
    if (by === 'optimistic') must(!running.has(`channel/${key}`), () => `${key} is accounted for unasked`);
    else must(running.delete(`channel/${key}`), () => `${key} is granted and not accounted for`);
  }
  must(running.size === 0, () => `accounted for and gone: ${[...running].join(', ')}`);
}

function keysOf(store: { entries(): Iterable<[string, object]> }): string[] {
  return [...store.entries()].map(([key]) => key);
}

function say({ mode, sources }: { mode: string; sources: readonly IpAddress[] }): string {
  return `${mode} ${[...sources].sort().join(' ')}`;
}

/** Stands for all sources that nobody names. */
const ANY_OTHER_SOURCE = '10.9.255.255';
