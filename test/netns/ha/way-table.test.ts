/** The way of packets to a virtual address, in a real kernel: what goes on to the active, and what is said of the address. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcementOf } from '../../../connection-backup/address-claim.ts';
import { type WayPlace, WayTable } from '../../../connection-backup/linux/way-table.ts';
import { loadNative } from '../../../switch/native.ts';
import { ArpOperation, type ArpPacket, decodeArp, encodeArp } from '../../../wire/arp.ts';
import { decodeEthernet, type EthernetFrame, EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { decodeIpv6, type Ipv6Packet } from '../../../wire/ipv6.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { advertisedAddress, encodeNeighbourSolicitation, solicitedAddress } from '../../../wire/neighbour.ts';
import { Namespaces, pause, until, whyNoNamespaces } from '../namespaces.ts';
import { Tap, udp } from '../switch/tap.ts';

const reason = whyNoNamespaces();
const NODE = '02:00:00:00:00:0a';
const OTHER = '02:00:00:00:00:0b';
const PEER = '02:00:00:00:00:02';
const ADDRESS = '198.18.0.10';
const ADDRESS6 = 'fd77::10';

describe.skipIf(reason !== undefined)(`the way of packets ${reason ?? ''}`, () => {
  let lab: Namespaces;
  let peer: Tap;
  let node: Tap;
  let table: WayTable;
  let place: WayPlace;

  beforeEach(async () => {
    lab = await Namespaces.create('cgt-way');
    await lab.add('node', 'peer');
    await lab.veth(
      { namespace: 'node', interface: 'mgmt0', mac: NODE },
      { namespace: 'peer', interface: 'eth0', mac: PEER },
    );
    for (const own of ['198.18.0.11/24', 'fd77::11/64'])
      await lab.exec(
        'node',
        'ip',
        'addr',
        'add',
        own,
        'dev',
        'mgmt0',
        ...(own.includes(':') ? ['nodad'] : []),
      );
    peer = new Tap(lab, 'peer');
    node = new Tap(lab, 'node');
    const ifindex = lab.within('node', () => loadNative().interfaceIndex('mgmt0'));
    place = { device: 'mgmt0', ifindex, mac: NODE, addresses: [ADDRESS, ADDRESS6] };
    table = lab.within('node', () => new WayTable());
    expect(table.put(place, OTHER)).toBeUndefined();
  });
  afterEach(async () => {
    table.close();
    peer.close();
    node.close();
    await lab.dispose();
  });

  const framesAt = (tap: Tap): EthernetFrame[] =>
    tap.frames
      .map(({ frame }) => decodeEthernet(frame))
      .filter((frame) => !isMalformed(frame)) as EthernetFrame[];
  const arps = (): ArpPacket[] =>
    framesAt(peer)
      .filter(({ etherType, src }) => etherType === EtherType.Arp && src === NODE)
      .map(({ payload }) => decodeArp(payload))
      .filter((arp): arp is ArpPacket => !isMalformed(arp));
  const packets6 = (): Ipv6Packet[] =>
    framesAt(peer)
      .filter(({ etherType, src }) => etherType === EtherType.Ipv6 && src === NODE)
      .map(({ payload }) => decodeIpv6(payload))
      .filter((packet): packet is Ipv6Packet => !isMalformed(packet));
  const askFor = (target: string) => {
    const zero = '00:00:00:00:00:00';
    const payload = encodeArp({
      operation: ArpOperation.Request,
      senderMac: PEER,
      sender: '198.18.0.2',
      targetMac: zero,
      target,
    });
    peer.send(
      'eth0',
      encodeEthernet({ dst: 'ff:ff:ff:ff:ff:ff', src: PEER, etherType: EtherType.Arp, payload }),
    );
  };
  const askFor6 = (target: string) => {
    const payload = encodeNeighbourSolicitation('fd77::2', PEER, target);
    peer.send('eth0', encodeEthernet({ dst: NODE, src: PEER, etherType: EtherType.Ipv6, payload }));
  };

  /** The node serves: the addresses are its own. */
  async function serving() {
    await lab.exec('node', 'ip', 'addr', 'add', `${ADDRESS}/24`, 'dev', 'mgmt0');
    await lab.exec('node', 'ip', 'addr', 'add', `${ADDRESS6}/64`, 'dev', 'mgmt0', 'nodad');
  }

  it('while it is quiet nothing says where the address is, whoever would, and other addresses are as before', async () => {
    await serving();
    expect(table.quiet(60_000)).toBeUndefined();
    // As keepalived does, by a packet socket, which is told that it was not sent.
    for (const address of place.addresses)
      expect(() => node.send('mgmt0', announcementOf(address, NODE))).toThrow('ENOBUFS');
    node.send('mgmt0', announcementOf('198.18.0.11', NODE));
    askFor(ADDRESS);
    askFor6(ADDRESS6);
    askFor('198.18.0.11');
    askFor6('fd77::11');
    await until(
      'the other answers',
      () =>
        arps().some(({ sender }) => sender === '198.18.0.11') &&
        packets6().some((one) => advertisedAddress(one) === 'fd77::11'),
    );
    await pause(30);
    expect(arps().filter(({ sender }) => sender === ADDRESS)).toEqual([]);
    expect(packets6().filter((one) => advertisedAddress(one) === ADDRESS6)).toEqual([]);
    table.speak();
    askFor(ADDRESS);
    askFor6(ADDRESS6);
    await until(
      'the answers',
      () =>
        arps().some(({ sender }) => sender === ADDRESS) &&
        packets6().some((one) => advertisedAddress(one) === ADDRESS6),
    );
  });

  it('asks for others without saying where the address is', async () => {
    await serving();
    expect(table.quiet(60_000)).toBeUndefined();
    // From the addresses themselves, as connections do.
    await lab.exec('node', 'node', '-e', sendFrom(ADDRESS, '198.18.0.2') + sendFrom(ADDRESS6, 'fd77::2'));
    await until(
      'the questions',
      () =>
        arps().some(({ target }) => target === '198.18.0.2') &&
        packets6().some((one) => solicitedAddress(one) === 'fd77::2'),
    );
    for (const { operation, sender, senderMac } of arps().filter(({ target }) => target === '198.18.0.2'))
      expect({ operation, sender, senderMac }).toEqual({
        operation: ArpOperation.Request,
        sender: '0.0.0.0',
        senderMac: NODE,
      });
    for (const { src, payload } of packets6().filter((one) => solicitedAddress(one) === 'fd77::2')) {
      expect(src).toBe(ADDRESS6);
      // The option with the asker's MAC address is one that nobody knows; the checksum is right, else it were none.
      expect([...payload.subarray(24, 26)]).toEqual([253, 1]);
    }
  });

  it('is quiet for as long as its lease', async () => {
    await serving();
    expect(table.quiet(60)).toBeUndefined();
    expect(table.isQuiet).toBe(true);
    await pause(40);
    expect(table.quiet(60)).toBeUndefined();
    await pause(40);
    askFor(ADDRESS);
    await pause(10);
    expect(arps()).toEqual([]);
    await pause(40);
    expect(table.isQuiet).toBe(false);
    askFor(ADDRESS);
    await until('the answer', () => arps().length > 0);
    expect(table.quiet(60)).toBeUndefined();
  });

  it('passes on what is for the addresses, as it is, under the MAC addresses of both nodes', async () => {
    const send = (text: string) => {
      peer.send('eth0', udp('198.18.0.2', PEER, ADDRESS, `${text} four`, NODE));
      peer.send('eth0', udp('fd77::2', PEER, ADDRESS6, `${text} six`, NODE));
      peer.send('eth0', udp('198.18.0.2', PEER, '198.18.0.11', `${text} own`, NODE));
    };
    const passedOn = (text: string) =>
      peer.withText(text).map((frame) => {
        const decoded = decodeEthernet(frame);
        if (isMalformed(decoded)) throw new Error('refused');
        const { dst, src, payload } = decoded;
        return { dst, src, payload: Buffer.from(payload).toString('hex') };
      });
    const asSent = (frame: Uint8Array) => ({
      dst: OTHER,
      src: NODE,
      payload: Buffer.from(frame.subarray(14)).toString('hex'),
    });
    send('before;');
    expect(table.forward()).toBeUndefined();
    send('now;');
    await until('both', () => peer.withText('now;').length >= 2);
    await pause(20);
    expect(passedOn('now;')).toEqual([
      asSent(udp('198.18.0.2', PEER, ADDRESS, 'now; four', NODE)),
      asSent(udp('fd77::2', PEER, ADDRESS6, 'now; six', NODE)),
    ]);
    expect(passedOn('before;')).toEqual([]);
    // Who asks for the address is not passed on: the answer would tell of the other node.
    askFor6(ADDRESS6);
    await pause(20);
    expect(
      framesAt(peer).filter(({ dst, etherType }) => dst === OTHER && etherType === EtherType.Ipv6),
    ).toHaveLength(1);
    expect(table.keep()).toBeUndefined();
    send('after;');
    await pause(20);
    expect(passedOn('after;')).toEqual([]);
  });

  it('ends with the process that has it', async () => {
    table.forward();
    table.close();
    const listed = await lab.exec('node', 'nft', 'list', 'tables');
    expect(listed).not.toContain('castgate_way');
  });
});

/** A datagram from an address, in the words of a program. */
function sendFrom(from: string, to: string): string {
  const family = from.includes(':') ? 'udp6' : 'udp4';
  return `{ const s = require('node:dgram').createSocket('${family}'); s.bind(0, '${from}', () => s.send('x', 9, '${to}', () => setTimeout(() => s.close(), 50))); }`;
}
