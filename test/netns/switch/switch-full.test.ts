/** A bridge whose multicast database is full: the group too many is refused with a clear error, and nothing else changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SwitchRig } from './switch-rig.ts';
import { udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const group = (number: number) => `239.5.${number >> 8}.${number & 0xff}`;

describe.skipIf(reason !== undefined).each(['database', 'table'] as const)(
  `a full multicast database, sources in the %s ${reason ?? ''}`,
  (sourcesIn) => {
    let rig: SwitchRig;
    beforeAll(async () => {
      rig = await SwitchRig.create('cgt-fu', sourcesIn);
    });
    afterAll(() => rig.dispose());

    it('refuses what is too much by name; what plays goes on, nothing else opens, and room is used again', async () => {
      // Groups of the link, which take room as well, come and go with IPv6.
      await rig.sw('echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6');
      await rig.sw('ip link set br0 type bridge mcast_hash_max 512');
      const sw = rig.start({ hashMax: 512, maxGroupsPerPort: 4096 });
      sw.openHost({ port: 'swp1', vlan: 0, mac: HOST1 });
      sw.openHost({ port: 'swp2', vlan: 0, mac: HOST2 });
      const failures: string[] = [];
      let held = 0;
      for (let i = 0; i < 600; i++) {
        const failure = sw.setForwarding('swp1', 0, group(i), ANY);
        if (failure === undefined) held++;
        else failures.push(failure.failed);
      }
      // Some room is left to the kernel's own.
      expect(held).toBeGreaterThan(400);
      expect(held).toBeLessThanOrEqual(512 - 64);
      expect(new Set(failures.map((text) => text.replace(/239[\d.]+/, 'G')))).toEqual(
        new Set(['forward G to swp1: the multicast database of br0 is full (multicast.hash_max)']),
      );
      const send = (number: number, text: string) =>
        rig.taps.up.send('eth0', udp('10.0.0.9', '02:00:00:00:09:01', group(number), text));
      for (const number of [0, held - 1]) send(number, `granted ${number}`);
      for (const number of [held, 599]) send(number, 'refused');
      await until('what was granted', () => rig.taps.h1.withText('granted').length === 2);
      expect(rig.taps.h1.withText('refused')).toHaveLength(0);
      expect(rig.taps.h2.frames.filter(({ frame }) => Buffer.from(frame).includes('granted'))).toHaveLength(
        0,
      );
      expect(await rig.sw('cat /sys/class/net/br0/bridge/multicast_snooping')).toBe('1\n');
      // Another port may have what is there already: that takes no room.
      expect(sw.setForwarding('swp2', 0, group(0), ANY)).toBeUndefined();
      expect(sw.clearForwarding('swp1', 0, group(1))).toBeUndefined();
      expect(sw.setForwarding('swp1', 0, group(599), ANY)).toBeUndefined();
      const many = Array.from({ length: 20 }, (_, i) => {
        return { kind: 'forward', port: 'swp1', vlan: 0, group: group(700 + i), filter: ANY } as const;
      });
      const refused = sw.applyAll(many);
      expect(refused.map(({ failure }) => failure.failed)).toEqual(
        many.map(
          (each) =>
            `forward ${each.group} to swp1: the multicast database of br0 is full (multicast.hash_max)`,
        ),
      );
      expect(sw.audit()).toEqual([]);
      for (const number of [0, 599]) send(number, `later ${number}`);
      await until('what is granted', () => rig.taps.h1.withText('later').length === 2);
    });
  },
);
