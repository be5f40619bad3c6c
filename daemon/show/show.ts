/** The rows of `castgate show`, out of the core's records. */

import { formatFilterRule } from '../../auth/filter/ip-filter-rule.ts';
import type { MabRecord } from '../../auth/mab/mab-record.ts';
import { formatChannelRange } from '../../auth/rights/channel-range.ts';
import type { AuthenticatorRecord } from '../../eapol/authenticator-record.ts';
import { accountText } from '../../session/account.ts';
import type { SessionFilter } from '../../session/filter-rule.ts';
import type { GrantRecord, MonitoredHostRecord } from '../../session/records.ts';
import { channelKey, hostKey } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { Core } from '../core/core.ts';
import type { SwitchReadings } from '../core/parts.ts';
import { ownerOf } from '../radius/radius.ts';
import type { AccountingDisk } from '../spool/accounting-disk.ts';
import type { AccountingRow, GroupRow, PortRow, RadiusRow, SessionRow } from './show-rows.ts';

/** Every host that castgate knows, in or not; each as it is when its row is taken. */
export function* sessionRows(core: Core, readings: SwitchReadings): Generator<SessionRow> {
  const { authenticators, mabs, monitoredHosts } = core.stores;
  for (const record of authenticators.values()) yield dot1xRow(core, readings, record);
  for (const record of mabs.values())
    if (!authenticators.has(record.key)) yield mabRow(core, readings, record);
  for (const record of monitoredHosts.values()) {
    const { key } = record;
    if (!authenticators.has(key) && !mabs.has(key)) yield monitoredRow(core, readings, record);
  }
}

/** A host that is let through and has not said anything that a login would begin with. */
function monitoredRow(core: Core, readings: SwitchReadings, record: MonitoredHostRecord): SessionRow {
  return {
    ...hostRow(core, readings, record),
    account: null,
    state: 'MONITORED',
    since: record.since,
    reauthAt: null,
  };
}

function dot1xRow(core: Core, readings: SwitchReadings, record: AuthenticatorRecord): SessionRow {
  const identity = record.identity === undefined ? null : accountText(record.identity);
  return {
    ...hostRow(core, readings, record),
    account: core.stores.sessions.get(record.key)?.account ?? identity,
    state: stateWords(record.pae, core, record.key),
    reauthAt: record.reAuthWhen ?? null,
  };
}

function mabRow(core: Core, readings: SwitchReadings, record: MabRecord): SessionRow {
  return {
    ...hostRow(core, readings, record),
    account: core.stores.sessions.get(record.key)?.account ?? null,
    state: stateWords(`MAB ${record.state}`, core, record.key),
    reauthAt: record.state === 'AUTHENTICATED' ? (record.until ?? null) : null,
  };
}

function hostRow(core: Core, readings: SwitchReadings, record: HostPlace & { readonly key: string }) {
  const session = core.stores.sessions.get(record.key);
  const counters = session === undefined ? undefined : readings.hostCounters(record);
  return {
    port: record.port,
    vlan: record.vlan,
    mac: record.mac,
    authorized: session !== undefined,
    letThrough: core.stores.monitoredHosts.get(record.key)?.reason ?? null,
    since: session?.startedAt ?? null,
    acctSessionId: session?.acctSessionId ?? null,
    server: session?.server ?? null,
    octetsIn: counters?.input.octets ?? 0,
    octetsOut: counters?.output.octets ?? 0,
    sends: (session?.sends ?? []).map(formatChannelRange),
    filter: filterWords(session?.filter),
  };
}

/** Also says of a session that it goes on without RADIUS. */
function stateWords(state: string, core: Core, key: string): string {
  const isWithout = core.stores.sessions.get(key)?.withoutRadiusSince !== undefined;
  return isWithout ? `${state}, no RADIUS` : state;
}

function filterWords(filter: SessionFilter | undefined): readonly string[] {
  if (filter === undefined) return [];
  return filter.ids.length > 0 ? filter.ids : filter.rules.map(formatFilterRule);
}

/** What is granted, what waits for an answer, and the last refusals; each as it is when its row is taken. */
export function* groupRows(core: Core, readings: SwitchReadings): Generator<GroupRow> {
  const { grants, pending: questions, sessions } = core.stores;
  for (const grant of grants.values()) yield grantRow(grant, readings);
  for (const pending of questions.values()) {
    const session = sessions.get(pending.host);
    if (session === undefined || grants.has(pending.key)) continue;
    yield {
      port: session.port,
      vlan: session.vlan,
      mac: session.mac,
      account: pending.account,
      group: pending.group,
      source: pending.source ?? null,
      state: 'waiting',
      reason: null,
      by: null,
      since: pending.since,
      expiresAt: null,
      octets: 0,
      packets: 0,
    };
  }
  for (const refusal of core.channels.refusals()) {
    const { port, vlan, mac, group, source } = refusal;
    const key = channelKey(hostKey(port, vlan, mac), group, source);
    if (grants.has(key) || questions.has(key)) continue;
    yield {
      port,
      vlan,
      mac,
      account: refusal.account ?? null,
      group,
      source: source ?? null,
      state: 'refused',
      reason: refusal.reason,
      by: null,
      since: refusal.at,
      expiresAt: null,
      octets: 0,
      packets: 0,
    };
  }
}

/** One row a server. */
export function radiusRows(core: Core): RadiusRow[] {
  return core.config.radius.servers.map((server) => {
    const owner = ownerOf(server.name);
    const count = (name: string) => core.tally.of(owner, name);
    const roundTrip = core.radius.roundTripMs(server.name);
    return {
      server: server.name,
      address: server.address,
      state:
        core.radius.isDead(server.name, 'auth') || core.radius.isDead(server.name, 'acct') ? 'dead' : 'alive',
      inFlight: core.radius.inFlight(server.name),
      sent: count('sent'),
      statusServer: count('status-server'),
      accepts: count('accepts'),
      rejects: count('rejects'),
      challenges: count('challenges'),
      timeouts: count('timeouts'),
      retransmits: count('retransmits'),
      discarded: core.tally.withPrefix(owner, 'discarded/'),
      rttMs: roundTrip === undefined ? null : Math.round(roundTrip * 1000) / 1000,
      handshakes: core.tally.withPrefix(owner, 'handshakes/'),
      connectionsLost: core.tally.withPrefix(owner, 'connections-lost/'),
      accountingQueue: core.stores.accountingQueue.size,
    };
  });
}

/** The accounting queue; `disk` is undefined where nothing is accounted for. */
export function accountingRows(core: Core, disk: AccountingDisk | undefined): AccountingRow[] {
  const { books, config, stores, tally } = core;
  const trouble = disk?.state === 'ok' ? undefined : disk?.state;
  return [
    {
      state: disk === undefined ? 'off' : (trouble ?? (books.isBacklog ? 'backlog' : 'ok')),
      waiting: books.waiting,
      limit: config.accounting.queueLimit,
      oldestAt: books.oldestAt ?? null,
      running: stores.accountingRecords.size,
      acknowledged: tally.of('accounting', 'acknowledged'),
      lost: tally.withPrefix('accounting', 'lost/'),
      diskOctets: disk?.octets ?? 0,
      diskLimit: config.accounting.diskLimit,
      unwritten: disk?.unwritten ?? 0,
    },
  ];
}

/** One row a subscriber port. */
export function portRows(core: Core): PortRow[] {
  return core.config.ports.map((port) => ({
    port: port.name,
    up: core.stores.ports.get(port.name)?.up ?? false,
    shutBy: core.stores.shutPorts.get(port.name)?.by ?? null,
    mode: port.mode,
    hosts: core.subscribers.hostsOfPort(port.name),
    authorizedHosts: core.subscribers.authorizedHostsOfPort(port.name),
    monitoredHosts: core.subscribers.monitoredHostsOfPort(port.name),
    channels: core.channels.channelsOfPort(port.name),
    drops: core.tally.withPrefix(port.name, 'drop/'),
    eapolRx: core.tally.of(port.name, 'eapol-rx'),
    eapolTx: core.tally.of(port.name, 'eapol-tx'),
    mab: core.tally.withPrefix(port.name, 'mab/'),
    igmpRx: core.tally.of(port.name, 'igmp-rx'),
  }));
}

function grantRow(grant: GrantRecord, readings: SwitchReadings): GroupRow {
  const counter = readings.channelCounter(grant.port, grant.vlan, grant.group);
  return {
    port: grant.port,
    vlan: grant.vlan,
    mac: grant.mac,
    account: grant.account === '' ? null : grant.account,
    group: grant.group,
    source: grant.source ?? null,
    state: grant.by === 'optimistic' ? 'waiting' : 'granted',
    reason: grant.reason ?? null,
    by: grant.by,
    since: grant.grantedAt,
    expiresAt: grant.expiresAt,
    octets: counter.octets,
    packets: counter.packets,
  };
}
