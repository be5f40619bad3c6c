/**
 * A pair of nodes with keepalived while the accounting server is away: what waits is on the disks of both, and the
 * node that took over sends it after the outage, also where it dies itself and has nothing but its own disk.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Stores } from '../../../daemon/core/stores.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import type { RadiusRow } from '../../../daemon/show/show-rows.ts';
import { AccountingDisk } from '../../../daemon/spool/accounting-disk.ts';
import { SegmentFiles } from '../../../daemon/spool/segments.ts';
import { ask } from '../../../lab/control.ts';
import { AccountBooks } from '../../../lab/ha/account-books.ts';
import { PairLab } from '../../../lab/ha/pair-lab.ts';
import { FILM, NEWS, RESIDENTS } from '../../../lab/ha/pair-plan.ts';
import { beginService } from '../../../lab/ha/pair-service.ts';
import { NODE_NAMES, type NodeName, otherOf } from '../../../lab/ha/pair-topology.ts';
import { inStep } from '../../../lab/ha/round.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';
import type { DetailRecord } from '../../../lab/radius/detail-file.ts';
import { LabAddress } from '../../../lab/topology.ts';
import { Feed } from '../../../session/feed.ts';

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('keepalived', ['--version']).error !== undefined)
    return 'no keepalived: apt install keepalived';
  return existsSync(builtProgram('ha/viewers')) ? undefined : 'not built, npm run build';
}

const why = whyNot();

/** What a power cut would leave: the files as they are now, read as the next start reads them. */
function onDisk(lab: PairLab, name: NodeName): { readonly queue: string[]; readonly runs: string[] } {
  const copy = mkdtempSync(join(tmpdir(), 'castgate-disk-'));
  try {
    cpSync(lab.node(name).stateDirectory, copy, { recursive: true });
    const feed = new Feed();
    const stores = new Stores(100, feed);
    const segments = new SegmentFiles(copy, `accounting-${LabAddress.bridge}`);
    new AccountingDisk(segments, 1 << 30, silentLog).load({ stores, feed });
    return {
      queue: [...stores.accountingQueue.values()]
        .map(({ key, status, about }) => `${key} ${status} ${about}`)
        .sort(),
      runs: [...stores.accountingRecords.keys()].sort(),
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function waiting(lab: PairLab, name: NodeName): Promise<number> {
  const answer = await ask(lab.node(name).castgate.socket, 'radius');
  if (answer === undefined || !('result' in answer)) return -1;
  return (answer.result as readonly RadiusRow[])[0]?.accountingQueue ?? -1;
}

describe.skipIf(why !== undefined)(
  `accounting of a pair${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    let lab: PairLab;
    const books = new AccountBooks();

    beforeAll(async () => {
      lab = await PairLab.open();
      await beginService(lab, books);
    }, 120_000);

    afterAll(async () => {
      await lab?.close();
    });

    /** Status, account and group of what FreeRADIUS was told from the n-th record on. */
    const told = (from: number, status: string) =>
      lab.radius
        .accountingRecords()
        .slice(from)
        .filter((record) => record.text('Acct-Status-Type') === status);
    const group = (record: DetailRecord) => record.text('H3C-IPv4-Multicast-Receive-Group') ?? '-';
    const named = (records: readonly DetailRecord[]) =>
      records.map((record) => `${record.text('User-Name')} ${group(record)}`).sort();

    it('is on the standby’s disk too, survives two deaths and a lost journal, and is told once', async () => {
      try {
        const both = await until('both nodes in step', 20_000, () => inStep(lab));
        const first = NODE_NAMES.find((name) => both[name].role === 'active') ?? 'a';
        const second = otherOf(first);
        await until('nothing to wait', 20_000, async () =>
          (await waiting(lab, first)) === 0 ? true : undefined,
        );
        const before = lab.radius.accountingRecords().length;

        await lab.radius.halt();
        await lab.view(`leave ben ${NEWS}`);
        await until('the Stop to wait', 10_000, async () =>
          (await waiting(lab, first)) === 1 ? true : undefined,
        );
        const here = await until('the message on both disks', 10_000, async () => {
          const [own, others] = [onDisk(lab, first), onDisk(lab, second)];
          return own.queue.length === 1 && String(own.queue) === String(others.queue) ? others : undefined;
        });
        expect(here.queue).toEqual([expect.stringMatching(/ stop channel\/.*\/239\.1\.1\.1\/\*$/)]);
        expect(here.runs).toEqual(onDisk(lab, first).runs);
        // A session each, and a channel each but for the one that has ended.
        const channels = RESIDENTS.reduce((sum, { watches }) => sum + watches.length, 0) - 1;
        expect(here.runs).toHaveLength(RESIDENTS.length + channels);

        await lab.node(first).castgate.kill();
        await until('the other node to serve', 20_000, async () =>
          (await lab.node(second).status())?.role === 'active' ? true : undefined,
        );
        await lab.view(`leave ann ${FILM}`);
        await until('both Stops to wait', 10_000, async () =>
          (await waiting(lab, second)) === 2 ? true : undefined,
        );
        await until('both on its disk', 10_000, async () =>
          onDisk(lab, second).queue.length === 2 ? true : undefined,
        );

        // It dies as well, and has nothing but what its disk has of accounting.
        await lab.node(second).castgate.kill();
        rmSync(join(lab.node(second).stateDirectory, `journal-${LabAddress.bridge}`));
        await lab.node(second).castgate.resume();
        await until('it to serve again', 30_000, async () =>
          (await lab.node(second).status())?.role === 'active' ? true : undefined,
        );
        await lab.radius.resume();
        await until('the queue to be empty', 60_000, async () =>
          (await waiting(lab, second)) === 0 ? true : undefined,
        );

        // One that was sent again, since its acknowledgement was late, is the same: the books would say if it were not.
        const stops = [
          ...new Map(told(before, 'Stop').map((stop) => [stop.text('Acct-Session-Id'), stop])).values(),
        ];
        const ended = (cause: string) => stops.filter((stop) => stop.text('Acct-Terminate-Cause') === cause);
        expect(named(ended('User-Request'))).toEqual([`ann ${FILM}`, `ben ${NEWS}`]);
        const stayed = RESIDENTS.flatMap(({ name, watches }) => [
          `${name} -`,
          ...watches.map((watched) => `${name} ${watched}`),
        ]).filter((one) => one !== `ann ${FILM}` && one !== `ben ${NEWS}`);
        expect(named(ended('NAS-Reboot'))).toEqual(stayed.sort());
        expect(stops).toHaveLength(2 + stayed.length);
        expect(told(before, 'Accounting-On')).toHaveLength(1);
        // The books know of one Start and one Stop of each, and of none that came twice with other words.
        books.take(lab.radius.accountingRecords());
        expect(books.faults()).toEqual([]);
      } catch (error) {
        console.error(NODE_NAMES.flatMap((name) => lab.nodes[name].tail(60)).join('\n'));
        throw error;
      }
    }, 180_000);
  },
);
