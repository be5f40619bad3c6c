/** castgate as querier among others, and where it reports: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { encodeIgmpPacket } from '../../../igmp/group-packet.ts';
import { putU16 } from '../../../wire/bytes.ts';
import { internetChecksum } from '../../../wire/checksum.ts';
import { EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../../wire/ipv4.ts';
import { groupMessages, groupPackets, type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';

function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World({ uplinks: ['up0', 'up1'], ...more });
  made.server.users.set('alice', []);
  made.server.permit('alice', NEWS);
  return made;
}

function inside(w: World, name = 'alice'): Host {
  const host = w.host(name);
  host.login();
  expect(w.session(host)).toBeDefined();
  return host;
}

/** A general query of a router on an uplink. */
function query(w: World, src: string, qqicSeconds = 20, maxRespMs = 2000, port = 'up0'): void {
  const message = {
    kind: 'query',
    version: 3,
    group: '0.0.0.0',
    maxRespCode: maxRespMs / 100,
    maxRespMs,
    suppress: false,
    qrv: 3,
    qqicCode: qqicSeconds,
    qqicSeconds,
    sources: [],
  } as const;
  const payload = encodeIgmpPacket({ src, dst: '224.0.0.1', message });
  w.switch.receive(port, 0, frame(payload, '224.0.0.1'));
}

function hello(w: World, port: string): void {
  const pim = Uint8Array.from([0x20, 0, 0, 0, 0, 1, 0, 2, 0, 30]);
  putU16(pim, 2, internetChecksum(pim));
  const ip = { src: '198.51.100.1', dst: '224.0.0.13', ttl: 1, protocol: IpProtocol.Pim, payload: pim };
  w.switch.receive(port, 0, frame(encodeIpv4(ip), '224.0.0.13'));
}

const frame = (payload: Uint8Array, dst: string) =>
  encodeEthernet({ src: '02:00:00:00:ee:01', dst: groupMac(dst), etherType: EtherType.Ipv4, payload });
/** Ports that were asked by IGMP since the last call by anybody. */
const asked = (w: World) =>
  groupPackets(w).flatMap(({ port, family, message }) =>
    family === 4 && message.kind === 'query' ? [port] : [],
  );
const reportedOn = (w: World) =>
  groupPackets(w).flatMap(({ port, message }) => (message.kind === 'record-report' ? [port] : []));

describe('election', () => {
  it('conformance 57: where somebody else is querier castgate passes his questions on and asks none of its own', () => {
    const w = world({ multicast: { querier: { address: '198.51.100.9' } } });
    w.pass(60_000);
    asked(w);
    query(w, '198.51.100.8');
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
    // The next of its own would be due after 125 s.
    for (let i = 0; i < 15; i++) {
      w.pass(20_000);
      expect(asked(w)).toEqual([]);
      query(w, '198.51.100.8');
      expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
    }
    // MLD has no other querier: castgate goes on with it.
    w.pass(3 * 20_000);
    expect(groupPackets(w).some(({ family }) => family === 6)).toBe(true);
    // Three of its intervals and half of castgate's response interval after the last.
    w.pass(4_999);
    expect(asked(w)).toEqual([]);
    w.pass(1);
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
    w.pass(125_000);
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
  });

  it('conformance 59: a query from 0.0.0.0, or from a higher address, wins nothing', () => {
    const w = world({ multicast: { querier: { address: '198.51.100.9' } } });
    w.pass(60_000);
    asked(w);
    for (const source of ['0.0.0.0', '198.51.100.10']) {
      query(w, source);
      expect(asked(w)).toEqual([]);
    }
    w.pass(125_000);
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
  });

  it('wishes hold as long as the querier’s own interval says', () => {
    const w = world();
    const alice = inside(w);
    query(w, '198.51.100.8', 100);
    alice.join(NEWS);
    w.pass(5);
    // Three of its intervals, and castgate's response interval: 310 s.
    for (let i = 0; i < 3; i++) {
      w.pass(100_000);
      query(w, '198.51.100.8', 100);
    }
    expect(w.core.stores.grants.size).toBe(1);
    w.pass(10_000);
    expect(w.core.stores.grants.size).toBe(0);
  });

  it('hosts that castgate asks in a silent querier’s place have time to answer', () => {
    const w = world();
    const alice = inside(w);
    query(w, '198.51.100.8');
    alice.join(NEWS);
    // Silent after 65 s; the wish would end after 70 s, an answer may take until 75 s.
    w.pass(74_900);
    expect(w.core.stores.grants.size).toBe(1);
    w.pass(9_000);
    expect(w.core.stores.grants.size).toBe(1);
    w.pass(1_200);
    expect(w.core.stores.grants.size).toBe(0);
  });

  it('is not held where the configuration says so', () => {
    const w = world({ multicast: { querier: { election: false } } });
    w.pass(60_000);
    asked(w);
    query(w, '198.51.100.8');
    expect(asked(w)).toEqual([]);
    w.pass(125_000);
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
  });

  it('what was heard of it survives a takeover', () => {
    const w = world();
    query(w, '198.51.100.8');
    w.takeOver();
    w.pass(100);
    asked(w);
    w.pass(60_000);
    expect(asked(w)).toEqual([]);
  });
});

describe('router ports', () => {
  it('all uplinks hear reports by default', () => {
    const w = world();
    inside(w).join(NEWS);
    w.pass(5);
    expect(new Set(reportedOn(w))).toEqual(new Set(['up0', 'up1']));
  });

  it('hear a report once there is room to send it, however often there was none', () => {
    const w = world();
    const alice = inside(w);
    w.switch.fail('sendFrame', 'ENOBUFS', 9);
    alice.join(NEWS);
    w.pass(30_000);
    expect(new Set(reportedOn(w))).toEqual(new Set(['up0', 'up1']));
    w.pass(30_000);
    expect(reportedOn(w)).toEqual([]);
  });

  it('are left alone where an uplink has no link', () => {
    const w = world();
    const alice = inside(w);
    alice.join(NEWS);
    w.pass(30_000);
    w.server.permit('alice', '239.1.1.2');
    w.switch.fail('sendFrame', 'ENETDOWN', 99);
    alice.join('239.1.1.2');
    w.pass(10_000);
    const { upstreamGroups } = w.core.stores;
    expect([...upstreamGroups.values()].map(({ pendingLeft }) => pendingLeft)).toEqual([0, 0]);
  });

  it('conformance 57: are learned by query and PIM Hello, not by a query from 0.0.0.0, and forgotten in time', () => {
    const w = world({ multicast: { router_ports: 'learned' } });
    const alice = inside(w);
    alice.join(NEWS);
    w.pass(5000);
    query(w, '0.0.0.0', 20, 2000, 'up0');
    w.pass(2000);
    expect(reportedOn(w)).toEqual([]);
    // It is told at once what was joined before it was heard.
    query(w, '198.51.100.8', 20, 2000, 'up0');
    expect(reportedOn(w)).toEqual(['up0']);
    w.pass(3000);
    reportedOn(w);
    hello(w, 'up1');
    expect(new Set(reportedOn(w))).toEqual(new Set(['up0', 'up1']));
    // It is said once again: the first may be lost.
    w.pass(2000);
    expect(new Set(reportedOn(w))).toEqual(new Set(['up0', 'up1']));
    // The Hello holds 30 s, the query 65 s.
    w.pass(29_000);
    alice.leave(NEWS);
    expect(reportedOn(w)).toEqual(['up0']);
    // The leave is said twice.
    w.pass(2000);
    expect(reportedOn(w)).toEqual(['up0']);
    w.pass(38_000);
    alice.join(NEWS);
    w.pass(5);
    expect(w.core.stores.grants.size).toBe(1);
    expect(reportedOn(w)).toEqual([]);
  });

  it('go with their link', () => {
    const w = world({ multicast: { router_ports: 'learned' } });
    query(w, '198.51.100.8', 20, 2000, 'up0');
    w.switch.setLink('up0', false);
    w.switch.setLink('up0', true);
    inside(w).join(NEWS);
    w.pass(5);
    expect(reportedOn(w)).toEqual([]);
  });
});

describe('routers on subscriber ports', () => {
  it('conformance 60: are none: their queries and PIM Hellos are dropped and counted', () => {
    const w = world({ multicast: { router_ports: 'learned' } });
    query(w, '198.51.100.8', 20, 2000, 'swp1');
    hello(w, 'swp1');
    expect(w.core.tally.of('swp1', 'drop/query-from-subscriber')).toBe(1);
    expect(w.core.tally.of('swp1', 'drop/pim-from-subscriber')).toBe(1);
    expect([w.core.stores.routerPorts.size, w.core.stores.otherQueriers.size]).toEqual([0, 0]);
  });
});

describe('a change of topology', () => {
  it('conformance 59: at an uplink lets hosts be asked and routers be told', () => {
    const w = world();
    inside(w).join(NEWS);
    w.pass(60_000);
    w.switch.setLink('up0', false);
    w.pass(1000);
    w.switch.takeSent();
    w.switch.setLink('up0', true);
    expect(groupMessages(w, 'up0')).toMatchObject([{ kind: 'record-report', records: [{ group: NEWS }] }]);
    w.pass(1);
    expect(asked(w)).toEqual(['swp1', 'swp2', 'swp3']);
  });
});

describe('every timer', () => {
  it('is as configured: startup queries and membership', () => {
    const w = world({
      multicast: {
        query_interval: '100s',
        startup_query_interval: '7s',
        startup_query_count: 3,
        membership_interval: '50s',
      },
    });
    w.pass(20_000);
    expect(asked(w).filter((port) => port === 'swp1')).toHaveLength(3);
    w.pass(80_000);
    expect(asked(w)).toEqual([]);
    inside(w).join(NEWS);
    w.pass(49_000);
    expect(w.core.stores.grants.size).toBe(1);
    w.pass(1010);
    expect(w.core.stores.grants.size).toBe(0);
  });
});
