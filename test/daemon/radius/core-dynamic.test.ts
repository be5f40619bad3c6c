/** Dynamic authorization (RFC 5176): the whole core on virtual time, signed requests, signed answers. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import {
  AttributeType,
  address,
  allValues,
  firstInteger,
  firstText,
  firstValue,
  integer,
  octets,
  station,
  text,
  vendorSpecific,
} from '../../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode } from '../../../radius/packet.ts';
import {
  AcctStatusType,
  CISCO_AVPAIR,
  ErrorCause,
  H3cAttribute,
  HuaweiAttribute,
  ServiceType,
  TerminateCause,
  TerminationAction,
  Vendor,
} from '../../../radius/values.ts';
import type { SessionRecord } from '../../../session/records.ts';
import { ipBytes } from '../../../wire/address.ts';
import { groupOf } from '../radius-server.ts';
import { type Host, SECOND_SECRET, World } from '../world.ts';
import { CLIENT, CLIENT_SECRET, DynamicClient, withClient } from './dynamic-client.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SOURCE = '198.51.100.7';
const T = AttributeType;
const utf8 = (value: string) => new TextEncoder().encode(value);
const userName = (name: string) => text(T.UserName, name);
const pair = (value: string) => vendorSpecific(Vendor.Cisco, CISCO_AVPAIR, utf8(value));
const groupBytes = (group: string) => ipBytes(group) ?? new Uint8Array(0);
const h3cGroup = (group: string) => {
  const { Ipv4MulticastReceiveGroup, Ipv6MulticastReceiveGroup } = H3cAttribute;
  const type = group.includes(':') ? Ipv6MulticastReceiveGroup : Ipv4MulticastReceiveGroup;
  return vendorSpecific(Vendor.H3c, type, groupBytes(group));
};
const huaweiGroup = (group: string) =>
  vendorSpecific(Vendor.Huawei, HuaweiAttribute.MulticastReceiveGroup, groupBytes(group));
const authorizeOnly = integer(T.ServiceType, ServiceType.AuthorizeOnly);

function world(
  more?: Readonly<Record<string, unknown>>,
  sections: Readonly<Record<string, unknown>> = {},
): { w: World; client: DynamicClient } {
  const w = new World({ ...withClient(more), ...sections });
  w.server.users.set('alice', []).set('bob', []);
  w.server.permit('alice', NEWS);
  return { w, client: new DynamicClient(w) };
}

function inside(w: World, name: string, port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login(name.replace(/-.*/, ''));
  expect(w.session(host)).toBeDefined();
  return host;
}

function session(w: World, host: Host): SessionRecord {
  const found = w.session(host);
  if (found === undefined) throw new Error(`${host.name} is not in`);
  return found;
}

/** Everything that a refused request must leave as it was. */
const state = (w: World) =>
  JSON.stringify([
    [...w.core.stores.sessions.values()],
    [...w.core.stores.authenticators.values()],
    [...w.core.stores.grants.values()],
    [...w.core.stores.decisions.entries()],
    [...w.core.stores.portBounces.values()],
  ]);
const reached = (w: World, group: string) => w.switch.deliver(group, SOURCE, 100);
const stopCauses = (w: World, group?: string) =>
  w.server
    .accounting(AcctStatusType.Stop)
    .filter((packet) => groupOf(packet) === group)
    .map(({ attributes }) => firstInteger(attributes, T.AcctTerminateCause));

describe('who may send requests', () => {
  it('conformance 45: an unknown source gets no answer, and the source selects the secret', () => {
    const other = { address: '198.18.0.9', port: 40_001 };
    const w = new World({
      radius: {
        servers: [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret' }],
        dynamic_authorization: {
          clients: [
            { name: 'c1', address: CLIENT.address, secret_file: 'secret' },
            { name: 'c2', address: other.address, secret_file: 'second' },
          ],
        },
      },
    });
    w.server.users.set('alice', []);
    const client = new DynamicClient(w);
    inside(w, 'alice');
    const code = RadiusCode.DisconnectRequest;
    const before = state(w);
    const stranger = { address: '198.18.0.77', port: 3799 };
    expect(client.send(client.request(code, [userName('alice')]), stranger)).toBeUndefined();
    // Each secret is believed from its own source alone.
    const second = SECOND_SECRET;
    const bySecond = () => client.request(code, [userName('alice')], { secret: second });
    expect(client.send(bySecond())).toBeUndefined();
    expect(client.send(client.request(code, [userName('alice')]), other, second)).toBeUndefined();
    expect(state(w)).toBe(before);
    expect(client.send(bySecond(), other, second)?.code).toBe(RadiusCode.DisconnectAck);
    expect(w.core.tally.withPrefix('dynamic-authorization', 'discarded/')).toEqual({
      'unknown-source': 1,
      'message-authenticator': 2,
    });
  });

  it('conformance 46: signatures and Event-Timestamp are verified; what does not hold gets no answer', () => {
    const { w, client } = world();
    inside(w, 'alice');
    const code = RadiusCode.DisconnectRequest;
    const before = state(w);
    const good = client.request(code, [userName('alice')]);
    for (let at = 4; at < good.length; at++) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      expect(client.send(bad)).toBeUndefined();
    }
    for (const off of [-301, 301]) {
      const seconds = Math.floor(w.now / 1000) + off;
      const stale = client.request(code, [userName('alice'), integer(T.EventTimestamp, seconds)], {
        timestamp: false,
      });
      expect(client.send(stale)).toBeUndefined();
    }
    expect(client.send(client.request(code, [userName('alice')], { timestamp: false }))).toBeUndefined();
    expect(client.send(good.subarray(0, 19))).toBeUndefined();
    expect(state(w)).toBe(before);
    expect(w.core.tally.of('dynamic-authorization', 'discarded/event-timestamp-outside-window')).toBe(2);
    expect(w.core.tally.of('dynamic-authorization', 'discarded/event-timestamp-missing')).toBe(1);
    expect(client.send(good)?.code).toBe(RadiusCode.DisconnectAck);
  });

  it('conformance 46: a copy gets the same answer and is not carried out again, for the whole window', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    const request = client.request(RadiusCode.DisconnectRequest, [userName('alice')]);
    const first = client.send(request);
    expect(first?.code).toBe(RadiusCode.DisconnectAck);
    alice.login();
    const again = session(w, alice).acctSessionId;
    // From another port of the client, and by a node that took over: it is the same request.
    for (const port of [CLIENT.port, CLIENT.port + 1]) {
      const copy = client.send(request, { ...CLIENT, port });
      expect(copy).toEqual(first);
    }
    w.takeOver(withClient());
    w.pass(299_000);
    expect(client.send(request)).toEqual(first);
    expect(session(w, alice).acctSessionId).toBe(again);
    w.pass(3_000);
    // Past the window the request is too old to be believed, and nothing of it is kept.
    expect(client.send(request)).toBeUndefined();
    expect(w.core.stores.dynamicReplies.size).toBe(0);
    expect(session(w, alice).acctSessionId).toBe(again);
  });

  it('takes requests without Event-Timestamp where the file says so, and wants Message-Authenticator where it does', () => {
    const { w, client } = world({ require_event_timestamp: false });
    inside(w, 'alice');
    const request = client.request(RadiusCode.DisconnectRequest, [userName('alice')], { timestamp: false });
    expect(client.send(request)?.code).toBe(RadiusCode.DisconnectAck);
  });
});

describe('Disconnect', () => {
  it('conformance 47: ends the session with Admin-Reset, and asks the host to log in anew', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob', 'swp2');
    alice.join(NEWS);
    w.pass(5);
    alice.heard();
    const id = session(w, alice).acctSessionId;
    expect(client.disconnect(text(T.AcctSessionId, id), integer(T.AcctTerminateCause, 6))).toBe('ack');
    expect(w.session(alice)).toBeUndefined();
    expect(w.session(bob)).toBeDefined();
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(5);
    expect(stopCauses(w, NEWS)).toEqual([TerminateCause.AdminReset]);
    expect(stopCauses(w)).toEqual([TerminateCause.AdminReset]);
    expect(alice.heard().map(({ code }) => code)).toEqual([EapCode.Request]);
    expect(alice.login()?.code).toBe(EapCode.Success);
    expect(session(w, alice).acctSessionId).not.toBe(id);
  });

  it('conformance 47: anything but identification is refused with 401', () => {
    const { w, client } = world();
    inside(w, 'alice');
    const before = state(w);
    for (const alien of [
      integer(T.SessionTimeout, 60),
      text(T.FilterId, 'x'),
      authorizeOnly,
      h3cGroup(NEWS),
      address(T.FramedIpAddress, '10.0.0.1'),
      octets(T.State, utf8('s')),
    ]) {
      expect(client.disconnect(userName('alice'), alien)).toBe(ErrorCause.UnsupportedAttribute);
    }
    expect(state(w)).toBe(before);
  });

  it('identifies by every attribute that says who, and all of them must fit', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    const number = w.switch.portNumber('swp1') ?? 0;
    const portMac = w.switch.macOf('swp1') ?? '';
    const fitting = (): RadiusAttribute[] => [
      userName('alice'),
      integer(T.NasPort, number),
      text(T.NasPortId, 'swp1'),
      station(T.CalledStationId, portMac),
      station(T.CallingStationId, alice.mac),
      text(T.AcctSessionId, session(w, alice).acctSessionId),
      text(T.AcctMultiSessionId, session(w, alice).acctMultiSessionId),
      text(T.CallingStationId, alice.mac.replaceAll(':', '')),
    ];
    const alien: RadiusAttribute[] = [
      userName('bob'),
      integer(T.NasPort, number + 1),
      text(T.NasPortId, 'swp2'),
      station(T.CalledStationId, alice.mac),
      station(T.CallingStationId, portMac),
      text(T.AcctSessionId, session(w, alice).acctSessionId.toLowerCase()),
      text(T.AcctMultiSessionId, ''),
      text(T.CallingStationId, 'nobody'),
    ];
    for (const [i, one] of alien.entries()) {
      const others = fitting().filter((_, j) => j !== i);
      expect(client.disconnect(...others, one), String(i)).toBe(ErrorCause.SessionContextNotFound);
    }
    for (let i = 0; i < alien.length; i++) {
      expect(alice.login()?.code).toBe(EapCode.Success);
      const one = fitting()[i] ?? userName('');
      expect(client.disconnect(one), String(one.type)).toBe('ack');
      expect(w.session(alice)).toBeUndefined();
    }
    alice.login();
    expect(client.disconnect(...fitting())).toBe('ack');
  });

  it('conformance 49: each reason for which there is nothing to end has its Error-Cause', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    expect(client.disconnect(userName('nobody'))).toBe(ErrorCause.SessionContextNotFound);
    expect(client.disconnect(userName('alice'), text(T.NasIdentifier, 'another'))).toBe(
      ErrorCause.NasIdentificationMismatch,
    );
    expect(client.disconnect(userName('alice'), address(T.NasIpAddress, '198.18.0.99'))).toBe(
      ErrorCause.NasIdentificationMismatch,
    );
    expect(client.disconnect()).toBe(ErrorCause.MissingAttribute);
    expect(w.session(alice)).toBeDefined();
    const nas = [text(T.NasIdentifier, 'test-switch'), address(T.NasIpAddress, '198.18.0.1')];
    expect(client.disconnect(userName('alice'), ...nas)).toBe('ack');
  });

  it('conformance 49: the rest of a session, a login that is not through, is removed with ACK and 201', () => {
    const { w, client } = world();
    const alice = w.host('alice');
    alice.start();
    alice.identity(alice.heard().at(-1)?.id ?? 0);
    expect(w.core.stores.conversations.size).toBe(1);
    expect(client.disconnect(userName('alice'))).toBe(ErrorCause.ResidualSessionContextRemoved);
    w.pass(5);
    // The answer to the login that was on its way lets nobody in.
    expect(w.session(alice)).toBeUndefined();
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('conformance 49: a host on a port that is open to all cannot be removed: 504', () => {
    const w = new World({
      ...withClient(),
      ports: { swp1: { mode: 'force-authorized' }, swp2: {}, swp3: {} },
    });
    const client = new DynamicClient(w);
    const guest = w.host('guest');
    guest.start();
    expect(client.disconnect(station(T.CallingStationId, guest.mac))).toBe(
      ErrorCause.SessionContextNotRemovable,
    );
    // Never in answer to a CoA-Request (RFC 5176 §3.5).
    expect(
      client.coa(station(T.CallingStationId, guest.mac), pair('subscriber:command=reauthenticate')),
    ).toBe(ErrorCause.SessionContextNotFound);
  });

  it('ends all sessions that it names', () => {
    const { w, client } = world();
    const [first, second] = [inside(w, 'alice-1'), inside(w, 'alice-2', 'swp2')];
    const bob = inside(w, 'bob', 'swp3');
    expect(client.disconnect(userName('alice'))).toBe('ack');
    expect([first, second, bob].map((host) => w.session(host) !== undefined)).toEqual([false, false, true]);
  });
});

describe('change of authorization', () => {
  it('conformance 48: an attribute that cannot be carried out refuses the whole with 401, for all sessions', () => {
    const { w, client } = world();
    inside(w, 'alice-1');
    inside(w, 'alice-2', 'swp2');
    const before = state(w);
    const wanted = [userName('alice'), integer(T.SessionTimeout, 60), h3cGroup(FILM)];
    for (const alien of [
      text(T.ReplyMessage, 'hello'),
      integer(T.FramedMtu, 1400),
      pair('subscriber:command=unheard-of'),
      vendorSpecific(9999, 1, utf8('x')),
      address(T.FramedIpAddress, '10.0.0.1'),
    ]) {
      expect(client.coa(...wanted, alien)).toBe(ErrorCause.UnsupportedAttribute);
      expect(client.coa(alien, ...wanted)).toBe(ErrorCause.UnsupportedAttribute);
    }
    expect(client.coa(...wanted, integer(T.TerminationAction, 7))).toBe(ErrorCause.InvalidAttributeValue);
    expect(client.coa(userName('alice'), integer(T.SessionTimeout, 0))).toBe(
      ErrorCause.InvalidAttributeValue,
    );
    expect(client.coa(...wanted, octets(T.VendorSpecific, utf8('abc')))).toBe(ErrorCause.InvalidRequest);
    expect(client.coa(userName('alice'))).toBe(ErrorCause.MissingAttribute);
    expect(client.coa(userName('alice'), integer(T.TerminationAction, 1))).toBe(ErrorCause.MissingAttribute);
    expect(client.coa(integer(T.SessionTimeout, 60))).toBe(ErrorCause.MissingAttribute);
    expect(client.coa(userName('alice'), integer(T.ServiceType, ServiceType.Framed))).toBe(
      ErrorCause.UnsupportedService,
    );
    expect(state(w)).toBe(before);
  });

  it('conformance 48: one session of several that is not there changes nothing for the others', () => {
    const { w, client } = world();
    inside(w, 'alice-1');
    inside(w, 'alice-2', 'swp2');
    const before = state(w);
    const one = [userName('alice'), text(T.NasPortId, 'swp3'), integer(T.SessionTimeout, 60)];
    expect(client.coa(...one)).toBe(ErrorCause.SessionContextNotFound);
    expect(state(w)).toBe(before);
  });

  it('has the host authenticate again, who keeps what it receives', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(5);
    alice.heard();
    const { startedAt } = session(w, alice);
    expect(client.coa(userName('alice'), pair('subscriber:command=reauthenticate'))).toBe('ack');
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(alice.answer()?.code).toBe(EapCode.Success);
    expect(session(w, alice).startedAt).toBe(startedAt);
    expect(session(w, alice).authenticatedAt).toBeGreaterThan(startedAt);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });

  it('Session-Timeout ends the session, or with RADIUS-Request has it authenticate again', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    expect(client.coa(userName('alice'), integer(T.SessionTimeout, 100))).toBe('ack');
    w.pass(99_000);
    expect(w.session(alice)).toBeDefined();
    w.pass(1_001);
    expect(w.session(alice)).toBeUndefined();
    w.pass(5);
    expect(stopCauses(w)).toEqual([TerminateCause.SessionTimeout]);
    alice.login();
    alice.heard();
    const again = integer(T.TerminationAction, TerminationAction.RadiusRequest);
    expect(client.coa(userName('alice'), integer(T.SessionTimeout, 200), again)).toBe('ack');
    w.pass(199_000);
    expect(alice.heard()).toEqual([]);
    w.pass(1_001);
    expect(alice.heard().map(({ code }) => code)).toEqual([EapCode.Request]);
    expect(w.session(alice)).toBeDefined();
  });

  it('Idle-Timeout ends a session that is silent so long from now on', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    w.pass(3_000_000);
    expect(client.coa(userName('alice'), integer(T.IdleTimeout, 60))).toBe('ack');
    expect(w.session(alice)).toBeDefined();
    w.pass(100_000);
    expect(w.session(alice)).toBeUndefined();
    expect(stopCauses(w)).toEqual([TerminateCause.IdleTimeout]);
  });

  it('conformance 29: Session-Timeout 0 with RADIUS-Request has the host authenticate at once', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    alice.heard();
    const again = integer(T.TerminationAction, TerminationAction.RadiusRequest);
    expect(client.coa(userName('alice'), integer(T.SessionTimeout, 0), again)).toBe('ack');
    expect(alice.answer()?.code).toBe(EapCode.Success);
  });

  it('conformance 32: a new Class is in all accounting from then on', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    expect(client.coa(userName('alice'), octets(T.Class, utf8('gold')))).toBe('ack');
    alice.logoff();
    w.pass(5);
    const [stop] = w.server.accounting(AcctStatusType.Stop);
    expect(allValues(stop?.attributes ?? [], T.Class)).toEqual([utf8('gold')]);
  });

  it('conformance 51: Proxy-State comes back in every answer and State in those to CoA, octet by octet and in order', () => {
    const { w, client } = world();
    inside(w, 'alice');
    const proxies = [utf8('one'), Uint8Array.of(0, 255, 7), utf8('one')].map((v) => octets(T.ProxyState, v));
    const given = octets(T.State, Uint8Array.of(9, 0, 9));
    const back = (
      code: typeof RadiusCode.CoaRequest | typeof RadiusCode.DisconnectRequest,
      attributes: readonly RadiusAttribute[],
    ) => {
      const answer = client.send(client.request(code, attributes));
      const echoed = (answer?.attributes ?? []).filter(
        ({ type }) => type === T.ProxyState || type === T.State,
      );
      return [answer?.code, ...echoed.map(({ type, value }) => ({ type, value: Uint8Array.from(value) }))];
    };
    const plain = [...proxies, userName('alice')];
    const change = [integer(T.SessionTimeout, 900), given];
    const { CoaRequest, CoaAck, CoaNak, DisconnectRequest, DisconnectAck, DisconnectNak } = RadiusCode;
    const nobody = [...proxies, userName('nobody')];
    expect(back(CoaRequest, [...plain, ...change])).toEqual([CoaAck, ...proxies, given]);
    expect(back(CoaRequest, [...nobody, ...change])).toEqual([CoaNak, ...proxies, given]);
    expect(back(DisconnectRequest, nobody)).toEqual([DisconnectNak, ...proxies]);
    expect(back(DisconnectRequest, plain)).toEqual([DisconnectAck, ...proxies]);
  });
});

describe('Authorize-Only', () => {
  const given = octets(T.State, utf8('ask me'));

  it('conformance 50: is never acknowledged: NAK 507, and an Access-Request with its State', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    const { acctSessionId } = session(w, alice);
    const asked = w.server.asked.length;
    const seen: RadiusAttribute[][] = [];
    w.server.script = ({ packet }) => {
      if (packet.code !== RadiusCode.AccessRequest) return 'policy';
      seen.push([...packet.attributes]);
      return {
        code: RadiusCode.AccessAccept,
        attributes: [authorizeOnly, integer(T.SessionTimeout, 50), octets(T.Class, utf8('silver'))],
      };
    };
    const reply = client.send(
      client.request(RadiusCode.CoaRequest, [userName('alice'), authorizeOnly, given]),
    );
    expect(reply?.code).toBe(RadiusCode.CoaNak);
    expect(firstInteger(reply?.attributes ?? [], T.ErrorCause)).toBe(ErrorCause.RequestInitiated);
    expect(firstInteger(reply?.attributes ?? [], T.ServiceType)).toBe(ServiceType.AuthorizeOnly);
    expect(w.server.asked.length).toBe(asked + 1);
    const [request = []] = seen;
    expect(firstInteger(request, T.ServiceType)).toBe(ServiceType.AuthorizeOnly);
    expect(firstValue(request, T.State)).toEqual(given.value);
    expect(firstText(request, T.AcctSessionId)).toBe(acctSessionId);
    expect(firstText(request, T.UserName)).toBe('alice');
    w.pass(5);
    expect(session(w, alice).classes.map((value) => Uint8Array.from(value))).toEqual([utf8('silver')]);
    w.pass(50_000);
    expect(w.session(alice)).toBeUndefined();
  });

  it('a reject of it ends the session; silence leaves it', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    w.server.alive = false;
    expect(client.coa(userName('alice'), authorizeOnly, given)).toBe(ErrorCause.RequestInitiated);
    w.pass(31_000);
    expect(w.session(alice)).toBeDefined();
    w.server.alive = true;
    w.server.script = ({ packet }) =>
      packet.code === RadiusCode.AccessRequest ? { code: RadiusCode.AccessReject, attributes: [] } : 'policy';
    expect(client.coa(userName('alice'), authorizeOnly, given)).toBe(ErrorCause.RequestInitiated);
    w.pass(5);
    expect(w.session(alice)).toBeUndefined();
    expect(stopCauses(w)).toEqual([TerminateCause.AdminReset]);
  });

  it('conformance 50: without State 402, with a change beside it 401, for several sessions 508; nothing is asked', () => {
    const { w, client } = world();
    inside(w, 'alice-1');
    inside(w, 'alice-2', 'swp2');
    w.pass(5);
    const asked = w.server.asked.length;
    expect(client.coa(userName('alice'), authorizeOnly)).toBe(ErrorCause.MissingAttribute);
    expect(client.coa(userName('alice'), authorizeOnly, given, integer(T.SessionTimeout, 9))).toBe(
      ErrorCause.UnsupportedAttribute,
    );
    expect(client.coa(userName('nobody'), authorizeOnly, given)).toBe(ErrorCause.SessionContextNotFound);
    // Conformance 49 too: what cannot be done to several sessions at once.
    expect(client.coa(userName('alice'), authorizeOnly, given)).toBe(
      ErrorCause.MultipleSessionSelectionUnsupported,
    );
    expect(w.server.asked.length).toBe(asked);
  });
});

describe('rights to channels while they play', () => {
  for (const [encoding, of] of [
    ['h3c', h3cGroup],
    ['huawei', huaweiGroup],
  ] as const) {
    it(`${encoding}: a revoked channel stops within the turn, and its Stop carries Admin-Reset`, () => {
      const { w, client } = world();
      w.server.permit('alice', FILM);
      const alice = inside(w, 'alice');
      alice.join(NEWS);
      alice.join(FILM);
      w.pass(5);
      expect(reached(w, NEWS)).toEqual(['swp1']);
      w.takeDone();
      expect(client.coa(userName('alice'), pair('castgate:channels=revoke'), of(NEWS))).toBe('ack');
      expect(w.takeDone()).toContain(`stop ${NEWS} on swp1`);
      expect(reached(w, NEWS)).toEqual([]);
      expect(reached(w, FILM)).toEqual(['swp1']);
      w.pass(5);
      expect(stopCauses(w, NEWS)).toEqual([TerminateCause.AdminReset]);
      // A host that asks again is refused from memory; when that is over RADIUS is asked, whose word it was.
      const asked = w.server.questions().length;
      alice.join(NEWS);
      expect(w.logged('join-refused').at(-1)).toMatchObject({ group: NEWS, reason: 'radius-reject' });
      expect(w.server.questions().length).toBe(asked);
      w.pass(31_000);
      alice.join(NEWS);
      expect(w.server.questions().length).toBe(asked + 1);
    });
  }

  for (const named of [true, false]) {
    it(`a revoke ${named ? 'of a group' : 'of all'} also takes what was permitted and is not watched now`, () => {
      const { w, client } = world({}, { groups: { encoding: 'huawei' } });
      const GROUP = '232.1.1.1';
      const OTHER = '198.51.100.8';
      w.server.permit('alice', GROUP);
      const alice = inside(w, 'alice');
      for (const source of [SOURCE, OTHER]) alice.join(GROUP, source);
      w.pass(5);
      alice.report({ type: RecordType.Block, group: GROUP, sources: [OTHER], auxWords: 0 });
      w.pass(5);
      const asked = w.server.questions().length;
      expect(
        client.coa(
          userName('alice'),
          pair('castgate:channels=revoke'),
          ...(named ? [huaweiGroup(GROUP)] : []),
        ),
      ).toBe('ack');
      for (const source of [SOURCE, OTHER]) {
        alice.join(GROUP, source);
        w.pass(5);
        expect(w.switch.deliver(GROUP, source, 100)).toEqual([]);
      }
      expect(w.server.questions().length).toBe(asked);
    });
  }

  it('a revoke outruns the answer that is on its way for a source which nobody wants any more', () => {
    const { w, client } = world({}, { groups: { encoding: 'huawei' } });
    const GROUP = '232.1.1.1';
    w.server.permit('alice', GROUP);
    const alice = inside(w, 'alice');
    w.server.delayMs = 50;
    alice.join(GROUP, SOURCE);
    w.pass(5);
    alice.report({ type: RecordType.Block, group: GROUP, sources: [SOURCE], auxWords: 0 });
    expect(client.coa(userName('alice'), pair('castgate:channels=revoke'), huaweiGroup(GROUP))).toBe('ack');
    w.pass(100);
    alice.join(GROUP, SOURCE);
    w.pass(100);
    expect(w.switch.deliver(GROUP, SOURCE, 100)).toEqual([]);
  });

  it('an answer that is older than a revoke is none to the question that comes after it', () => {
    const { w, client } = world({}, { groups: { deny: '1s', patience: '10s' } });
    const alice = inside(w, 'alice');
    w.server.delayMs = 3000;
    alice.join(NEWS);
    w.pass(100);
    expect(client.coa(userName('alice'), pair('castgate:channels=revoke'), h3cGroup(NEWS))).toBe('ack');
    w.server.permits.clear();
    w.pass(1500);
    alice.join(NEWS);
    expect(w.server.questions()).toHaveLength(2);
    for (let i = 0; i < 8; i++) {
      w.pass(500);
      expect(reached(w, NEWS)).toEqual([]);
    }
  });

  it('a grant lets in who waits and who was refused, at once, and holds as long as a permission does', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    alice.join(FILM);
    w.pass(5);
    expect(reached(w, FILM)).toEqual([]);
    expect(client.coa(userName('alice'), h3cGroup(FILM))).toBe('ack');
    expect(reached(w, FILM)).toEqual(['swp1']);
    w.pass(5);
    expect(w.server.accounting(AcctStatusType.Start).map(groupOf)).toContain(FILM);
    const asked = w.server.questions().length;
    // Five minutes is the default of a permission: before its end RADIUS is asked, and does not know of it.
    w.pass(240_000);
    alice.join(FILM);
    expect(w.server.questions().length).toBe(asked);
    w.pass(61_000);
    expect(w.server.questions().slice(asked)).toEqual([`alice ${FILM}`]);
    expect(reached(w, FILM)).toEqual([]);
  });

  it('an answer that was on its way does not undo it', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    w.server.delayMs = 100;
    alice.join(NEWS);
    expect(client.coa(userName('alice'), pair('castgate:channels=revoke'), h3cGroup(NEWS))).toBe('ack');
    w.pass(200);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.core.stores.grants.size).toBe(0);
  });

  describe('rights that came with the login', () => {
    const castgate = (type: number, words: string) => vendorSpecific(32473, type, utf8(words));
    const right = (words: string) => castgate(5, words);
    const revoke = (client: DynamicClient, ...groups: readonly string[]) =>
      client.coa(userName('alice'), pair('castgate:channels=revoke'), ...groups.map(h3cGroup));
    const profiles = { gold: { watch: ['239.1.0.0/16', `232.1.1.1 from ${SOURCE}`], others: 'forbid' } };

    for (const [how, rights] of [
      ['by the group itself', [right(`watch ${NEWS}`)]],
      ['by a prefix', [right('watch 239.0.0.0/8')]],
      ['by a profile', [castgate(6, 'gold')]],
      ['by both', [right(`watch ${NEWS}`), castgate(6, 'gold')]],
    ] as const) {
      it(`a revoked channel that was preloaded ${how} stays refused, over joins, a restart and time`, () => {
        const { w, client } = world({}, { profiles });
        w.server.users.set('alice', rights);
        const alice = inside(w, 'alice');
        alice.join(NEWS);
        expect(reached(w, NEWS)).toEqual(['swp1']);
        expect(revoke(client, NEWS)).toBe('ack');
        expect(reached(w, NEWS)).toEqual([]);
        w.pass(5);
        expect(stopCauses(w, NEWS)).toEqual([TerminateCause.AdminReset]);
        for (const next of [() => {}, () => w.takeOver(), () => w.pass(700_000)]) {
          next();
          alice.join(NEWS);
          w.pass(5);
          expect(reached(w, NEWS)).toEqual([]);
        }
        expect(w.logged('join-refused').at(-1)).toMatchObject({ group: NEWS, reason: 'forbidden' });
        expect(w.server.questions()).toEqual([]);
        // Given back it holds again; what else the rights cover was never touched.
        expect(client.coa(userName('alice'), h3cGroup(NEWS))).toBe('ack');
        expect(reached(w, NEWS)).toEqual(['swp1']);
        expect(w.session(alice)?.rights?.receive.filter(({ group }) => group === NEWS)).toHaveLength(1);
      });
    }

    it('a revoked group is revoked for every source that they name, its own and its profile’s', () => {
      const { w, client } = world({}, { profiles });
      const OTHER = '198.51.100.8';
      w.server.users.set('alice', [castgate(6, 'gold'), right(`watch 232.0.0.0/8 from ${OTHER}`)]);
      const alice = inside(w, 'alice');
      for (const source of [SOURCE, OTHER]) alice.join('232.1.1.1', source);
      alice.join('232.1.1.2', OTHER);
      const reaches = () =>
        [SOURCE, OTHER].map((source) => w.switch.deliver('232.1.1.1', source, 100).length).join();
      expect(reaches()).toBe('1,1');
      expect(revoke(client, '232.1.1.1')).toBe('ack');
      expect(reaches()).toBe('0,0');
      for (const source of [SOURCE, OTHER]) alice.join('232.1.1.1', source);
      w.pass(5);
      expect(reaches()).toBe('0,0');
      expect(w.switch.deliver('232.1.1.2', OTHER, 100)).toEqual(['swp1']);
    });

    it('IPv6: a revoked group of a prefix stays refused, its neighbours play', () => {
      const { w, client } = world();
      w.server.users.set('alice', [right('watch ff15::/64')]);
      const alice = inside(w, 'alice');
      for (const group of ['ff15::', 'ff15::2']) alice.join(group);
      expect(revoke(client, 'ff15::')).toBe('ack');
      alice.join('ff15::');
      w.pass(5);
      expect([reached(w, 'ff15::'), reached(w, 'ff15::2')]).toEqual([[], ['swp1']]);
    });
  });

  it('a lowered limit ends the newest channels at once, and a raised one lets in what is asked for next', () => {
    const { w, client } = world();
    w.server.permit('alice', FILM);
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(50);
    alice.join(FILM);
    w.pass(50);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], ['swp1']]);
    const limit = (count: number) =>
      vendorSpecific(Vendor.H3c, H3cAttribute.IgmpAccessLimit, Uint8Array.of(0, 0, 0, count));
    expect(client.coa(userName('alice'), limit(1))).toBe('ack');
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], []]);
    w.pass(5);
    expect(stopCauses(w, FILM)).toEqual([TerminateCause.AdminReset]);
    alice.join(FILM);
    w.pass(50);
    expect(reached(w, FILM)).toEqual([]);
    expect(w.logged('join-refused').at(-1)).toMatchObject({ group: FILM, reason: 'account-group-limit' });
    expect(client.coa(userName('alice'), limit(2))).toBe('ack');
    alice.join(FILM);
    w.pass(50);
    expect(reached(w, FILM)).toEqual(['swp1']);
    const bad = vendorSpecific(Vendor.H3c, H3cAttribute.IgmpAccessLimit, Uint8Array.of(1));
    expect(client.coa(userName('alice'), bad)).toBe(ErrorCause.InvalidAttributeValue);
  });

  it('a revoke without groups ends all of the account’s channels, and of no other', () => {
    const { w, client } = world();
    w.server.permit('alice', FILM);
    w.server.permit('bob', NEWS);
    const [alice, bob] = [inside(w, 'alice'), inside(w, 'bob', 'swp2')];
    alice.join(NEWS);
    alice.join(FILM);
    bob.join(NEWS);
    w.pass(5);
    expect(client.coa(userName('alice'), pair('castgate:channels=revoke'))).toBe('ack');
    expect(reached(w, NEWS)).toEqual(['swp2']);
    expect(reached(w, FILM)).toEqual([]);
    expect(client.coa(userName('alice'), pair('castgate:channels=grant'))).toBe(ErrorCause.MissingAttribute);
    expect(client.coa(userName('alice'), h3cGroup('10.0.0.1'))).toBe(ErrorCause.InvalidAttributeValue);
  });
});

describe('the port of a session', () => {
  const bounce = pair('subscriber:command=bounce-host-port');

  it('is bounced: sessions end with Port-Reinitialized, the link is down for ten seconds, also over a takeover', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    expect(client.coa(userName('alice'), bounce)).toBe('ack');
    expect(w.switch.isUp('swp1')).toBe(false);
    w.pass(5_000);
    expect(w.session(alice)).toBeUndefined();
    expect(stopCauses(w)).toEqual([TerminateCause.PortReinitialized]);
    w.takeOver(withClient());
    w.pass(4_990);
    expect(w.switch.isUp('swp1')).toBe(false);
    w.pass(20);
    expect(w.switch.isUp('swp1')).toBe(true);
    expect(w.core.stores.portBounces.size).toBe(0);
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('is shut until somebody opens it', () => {
    const { w, client } = world();
    const alice = inside(w, 'alice');
    expect(client.coa(userName('alice'), pair('subscriber:command=disable-host-port'))).toBe('ack');
    w.pass(3_600_000);
    expect(w.switch.isUp('swp1')).toBe(false);
    expect(stopCauses(w)).toEqual([TerminateCause.PortAdministrativelyDisabled]);
    w.turn(() => w.core.operate(w.now, () => w.core.links.open('swp1')));
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('is not bounced together with another change: 404', () => {
    const { w, client } = world();
    inside(w, 'alice');
    expect(client.coa(userName('alice'), bounce, integer(T.SessionTimeout, 60))).toBe(
      ErrorCause.InvalidRequest,
    );
    expect(client.coa(userName('alice'), bounce, pair('subscriber:command=disable-host-port'))).toBe(
      ErrorCause.InvalidRequest,
    );
    expect(w.switch.isUp('swp1')).toBe(true);
  });
});

it('the secret of the tests is the one of the configuration', () => {
  expect(world().w.config.radius.dynamicAuthorization.clients[0]?.secret).toEqual(CLIENT_SECRET);
});
