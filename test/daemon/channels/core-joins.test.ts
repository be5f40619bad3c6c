/** Who receives which channel: the whole core on virtual time, real packets on both sides. */
import { describe, expect, it } from 'vitest';
import type { QueryMessage } from '../../../igmp/group-message.ts';
import {
  AttributeType,
  allValues,
  firstInteger,
  firstText,
  firstValue,
  integer,
  octets,
} from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType, ServiceType, TerminateCause } from '../../../radius/values.ts';
import { EtherType, groupMac } from '../../../wire/ethernet.ts';
import { accountOf, groupOf } from '../radius-server.ts';
import { groupMessages, type Host, World, wish } from '../world.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const VAULT = '239.1.1.3';
const SPORT = '232.1.1.1';
const SOURCE = '198.51.100.7';
const { Start, Stop } = AcctStatusType;
const utf8 = (value: string) => new TextEncoder().encode(value);

/** alice may receive news and sport, bob film. */
function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []).set('bob', []);
  made.server.permit('alice', NEWS, SPORT);
  made.server.permit('bob', FILM);
  return made;
}

/** A host that is in. */
function inside(w: World, name: string, port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login(name.replace(/-.*/, ''));
  expect(w.session(host)).toBeDefined();
  return host;
}

/** Ports that a packet of the channel reaches. */
const reached = (w: World, group: string, source = SOURCE) => w.switch.deliver(group, source, 100);
const refusals = (w: World) =>
  w.logged('join-refused').map(({ account, group, reason }) => [account, group, reason]);

describe('a join', () => {
  it('is granted by RADIUS alone: nothing flows before the permit', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.delayMs = 50;
    alice.join(NEWS);
    expect(w.core.stores.grants.size).toBe(0);
    w.pass(49);
    expect(reached(w, NEWS)).toEqual([]);
    expect(groupMessages(w, 'up0').filter(({ kind }) => kind === 'record-report')).toEqual([]);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(w.logged('join-granted')[0]).toMatchObject({ account: 'alice', group: NEWS, by: 'radius' });
  });

  it('conformance 62: a denied one leaks nothing and is not told upstream', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.switch.takeSent();
    for (let i = 0; i < 5; i++) {
      alice.join(VAULT);
      w.pass(100);
      expect(reached(w, VAULT)).toEqual([]);
    }
    expect(groupMessages(w, 'up0')).toEqual([]);
    expect(w.takeDone().filter((done) => done.startsWith('forward'))).toEqual([]);
    expect(w.server.questions()).toEqual([`alice ${VAULT}`]);
    expect(refusals(w)).toEqual([['alice', VAULT, 'radius-reject']]);
    expect(w.core.tally.of('swp1', 'refused/radius-reject')).toBe(5);
    expect(w.server.accounting(Start)).toHaveLength(1);
  });

  it('is forwarded before it is reported upstream, and both before accounting starts', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.takeDone();
    const before = w.server.accounting(Start).length;
    alice.join(NEWS);
    expect(w.takeDone()).toEqual([]);
    w.pass(1);
    const done = w.takeDone().filter((step) => !step.includes('query'));
    expect(done).toEqual([`forward ${NEWS} to swp1`, 'send record-report on up0']);
    expect(w.server.accounting(Start).length).toBe(before + 1);
  });

  it('conformance 54: each record of a report is judged on its own', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.report(wish(NEWS), wish(VAULT), wish('232.9.9.9'));
    w.pass(5);
    expect([reached(w, NEWS), reached(w, VAULT), reached(w, '232.9.9.9')]).toEqual([['swp1'], [], []]);
    expect(w.core.stores.grants.size).toBe(1);
    expect(refusals(w)).toEqual([
      ['alice', '232.9.9.9', 'ssm-needs-source'],
      ['alice', VAULT, 'radius-reject'],
    ]);
  });

  it('conformance 61: a source-specific channel needs a source, and flows from that alone', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(SPORT);
    w.pass(5);
    expect(reached(w, SPORT)).toEqual([]);
    alice.join(SPORT, SOURCE);
    w.pass(5);
    expect(reached(w, SPORT, SOURCE)).toEqual(['swp1']);
    expect(reached(w, SPORT, '198.51.100.8')).toEqual([]);
  });

  it('conformance 64: without a session nothing is received, also where a neighbour on the port is in', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const stranger = w.host('stranger');
    stranger.join(NEWS);
    w.pass(5);
    expect(refusals(w)).toEqual([[undefined, NEWS, 'no-session']]);
    alice.join(FILM);
    stranger.join(FILM);
    w.pass(5);
    expect(reached(w, FILM)).toEqual([]);
    expect(w.core.stores.memberships.size).toBe(1);
    expect(w.server.questions()).toEqual([`alice ${FILM}`]);
  });

  it('conformance 63: the second host on the port is asked and accounted for itself', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob');
    alice.join(NEWS);
    w.pass(5);
    bob.join(NEWS);
    w.pass(5);
    expect(w.server.questions()).toEqual([`alice ${NEWS}`, `bob ${NEWS}`]);
    expect(refusals(w)).toEqual([['bob', NEWS, 'radius-reject']]);
    w.server.permit('bob', NEWS);
    w.pass(30_000);
    bob.join(NEWS);
    w.pass(5);
    expect([...w.core.stores.grants.values()].map(({ account }) => account).sort()).toEqual(['alice', 'bob']);
    const channels = w.server
      .accounting(Start)
      .filter((packet) => groupOf(packet) !== undefined)
      .map((packet) => accountOf(packet));
    expect(channels).toEqual(['alice', 'bob']);
    alice.leave(NEWS);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    bob.leave(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
  });

  it('conformance 60: queries and unknown messages from subscribers are dropped and counted', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const sent = w.takeDone().length;
    expect(sent).toBeGreaterThan(0);
    alice.igmp(query('0.0.0.0'), '224.0.0.1');
    alice.igmp(query(NEWS), NEWS);
    alice.igmp(
      { kind: 'unknown', type: 0x30, bytes: Uint8Array.of(0x30, 0, 0xcf, 0xff, 0, 0, 0, 0) },
      '224.0.0.2',
    );
    expect(w.core.tally.of('swp1', 'drop/query-from-subscriber')).toBe(2);
    expect(w.core.tally.of('swp1', 'drop/igmp-unknown-type')).toBe(1);
    expect(w.takeDone()).toEqual([]);
  });

  it('conformance 52: a report with a wrong checksum is dropped whole', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.send(EtherType.Ipv4, damaged(), groupMac('224.0.0.22'));
    w.pass(5);
    expect(w.core.tally.of('swp1', 'drop/igmp-bad-checksum')).toBe(1);
    expect(w.server.questions()).toEqual([]);
  });

  it('conformance 55: an IGMPv2 host is in any-source mode, and its leave counts', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.igmp({ kind: 'report', version: 2, group: NEWS }, NEWS);
    w.pass(5);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    alice.igmp({ kind: 'leave', group: NEWS }, '224.0.0.2');
    expect(reached(w, NEWS)).toEqual([]);
    alice.igmp({ kind: 'report', version: 1, group: NEWS }, NEWS);
    w.pass(5);
    alice.igmp({ kind: 'leave', group: NEWS }, '224.0.0.2');
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });
});

describe('the question to RADIUS', () => {
  it('names account, host, port, session, group, State and Class, and is signed', () => {
    const w = world();
    const cls = octets(AttributeType.Class, utf8('gold'));
    w.server.users.set('alice', [cls, octets(AttributeType.State, utf8('of the session'))]);
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    const { packet } = w.server.asked.at(-1) ?? {};
    const attributes = packet?.attributes ?? [];
    expect(attributes[0]?.type).toBe(AttributeType.MessageAuthenticator);
    expect(firstText(attributes, AttributeType.UserName)).toBe('alice');
    expect(firstInteger(attributes, AttributeType.ServiceType)).toBe(ServiceType.AuthorizeOnly);
    expect(firstText(attributes, AttributeType.NasPortId)).toBe('swp1');
    expect(firstText(attributes, AttributeType.CallingStationId)).toBe(
      alice.mac.toUpperCase().replaceAll(':', '-'),
    );
    expect(firstText(attributes, AttributeType.AcctSessionId)).toBe(w.session(alice)?.acctSessionId);
    expect(firstText(attributes, AttributeType.AcctMultiSessionId)).toBe(
      w.session(alice)?.acctMultiSessionId,
    );
    expect(firstText(attributes, AttributeType.State)).toBe('of the session');
    expect(allValues(attributes, AttributeType.Class)).toEqual([utf8('gold')]);
    expect(firstValue(attributes, AttributeType.EapMessage)).toBeUndefined();
    expect(groupOf(packet ?? { code: 0, id: 0, authenticator: utf8(''), attributes: [] })).toBe(NEWS);
  });

  it('is one for a storm of 200 hosts of one account, and its answer is for all of them', () => {
    const w = world({ ports: { swp1: { max_hosts: 256 }, swp2: {}, swp3: {} } });
    w.server.rounds = 0;
    const hosts = Array.from({ length: 200 }, (_, i) => inside(w, `alice-${i}`));
    w.server.delayMs = 20;
    for (const host of hosts) host.join(NEWS);
    expect(w.server.questions()).toEqual([`alice ${NEWS}`]);
    w.pass(20);
    expect(w.core.stores.grants.size).toBe(200);
    expect(w.logged('join-granted')).toHaveLength(200);
    expect(w.takeDone().filter((done) => done.startsWith('forward'))).toHaveLength(1);
    expect(w.server.questions()).toHaveLength(1);
  });

  it('is answered from what was said before, as long as that holds', () => {
    const w = world();
    w.server.permits.set(`alice ${NEWS}`, [integer(AttributeType.SessionTimeout, 60)]);
    const first = inside(w, 'alice-1');
    const second = inside(w, 'alice-2', 'swp2');
    first.join(NEWS);
    w.pass(5);
    first.leave(NEWS);
    w.pass(30_000);
    second.join(NEWS);
    expect(reached(w, NEWS)).toEqual(['swp2']);
    expect(w.logged('join-granted')[1]).toMatchObject({ by: 'cache' });
    second.leave(NEWS);
    w.pass(30_000);
    second.join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(5);
    expect(w.server.questions()).toHaveLength(2);
  });

  it('is put again before a permission ends; a withdrawn one ends the channel', () => {
    const w = world();
    w.server.permits.set(`alice ${NEWS}`, [integer(AttributeType.SessionTimeout, 100)]);
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(95_000);
    expect(w.server.questions()).toHaveLength(2);
    w.pass(50_000);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.server.permits.delete(`alice ${NEWS}`);
    w.pass(60_000);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.logged('channel-ended')[0]).toMatchObject({ cause: 'permission-withdrawn' });
    w.pass(5);
    const stop = w.server.accounting(Stop).find((packet) => groupOf(packet) === NEWS);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.AdminReset,
    );
  });

  it('without an answer is a refusal: nothing flows, and it is not repeated at once', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.alive = false;
    alice.join(NEWS);
    w.pass(4_400);
    expect(refusals(w)).toEqual([]);
    w.pass(601);
    expect(refusals(w)).toEqual([['alice', NEWS, 'radius-timeout']]);
    const asked = w.server.questions().length;
    alice.join(NEWS);
    w.pass(1_000);
    expect(w.server.questions().length).toBe(asked);
    expect(reached(w, NEWS)).toEqual([]);
    w.server.alive = true;
    w.pass(5_000);
    alice.join(NEWS);
    w.pass(5);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });

  it('that was given up is not answered any more', () => {
    const w = world({ groups: { patience: '1s', max_tries: 1 } });
    const alice = inside(w, 'alice');
    w.server.delayMs = 1_500;
    alice.join(NEWS);
    w.pass(5_000);
    expect(refusals(w)).toEqual([['alice', NEWS, 'radius-timeout']]);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.core.tally.of('radius/r1', 'discarded/no-request')).toBe(1);
  });

  it('whose answer is forged is still open', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.alive = false;
    alice.join(NEWS);
    const asked = w.server.asked.at(-1);
    if (asked === undefined) throw new Error('nothing was asked');
    const yes = { code: RadiusCode.AccessAccept, attributes: [] };
    w.datagram(w.sign(asked.packet, yes, utf8('another secret')), asked.socket);
    w.datagram(w.unsigned(asked.packet, yes), asked.socket);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.core.tally.withPrefix('radius/r1', 'discarded/')).toEqual({
      'message-authenticator': 1,
      'message-authenticator-missing': 1,
    });
    w.datagram(w.sign(asked.packet, yes), asked.socket);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });

  it('an Access-Challenge is no permission', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.script = ({ port }) =>
      port === 'acct' ? 'policy' : { code: RadiusCode.AccessChallenge, attributes: [] };
    alice.join(NEWS);
    w.pass(5);
    expect(refusals(w)).toEqual([['alice', NEWS, 'radius-reject']]);
  });
});

function query(group: string): QueryMessage {
  const times = { maxRespCode: 100, maxRespMs: 10_000, qqicCode: 125, qqicSeconds: 125 };
  return { kind: 'query', version: 3, group, suppress: false, qrv: 2, sources: [], ...times };
}

/** An IGMPv3 report of one record whose checksum is wrong. */
function damaged(): Uint8Array {
  const header = [0x46, 0, 0, 40, 0, 0, 0, 0, 1, 2, 0, 0, 10, 77, 0, 9, 224, 0, 0, 22, 0x94, 4, 0, 0];
  const sum = header.reduce((all, octet, i) => all + (i % 2 === 0 ? octet << 8 : octet), 0);
  const folded = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  header[10] = folded >>> 8;
  header[11] = folded & 0xff;
  return Uint8Array.of(...header, 0x22, 0, 0x12, 0x34, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 1, 1);
}
