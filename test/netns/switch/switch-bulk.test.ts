/**
 * Many operations at once on a LinuxSwitch: the same as one by one, each with its own refusal; a snapshot
 * that is programmed at the start; counters that begin anew.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LinuxSwitch } from '../../../switch/linux/linux-switch.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { HostPlace, SourceFilter, SwitchOperation } from '../../../switch/switch.ts';
import { until, whyNoNamespaces } from '../namespaces.ts';
import { HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const ONE_SOURCE = { mode: 'include', sources: ['10.0.0.9'] } as const;
const SEED = 20_261_124;

describe.skipIf(reason !== undefined).each(['database', 'table'] as const)(
  `many operations at once, sources in the %s ${reason ?? ''}`,
  (sourcesIn) => {
    let rig: SwitchRig;
    beforeEach(async () => {
      rig = await SwitchRig.create('cgt-bu', sourcesIn);
    });
    afterEach(() => rig.dispose());

    /** What the switch's books say is open; the kernel is compared with them by audit(). */
    const books = (sw: LinuxSwitch) => {
      const { hosts, channels } = sw.counters();
      return {
        hosts: hosts.map(({ host }) => `${host.port} ${host.vlan} ${host.mac}`).sort(),
        channels: channels.map(({ port, vlan, group }) => `${port} ${vlan} ${group}`).sort(),
      };
    };

    it('does what the operations do one by one, and leaves kernel and books alike', () => {
      const sw = rig.start();
      const model = new MemorySwitch({ ports: ['swp1', 'swp2'], uplinks: ['up0'] }, () => {});
      let seed = SEED;
      const pick = <T>(...of: readonly T[]): T => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
        return of[(seed >> 8) % of.length] as T;
      };
      const operation = (): SwitchOperation => {
        const port = pick('swp1', 'swp2', 'swp1', 'swp2', 'swp9');
        const vlan = 0;
        const mac = `02:00:00:00:07:0${pick(1, 2, 3, 4, 5, 6)}`;
        const group = pick('239.1.1.1', '239.1.1.2', '239.1.1.3', '232.1.1.1', 'ff3e::1', '10.0.0.1');
        const filter = pick<SourceFilter | undefined>(ANY, ANY, ONE_SOURCE, undefined, {
          mode: 'include',
          sources: [],
        } as const);
        const other = group.includes(':') && filter?.sources.length === 1 ? ANY : filter;
        const kind = pick('open-host', 'close-host', 'forward');
        if (kind === 'forward') return { kind, port, vlan, group, filter: other };
        return { kind, host: { port, vlan, mac: pick(mac, mac, mac, '01:00:5e:00:00:01') } };
      };
      const say = ({ operation, failure }: { operation: SwitchOperation; failure: { errno: string } }) =>
        `${JSON.stringify(operation)} ${failure.errno}`;
      for (const size of [1, 2, 3, 5, 8, 40, 200, 800]) {
        const operations = Array.from({ length: size }, operation);
        const wanted = model.applyAll(operations);
        expect(sw.applyAll(operations).map(say)).toEqual(wanted.map(say));
        expect(books(sw)).toEqual({
          hosts: model
            .openHosts()
            .map(({ port, vlan, mac }) => `${port} ${vlan} ${mac}`)
            .sort(),
          channels: model
            .forwardings()
            .map(({ port, vlan, group }) => `${port} ${vlan} ${group}`)
            .sort(),
        });
        expect(sw.audit(), `after ${size}`).toEqual([]);
      }
      expect(model.openHosts().length).toBeGreaterThan(0);
      expect(model.forwardings().length).toBeGreaterThan(0);
    });

    it('finds the refusal of each, and does the others', async () => {
      const sw = rig.start({ maxGroupsPerPort: 20 });
      await rig.sw('bridge fdb add 02:00:00:00:07:02 dev up0 master static');
      const host = (number: number) => ({ port: 'swp1', vlan: 0, mac: `02:00:00:00:07:0${number}` });
      const groups = Array.from({ length: 12 }, (_, i) => `239.1.1.${i + 1}`);
      const forward = (group: string): SwitchOperation => {
        return { kind: 'forward', port: 'swp1', vlan: 0, group, filter: ANY };
      };
      const failed = sw.applyAll([
        { kind: 'open-host', host: host(2) },
        { kind: 'open-host', host: host(1) },
        { kind: 'open-host', host: { ...host(3), port: 'swp9' } },
        { kind: 'open-host', host: host(4) },
        ...groups.map(forward),
        { kind: 'open-host', host: { ...host(1), port: 'swp2' } },
        { kind: 'close-host', host: host(5) },
      ]);
      expect(
        failed.map(({ operation, failure }) => [
          operation.kind === 'open-host' && operation.host,
          failure.errno,
        ]),
      ).toEqual([
        [host(2), 'EEXIST'],
        [{ ...host(3), port: 'swp9' }, 'ENODEV'],
        [{ ...host(1), port: 'swp2' }, 'EEXIST'],
      ]);
      expect(failed[0]?.failure.failed).toMatch(/a static entry of the bridge on interface \d+$/);
      expect(books(sw).hosts).toEqual([1, 4].map((number) => `swp1 0 ${host(number).mac}`));
      expect(sw.audit()).toEqual([]);
      if (sourcesIn === 'table') return;
      // The kernel's own limit of the port: those above it are refused, each for itself.
      const more = Array.from({ length: 30 }, (_, i) => forward(`239.2.2.${i}`));
      const tooMany = sw.applyAll(more);
      const held = books(sw).channels.length;
      expect(held).toBeGreaterThan(12);
      expect(held).toBeLessThanOrEqual(20);
      expect(tooMany).toHaveLength(42 - held);
      expect(tooMany.map(({ operation }) => operation)).toEqual(more.slice(30 - tooMany.length));
      for (const { failure } of tooMany) expect(failure.errno).toBe('ENOMEM');
      expect(sw.audit()).toEqual([]);
    });

    it('copes with what others did to the bridge and the table meanwhile', async () => {
      const sw = rig.start();
      const groups = Array.from({ length: 50 }, (_, i) => `239.1.1.${i + 1}`);
      const all = (filter: typeof ANY | undefined): SwitchOperation[] =>
        groups.map((group) => ({ kind: 'forward', port: 'swp1', vlan: 0, group, filter }));
      await rig.sw('ip link set br0 type bridge mcast_snooping 0');
      expect(sw.applyAll(all(ANY))).toEqual([]);
      expect(sw.audit()).toEqual([]);
      rig.swNow(
        'nft flush set bridge castgate channels4; bridge mdb del dev br0 port swp1 grp 239.1.1.7 permanent',
      );
      expect(sw.applyAll(all(undefined))).toEqual([]);
      expect(sw.audit()).toEqual([]);
      expect(books(sw).channels).toEqual([]);
      rig.swNow('nft delete table bridge castgate');
      const failed = sw.applyAll(all(ANY));
      expect(failed).toHaveLength(50);
      expect(new Set(failed.map(({ failure }) => failure.errno))).toEqual(new Set(['ENOENT']));
      expect(books(sw).channels).toEqual([]);
      sw.audit();
      expect(sw.applyAll(all(ANY))).toEqual([]);
      expect(sw.audit()).toEqual([]);
    });

    it('starts with a large snapshot on an empty kernel, behind a shut fence, with counters of zero', async () => {
      const hosts: HostPlace[] = [];
      for (let i = 0; i < 3000; i++) {
        const mac = `02:00:00:01:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
        hosts.push({ port: i % 2 === 0 ? 'swp1' : 'swp2', vlan: 0, mac });
      }
      const channels = Array.from({ length: 3000 }, (_, i) => ({
        port: i % 2 === 0 ? 'swp1' : 'swp2',
        vlan: 0,
        group: `239.1.${i >> 8}.${i & 254}`,
        filter: ANY,
      }));
      const sw = rig.make({ fence: true, maxGroupsPerPort: 4000 });
      rig.switch = sw;
      rig.lab.within('sw', () => sw.start({ hosts, channels }));
      expect(sw.audit()).toEqual([]);
      expect(books(sw).hosts).toHaveLength(3000);
      expect(books(sw).channels).toHaveLength(new Set(channels.map((c) => c.port + c.group)).size);
      // None that the kernel behind the port has itself: it would say things of its own.
      const first = '02:00:00:01:00:00';
      const send = (text: string) => {
        rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.0.0', text));
        rig.taps.h1.send('eth0', udp('10.0.0.1', first, '10.0.0.9', text, SOURCE));
      };
      send('behind the fence');
      sw.renewLease(60_000);
      send('open');
      const arrived = (text: string) => rig.taps.h1.withText(text).length + rig.taps.up.withText(text).length;
      await until('both ways', () => arrived('open') === 2);
      expect(arrived('behind the fence')).toBe(0);
      const counted = () => [
        sw.hostCounters({ port: 'swp1', vlan: 0, mac: first })?.input.packets,
        sw.channelCounter('swp1', 0, '239.1.0.0').packets,
      ];
      expect(counted()).toEqual([1, 1]);
      expect(sw.resetCounters()).toBeUndefined();
      expect(counted()).toEqual([0, 0]);
      expect(sw.audit()).toEqual([]);
      send('again');
      await until('it goes on', () => arrived('again') === 2);
      expect(counted()).toEqual([1, 1]);
      // All of it goes again at once.
      const nothing = sw.applyAll([
        ...channels.map(
          ({ port, vlan, group }): SwitchOperation => ({
            kind: 'forward',
            port,
            vlan,
            group,
            filter: undefined,
          }),
        ),
        ...hosts.map((host): SwitchOperation => ({ kind: 'close-host', host })),
      ]);
      expect(nothing).toEqual([]);
      expect(books(sw)).toEqual({ hosts: [], channels: [] });
      expect(sw.audit()).toEqual([]);
    });

    it('refuses all of it before the start', () => {
      const sw = rig.make();
      const host = { port: 'swp2', vlan: 0, mac: HOST2 };
      expect(sw.applyAll([{ kind: 'open-host', host }])).toMatchObject([
        { operation: { host }, failure: { errno: 'ENODEV' } },
      ]);
      expect(sw.resetCounters()).toBeUndefined();
    });
  },
);
