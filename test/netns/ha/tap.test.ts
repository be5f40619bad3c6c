/** The tap of a standby with a real packet socket: what it has no room for it never claims to have seen. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announcementOf } from '../../../connection-backup/address-claim.ts';
import type { ConnectionGuard } from '../../../connection-backup/linux/connection-guard.ts';
import { StandbyFirst, type WayEvent } from '../../../connection-backup/linux/standby-first.ts';
import { WayTable } from '../../../connection-backup/linux/way-table.ts';
import type { ConnectionRecord, PlaceRecord } from '../../../connection-backup/records.ts';
import { plus } from '../../../connection-backup/sequence.ts';
import { Store } from '../../../session/store.ts';
import { loadNative } from '../../../switch/native.ts';
import { concatBytes, putU16, putU32 } from '../../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../../wire/checksum.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { encodeIpv4 } from '../../../wire/ipv4.ts';
import { Namespaces, pause, until, whyNoNamespaces } from '../namespaces.ts';
import { Tap } from '../switch/tap.ts';

const reason = whyNoNamespaces();
const STANDBY = '02:00:00:00:00:0b';
const PEER = '02:00:00:00:00:02';
const FROM = 0xffff_ff00;
const SEGMENT = 1_000;
const record: ConnectionRecord = {
  v: 1,
  key: 'c',
  local: { address: '198.18.0.10', port: 40_000 },
  remote: { address: '198.18.0.2', port: 1812 },
  sentFrom: 1000,
  receivedFrom: FROM,
  options: { mss: 1460, windowScale: undefined, sack: true, timestamps: false },
  timestamp: { value: 0, at: 0, perMs: 1 },
  peerWindow: 65_535,
  ownWindow: 65_535,
};

function records(received: number) {
  const connections = new Store<ConnectionRecord>('connections');
  const places = new Store<PlaceRecord>('places');
  connections.put('c', record);
  places.put('c', { v: 1, key: 'c', received, rest: new Uint8Array(0), acknowledged: 0 });
  return { connections, places };
}

const sent = (begin: number, length: number) =>
  Uint8Array.from({ length }, (_, i) => (begin + i) * 7 + ((begin + i) >> 8));

function frameAt(position: number): Uint8Array {
  const { local, remote } = record;
  const header = new Uint8Array(20);
  putU16(header, 0, remote.port);
  putU16(header, 2, local.port);
  putU32(header, 4, plus(FROM, position));
  header[12] = 0x50;
  header[13] = 0x10;
  const segment = concatBytes(header, sent(position, SEGMENT));
  const pseudo = pseudoHeaderSum(remote.address, local.address, segment.length, 6);
  putU16(segment, 16, internetChecksum(segment, 0, segment.length, pseudo));
  const payload = encodeIpv4({
    src: remote.address,
    dst: local.address,
    protocol: 6,
    ttl: 64,
    payload: segment,
  });
  return encodeEthernet({ dst: STANDBY, src: PEER, etherType: EtherType.Ipv4, payload });
}

describe.skipIf(reason !== undefined)(`the tap ${reason ?? ''}`, () => {
  let lab: Namespaces;
  let peer: Tap;
  let first: StandbyFirst | undefined;
  const events: WayEvent[] = [];

  beforeEach(async () => {
    lab = await Namespaces.create('cgt-tap');
    await lab.add('standby', 'peer');
    await lab.veth(
      { namespace: 'standby', interface: 'mgmt0', mac: STANDBY },
      { namespace: 'peer', interface: 'eth0', mac: PEER },
    );
    await lab.exec('standby', 'ip', 'addr', 'add', '198.18.0.12/24', 'dev', 'mgmt0');
    peer = new Tap(lab, 'peer');
    events.length = 0;
  });
  afterEach(async () => {
    first?.close();
    peer.close();
    await lab.dispose();
  });

  function opened(
    room?: { socket: number; stream: number },
    address = '198.18.0.10',
    table?: () => WayTable,
  ): StandbyFirst {
    const made = lab.within(
      'standby',
      () =>
        new StandbyFirst({
          native: loadNative(),
          guard: {} as ConnectionGuard,
          addresses: [address],
          leaseMs: 250,
          ...(room === undefined ? {} : { room }),
          ...(table === undefined ? {} : { table }),
          advanced: () => {},
          told: (event) => events.push(event),
        }),
    );
    first = made;
    return made;
  }

  it('that is overrun tells no octet beyond the first that it missed, and goes on where the records are', async () => {
    const tap = opened({ socket: 20_000, stream: 1 << 20 });
    tap.follow(records(0));
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    expect(events).toEqual([{ kind: 'in-the-way', device: 'mgmt0' }]);
    // Without the event loop: nobody reads the socket meanwhile.
    for (let i = 0; i < 200; i++) peer.send('eth0', frameAt(i * SEGMENT));
    await until('what the socket had room for', () => tap.state.octets > 0);
    await pause(30);
    const { octets, overflows } = tap.state;
    expect(overflows).toBeGreaterThan(0);
    expect(octets).toBeLessThan(200 * SEGMENT);
    expect(tap.report()).toEqual({
      inTheWay: true,
      seen: [{ local: record.local, remote: record.remote, receivedFrom: FROM, awaited: plus(FROM, octets) }],
    });
    expect(events.at(-1)).toEqual({ kind: 'overflowed', more: overflows });
    expect(tap.seen(record, 0)).toEqual(sent(0, octets));
    // Behind the gap nothing is told, however much comes.
    peer.send('eth0', frameAt(150 * SEGMENT));
    await pause(30);
    expect(tap.report().seen).toEqual([]);
    tap.follow(records(150 * SEGMENT));
    peer.send('eth0', frameAt(150 * SEGMENT));
    peer.send('eth0', frameAt(151 * SEGMENT));
    await until('the next octets', () => tap.seen(record, 150 * SEGMENT).length >= 2 * SEGMENT);
    expect(tap.seen(record, 150 * SEGMENT).subarray(0, 2 * SEGMENT)).toEqual(
      sent(150 * SEGMENT, 2 * SEGMENT),
    );
  });

  it('passes nothing on once it serves, where the kernel refuses to end that too', async () => {
    class Refusing extends WayTable {
      override keep() {
        return { errno: 'ENOBUFS', text: undefined };
      }
    }
    const tap = opened(undefined, '198.18.0.10', () => new Refusing());
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    expect(await lab.exec('standby', 'nft', 'list', 'tables')).toContain('castgate_way');
    tap.takeOver();
    expect(await lab.exec('standby', 'nft', 'list', 'tables')).not.toContain('castgate_way');
    expect(events.at(-1)).toMatchObject({ kind: 'refused' });
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    expect(tap.state.way).toBe('in-the-way');
  });

  it('keeps no more of a connection than there is room for', async () => {
    const tap = opened({ socket: 1 << 20, stream: 2_500 });
    tap.follow(records(0));
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    for (let i = 0; i < 4; i++) peer.send('eth0', frameAt(i * SEGMENT));
    await until('the octets', () => tap.state.overflows === 1_500);
    expect(tap.report().seen).toMatchObject([{ awaited: plus(FROM, 2_500) }]);
  });

  const announced = (address: string) =>
    peer.frames.filter(({ frame }) =>
      Buffer.from(frame).equals(Buffer.from(announcementOf(address, STANDBY))),
    ).length;

  it('says again where the address is when somebody else says so right after it', async () => {
    const tap = opened();
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    await until('its announcement', () => announced('198.18.0.10') === 1);
    for (let i = 0; i < 3; i++) peer.send('eth0', announcementOf('198.18.0.10', PEER));
    await until('the next one', () => announced('198.18.0.10') === 2);
    await pause(250);
    expect(announced('198.18.0.10')).toBe(2);
    // As a node that serves it is nobody's to contest.
    tap.takeOver();
    peer.send('eth0', announcementOf('198.18.0.10', PEER));
    await pause(150);
    expect(announced('198.18.0.10')).toBe(2);
  });

  it('that gets other addresses is in the way of those', async () => {
    const tap = opened();
    lab.within('standby', () => tap.stepIn('02:00:00:00:00:0a'));
    await until('its announcement', () => announced('198.18.0.10') === 1);
    lab.within('standby', () => tap.reconfigure(['198.18.0.20']));
    expect(tap.report().inTheWay).toBe(false);
    lab.within('standby', () => tap.inTouch());
    expect(tap.report().inTheWay).toBe(true);
    await until('the next announcement', () => announced('198.18.0.20') === 1);
    const rules = await lab.exec('standby', 'nft', 'list', 'table', 'netdev', 'castgate_way');
    expect(rules).toMatch(/0x1000001[^\n]*timeout|elements = \{ 0x1000001/);
    expect(rules).toMatch(/ip daddr 198\.18\.0\.20/);
    expect(rules).not.toMatch(/198\.18\.0\.10/);
  });

  it('of an active says where the address is when it takes packets back, and no more once it serves no more', async () => {
    const tap = opened();
    lab.within('standby', () => tap.heard({ inTheWay: true, seen: [] }));
    expect(tap.state.way).toBe('through-standby');
    tap.takeBack('a test');
    await until('its announcements', () => announced('198.18.0.10') === 2);
    tap.stopServing();
    await pause(300);
    expect(announced('198.18.0.10')).toBe(2);
    expect(events.map(({ kind }) => kind)).toEqual(['through-standby', 'taken-back']);
  });

  it('says why it is not possible where no interface is in the network of the address', () => {
    const tap = opened(undefined, '203.0.113.10');
    tap.stepIn('02:00:00:00:00:0a');
    expect(tap.report().inTheWay).toBe(false);
    expect(tap.state).toMatchObject({ way: 'direct', refused: expect.stringMatching(/203\.0\.113\.10/) });
    expect(events.map(({ kind }) => kind)).toEqual(['refused']);
  });
});
