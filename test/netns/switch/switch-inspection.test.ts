/**
 * Large tables of a LinuxSwitch, which are compared with its books a page at a time: what is wrong is found and
 * put right, and what changes meanwhile is not taken for wrong.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MDB_WAYS } from '../../../switch/linux/bridge/mdb-way.ts';
import { Kernel } from '../../../switch/linux/kernel.ts';
import type { LinuxSwitch } from '../../../switch/linux/linux-switch.ts';
import type { SwitchOperation } from '../../../switch/switch.ts';
import { whyNoNamespaces } from '../namespaces.ts';
import { SwitchRig } from './switch-rig.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const COUNT = 1500;

describe.skipIf(reason !== undefined).each(['database', 'table'] as const)(
  `large tables, sources in the %s ${reason ?? ''}`,
  (sourcesIn) => {
    let rig: SwitchRig;
    let sw: LinuxSwitch;
    beforeEach(async () => {
      rig = await SwitchRig.create('cgt-in', sourcesIn);
      sw = rig.start({ maxGroupsPerPort: 5000 });
      expect(sw.applyAll([...Array(COUNT).keys()].flatMap((i) => [open(i), forward(i)]))).toEqual([]);
    });
    afterEach(() => rig.dispose());

    const port = (i: number) => (i % 2 === 0 ? 'swp1' : 'swp2');
    const mac = (i: number) => {
      const hex = (octet: number) => octet.toString(16).padStart(2, '0');
      return `02:00:00:01:${hex(i >> 8)}:${hex(i & 255)}`;
    };
    const group = (i: number) =>
      i % 10 === 0 ? `ff3e::${(i + 1).toString(16)}` : `239.1.${i >> 8}.${i & 255}`;
    const open = (i: number): SwitchOperation => {
      return { kind: 'open-host', host: { port: port(i), vlan: 0, mac: mac(i) } };
    };
    const close = (i: number): SwitchOperation => {
      return { kind: 'close-host', host: { port: port(i), vlan: 0, mac: mac(i) } };
    };
    const forward = (i: number, filter: typeof ANY | undefined = ANY): SwitchOperation => {
      return { kind: 'forward', port: port(i), vlan: 0, group: group(i), filter };
    };
    const stop = (i: number): SwitchOperation => {
      return { kind: 'forward', port: port(i), vlan: 0, group: group(i), filter: undefined };
    };

    it('finds nothing where nothing is wrong, also while everything changes', async () => {
      expect(await sw.inspect()).toEqual([]);
      let rounds = 0;
      let isOver = false;
      const change = () => {
        if (isOver) return;
        const at = (rounds++ * 37) % COUNT;
        const some = [at, (at + 500) % COUNT, (at + 1000) % COUNT];
        const failed = sw.applyAll(some.flatMap((i) => [close(i), stop(i)]));
        const again = sw.applyAll(some.flatMap((i) => (rounds % 5 === 0 ? [] : [open(i), forward(i)])));
        expect([...failed, ...again]).toEqual([]);
        setImmediate(change);
      };
      change();
      const lines: string[] = [];
      for (let i = 0; i < 5; i++) lines.push(...(await sw.inspect()));
      isOver = true;
      expect(lines).toEqual([]);
      expect(rounds).toBeGreaterThan(20);
      expect(sw.audit()).toEqual([]);
    });

    it('tells commits of others to nftables from its own', async () => {
      const watched = rig.lab.within('sw', () => new Kernel(MDB_WAYS[sourcesIn]));
      const key = Buffer.alloc(24);
      key.write('swp1');
      key.set([2, 0, 0, 9, 9, 9], 16);
      const element = { set: 'hosts_in', key } as const;
      const others = watched.othersCommits(0);
      expect(others).toBeTypeOf('number');
      expect(watched.changeSets('castgate', [{ change: 'add', ...element }])).toBeUndefined();
      expect(watched.changeSets('castgate', [{ change: 'remove', ...element }])).toBeUndefined();
      expect(watched.changeSets('castgate', [{ change: 'remove', ...element }])?.errno).toBe('ENOENT');
      expect(watched.othersCommits(0)).toBe(others);
      await rig.sw(`nft delete element bridge castgate hosts_in '{ "swp1" . ${mac(4)} }'`);
      expect(watched.othersCommits(0)).not.toBe(others);
      expect(watched.othersCommits(1)).toBe(others);
      watched.close();
    });

    it('puts right what others did, and says how much', async () => {
      await rig.sw(
        [
          `bridge fdb del ${mac(0)} dev swp1 master`,
          `bridge fdb replace ${mac(2)} dev swp1 master static`,
          'bridge fdb add 02:00:00:00:01:09 dev swp1 master static sticky',
          'bridge fdb add 02:00:00:00:01:0a dev swp2 master dynamic',
        ].join('\n'),
      );
      expect(await sw.inspect()).toEqual(['MAC table: 2 put back, 2 removed']);
      await rig.sw(
        [
          `bridge mdb del dev br0 port swp1 grp ${group(2)} permanent`,
          `bridge mdb del dev br0 port swp1 grp ${group(10)} permanent`,
          'bridge mdb add dev br0 port swp1 grp 239.9.9.9 temp',
        ].join('\n'),
      );
      expect(await sw.inspect()).toEqual(['multicast database: 2 put back, 1 removed']);
      await rig.sw(
        [
          `nft delete element bridge castgate hosts_in '{ "swp1" . ${mac(4)} }'`,
          `nft delete element bridge castgate hosts_out '{ "swp2" . ${mac(5)} }'`,
          `nft add element bridge castgate hosts_in '{ "swp1" . 02:00:00:00:01:0b, "lo" . 02:00:00:00:01:0c }'`,
          `nft delete element bridge castgate channels4 '{ "swp2" . ${group(7)} }'`,
          `nft add element bridge castgate channels6 '{ "swp1" . ff3e::7777 }'`,
        ].join('\n'),
      );
      expect(await sw.inspect()).toEqual(['nftables sets: 3 put back, 3 removed']);
      await rig.sw(`nft delete element bridge castgate subscribers '{ "swp2" }'`);
      expect(await sw.inspect()).toEqual(['nftables sets: 1 put back']);
      await rig.sw('bridge fdb flush dev br0 brport swp1; nft flush set bridge castgate channels4');
      expect((await sw.inspect()).join()).toMatch(/nftables sets: 1350 put back/);
      expect(sw.audit()).toEqual([]);
      expect(await sw.inspect()).toEqual([]);
    });
  },
);
