/** What becomes of granted channels: the whole core on virtual time, real packets on both sides. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import type { QueryMessage } from '../../../igmp/group-message.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { AttributeType, firstInteger, firstText, octets } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { groupOf } from '../radius-server.ts';
import { groupMessages, type Host, World, wish } from '../world.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SPORT = '232.1.1.1';
const SOURCE = '198.51.100.7';
const { Start, Stop, InterimUpdate } = AcctStatusType;
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

describe('deliver_to: host', () => {
  it('what one host alone of a port is granted goes to its MAC address, also after a takeover', () => {
    const w = new World({ multicast: { deliver_to: 'host' } });
    for (const name of ['alice', 'bob']) {
      w.server.users.set(name, []);
      w.server.permit(name, '239.1.1.1');
    }
    const [alice, bob] = [w.host('alice'), w.host('bob')];
    const to = () => w.switch.forwarding('swp1', 0, '239.1.1.1')?.to;
    for (const host of [alice, bob]) host.login();
    alice.join('239.1.1.1');
    w.pass(5);
    expect(to()).toBe(alice.mac);
    bob.join('239.1.1.1');
    w.pass(5);
    expect(w.switch.forwarding('swp1', 0, '239.1.1.1')).toEqual({ mode: 'exclude', sources: [] });
    alice.leave('239.1.1.1');
    expect(to()).toBe(bob.mac);
    w.takeOver();
    expect(to()).toBe(bob.mac);
    bob.leave('239.1.1.1');
    expect(w.switch.forwardings()).toEqual([]);
  });
});

describe('what a channel counts', () => {
  it('begins with its grant, also where another source of the group was received up to then', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(SPORT, SOURCE);
    w.pass(5);
    reached(w, SPORT);
    alice.report({ type: RecordType.ToInclude, group: SPORT, sources: ['198.51.100.8'], auxWords: 0 });
    w.pass(5);
    reached(w, SPORT, '198.51.100.8');
    alice.leave(SPORT);
    w.pass(5);
    const stops = w.server.accounting(Stop);
    expect(stops.map(({ attributes }) => firstInteger(attributes, AttributeType.AcctOutputOctets))).toEqual([
      100, 100,
    ]);
  });
});

describe('the end of a channel', () => {
  it('conformance 4: a logoff ends channels before the session, and closes the host last', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(5);
    w.takeDone();
    alice.logoff();
    const done = w.takeDone();
    expect(done.indexOf(`stop ${NEWS} on swp1`)).toBeGreaterThan(-1);
    expect(done.indexOf(`stop ${NEWS} on swp1`)).toBeLessThan(done.indexOf(`close ${alice.mac}`));
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(5);
    const stops = w.server.accounting(Stop);
    expect(stops.map((packet) => groupOf(packet))).toEqual([NEWS, undefined]);
    for (const { attributes } of stops) {
      expect(firstInteger(attributes, AttributeType.AcctTerminateCause)).toBe(TerminateCause.UserRequest);
    }
    expect(w.log.slice(-2).map(({ event, cause }) => [event, cause])).toEqual([
      ['channel-ended', 'logoff'],
      ['session-ended', 'logoff'],
    ]);
  });

  it('conformance 8: a lost link ends the channels of that port', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob', 'swp2');
    alice.join(NEWS);
    bob.join(FILM);
    w.pass(5);
    w.switch.setLink('swp1', false);
    expect(w.core.stores.grants.size).toBe(1);
    expect(reached(w, FILM)).toEqual(['swp2']);
    w.switch.setLink('swp1', true);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.logged('channel-ended')[0]).toMatchObject({ group: NEWS, cause: 'lost-carrier' });
  });

  it('conformance 56: a membership that is not said again ends, and its accounting with it', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(259_000);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(2_000);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(5);
    const stop = w.server.accounting(Stop).find((packet) => groupOf(packet) === NEWS);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.IdleTimeout,
    );
  });

  it('another account at re-authentication ends the channels of the first', () => {
    const w = world();
    const host = w.host('alice');
    host.login('alice');
    host.join(NEWS);
    w.pass(5);
    host.login('bob');
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.logged('channel-ended')[0]).toMatchObject({ account: 'alice', cause: 'account-changed' });
    host.join(NEWS);
    w.pass(5);
    expect(refusals(w)).toEqual([['bob', NEWS, 'radius-reject']]);
  });

  it('the same account at re-authentication keeps its channels', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(5);
    w.takeDone();
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(w.takeDone().filter((done) => done.startsWith('stop'))).toEqual([]);
  });

  it('a question of a host that went out meanwhile gives it nothing', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.delayMs = 50;
    alice.join(NEWS);
    w.pass(10);
    alice.logoff();
    w.pass(100);
    expect(w.core.stores.grants.size).toBe(0);
    expect(reached(w, NEWS)).toEqual([]);
  });
});

describe('limits', () => {
  it('of a host and of a port are refusals with their reasons, without a question', () => {
    const w = world({ multicast: { max_groups_per_host: 2, max_groups_per_port: 3 } });
    w.server.script = ({ packet }) => {
      const about = groupOf(packet) !== undefined && packet.code === RadiusCode.AccessRequest;
      return about ? { code: RadiusCode.AccessAccept, attributes: [] } : 'policy';
    };
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob');
    alice.report(wish('239.2.0.1'), wish('239.2.0.2'), wish('239.2.0.3'));
    w.pass(5);
    bob.report(wish('239.3.0.1'), wish('239.3.0.2'));
    w.pass(5);
    expect(refusals(w)).toEqual([
      ['alice', '239.2.0.3', 'host-group-limit'],
      ['bob', '239.3.0.2', 'port-group-limit'],
    ]);
    bob.join('239.2.0.1');
    w.pass(5);
    expect(w.core.stores.forwardings.size).toBe(3);
    expect(w.server.questions()).not.toContain('alice 239.2.0.3');
  });
});

describe('the querier', () => {
  const general = (w: World, port: string) =>
    groupMessages(w, port).filter((message): message is QueryMessage => message.kind === 'query');

  it('asks when a port comes up, when somebody comes in, and from time to time', () => {
    const w = world();
    const times = (ms: number) => {
      w.switch.takeSent();
      w.pass(ms);
      return general(w, 'swp1').map(({ maxRespMs }) => maxRespMs);
    };
    w.switch.setLink('swp1', false);
    w.switch.setLink('swp1', true);
    // RFC 9776 §8.6, §8.7: two startup queries, a quarter of the interval apart; then the interval.
    expect(times(0)).toEqual([10_000]);
    expect(times(31_249)).toEqual([]);
    expect(times(1)).toEqual([10_000]);
    expect(times(124_999)).toEqual([]);
    expect(times(1)).toEqual([10_000]);
    inside(w, 'alice');
    w.switch.takeSent();
    const bob = w.host('bob');
    bob.start();
    bob.identity(bob.heard()[0]?.id ?? -1);
    w.pass(2);
    bob.respond(bob.heard()[0]?.id ?? -1, 4, Uint8Array.of(1, 1));
    w.pass(2);
    expect(w.session(bob)).toBeDefined();
    expect(general(w, 'swp1').map(({ maxRespMs }) => maxRespMs)).toEqual([1_000]);
    w.switch.setLink('swp1', false);
    expect(times(500_000)).toEqual([]);
  });

  it('asks hosts in a VLAN there, for as long as they are in', () => {
    const w = world();
    const alice = w.host('alice', 'swp1', 42);
    alice.login();
    alice.join(NEWS);
    w.pass(5);
    for (let interval = 0; interval < 5; interval++) {
      w.switch.takeSent();
      w.pass(125_000);
      const asked = w.switch.takeSent().filter(({ port, vlan }) => port === 'swp1' && vlan === 42);
      expect(asked.length).toBeGreaterThan(0);
      alice.join(NEWS);
    }
    expect(w.switch.deliver(NEWS, SOURCE, 100, 42)).toEqual(['swp1']);
  });
});

describe('accounting of a channel', () => {
  it('starts, goes on and stops with what the port received, tied to the session', () => {
    const w = world({ accounting: { interim_interval: '1m' } });
    w.server.permits.set(`alice ${NEWS}`, [octets(AttributeType.Class, utf8('news'))]);
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(5);
    for (let i = 0; i < 7; i++) reached(w, NEWS);
    w.pass(70_000);
    for (let i = 0; i < 3; i++) reached(w, NEWS);
    alice.leave(NEWS);
    w.pass(5);
    const about = (status: number) =>
      w.server.accounting(status).filter((packet) => groupOf(packet) === NEWS);
    const [start] = about(Start);
    const [interim] = about(InterimUpdate);
    const [stop] = about(Stop);
    const id = firstText(start?.attributes ?? [], AttributeType.AcctSessionId);
    for (const packet of [start, interim, stop]) {
      const attributes = packet?.attributes ?? [];
      expect(firstText(attributes, AttributeType.AcctSessionId)).toBe(id);
      expect(firstText(attributes, AttributeType.AcctMultiSessionId)).toBe(
        w.session(alice)?.acctMultiSessionId,
      );
      expect(firstText(attributes, AttributeType.UserName)).toBe('alice');
    }
    expect(id).not.toBe(w.session(alice)?.acctSessionId);
    expect(firstInteger(interim?.attributes ?? [], AttributeType.AcctOutputPackets)).toBe(7);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctOutputPackets)).toBe(10);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctOutputOctets)).toBe(1_000);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.UserRequest,
    );
  });
});

describe('upstream', () => {
  it('hears of the first host and of the last, and answers queries', () => {
    const w = world();
    w.server.permit('bob', NEWS);
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob', 'swp2');
    w.switch.takeSent();
    const reports = () => groupMessages(w, 'up0').filter((message) => message.kind === 'record-report');
    alice.join(NEWS);
    w.pass(5);
    expect(reports()).toMatchObject([{ records: [{ type: RecordType.ToExclude, group: NEWS }] }]);
    bob.join(NEWS);
    w.pass(3_000);
    reports();
    alice.leave(NEWS);
    expect(reports()).toEqual([]);
    w.host('router', 'up0').igmp(query('0.0.0.0'), '224.0.0.1');
    w.pass(11_000);
    expect(reports()).toMatchObject([{ records: [{ type: RecordType.IsExclude, group: NEWS }] }]);
    bob.leave(NEWS);
    expect(reports()).toMatchObject([
      { records: [{ type: RecordType.ToInclude, group: NEWS, sources: [] }] },
    ]);
  });

  it('EAPOL and reports that come from there are nobody’s', () => {
    const w = world();
    const far = w.host('far', 'up0');
    far.eapol(EapolType.Start);
    far.join(NEWS);
    w.pass(10);
    expect(w.core.stores.authenticators.size).toBe(0);
    expect(w.server.asked.filter(({ port }) => port === 'auth')).toEqual([]);
  });
});

function query(group: string): QueryMessage {
  const times = { maxRespCode: 100, maxRespMs: 10_000, qqicCode: 125, qqicSeconds: 125 };
  return { kind: 'query', version: 3, group, suppress: false, qrv: 2, sources: [], ...times };
}
