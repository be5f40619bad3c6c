/**
 * A port that is served otherwise as a whole, on a real bridge: open to all behind it, or in another bridge.
 * This kernel's bridge has no VLANs: that a port is put into one is checked as recorded netlink messages
 * (test/switch/netlink/rtnetlink.test.ts), here only that it is refused without harm.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ORDINARY } from '../../../switch/switch.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, SOURCE, SwitchRig } from './switch-rig.ts';
import { udp } from './tap.ts';

const reason = whyNoNamespaces();
const OPEN = { ...ORDINARY, open: true };
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const STRANGER = '02:00:00:00:01:77';

describe.skipIf(reason !== undefined)(`a port as a whole ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeAll(async () => {
    rig = await SwitchRig.create('cgt-ps');
    await rig.sw('ip link add br-guest type bridge && ip link set br-guest up');
    await rig.lab.add('other');
    await rig.lab.veth(
      { namespace: 'sw', interface: 'gw0' },
      { namespace: 'other', interface: 'eth0', mac: '02:00:00:00:0c:01' },
    );
    await rig.sw('ip link set gw0 master br-guest');
    rig.start({ otherBridges: ['br-guest'] });
  });
  afterAll(() => rig.dispose());
  beforeEach(() => rig.clear());
  afterEach(() => {
    sw().closeHost(host1);
    for (const port of ['swp1', 'swp2']) sw().setPortService(port, ORDINARY);
  });

  const sw = () => {
    if (rig.switch === undefined) throw new Error('no switch');
    return rig.switch;
  };
  const from1 = (text: string, mac = HOST1) =>
    rig.taps.h1.send('eth0', udp('10.0.0.1', mac, '10.0.0.255', text, 'ff:ff:ff:ff:ff:ff'));
  const to1 = (text: string, mac: string) =>
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', text, mac));
  const arrived = (where: 'h1' | 'h2' | 'up', text: string) => rig.taps[where].withText(text).length;
  const learned = () => rig.sw('bridge fdb show dev swp1');
  const masterOf = async (port: string) =>
    (JSON.parse(await rig.sw(`ip -j link show ${port}`)) as { master: string }[])[0]?.master;

  it('open: whoever is behind it gets through, both ways, until it is shut', async () => {
    from1('too early', STRANGER);
    await pause(30);
    expect(arrived('up', 'too early')).toBe(0);
    expect(sw().setPortService('swp1', OPEN)).toBeUndefined();
    from1('now', STRANGER);
    await until('the stranger is heard', () => arrived('up', 'now') === 1);
    to1('answer', STRANGER);
    await until('and answered', () => arrived('h1', 'answer') === 1);
    expect(await learned()).toContain(STRANGER);

    expect(sw().setPortService('swp1', ORDINARY)).toBeUndefined();
    expect(await learned()).not.toContain(STRANGER);
    from1('too late', STRANGER);
    to1('no answer', STRANGER);
    await pause(30);
    expect([arrived('up', 'too late'), arrived('h1', 'no answer')]).toEqual([0, 0]);
    expect(sw().audit()).toEqual([]);
  });

  it('open: the host that is in keeps its entry and its counters, and stays in when the port is shut', async () => {
    sw().openHost(host1);
    from1('first');
    await until('it is heard', () => arrived('up', 'first') === 1);
    sw().setPortService('swp1', OPEN);
    from1('second');
    await until('it is heard', () => arrived('up', 'second') === 1);
    sw().setPortService('swp1', ORDINARY);
    from1('third');
    await until('it is heard', () => arrived('up', 'third') === 1);
    expect(sw().hostCounters(host1)?.input.packets).toBe(3);
    expect(sw().audit()).toEqual([]);
  });

  it('monitored: whoever is behind it, and nobody behind another port, may also send to any channel, which is counted, until it is guarded again', async () => {
    const channel = (text: string) =>
      rig.taps.h1.send('eth0', udp('10.0.0.1', STRANGER, '239.1.1.9', text, '01:00:5e:01:01:09'));
    expect(sw().setPortService('swp1', OPEN)).toBeUndefined();
    channel('open alone');
    await pause(30);
    expect(arrived('up', 'open alone')).toBe(0);
    const before = sw().refusals().get('monitored_senders')?.packets ?? 0;
    expect(sw().setPortService('swp1', { ...OPEN, monitored: true })).toBeUndefined();
    channel('watched');
    await until('the channel is heard', () => arrived('up', 'watched') === 1);
    const other = '02:00:00:00:02:77';
    rig.taps.h2.send('eth0', udp('10.0.0.2', other, '239.1.1.9', 'neighbour', '01:00:5e:01:01:09'));
    rig.taps.h2.send('eth0', udp('10.0.0.2', other, '10.0.0.255', 'neighbour', 'ff:ff:ff:ff:ff:ff'));
    from1('watched too', STRANGER);
    await until('the stranger is heard', () => arrived('up', 'watched too') === 1);
    await pause(30);
    expect(arrived('up', 'neighbour')).toBe(0);
    expect((sw().refusals().get('monitored_senders')?.packets ?? 0) - before).toBe(1);
    expect(sw().audit()).toEqual([]);
    expect(sw().setPortService('swp1', ORDINARY)).toBeUndefined();
    channel('guarded');
    from1('guarded too', STRANGER);
    await pause(30);
    expect([arrived('up', 'guarded'), arrived('up', 'guarded too')]).toEqual([0, 0]);
    expect(await rig.sw('nft list set bridge castgate monitored_ports')).not.toContain('swp1');
    expect(sw().audit()).toEqual([]);
  });

  it('monitored: the next process of an upgrade goes on with it', async () => {
    const service = { ...OPEN, monitored: true };
    expect(sw().setPortService('swp1', service)).toBeUndefined();
    const next = rig.make({ otherBridges: ['br-guest'] });
    const services = [{ key: 'swp1', ...service }];
    rig.lab.within('sw', () => next.prepare([], { hosts: [], channels: [], services }));
    next.conform();
    expect(await rig.sw('nft list set bridge castgate monitored_ports')).toContain('swp1');
    next.stop({ cleanup: false });
    expect(sw().audit()).toEqual([]);
  });

  it('open: joins are not learned by the bridge there either', async () => {
    sw().setPortService('swp1', OPEN);
    expect(sw().setPortService('swp1', OPEN)).toBeUndefined();
    expect(await rig.sw('nft list set bridge castgate open_ports')).toContain('swp1');
    expect(await rig.sw('bridge -d link show dev swp1')).toContain('mcast_router 0');
  });

  it('in another bridge: its host talks there, and not here, and comes back', async () => {
    sw().openHost(host1);
    expect(sw().setPortService('swp1', { ...ORDINARY, bridge: 'br-guest' })).toBeUndefined();
    expect(await masterOf('swp1')).toBe('br-guest');
    const { Tap } = await import('./tap.ts');
    const other = new Tap(rig.lab, 'other');
    try {
      from1('hello guests');
      from1('still a stranger', STRANGER);
      await until('it is heard there', () => other.withText('hello guests').length === 1);
      await pause(30);
      expect(arrived('up', 'hello guests')).toBe(0);
      expect(other.withText('still a stranger')).toHaveLength(0);
      expect(sw().audit()).toEqual([]);
      expect(rig.kinds()).not.toContain('port-gone');

      expect(sw().setPortService('swp1', ORDINARY)).toBeUndefined();
      expect(await masterOf('swp1')).toBe('br0');
      from1('home again');
      await until('it is heard here', () => arrived('up', 'home again') === 1);
      expect(other.withText('home again')).toHaveLength(0);
      expect(sw().audit()).toEqual([]);
    } finally {
      other.close();
    }
  });

  it('a frame of EAPOL is still seen in the other bridge', async () => {
    sw().setPortService('swp1', { open: true, vlan: undefined, bridge: 'br-guest' });
    const { ethernet } = await import('./tap.ts');
    rig.taps.h1.send('eth0', ethernet('01:80:c2:00:00:03', STRANGER, 0x888e, Uint8Array.of(2, 1, 0, 0)));
    await until('the switch sees it', () => rig.kinds().includes('frame'));
  });

  it('a bridge that is not there, and a VLAN that the bridge does not have, are refused: it is ordinary then', async () => {
    expect(sw().setPortService('swp1', { ...OPEN, bridge: 'br-nowhere' })).toMatchObject({ errno: 'ENODEV' });
    expect(sw().hasVlans()).toBe(false);
    expect(sw().setPortService('swp1', { ...OPEN, vlan: 42 })).toMatchObject({ errno: 'ENOTSUP' });
    from1('shut', STRANGER);
    await pause(30);
    expect(arrived('up', 'shut')).toBe(0);
    expect(sw().audit()).toEqual([]);
  });

  it('a switch that starts anew, and one that is cleaned up, bring ports home', async () => {
    sw().setPortService('swp1', { ...OPEN, bridge: 'br-guest' });
    sw().stop({ cleanup: false });
    expect(await masterOf('swp1')).toBe('br-guest');
    const again = rig.start({ otherBridges: ['br-guest'] });
    expect(await masterOf('swp1')).toBe('br0');
    expect(again.setPortService('swp1', { ...OPEN, bridge: 'br-guest' })).toBeUndefined();
    again.stop({ cleanup: true });
    expect(await masterOf('swp1')).toBe('br0');
    rig.start({ otherBridges: ['br-guest'] });
  });
});
