import { beforeEach, describe, expect, it } from 'vitest';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../switch/switch.ts';

const host = { port: 'swp1', vlan: 0, mac: '02:00:00:00:01:01' };
const ANY = { mode: 'exclude', sources: [] } as const;

describe('MemorySwitch', () => {
  let events: SwitchEvent[];
  let sw: MemorySwitch;

  beforeEach(() => {
    events = [];
    sw = new MemorySwitch({ ports: ['swp1', 'swp2'], uplinks: ['up0'], maxGroupsPerPort: 2 }, (batch) =>
      events.push(...batch),
    );
  });

  it('tells every port once at the start', () => {
    sw.start();
    expect(events).toEqual(['swp1', 'swp2', 'up0'].map((port) => ({ kind: 'link', port, up: true })));
  });

  it('passes the frames of an open host only, and counts them both ways', () => {
    expect(sw.transmit(host, 100)).toBe(false);
    expect(sw.hostCounters(host)).toBeUndefined();
    expect(sw.openHost(host)).toBeUndefined();
    expect(sw.openHost(host)).toBeUndefined();
    expect(sw.transmit(host, 100)).toBe(true);
    expect(sw.transmit({ ...host, mac: '02:00:00:00:01:02' }, 100)).toBe(false);
    expect(sw.transmit({ ...host, vlan: 7 }, 100)).toBe(false);
    expect(sw.transmitTo(0, host.mac, 60)).toBe(true);
    expect(sw.transmitTo(0, '02:00:00:00:01:02', 60)).toBe(false);
    expect(sw.hostCounters(host)).toEqual({
      input: { octets: 100, packets: 1 },
      output: { octets: 60, packets: 1 },
    });
    expect(sw.closeHost(host)).toBeUndefined();
    expect(sw.closeHost(host)).toBeUndefined();
    expect(sw.transmit(host, 100)).toBe(false);
    expect(sw.hostCounters(host)).toBeUndefined();
  });

  it('refuses a host that is open elsewhere, a group address, its own address, a port that is none', () => {
    sw.openHost(host);
    expect(sw.openHost({ ...host, port: 'swp2' })).toMatchObject({ errno: 'EEXIST' });
    expect(sw.openHost({ ...host, port: 'swp2', vlan: 7 })).toBeUndefined();
    expect(sw.openHost({ ...host, mac: '01:00:5e:00:00:01' })).toMatchObject({ errno: 'EADDRNOTAVAIL' });
    expect(sw.openHost({ ...host, mac: '00:00:00:00:00:00' })).toMatchObject({ errno: 'EADDRNOTAVAIL' });
    expect(sw.openHost({ ...host, mac: sw.macOf('up0') ?? '' })).toMatchObject({ errno: 'EADDRINUSE' });
    expect(sw.openHost({ ...host, mac: sw.macOf(undefined) ?? '' })).toMatchObject({ errno: 'EADDRINUSE' });
    expect(sw.openHost({ ...host, port: 'swp9' })).toMatchObject({ errno: 'ENODEV' });
    expect(sw.openHost({ ...host, port: 'up0' })).toMatchObject({ errno: 'ENODEV' });
  });

  it('delivers by filter, counts per port and group, and starts again at zero after a clear', () => {
    sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.1'] });
    sw.setForwarding('swp2', 0, '232.1.1.1', { mode: 'exclude', sources: ['10.0.0.2'] });
    expect(sw.deliver('232.1.1.1', '10.0.0.1', 500)).toEqual(['swp1', 'swp2']);
    expect(sw.deliver('232.1.1.1', '10.0.0.2', 500)).toEqual([]);
    expect(sw.deliver('232.1.1.1', '10.0.0.3', 500)).toEqual(['swp2']);
    expect(sw.deliver('232.1.1.2', '10.0.0.1', 500)).toEqual([]);
    expect(sw.deliver('232.1.1.1', '10.0.0.1', 500, 7)).toEqual([]);
    expect(sw.channelCounter('swp2', 0, '232.1.1.1')).toEqual({ octets: 1000, packets: 2 });
    expect(sw.forwarding('swp1', 0, '232.1.1.1')).toEqual({ mode: 'include', sources: ['10.0.0.1'] });

    sw.setForwarding('swp1', 0, '232.1.1.1', ANY);
    expect(sw.channelCounter('swp1', 0, '232.1.1.1')).toEqual({ octets: 500, packets: 1 });
    sw.clearForwarding('swp1', 0, '232.1.1.1');
    sw.setForwarding('swp1', 0, '232.1.1.1', ANY);
    expect(sw.channelCounter('swp1', 0, '232.1.1.1')).toEqual({ octets: 0, packets: 0 });

    sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: [] });
    expect(sw.forwarding('swp1', 0, '232.1.1.1')).toBeUndefined();
  });

  it('refuses what the kernel refuses of a filter', () => {
    const many = Array.from({ length: 32 }, (_, i) => `10.0.0.${i + 1}`);
    const set = (group: string, sources: string[]) =>
      sw.setForwarding('swp1', 0, group, { mode: 'include', sources });
    expect(set('10.1.1.1', ['10.0.0.1'])).toMatchObject({ errno: 'EINVAL' });
    expect(set('232.1.1.1', ['2001:db8::1'])).toMatchObject({ errno: 'EINVAL' });
    expect(set('232.1.1.1', many)).toMatchObject({ errno: 'ENOSPC' });
    expect(set('232.1.1.1', many.slice(1))).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.0.0.1', ANY)).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.0.0.2', ANY)).toMatchObject({ errno: 'E2BIG' });
    expect(sw.setForwarding('swp1', 0, '239.0.0.1', ANY)).toBeUndefined();
    expect(sw.setForwarding('swp9', 0, '239.0.0.1', ANY)).toMatchObject({ errno: 'ENODEV' });
  });

  it('loses all of a port with the port, and brings it back locked and empty', () => {
    sw.openHost(host);
    sw.setForwarding('swp1', 0, '239.0.0.1', ANY);
    sw.removePort('swp1');
    sw.removePort('swp1');
    expect(sw.hostCounters(host)).toBeUndefined();
    expect(sw.openHost(host)).toMatchObject({ errno: 'ENODEV' });
    expect(sw.closeHost(host)).toBeUndefined();
    expect(sw.clearForwarding('swp1', 0, '239.0.0.1')).toBeUndefined();
    expect(sw.sendFrame('swp1', 0, new Uint8Array(60))).toMatchObject({ errno: 'ENODEV' });
    expect(sw.receive('swp1', 0, new Uint8Array(60))).toBe(false);
    expect([sw.macOf('swp1'), sw.portNumber('swp1')]).toEqual([undefined, undefined]);
    sw.addPort('swp1');
    sw.addPort('swp1');
    expect(sw.isOpen(host)).toBe(false);
    expect(sw.deliver('239.0.0.1', '10.0.0.1', 500)).toEqual([]);
    expect(events.map(({ kind }) => kind)).toEqual(['port-gone', 'port-ready', 'link']);
  });

  it('keeps hosts over a lost link, but passes nothing meanwhile', () => {
    sw.openHost(host);
    sw.setForwarding('swp1', 0, '239.0.0.1', ANY);
    sw.setLink('swp1', false);
    sw.setLink('swp1', false);
    expect(sw.transmit(host, 100)).toBe(false);
    expect(sw.transmitTo(0, host.mac, 100)).toBe(false);
    expect(sw.deliver('239.0.0.1', '10.0.0.1', 500)).toEqual([]);
    expect(sw.sendFrame('swp1', 0, new Uint8Array(60))).toMatchObject({ errno: 'ENETDOWN' });
    sw.setLink('swp1', true);
    expect(sw.transmit(host, 100)).toBe(true);
    expect(events).toEqual([
      { kind: 'link', port: 'swp1', up: false },
      { kind: 'link', port: 'swp1', up: true },
    ]);
  });

  it('hands over what was sent, with a copy of its own', () => {
    const frame = new Uint8Array(60).fill(1);
    sw.sendFrame('swp1', 0, frame);
    sw.sendFrame('up0', 7, frame);
    frame.fill(2);
    expect(sw.takeSent()).toEqual([
      { port: 'swp1', vlan: 0, frame: new Uint8Array(60).fill(1) },
      { port: 'up0', vlan: 7, frame: new Uint8Array(60).fill(1) },
    ]);
    expect(sw.takeSent()).toEqual([]);
    expect(sw.receive('swp2', 3, frame)).toBe(true);
    expect(events).toEqual([{ kind: 'frame', port: 'swp2', vlan: 3, frame }]);
  });

  it('fails as often as it was told, without effect', () => {
    sw.fail('openHost', 'ENOMEM', 2);
    expect(sw.openHost(host)).toEqual({
      failed: 'open 02:00:00:00:01:01 on swp1: ENOMEM',
      errno: 'ENOMEM',
    });
    expect(sw.openHost(host)).toMatchObject({ errno: 'ENOMEM' });
    expect(sw.isOpen(host)).toBe(false);
    expect(sw.openHost(host)).toBeUndefined();
    expect(sw.openHosts()).toEqual([host]);
    sw.fail('closeHost', 'EIO');
    expect(sw.closeHost(host)).toMatchObject({ errno: 'EIO' });
    expect(sw.isOpen(host)).toBe(true);
    for (const operation of ['setForwarding', 'clearForwarding', 'sendFrame'] as const)
      sw.fail(operation, 'EIO');
    expect(sw.setForwarding('swp1', 0, '239.0.0.1', ANY)).toMatchObject({ errno: 'EIO' });
    expect(sw.clearForwarding('swp1', 0, '239.0.0.1')).toMatchObject({ errno: 'EIO' });
    expect(sw.sendFrame('swp1', 0, new Uint8Array(60))).toMatchObject({ errno: 'EIO' });
  });

  it('with a fence, carries and counts nothing on subscriber ports without a lease, by the clock it was given', () => {
    let now = 1000;
    const fenced = new MemorySwitch(
      { ports: ['swp1'], uplinks: ['up0'], fence: { now: () => now } },
      (batch) => events.push(...batch),
    );
    const carried = () => [
      fenced.transmit(host, 100),
      fenced.transmitTo(0, host.mac, 100),
      fenced.deliver('239.0.0.1', '10.0.0.9', 100).length > 0,
      fenced.sendFrame('swp1', 0, new Uint8Array(60)) === undefined,
    ];
    const nothing = [false, false, false, false];
    const all = [true, true, true, true];
    const counted = () => [
      fenced.hostCounters(host)?.input.packets,
      fenced.hostCounters(host)?.output.packets,
      fenced.channelCounter('swp1', 0, '239.0.0.1').packets,
    ];
    expect(fenced.openHost(host)).toBeUndefined();
    expect(fenced.setForwarding('swp1', 0, '239.0.0.1', ANY)).toBeUndefined();
    expect(carried()).toEqual(nothing);
    expect(fenced.sendFrame('swp1', 0, new Uint8Array(60))).toMatchObject({ errno: 'ENETDOWN' });
    expect(fenced.sendFrame('up0', 0, new Uint8Array(60))).toBeUndefined();
    expect(fenced.receive('swp1', 0, new Uint8Array(60))).toBe(true);
    expect(counted()).toEqual([0, 0, 0]);
    expect(fenced.extendLease(100)).toMatchObject({ errno: 'ESTALE' });
    expect(fenced.renewLease(100)).toBeUndefined();
    expect(carried()).toEqual(all);
    now += 99;
    expect(carried()).toEqual(all);
    expect(fenced.extendLease(50)).toBeUndefined();
    now += 49;
    expect(carried()).toEqual(all);
    now += 1;
    expect(carried()).toEqual(nothing);
    expect(fenced.extendLease(50)).toMatchObject({ errno: 'ESTALE' });
    expect(fenced.renewLease(50)).toBeUndefined();
    expect(fenced.dropLease()).toBeUndefined();
    expect(fenced.dropLease()).toBeUndefined();
    expect(carried()).toEqual(nothing);
    expect(counted()).toEqual([3, 3, 3]);
    fenced.fail('renewLease', 'EIO');
    expect(fenced.renewLease(50)).toMatchObject({ errno: 'EIO' });
    expect(carried()).toEqual(nothing);
  });

  it('does many operations as if one after the other, and begins its counters anew', () => {
    const failed = sw.applyAll([
      { kind: 'open-host', host },
      { kind: 'open-host', host: { ...host, port: 'swp2' } },
      { kind: 'forward', port: 'swp1', vlan: 0, group: '239.0.0.1', filter: ANY },
      { kind: 'forward', port: 'swp1', vlan: 0, group: '239.0.0.2', filter: ANY },
      { kind: 'forward', port: 'swp1', vlan: 0, group: '239.0.0.3', filter: ANY },
      { kind: 'forward', port: 'swp1', vlan: 0, group: '239.0.0.2', filter: undefined },
      { kind: 'close-host', host: { ...host, port: 'swp2' } },
    ]);
    expect(failed.map(({ operation, failure }) => [operation.kind, failure.errno])).toEqual([
      ['open-host', 'EEXIST'],
      ['forward', 'E2BIG'],
    ]);
    expect(sw.openHosts()).toEqual([host]);
    expect(sw.forwardings().map(({ group }) => group)).toEqual(['239.0.0.1']);
    sw.transmit(host, 100);
    sw.transmitTo(0, host.mac, 100);
    sw.deliver('239.0.0.1', '10.0.0.9', 100);
    sw.fail('resetCounters', 'EIO');
    expect(sw.resetCounters()).toMatchObject({ errno: 'EIO' });
    expect(sw.channelCounter('swp1', 0, '239.0.0.1').packets).toBe(1);
    expect(sw.resetCounters()).toBeUndefined();
    const zero = { octets: 0, packets: 0 };
    expect(sw.hostCounters(host)).toEqual({ input: zero, output: zero });
    expect(sw.channelCounter('swp1', 0, '239.0.0.1')).toEqual(zero);
  });

  it('sends many frames and tells the first refusal; hears claims of uplinks only', () => {
    const frames = [1, 2, 3].map((fill) => new Uint8Array(60).fill(fill));
    expect(sw.sendFrames('up0', 3, frames)).toBeUndefined();
    expect(sw.takeSent().map(({ port, vlan, frame }) => [port, vlan, frame[0]])).toEqual([
      ['up0', 3, 1],
      ['up0', 3, 2],
      ['up0', 3, 3],
    ]);
    sw.fail('sendFrame', 'EMSGSIZE');
    expect(sw.sendFrames('up0', 0, frames)).toMatchObject({ errno: 'EMSGSIZE' });
    expect(sw.takeSent()).toHaveLength(2);
    const claim = new Uint8Array(60);
    claim.set([0x88, 0xb5], 12);
    expect(sw.receive('swp1', 0, claim)).toBe(true);
    expect(events).toEqual([]);
    expect(sw.receive('up0', 0, claim)).toBe(true);
    expect(events).toEqual([{ kind: 'frame', port: 'up0', vlan: 0, frame: claim }]);
  });

  it('has no lease without a fence', () => {
    for (const failed of [sw.renewLease(1), sw.extendLease(1), sw.dropLease()]) {
      expect(failed).toMatchObject({ errno: 'ENOTSUP' });
    }
    sw.openHost(host);
    expect(sw.transmit(host, 100)).toBe(true);
  });
});
