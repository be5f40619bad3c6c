/** IPv6 channels: MLDv1 and MLDv2 through the whole core on virtual time, by the same rules as IGMP. */
import { describe, expect, it } from 'vitest';
import { encodeMldPacket } from '../../../igmp/group-packet.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { AttributeType, firstValue, vendorAttributes } from '../../../radius/attributes.ts';
import { AcctStatusType, H3cAttribute, Vendor } from '../../../radius/values.ts';
import { ipv6At, linkLocalAddress } from '../../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { groupMessages, groupPackets, type Host, World, wish } from '../world.ts';

const NEWS = 'ff15::101';
const FILM = 'ff15::102';
const SPORT = 'ff3e::1';
const SOURCE = '2001:db8::7';
const OTHER = '2001:db8::8';
const { Start, Stop } = AcctStatusType;

function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []).set('bob', []);
  made.server.permit('alice', NEWS, SPORT);
  made.server.permit('bob', FILM);
  return made;
}

function inside(w: World, name: string, port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login();
  expect(w.session(host)).toBeDefined();
  return host;
}

const reached = (w: World, group: string, source = SOURCE) => w.switch.deliver(group, source, 100);
const refusals = (w: World) =>
  w.logged('join-refused').map(({ account, group, reason }) => [account, group, reason]);

describe('an IPv6 channel', () => {
  it('is asked for, forwarded, reported upstream and accounted for like one of IPv4', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.takeDone();
    alice.join(NEWS);
    expect(w.core.stores.grants.size).toBe(0);
    w.pass(1);
    expect(w.server.questions()).toEqual([`alice ${NEWS}`]);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(w.takeDone().filter((step) => !step.includes('query'))).toEqual([
      `forward ${NEWS} to swp1`,
      'send record-report on up0',
    ]);
    alice.leave(NEWS);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual([]);
    for (const status of [Start, Stop]) {
      const record = w.server.accounting(status).at(-1)?.attributes ?? [];
      const vendor = vendorAttributes(record, Vendor.H3c);
      if (isMalformed(vendor)) throw new Error(vendor.malformed);
      const group = vendor.find(({ type }) => type === H3cAttribute.Ipv6MulticastReceiveGroup)?.value;
      expect(group === undefined ? undefined : ipv6At(group, 0)).toBe(NEWS);
    }
    const stop = w.server.accounting(Stop).at(-1)?.attributes ?? [];
    expect(firstValue(stop, AttributeType.AcctOutputOctets)?.at(-1)).toBe(100);
  });

  it('conformance 54, 62: each record is judged on its own, and a denied join is not told upstream', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.switch.takeSent();
    alice.report(wish(FILM), wish(NEWS), wish('ff3e::9'));
    w.pass(5);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], []]);
    expect(refusals(w)).toEqual([
      ['alice', 'ff3e::9', 'ssm-needs-source'],
      ['alice', FILM, 'radius-reject'],
    ]);
    const told = groupMessages(w, 'up0', 6).flatMap((m) => (m.kind === 'record-report' ? m.records : []));
    expect(told).toEqual([{ type: RecordType.ToExclude, group: NEWS, sources: [], auxWords: 0 }]);
  });

  it('conformance 61: of a source-specific group flows from its source alone', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(SPORT);
    w.pass(5);
    expect(reached(w, SPORT)).toEqual([]);
    alice.join(SPORT, SOURCE);
    w.pass(5);
    expect([reached(w, SPORT, SOURCE), reached(w, SPORT, OTHER)]).toEqual([['swp1'], []]);
  });

  it('conformance 55: an MLDv1 host is in any-source mode, and its Done counts', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.mld({ kind: 'report', version: 1, group: NEWS }, NEWS);
    w.pass(5);
    expect(reached(w, NEWS, OTHER)).toEqual(['swp1']);
    // From a host that is MLDv1, BLOCK means nothing (RFC 9777 §8.3.2).
    alice.report({ type: RecordType.Block, group: NEWS, sources: [OTHER], auxWords: 0 });
    w.pass(5);
    expect(reached(w, NEWS, OTHER)).toEqual(['swp1']);
    alice.mld({ kind: 'leave', group: NEWS }, 'ff02::2');
    expect(reached(w, NEWS)).toEqual([]);
  });

  it('conformance 56: ends when the wish is not repeated', () => {
    const w = world();
    inside(w, 'alice').join(NEWS);
    w.pass(5);
    w.pass(259_990);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(10);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.logged('channel-ended')).toMatchObject([{ group: NEWS, cause: 'membership-timeout' }]);
  });

  it('conformance 53: from :: or a global source, from further than the link, or without Router Alert is nothing', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const message = { kind: 'record-report', version: 2, records: [wish(NEWS)] } as const;
    const from = (src: string) => encodeMldPacket({ src, dst: 'ff02::16', message });
    const far = from('fe80::9');
    far[7] = 2;
    const plain = from('fe80::9');
    // Router Alert becomes padding, which the header may hold as well.
    plain.set([1, 2, 0, 0], 42);
    for (const packet of [from('::'), from('2001:db8::9'), far, plain]) alice.send(EtherType.Ipv6, packet);
    w.pass(5);
    expect(w.core.stores.memberships.size).toBe(0);
    expect(w.server.questions()).toEqual([]);
    expect(w.core.tally.of('swp1', 'drop/mld-source-not-link-local')).toBe(2);
    expect(w.core.tally.of('swp1', 'drop/mld-hop-limit-not-1')).toBe(1);
    expect(w.core.tally.of('swp1', 'drop/mld-no-router-alert')).toBe(1);
    alice.send(EtherType.Ipv6, from('fe80::9'));
    w.pass(5);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });

  it('conformance 58: groups of the link are nobody’s channels: nothing is asked, refused or reported', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.switch.takeSent();
    alice.report(wish('ff02::1:ff00:9'), wish('ff02::fb'), wish('ff01::1'), wish('ff32::1'));
    w.pass(5);
    expect([w.server.questions(), refusals(w), w.core.stores.memberships.size]).toEqual([[], [], 0]);
    expect(groupMessages(w, 'up0', 6)).toEqual([]);
    expect(w.core.tally.of('swp1', 'ignored/link-local-group')).toBe(4);
  });

  it('is refused where the encoding has no words for it', () => {
    const w = world({ groups: { encoding: 'huawei' } });
    inside(w, 'alice').join(NEWS);
    w.pass(5);
    expect(refusals(w)).toEqual([['alice', NEWS, 'encoding-lacks-family']]);
  });

  it('without a session is refused', () => {
    const w = world();
    w.host('stranger').join(NEWS);
    expect(refusals(w)).toEqual([[undefined, NEWS, 'no-session']]);
  });

  it('goes on after a takeover, and upstream hears of it again', () => {
    const w = world();
    inside(w, 'alice').join(NEWS);
    w.pass(5);
    w.switch.takeSent();
    w.takeOver();
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(groupMessages(w, 'up0', 6)).toMatchObject([{ kind: 'record-report', records: [{ group: NEWS }] }]);
  });
});

describe('MLD that castgate sends', () => {
  it('has a link-local source, hop limit 1 and Router Alert, queries and reports alike', () => {
    const w = world();
    inside(w, 'alice').join(NEWS);
    w.pass(60_000);
    const sent = groupPackets(w).filter(({ family }) => family === 6);
    expect(new Set(sent.map(({ message, port }) => `${message.kind} ${port}`))).toEqual(
      new Set(['query swp1', 'query swp2', 'query swp3', 'record-report up0']),
    );
    const bridge = linkLocalAddress(w.switch.macOf(undefined) ?? '');
    for (const { src, dst, hopLimit, routerAlert, message } of sent) {
      expect({ src, hopLimit, routerAlert }).toEqual({ src: bridge, hopLimit: 1, routerAlert: true });
      expect(dst).toBe(message.kind === 'query' ? 'ff02::1' : 'ff02::16');
    }
    const general = sent.filter(({ message }) => message.kind === 'query' && message.maxRespMs === 10_000);
    expect(general).toHaveLength(3);
    for (const { message } of general)
      expect(message).toMatchObject({ version: 2, group: '::', qrv: 2, qqicSeconds: 125 });
  });

  it('takes the configured address', () => {
    const w = world({ multicast: { querier: { address6: 'fe80::ca57' } } });
    w.pass(40_000);
    const sent = groupPackets(w).filter(({ family }) => family === 6);
    expect(new Set(sent.map(({ src }) => src))).toEqual(new Set(['fe80::ca57']));
  });

  it('answers an upstream querier, an MLDv1 one in its words', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    alice.join(SPORT, SOURCE);
    w.pass(5000);
    w.switch.takeSent();
    const query = (version: 1 | 2) => {
      const rest = { suppress: false, qrv: version === 2 ? 2 : 0, qqicCode: 0, qqicSeconds: 0, sources: [] };
      const message = {
        kind: 'query',
        version,
        group: '::',
        maxRespCode: 1000,
        maxRespMs: 1000,
        ...rest,
      } as const;
      const payload = encodeMldPacket({ src: 'fe80::1', dst: 'ff02::1', message });
      const dst = groupMac('ff02::1');
      w.switch.receive(
        'up0',
        0,
        encodeEthernet({ src: '02:00:00:00:ee:01', dst, etherType: EtherType.Ipv6, payload }),
      );
      w.pass(1000);
    };
    query(2);
    const records = groupMessages(w, 'up0', 6).flatMap((m) => (m.kind === 'record-report' ? m.records : []));
    expect(records.map(({ type, group, sources }) => [type, group, sources]).sort()).toEqual([
      [RecordType.IsInclude, SPORT, [SOURCE]],
      [RecordType.IsExclude, NEWS, []],
    ]);
    query(1);
    const reports = groupPackets(w).filter(({ port, family }) => port === 'up0' && family === 6);
    expect(reports.map(({ dst, message }) => [dst, message.kind]).sort()).toEqual([
      [NEWS, 'report'],
      [SPORT, 'report'],
    ]);
    alice.leave(NEWS);
    const done = groupPackets(w).filter(({ port, family }) => port === 'up0' && family === 6);
    expect(done.map(({ dst, message }) => [dst, message])).toEqual([
      ['ff02::2', { kind: 'leave', group: NEWS }],
    ]);
    // IGMP is not concerned by an MLDv1 querier.
    w.server.permit('alice', '239.1.1.1');
    alice.join('239.1.1.1');
    w.pass(5);
    expect(groupMessages(w, 'up0')).toMatchObject([{ kind: 'record-report' }]);
  });
});
