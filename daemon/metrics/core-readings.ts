/** What a node that serves counts: ports, RADIUS servers, accounting. A node that stands by has none of it. */
import type { Core } from '../core/core.ts';
import { ownerOf } from '../radius/radius.ts';
import type { Reading, Sample } from './metrics.ts';
import { EAPOL_COUNTERS, mibMetric, PAE_COUNTERS } from './mib-counters.ts';

/** `core` gives the core while this node serves. */
export function coreReadings(core: () => Core | undefined): Reading[] {
  const reading =
    (kind: Reading['kind']) =>
    (
      name: string,
      help: string,
      labels: readonly string[],
      samples: (core: Core) => Iterable<Sample>,
    ): Reading => ({
      kind,
      name,
      help,
      labels,
      read: () => {
        const serving = core();
        return serving === undefined ? [] : samples(serving);
      },
    });
  const counter = reading('counter');
  const gauge = reading('gauge');
  const portCounter = (name: string, help: string, counted: string) =>
    counter(name, help, ['port'], (of) => portNames(of).map((port) => [of.tally.of(port, counted), port]));
  const radiusCounter = (name: string, help: string, counted: string) =>
    counter(name, help, ['server'], (of) =>
      serverNames(of).map((server) => [of.tally.of(ownerOf(server), counted), server]),
    );
  return [
    ...Object.entries({ ...EAPOL_COUNTERS, ...PAE_COUNTERS }).map(([counted, [object, help]]) =>
      portCounter(mibMetric(object), help, counted),
    ),
    portCounter('castgate_group_frames_rx_total', 'IGMP and MLD frames received', 'igmp-rx'),
    portCounter(
      'castgate_held_back_total',
      'Quarters of a second in which all but EAPOL was kept away, for a flood',
      'held-back',
    ),
    portCounter(
      'castgate_internal_errors_total',
      'Bugs that showed themselves: see the log',
      'internal-error',
    ),
    counter('castgate_drops_total', 'Frames dropped, by reason', ['port', 'reason'], (of) =>
      byReason(of, 'drop/'),
    ),
    counter('castgate_refused_joins_total', 'Joins refused, by reason', ['port', 'reason'], (of) =>
      byReason(of, 'refused/'),
    ),
    counter(
      'castgate_mab_total',
      'MAC authentication: requests asked, accepted and rejected',
      ['port', 'outcome'],
      (of) => byReason(of, 'mab/'),
    ),
    counter(
      'castgate_handshakes_total',
      'Online handshakes: hosts asked, answered and lost',
      ['port', 'outcome'],
      (of) => byReason(of, 'handshake/'),
    ),
    counter(
      'castgate_without_radius_total',
      'Re-authentications that no server could answer: postponed, and sessions that ended of it',
      ['port', 'outcome'],
      (of) => byReason(of, 'without-radius/'),
    ),
    counter(
      'castgate_monitored_decisions_total',
      'Decisions to keep a host out, on ports in monitor mode that let it through, by reason',
      ['port', 'reason'],
      (of) => byReason(of, 'monitored/'),
    ),
    counter(
      'castgate_monitored_joins_total',
      'Joins that would be refused, on ports in monitor mode, by reason',
      ['port', 'reason'],
      (of) => byReason(of, 'let-through/'),
    ),
    counter(
      'castgate_optimistic_joins_total',
      'Joins that were opened before RADIUS had answered: opened, refused, unanswered, given up by the host',
      ['port', 'outcome'],
      (of) => byReason(of, 'optimistic/'),
    ),
    portCounter(
      'castgate_optimistic_packets_total',
      'Packets that ports received by such joins that were taken back',
      'optimistic-packets',
    ),
    portCounter('castgate_optimistic_octets_total', 'The same in octets', 'optimistic-octets'),
    portCounter(
      'castgate_monitored_unlisted_total',
      'Seconds in which hosts found no place in the table (authenticator.max_monitored_hosts)',
      'monitored-unlisted',
    ),
    gauge('castgate_monitored_hosts', 'Hosts that are not in and are let through', ['port'], (of) =>
      subscriberPorts(of).map((port) => [of.subscribers.monitoredHostsOfPort(port), port]),
    ),
    gauge('castgate_port_up', 'Link of a subscriber port', ['port'], (of) =>
      subscriberPorts(of).map((port) => [of.stores.ports.get(port)?.up === true ? 1 : 0, port]),
    ),
    gauge('castgate_hosts', 'Hosts known on a port, in or not', ['port'], (of) =>
      subscriberPorts(of).map((port) => [of.subscribers.hostsOfPort(port), port]),
    ),
    gauge('castgate_sessions', 'Hosts that are in', ['port'], (of) => {
      const counts = new Map(subscriberPorts(of).map((port) => [port, 0]));
      for (const { port } of of.stores.sessions.values()) counts.set(port, (counts.get(port) ?? 0) + 1);
      return [...counts].map(([port, count]) => [count, port]);
    }),
    gauge('castgate_channels', 'Channels that a port receives', ['port'], (of) =>
      subscriberPorts(of).map((port) => [of.channels.channelsOfPort(port), port]),
    ),
    gauge('castgate_pending_joins', 'Joins that wait for an answer of RADIUS', [], (of) => [
      [of.stores.pending.size],
    ]),
    ...radiusReadings(counter, gauge, radiusCounter),
    gauge('castgate_accounting_queue_length', 'Accounting messages not yet acknowledged', [], (of) => [
      [of.books.waiting],
    ]),
    gauge('castgate_accounting_queue_limit', 'As many may wait (accounting.queue_limit)', [], (of) => [
      [of.config.accounting.queueLimit],
    ]),
    counter('castgate_accounting_lost_total', 'Accounting messages given up, by reason', ['reason'], (of) =>
      Object.entries(of.tally.withPrefix('accounting', 'lost/')).map(([reason, n]) => [n, reason]),
    ),
  ];
}

type Make = (
  name: string,
  help: string,
  labels: readonly string[],
  samples: (core: Core) => Iterable<Sample>,
) => Reading;

/** The names follow RADIUS-AUTH-CLIENT-MIB (RFC 4668) where it has them. */
function radiusReadings(
  counter: Make,
  gauge: Make,
  ofServer: (name: string, help: string, counted: string) => Reading,
): Reading[] {
  const byServer = (name: string, help: string, label: string, prefix: string) =>
    counter(name, help, ['server', label], function* (of) {
      for (const server of serverNames(of)) {
        for (const [value, n] of Object.entries(of.tally.withPrefix(ownerOf(server), prefix)))
          yield [n, server, value];
      }
    });
  return [
    ofServer('radius_client_packets_sent_total', 'Requests sent, with repetitions', 'sent'),
    ofServer('radius_client_access_retransmissions_total', 'Requests sent again', 'retransmits'),
    ofServer('radius_client_access_accepts_total', 'Access-Accepts', 'accepts'),
    ofServer('radius_client_access_rejects_total', 'Access-Rejects', 'rejects'),
    ofServer('radius_client_access_challenges_total', 'Access-Challenges', 'challenges'),
    ofServer('radius_client_accounting_responses_total', 'Accounting-Responses', 'accounted'),
    ofServer('radius_client_timeouts_total', 'Requests given up after silence', 'timeouts'),
    ofServer('radius_client_deaths_total', 'How often the server was taken for dead', 'died'),
    byServer('radius_client_packets_dropped_total', 'Answers dropped, by reason', 'reason', 'discarded/'),
    byServer(
      'radius_client_connections_lost_total',
      'Connections over TCP and TLS that ended (closed) or never came to be (refused)',
      'reason',
      'connections-lost/',
    ),
    byServer(
      'radius_client_tls_handshakes_total',
      'TLS sessions by how they began (full, resumed), and tickets that were of no use (ticket-unused)',
      'handshake',
      'handshakes/',
    ),
    gauge('radius_client_pending_requests', 'Requests in flight', ['server'], (of) =>
      serverNames(of).map((server) => [of.radius.inFlight(server), server]),
    ),
    gauge('radius_client_round_trip_seconds', 'From request to answer, smoothed', ['server'], (of) =>
      serverNames(of).flatMap((server): Sample[] => {
        const ms = of.radius.roundTripMs(server);
        return ms === undefined ? [] : [[ms / 1000, server]];
      }),
    ),
    gauge('radius_client_server_up', '0 while a server is taken for dead', ['server', 'port'], (of) =>
      serverNames(of).flatMap((server) =>
        (['auth', 'acct'] as const).map(
          (port): Sample => [of.radius.isDead(server, port) ? 0 : 1, server, port],
        ),
      ),
    ),
  ];
}

function* byReason(core: Core, prefix: string): Iterable<Sample> {
  for (const port of portNames(core)) {
    for (const [reason, count] of Object.entries(core.tally.withPrefix(port, prefix)))
      yield [count, port, reason];
  }
}

function portNames(core: Core): string[] {
  return [...subscriberPorts(core), ...core.config.uplinks];
}

function subscriberPorts(core: Core): string[] {
  return core.config.ports.map(({ name }) => name);
}

function serverNames(core: Core): string[] {
  return core.config.radius.servers.map(({ name }) => name);
}
