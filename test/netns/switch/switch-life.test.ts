/**
 * A LinuxSwitch over its life: what it refuses to start on, ports that flap, go and come back, changes by
 * others, a dead daemon, a restart, and the cleanup.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SwitchStartError } from '../../../switch/linux/preflight.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { igmp, ip, udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };

describe.skipIf(reason !== undefined)(`the life of a switch ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-li');
  });
  afterEach(() => rig.dispose());

  const fromHost1 = (text: string) =>
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', text, SOURCE));
  const channel = (group: string, text: string) =>
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, group, text));
  const arrivedUp = (text: string) => rig.taps.up.withText(text).length;
  const arrived1 = (text: string) => rig.taps.h1.withText(text).length;
  /** All that castgate might have touched. */
  const everything = async () => {
    const links: Record<string, unknown>[] = JSON.parse(await rig.sw('bridge -d -j link show'));
    const bridge = (await rig.sw('ip -d link show br0')).replace(/gc_timer\s+[\d.]+/, '');
    const table = await rig.sw('nft list ruleset');
    const static_ = (await rig.sw('bridge fdb show br br0'))
      .split('\n')
      .filter((line) => line.includes('static'));
    const groups = (await rig.sw('bridge -d mdb show dev br0'))
      .split('\n')
      .filter((line) => line.includes('permanent'));
    return { links, bridge, table, static_, groups };
  };

  it('refuses to start where something is missing, in one line, before it touches anything', async () => {
    const before = await everything();
    const attempt = (options: Parameters<SwitchRig['make']>[0]) => {
      try {
        rig.lab.within('sw', () => rig.make(options).start());
        return undefined;
      } catch (error) {
        if (!(error instanceof SwitchStartError)) throw error;
        return `${error.reason}: ${error.message}`;
      }
    };
    expect(attempt({ bridge: 'br9' })).toBe('bridge: no interface br9: ip link add br9 type bridge');
    expect(attempt({ bridge: 'swp1' })).toBe('bridge: not a bridge: swp1: ip link add swp1 type bridge');
    expect(attempt({ ports: ['swp1', 'swp9'] })).toMatch(/^port: no interface swp9: /);
    expect(attempt({ ports: ['swp1', 'lo'] })).toBe(
      'port: lo is not a port of br0: ip link set lo master br0',
    );
    expect(attempt({ ports: ['swp1', 'up0'] })).toBe('port: port up0 is named twice among ports and uplinks');
    writeFileSync(join(rig.stateDirectory, 'file'), '');
    expect(attempt({ stateDirectory: join(rig.stateDirectory, 'file') })).toMatch(
      /^state: cannot remember the old settings: /,
    );
    await rig.sw('ip link set br0 down');
    expect(attempt({})).toBe('bridge: bridge br0 is down: ip link set br0 up');
    await rig.sw('ip link set br0 up');
    const path = process.env['PATH'];
    process.env['PATH'] = '/nonexistent';
    try {
      expect(attempt({})).toBe('tool: no `nft` in PATH: apt install nftables');
    } finally {
      process.env['PATH'] = path;
    }
    expect(await everything()).toEqual(before);
    expect(readdirSync(rig.stateDirectory)).toEqual(['file']);
  });

  it('takes everything back at the cleanup, also after a crash and by another process', async () => {
    await rig.sw(
      'bridge link set dev swp1 mcast_router 1 bcast_flood off mcast_flood on flood on; bridge link set dev up0 mcast_router 1',
    );
    await rig.sw(`bridge fdb add 02:00:00:00:0a:0a dev swp1 master static`);
    const before = await everything();
    const crashed = rig.start({ hashMax: 9000, maxGroupsPerPort: 77 });
    crashed.openHost(host1);
    crashed.setForwarding('swp1', 0, '239.1.1.1', ANY);
    crashed.setForwarding('swp2', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9', '10.0.0.8'] });
    const during = await everything();
    expect(during.links).not.toEqual(before.links);
    expect(during.bridge).not.toEqual(before.bridge);
    expect(during.table).toContain('table bridge castgate');
    crashed.stop({ cleanup: false });
    // A second run over the leftovers: what it finds is not what was there before castgate.
    rig.start({ hashMax: 9000, maxGroupsPerPort: 78 }).stop({ cleanup: false });
    rig.lab.within('sw', () => rig.make().cleanup());
    expect(await everything()).toEqual(before);
    expect(readdirSync(rig.stateDirectory)).toEqual([]);
    // Nothing left to clean is no error.
    rig.lab.within('sw', () => rig.make().cleanup());
    expect(await everything()).toEqual(before);
  });

  it('leaves its entries when it ends: viewers go on, nobody new gets in', async () => {
    const sw = rig.start();
    sw.openHost(host1);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    sw.stop({ cleanup: false });
    expect(sw.openHost(host2)).toMatchObject({ errno: 'ENODEV' });
    expect(sw.channelCounter('swp1', 0, '239.1.1.1')).toEqual({ octets: 0, packets: 0 });
    fromHost1('open');
    channel('239.1.1.1', 'watching');
    channel('239.1.1.2', 'not asked for');
    rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '239.1.1.2', 2, igmp('v2', '239.1.1.2'), 1));
    await until('both pass', () => arrivedUp('open') === 1 && arrived1('watching') === 1);
    channel('239.1.1.2', 'not asked for');
    rig.taps.h2.send('eth0', udp('10.0.0.2', HOST2, '10.0.0.9', 'newcomer', SOURCE));
    await pause(50);
    expect(arrived1('not asked for')).toBe(0);
    expect(arrivedUp('newcomer')).toBe(0);
  });

  it('starts with nothing of an earlier run', async () => {
    const earlier = rig.start();
    earlier.openHost(host1);
    earlier.setForwarding('swp1', 0, '239.1.1.1', ANY);
    earlier.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9'] });
    earlier.stop({ cleanup: false });
    await rig.sw('bridge fdb add 02:00:00:00:0a:0a dev swp1 master static');
    await rig.sw('bridge mdb add dev br0 port up0 grp 239.9.9.9 permanent');
    const sw = rig.start();
    fromHost1('again');
    channel('239.1.1.1', 'again');
    await pause(50);
    expect(arrivedUp('again')).toBe(0);
    expect(arrived1('again')).toBe(0);
    const left = await everything();
    expect(left.static_).toEqual([expect.stringContaining('02:00:00:00:0a:0a dev swp1')]);
    expect(left.groups).toEqual([expect.stringContaining('port up0 grp 239.9.9.9')]);
    expect(sw.hostCounters(host1)).toBeUndefined();
  });

  it('goes on with what is kept of an earlier run, counters and all, and drops the rest', async () => {
    const earlier = rig.start();
    earlier.openHost(host1);
    earlier.openHost(host2);
    const include = { mode: 'include', sources: ['10.0.0.9'] } as const;
    earlier.setForwarding('swp1', 0, '239.1.1.1', ANY);
    earlier.setForwarding('swp1', 0, '239.1.1.2', ANY);
    earlier.setForwarding('swp1', 0, '232.1.1.1', include);
    channel('239.1.1.1', 'before');
    fromHost1('before');
    await until('counted', () => arrived1('before') === 1 && arrivedUp('before') === 1);
    const counted = [earlier.channelCounter('swp1', 0, '239.1.1.1'), earlier.hostCounters(host1)];
    const groups = await rig.sw('bridge -d mdb show dev br0');
    earlier.stop({ cleanup: false });

    const next = rig.make();
    rig.switch = next;
    rig.lab.within('sw', () =>
      next.start({
        hosts: [host1],
        channels: [
          { port: 'swp1', vlan: 0, group: '239.1.1.1', filter: ANY },
          { port: 'swp1', vlan: 0, group: '232.1.1.1', filter: include },
          { port: 'swp2', vlan: 0, group: '239.1.1.3', filter: ANY },
        ],
      }),
    );
    expect([next.channelCounter('swp1', 0, '239.1.1.1'), next.hostCounters(host1)]).toEqual(counted);
    expect(counted[0]).toMatchObject({ packets: 1 });
    expect(next.hostCounters(host2)).toBeUndefined();
    const after = await rig.sw('bridge -d mdb show dev br0');
    expect(groups).toContain('239.1.1.2');
    expect(after).not.toContain('239.1.1.2');
    expect(after).toContain('port swp2 grp 239.1.1.3');
    expect(after).toContain('232.1.1.1 src 10.0.0.9');
    channel('239.1.1.1', 'after');
    fromHost1('after');
    rig.taps.h2.send('eth0', udp('10.0.0.2', HOST2, '10.0.0.9', 'dropped', SOURCE));
    await until('it goes on', () => arrived1('after') === 1 && arrivedUp('after') === 1);
    await pause(30);
    expect(arrivedUp('dropped')).toBe(0);
    expect(next.channelCounter('swp1', 0, '239.1.1.1').packets).toBe(2);
  });

  it('keeps number, hosts and capture of a port that loses its link, and tells both changes', async () => {
    const sw = rig.start();
    await until('the ports are told', () => rig.kinds().filter((kind) => kind === 'link').length === 3);
    const number = sw.portNumber('swp1');
    sw.openHost(host1);
    for (let round = 0; round < 3; round++) {
      rig.clear();
      await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'down');
      await until('down', () => rig.events.some((event) => event.kind === 'link' && !event.up));
      await rig.sw('ip link set swp1 down; ip link set swp1 up');
      await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'up');
      await until('up', () => rig.events.some((event) => event.kind === 'link' && event.up));
      expect(rig.events.filter(({ kind }) => kind !== 'frame')).toEqual([
        { kind: 'link', port: 'swp1', up: false },
        { kind: 'link', port: 'swp1', up: true },
      ]);
      rig.events.length = 0;
      rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1));
      await until('frames come', () =>
        rig.events.some((event) => event.kind === 'frame' && event.frame[23] === 2),
      );
      // The bridge takes the port in a moment after its link is up.
      await until('the host is still open', () => {
        fromHost1(`round ${round}`);
        return arrivedUp(`round ${round}`) > 0;
      });
    }
    expect(sw.portNumber('swp1')).toBe(number);
  });

  it('forgets a port that is deleted, and locks it when it is back', async () => {
    const sw = rig.start();
    sw.openHost(host1);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    const number = sw.portNumber('swp1');
    await pause(20);
    rig.clear();
    await rig.sw('ip link del swp1');
    await until('gone', () => rig.kinds().includes('port-gone'));
    expect(sw.portNumber('swp1')).toBeUndefined();
    expect(sw.openHost(host1)).toMatchObject({ errno: 'ENODEV' });
    expect(sw.setForwarding('swp1', 0, '239.1.1.1', ANY)).toMatchObject({ errno: 'ENODEV' });
    expect(sw.sendFrame('swp1', 0, new Uint8Array(60))).toMatchObject({ errno: 'ENODEV' });
    expect(sw.closeHost(host1)).toBeUndefined();
    expect(sw.clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
    expect(await rig.sw('nft list set bridge castgate hosts_in')).not.toContain(HOST1);

    await rig.lab.veth(
      { namespace: 'sw', interface: 'swp1' },
      { namespace: 'h1', interface: 'eth0', mac: HOST1 },
    );
    rig.events.length = 0;
    await rig.sw('ip link set swp1 master br0');
    await until('back', () => rig.kinds().includes('link'));
    expect(rig.kinds().filter((kind) => kind !== 'frame')).toEqual(['port-ready', 'link']);
    expect(sw.portNumber('swp1')).not.toBe(number);
    expect(await rig.sw('bridge -d link show dev swp1')).toMatch(/learning off .*locked on/s);
    fromHost1('locked');
    channel('239.1.1.1', 'locked');
    await pause(50);
    expect(arrivedUp('locked') + arrived1('locked')).toBe(0);
    expect(sw.openHost(host1)).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.1.1.1', ANY)).toBeUndefined();
    expect(sw.channelCounter('swp1', 0, '239.1.1.1')).toEqual({ octets: 0, packets: 0 });
    fromHost1('reopened');
    channel('239.1.1.1', 'reopened');
    await until('open again', () => arrivedUp('reopened') === 1 && arrived1('reopened') === 1);
  });

  it('knows a port that leaves the bridge, is renamed, or moves to another namespace', async () => {
    const sw = rig.start();
    const seen = async (kind: string, action: string) => {
      await pause(20);
      rig.clear();
      await rig.sw(action);
      await until(`${kind} after ${action}`, () => rig.kinds().includes(kind));
    };
    await seen('port-gone', 'ip link set swp1 nomaster');
    await seen('port-ready', 'ip link set swp1 master br0');
    await seen('port-gone', 'ip link set swp1 down; ip link set swp1 name other');
    await seen('port-ready', 'ip link set other name swp1');
    await seen('port-gone', `ip link set swp2 netns ${rig.lab.name('h2')}`);
    expect(sw.portNumber('swp2')).toBeUndefined();
    expect(sw.portNumber('swp1')).toBeDefined();
  });

  it('takes its ports in again when the bridge is made anew', async () => {
    const sw = rig.start();
    await pause(20);
    rig.clear();
    await rig.sw('ip link del br0');
    await until('all ports gone', () => rig.kinds().filter((kind) => kind === 'port-gone').length === 3);
    await rig.sw(
      'ip link add br0 type bridge; ip link set br0 up; for p in swp1 swp2 up0; do ip link set $p master br0; done',
    );
    await until('all ports back', () => rig.kinds().filter((kind) => kind === 'port-ready').length === 3);
    expect(sw.macOf(undefined)).toBe((await rig.sw('cat /sys/class/net/br0/address')).trim());
    sw.openHost(host1);
    expect(
      sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9'] }),
    ).toBeUndefined();
    await until('a channel passes', () => {
      channel('232.1.1.1', 'anew');
      return arrived1('anew') > 0;
    });
    const options = await rig.sw('ip -d link show br0');
    for (const option of [
      'mcast_querier 1',
      'mcast_igmp_version 3',
      'mcast_mld_version 2',
      'mcast_hash_max 65536',
    ]) {
      expect(options).toContain(option);
    }
  });

  it('puts right what someone else changes on a port, and throws out who came in meanwhile', async () => {
    rig.start();
    await pause(20);
    rig.clear();
    await rig.sw('bridge link set dev swp1 locked off learning on');
    await until('repaired', () => rig.kinds().includes('repaired'));
    expect(rig.events.filter(({ kind }) => kind === 'repaired')[0]).toEqual({
      kind: 'repaired',
      what: expect.stringMatching(/^port swp1: (Locked|Learning)/),
    });
    await until('as it was', async () =>
      /learning off .*locked on/s.test(await rig.sw('bridge -d link show dev swp1')),
    );
    await rig.sw('bridge link set dev up0 mcast_router 0; bridge link set dev swp2 mcast_router 2 flood on');
    await until('the others too', async () => {
      const ports = await rig.sw('bridge -d link show');
      return /up0.*mcast_router 2/s.test(ports) && /swp2.*flood off.*mcast_router 0/s.test(ports);
    });
  });

  it('loads its table again when someone flushes the rules, with all that was open', async () => {
    const sw = rig.start();
    sw.openHost(host1);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    rig.clear();
    for (const damage of [
      'nft flush ruleset',
      'nft flush chain bridge castgate from_subscriber',
      'nft add rule bridge castgate to_subscriber accept',
    ]) {
      await rig.sw(damage);
      rig.clear();
      await until(`repaired after: ${damage}`, () => rig.kinds().includes('repaired'), 3000);
      expect(rig.events).toContainEqual({ kind: 'repaired', what: 'nftables table: loaded again' });
      fromHost1('still open');
      channel('239.1.1.1', 'still open');
      channel('239.1.1.2', 'never');
      await until('all as before', () => arrivedUp('still open') === 1 && arrived1('still open') === 1);
      expect(arrived1('never')).toBe(0);
    }
    expect(await rig.sw('nft list table bridge castgate')).not.toMatch(/to_subscriber \{[^}]*\n\t\taccept\n/);
  });

  it('heals random damage to its entries', async () => {
    const sw = rig.start();
    for (const host of [host1, host2, { ...host1, mac: '02:00:00:00:01:07' }])
      expect(sw.openHost(host)).toBeUndefined();
    for (let i = 1; i <= 4; i++) sw.setForwarding('swp1', 0, `239.1.1.${i}`, ANY);
    sw.setForwarding('swp2', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9', '10.0.0.8'] });
    sw.setForwarding('swp2', 0, 'ff3e::1', { mode: 'exclude', sources: [] });
    expect(sw.audit()).toEqual([]);
    // What the hosts' own kernels join on the link comes when it comes.
    const isChannel = (line: string) => /swp[12].*proto 202/.test(line) && !line.includes('grp ff02:');
    const picture = async () => {
      const fdb = (await rig.sw('bridge fdb show br br0'))
        .split('\n')
        .filter((line) => /swp[12].*sticky/.test(line));
      const mdb = (await rig.sw('bridge -d mdb show dev br0')).split('\n').filter(isChannel);
      const sets = await Promise.all(
        ['hosts_in', 'hosts_out', 'channels4', 'channels6', 'occupied', 'subscribers'].map((set) =>
          rig.sw(`nft -s list set bridge castgate ${set} | tr -d '\\n\\t' | sed 's/counter//g'`),
        ),
      );
      const elements = sets.map((set) =>
        (/elements = \{(.*?)\}/.exec(set)?.[1] ?? '')
          .split(',')
          .map((e) => e.trim())
          .sort(),
      );
      return { fdb: fdb.sort(), mdb: mdb.sort(), elements };
    };
    const before = await picture();
    expect(before.fdb).toHaveLength(3);
    expect(before.mdb.length).toBeGreaterThanOrEqual(6);

    const damage = [
      `bridge fdb del ${HOST1} dev swp1 master`,
      `bridge fdb replace ${HOST2} dev swp2 master static`,
      'bridge fdb add 02:00:00:00:01:09 dev swp1 master static sticky',
      'bridge fdb add 02:00:00:00:01:0a dev swp2 master dynamic',
      'bridge mdb del dev br0 port swp1 grp 239.1.1.2 permanent',
      'bridge mdb add dev br0 port swp1 grp 239.1.1.9 temp',
      'bridge mdb del dev br0 port swp2 grp 232.1.1.1 permanent',
      'bridge mdb add dev br0 port swp2 grp 232.1.1.1 permanent',
      `nft delete element bridge castgate hosts_in '{ "swp1" . ${HOST1} }'`,
      `nft add element bridge castgate hosts_in '{ "swp1" . 02:00:00:00:01:0b }'`,
      'nft flush set bridge castgate channels4',
      `nft add element bridge castgate channels6 '{ "swp1" . ff3e::77 }'`,
      `nft delete element bridge castgate subscribers '{ "swp2" }'`,
      `nft delete element bridge castgate occupied '{ "swp1" }'`,
    ];
    let seed = 20_240_501;
    for (let round = 0; round < 6; round++) {
      for (const action of damage) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
        if (round === 0 || seed % 2 === 0) await rig.sw(action).catch(() => undefined);
      }
      sw.audit();
      expect(await picture(), `round ${round}`).toEqual(before);
      expect(sw.audit()).toEqual([]);
    }
  });

  it('remembers the old settings in a file that says what they are', async () => {
    rig.start();
    const text = readFileSync(join(rig.stateDirectory, 'switch-br0.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      v: 1,
      bridge: 'br0',
      options: {
        McastSnooping: 1,
        McastQuerier: 0,
        McastHashMax: 4096,
        McastIgmpVersion: 2,
        McastMldVersion: 1,
      },
      ports: { swp1: { Locked: 0, Learning: 1, UnicastFlood: 1 }, up0: { MulticastRouter: 1 } },
    });
  });
});
