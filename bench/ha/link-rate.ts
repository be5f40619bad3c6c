/**
 * The replication link alone: both ends and TLS over the loopback in one process, records of the size of a
 * grant. So many changes are under way at a time; each is a turn of its own, as a join is.
 */
import { createServer } from 'node:net';
import type { HaConfig } from '../../config/config.ts';
import { Stores } from '../../daemon/core/stores.ts';
import { dial, Link, LinkServer } from '../../daemon/ha/link.ts';
import { ReplicationSource } from '../../replication/source.ts';
import { ReplicationTarget } from '../../replication/target.ts';
import { Feed } from '../../session/feed.ts';
import { now } from '../../switch/clock.ts';
import type { BenchRow } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';

export async function benchLinkRate(count: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const inFlight of [1, 32, 1024]) {
    await measure(inFlight, Math.min(count, inFlight === 1 ? count / 10 : count));
    const { seconds, waitsMs, records } = await measure(inFlight, inFlight === 1 ? count / 10 : count);
    const section = `Replication link, ${inFlight} change${inFlight === 1 ? '' : 's'} under way, both ends in one process`;
    const row = (what: string, unit: string, castgate: number): BenchRow => ({
      section,
      what,
      unit,
      castgate,
      reference: undefined,
      referenceName: undefined,
      comparison: undefined,
    });
    rows.push(
      row('changes acknowledged', '/s', records / seconds),
      row('sealed to acknowledged, median', 'ms', percentile(waitsMs, 50)),
      row('sealed to acknowledged, 99th percentile', 'ms', percentile(waitsMs, 99)),
    );
  }
  return rows;
}

async function measure(inFlight: number, count: number) {
  const feed = new Feed();
  const stores = new Stores(1000, feed);
  const source = new ReplicationSource(stores, {
    logId: 'bench',
    mode: 'sync',
    patienceMs: 10_000,
    keepOctets: 1 << 20,
    digestIntervalMs: 60_000,
  });
  feed.follow(source);
  const target = new ReplicationTarget(() => new Stores(1000));
  const port = await freePort();
  let accepted: (link: Link) => void = () => {};
  const arrival = new Promise<Link>((resolve) => {
    accepted = resolve;
  });
  const server = new LinkServer(configOf('a', port), accepted);
  await server.open();
  const far = await dial(configOf('b', port), 5_000);
  if (!(far instanceof Link)) throw new Error(far.why);
  const near = await arrival;
  target.connected();
  source.connected(now());
  far.listen(
    (octets) => {
      const fault = target.receive(octets);
      if (fault !== undefined) throw new Error(fault);
      far.send(target.drainOutput());
    },
    () => {},
  );
  const sealedAt: number[] = [];
  const waitsMs: number[] = [];
  let put = 0;
  let begunAt = 0;
  await new Promise<void>((resolve) => {
    const pump = () => {
      do near.send(source.drainOutput(now()));
      while (source.hasMore);
    };
    const more = () => {
      while (put < count && put - waitsMs.length < inFlight) {
        const key = `swp1/0/06:00:00:00:${put % 256}/239.1.1.1/*`;
        stores.grants.put(key, { ...GRANT, key, grantedAt: put } as never);
        put++;
        sealedAt.push(performance.now());
        source.seal(now());
      }
      pump();
    };
    near.listen(
      (octets) => {
        source.receive(now(), octets);
        const before = waitsMs.length;
        for (let change = before; change < source.acknowledged; change++) {
          waitsMs.push(performance.now() - (sealedAt[change] ?? 0));
        }
        if (waitsMs.length >= count) resolve();
        else if (source.state === 'in-step') {
          if (begunAt === 0) begunAt = performance.now();
          more();
        } else pump();
      },
      () => {},
    );
    pump();
  });
  const seconds = (performance.now() - begunAt) / 1000;
  near.destroy();
  far.destroy();
  server.close();
  return { seconds, waitsMs, records: count };
}

function configOf(node: string, port: number): HaConfig {
  return {
    node,
    address: '127.0.0.1',
    peer: '127.0.0.1',
    port,
    key: new Uint8Array(32).fill(1),
    mode: 'sync',
    leaseMs: 250,
    aloneAfterMs: 1_000,
    standbyFirst: false,
    vrrpInstance: 'bench',
    notifyFifo: undefined,
    priorityFile: undefined,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const GRANT = {
  v: 1,
  host: 'swp1/0/06:00:00:00:00:01',
  port: 'swp1',
  vlan: 0,
  mac: '06:00:00:00:00:01',
  account: 'subscriber-1',
  group: '239.1.1.1',
  source: undefined,
  expiresAt: 1_800_000_000_000,
  by: 'radius',
};
