/** What every node tells, also one that stands by: its role, how far the other one is, what the kernel refused. */
import { FALL_BACKS } from '../../connection-backup/continuation.ts';
import type { Node } from '../node.ts';
import type { RefusalReading } from '../show/kernel-refusals.ts';
import type { HaRow } from '../show/show-rows.ts';
import type { AccountingDisk } from '../spool/accounting-disk.ts';
import { coreReadings } from './core-readings.ts';
import type { Reading, Sample } from './metrics.ts';

/** All that is read of a daemon. `version` is the program's. */
export function nodeReadings(node: Node, refusals: RefusalReading, version: string): Reading[] {
  return [
    {
      kind: 'gauge',
      name: 'castgate_build_info',
      help: 'The version that runs',
      labels: ['version'],
      read: () => [[1, version]],
    },
    {
      kind: 'gauge',
      name: 'castgate_serving',
      help: '1 while this node serves',
      labels: [],
      read: () => [[node.serving === undefined ? 0 : 1]],
    },
    {
      kind: 'counter',
      name: 'castgate_kernel_refused_packets_total',
      help: 'Packets that the nftables table refused on all subscriber ports, by its counter',
      labels: ['what'],
      read: () => [...refusals()].map(([what, { packets }]): Sample => [packets, what]),
    },
    ...diskReadings(() => node.accountingDisk),
    ...haReadings(() => node.ha),
    ...coreReadings(() => node.serving?.core),
  ];
}

/** The accounting queue's place on the disk. */
function diskReadings(disk: () => AccountingDisk | undefined): Reading[] {
  const gauge = (name: string, help: string, value: (disk: AccountingDisk) => number): Reading => ({
    kind: 'gauge',
    name,
    help,
    labels: [],
    read: () => {
      const there = disk();
      return there === undefined ? [] : [[value(there)]];
    },
  });
  return [
    gauge('castgate_accounting_disk_bytes', "The accounting queue's files", (of) => of.octets),
    gauge('castgate_accounting_disk_limit_bytes', 'As large they may be', (of) => of.limitOctets),
    gauge('castgate_accounting_disk_ok', '0 while the disk is full or refuses', (of) =>
      Number(of.state === 'ok' || of.state === 'nearly-full'),
    ),
    gauge('castgate_accounting_unwritten_records', 'Records the disk has not taken', (of) => of.unwritten),
  ];
}

/** A node alone has none of these. */
function haReadings(row: () => HaRow | undefined): Reading[] {
  const reading =
    (kind: Reading['kind']) =>
    (name: string, help: string, value: (row: HaRow) => number | null): Reading => ({
      kind,
      name,
      help,
      labels: ['node'],
      read: () => {
        const ha = row();
        const read = ha === undefined ? null : value(ha);
        return ha === undefined || read === null ? [] : [[read, ha.node]];
      },
    });
  const gauge = reading('gauge');
  const seconds = (ms: number | null) => (ms === null ? null : ms / 1000);
  return [
    {
      kind: 'gauge',
      name: 'castgate_ha_role',
      help: '1 for the role that the node has',
      labels: ['node', 'role'],
      read: () => {
        const ha = row();
        if (ha === undefined) return [];
        return ROLES.map((role): Sample => [ha.role === role ? 1 : 0, ha.node, role]);
      },
    },
    gauge('castgate_ha_epoch', 'Number of the last takeover of the pair', (ha) => ha.epoch),
    gauge('castgate_ha_alone', '1 while it serves and no standby is in step', (ha) =>
      ha.role === 'standby' ? null : Number(ha.alone),
    ),
    gauge('castgate_ha_in_step', '1 while the standby has every record: of both nodes', (ha) =>
      Number(ha.state === 'in-step'),
    ),
    gauge('castgate_ha_lag_records', 'Changes that the standby has not acknowledged', (ha) => ha.lagRecords),
    gauge('castgate_ha_lag_seconds', 'How long the oldest of them has waited', (ha) => seconds(ha.lagMs)),
    gauge('castgate_ha_round_trip_seconds', 'A beat to the standby and back', (ha) =>
      seconds(ha.roundTripMs),
    ),
    gauge('castgate_ha_held_effects', 'Effects that wait for the standby', (ha) => ha.heldEffects),
    gauge('castgate_ha_last_beat_seconds', 'Since the active was last heard on the link', (ha) =>
      seconds(ha.lastBeatMs),
    ),
    gauge('castgate_connections', 'Connections that the other node can continue', (ha) => ha.connections),
    gauge(
      'castgate_connection_octets',
      'Octets on them that no server has acknowledged',
      (ha) => ha.connectionOctets,
    ),
    reading('counter')(
      'castgate_connections_continued_total',
      'Connections of another node that went on here',
      (ha) => ha.connectionsContinued,
    ),
    {
      kind: 'counter',
      name: 'castgate_connections_not_continued_total',
      help: 'Connections of another node that had to be made anew, by reason',
      labels: ['node', 'reason'],
      read: () => {
        const ha = row();
        if (ha === undefined) return [];
        return FALL_BACKS.map((why): Sample => [ha.connectionsNotContinued[why] ?? 0, ha.node, why]);
      },
    },
    gauge(
      'castgate_connection_standby_first',
      '1 while packets on connections come to the standby first: of both nodes',
      (ha) => Number(ha.way !== 'direct'),
    ),
    reading('counter')(
      'castgate_connection_tapped_octets_total',
      'Octets of servers that this node saw as a standby before the records had them',
      (ha) => ha.tappedOctets,
    ),
    reading('counter')(
      'castgate_connection_tap_unseen_octets_total',
      'Octets of servers that the records had first: they came another way, or were missed',
      (ha) => ha.tapUnseenOctets,
    ),
    reading('counter')(
      'castgate_connection_tap_overflows_total',
      'Frames and octets that a standby had no room for',
      (ha) => ha.tapOverflows,
    ),
    reading('counter')(
      'castgate_connection_tap_taken_up_octets_total',
      'Octets that a takeover went on from, which only this node had seen',
      (ha) => ha.tapTakenUpOctets,
    ),
    reading('counter')(
      'castgate_ha_takeovers_total',
      'How often this node has begun to serve',
      (ha) => ha.takeovers,
    ),
  ];
}

const ROLES = ['standby', 'taking-over', 'active', 'handing-over', 'resting'];
