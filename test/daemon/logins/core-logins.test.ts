/** Who gets onto the ports: the whole core on virtual time, real packets on both sides. */
import { describe, expect, it } from 'vitest';
import { EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import {
  AttributeType,
  allValues,
  eapMessage,
  firstInteger,
  firstText,
  firstValue,
  integer,
  octets,
  splitEapMessage,
  text,
} from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { accept, challenge } from '../radius-server.ts';
import { World } from '../world.ts';

const { Start } = AcctStatusType;
const utf8 = (value: string) => new TextEncoder().encode(value);

/** A world in which alice and bob may log in. */
function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []).set('bob', []);
  return made;
}

describe('a login', () => {
  it('goes by EAP through RADIUS, and opens the port for this MAC address alone', () => {
    const w = world();
    const alice = w.host('alice');
    expect(w.switch.transmit(alice.place, 100)).toBe(false);
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)).toMatchObject({
      account: 'alice',
      server: 'r1',
      port: 'swp1',
      startedAt: w.now - 1,
    });
    expect(w.switch.transmit(alice.place, 100)).toBe(true);
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(w.logged('session-started')).toHaveLength(1);
  });

  it('opens the port before the host hears that it is in', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    const done = w.takeDone();
    expect(done.indexOf(`open ${alice.mac}`)).toBeGreaterThan(-1);
    expect(done.indexOf(`open ${alice.mac}`)).toBeLessThan(done.indexOf('send success on swp1'));
  });

  it('is asked for again after txPeriod while nobody is known on the port, and no more once somebody is', () => {
    const w = world();
    const alice = w.host('alice');
    const requests = () => alice.heard().filter((eap) => eap.type === EapType.Identity).length;
    expect(requests()).toBe(1);
    w.pass(60_500);
    expect(requests()).toBe(2);
    alice.login();
    requests();
    w.pass(120_000);
    expect(requests()).toBe(0);
  });

  it('answers the request that a port sends when it comes up, without EAPOL-Start', () => {
    const w = world();
    const alice = w.host('alice');
    w.switch.setLink('swp1', false);
    w.switch.setLink('swp1', true);
    const hello = alice.heard().at(-1);
    expect(hello).toMatchObject({ code: EapCode.Request, type: EapType.Identity });
    alice.identity(hello?.id ?? -1);
    w.pass(2);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)?.account).toBe('alice');
  });

  it('does not take an identity with another identifier than that of the request', () => {
    const w = world();
    const alice = w.host('alice');
    const [hello] = alice.heard();
    alice.identity(((hello?.id ?? 0) + 1) & 0xff);
    w.pass(100);
    expect(w.server.asked.filter(({ port }) => port === 'auth')).toEqual([]);
    expect(w.core.tally.of('swp1', 'drop/eap-not-asked-for')).toBe(1);
  });

  it('conformance 9: a stale identifier is discarded', () => {
    const w = world();
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    const [request] = alice.heard();
    alice.identity(((request?.id ?? 0) + 7) & 0xff);
    w.pass(10);
    expect(w.server.logins()).toEqual([]);
    expect(w.core.tally.of('swp1', 'drop/eap-stale')).toBe(1);
  });

  it('conformance 14: User-Name is the identity, in every request of the conversation', () => {
    const w = world();
    w.server.rounds = 3;
    w.host('alice').login();
    const names = w.server.logins().map(({ attributes }) => firstText(attributes, AttributeType.UserName));
    expect(names).toEqual(['alice', 'alice', 'alice', 'alice']);
  });

  it('conformance 15, 27, 28: says which switch, which port, which host, and what the link carries', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    for (const { attributes } of w.server.logins()) {
      expect(firstText(attributes, AttributeType.NasIdentifier)).toBe('test-switch');
      expect(firstValue(attributes, AttributeType.NasIpAddress)).toEqual(Uint8Array.of(198, 18, 0, 1));
      expect(firstInteger(attributes, AttributeType.NasPort)).toBe(w.switch.portNumber('swp1'));
      expect(firstText(attributes, AttributeType.NasPortId)).toBe('swp1');
      expect(firstInteger(attributes, AttributeType.NasPortType)).toBe(15);
      expect(firstInteger(attributes, AttributeType.FramedMtu)).toBe(1500);
      expect(firstText(attributes, AttributeType.CallingStationId)).toBe(
        alice.mac.toUpperCase().replaceAll(':', '-'),
      );
      expect(firstText(attributes, AttributeType.CalledStationId)).toMatch(/^([0-9A-F]{2}-){5}[0-9A-F]{2}$/);
    }
  });

  it('conformance 16, 17: a long response is split in order; every request is signed, first of all', () => {
    const w = world();
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    w.pass(2);
    const request = alice.heard()[0];
    const long = Uint8Array.from({ length: 1_000 }, (_, i) => i & 0xff);
    alice.respond(request?.id ?? -1, EapType.Md5Challenge, long);
    const packet = w.server.logins()[1];
    const parts = allValues(packet?.attributes ?? [], AttributeType.EapMessage);
    expect(parts.map((part) => part.length)).toEqual([253, 253, 253, 246]);
    const eap = encodeEap({
      code: EapCode.Response,
      id: request?.id ?? -1,
      type: EapType.Md5Challenge,
      typeData: long,
    });
    expect(eapMessage(packet?.attributes ?? [])).toEqual(eap);
    for (const { attributes } of w.server.logins()) {
      expect(attributes[0]?.type).toBe(AttributeType.MessageAuthenticator);
    }
  });

  it('conformance 22: State is echoed unmodified, and not sent in a new conversation', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.login();
    const states = w.server.logins().map(({ attributes }) => firstText(attributes, AttributeType.State));
    expect(states).toEqual([undefined, 'state 1', undefined, 'state 2']);
  });

  it('takes the account from the Access-Accept where that names one', () => {
    const w = world();
    w.server.users.set('anonymous', [text(AttributeType.UserName, 'bob')]);
    const host = w.host('anonymous');
    host.login();
    expect(w.session(host)?.account).toBe('bob');
  });
});

describe('what the server says', () => {
  it('conformance 10: the code decides, whatever EAP packet is inside', () => {
    const w = world();
    const alice = w.host('alice');
    const bob = w.host('bob', 'swp2');
    const failure = splitEapMessage(encodeEap({ code: EapCode.Failure, id: 1 }));
    const success = splitEapMessage(encodeEap({ code: EapCode.Success, id: 1 }));
    w.server.script = ({ packet, port }) => {
      if (port === 'acct') return 'policy';
      const named = firstText(packet.attributes, AttributeType.UserName);
      if (named === 'alice') return { code: RadiusCode.AccessAccept, attributes: failure };
      return { code: RadiusCode.AccessReject, attributes: success };
    };
    alice.login();
    bob.login();
    expect(w.switch.isOpen(alice.place)).toBe(true);
    expect(w.session(bob)).toBeUndefined();
    expect(w.switch.isOpen(bob.place)).toBe(false);
  });

  it('conformance 11: no Success or Failure is made up, neither for a bare Accept or Reject nor for silence', () => {
    const w = world();
    const alice = w.host('alice');
    const answer = (code: number) => {
      w.server.script = ({ port }) => (port === 'acct' ? 'policy' : { code, attributes: [] });
    };
    answer(RadiusCode.AccessAccept);
    alice.login();
    expect(w.session(alice)).toBeDefined();
    answer(RadiusCode.AccessReject);
    const mallory = w.host('mallory', 'swp3');
    mallory.login();
    expect(w.core.stores.authenticators.get(mallory.key)?.pae).toBe('HELD');
    const bob = w.host('bob', 'swp2');
    w.server.alive = false;
    bob.login();
    w.pass(200_000);
    const sent = w.takeDone().filter((done) => done.startsWith('send'));
    expect(sent.filter((done) => /success|failure/.test(done))).toEqual([]);
    expect(w.session(bob)).toBeUndefined();
    expect(w.logged('login-refused').find(({ host }) => host === bob.key)).toMatchObject({
      host: bob.key,
      account: 'bob',
      reason: 'radius-timeout',
    });
  });

  it('conformance 12: what an Accept carries is done before the host is in', () => {
    const w = world();
    w.server.users.set('alice', [
      octets(AttributeType.Class, utf8('gold')),
      octets(AttributeType.State, utf8('later')),
      integer(AttributeType.AcctInterimInterval, 120),
    ]);
    const alice = w.host('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)).toMatchObject({
      classes: [utf8('gold')],
      state: utf8('later'),
      interimMs: 120_000,
    });
  });

  it('conformance 12: the attributes are in the records when the port opens, and the server’s EAP packet follows that', () => {
    const w = world();
    w.server.rounds = 0;
    const success = encodeEap({ code: EapCode.Success, id: 77 });
    w.server.script = ({ port }) =>
      port === 'acct'
        ? 'policy'
        : {
            code: RadiusCode.AccessAccept,
            // EAP-Message last: all of a packet counts before any of it is acted upon.
            attributes: [
              integer(AttributeType.SessionTimeout, 900),
              octets(AttributeType.Class, utf8('gold')),
              ...splitEapMessage(success),
            ],
          };
    const alice = w.host('alice');
    const atOpening: unknown[] = [];
    const open = w.switch.openHost.bind(w.switch);
    w.switch.openHost = (host) => {
      const { classes, endsAt } = w.session(alice) ?? {};
      atOpening.push({ classes, endsAt });
      return open(host);
    };
    w.takeDone();
    expect(alice.login()?.bytes).toEqual(success);
    expect(atOpening).toEqual([{ classes: [utf8('gold')], endsAt: expect.any(Number) }]);
    const done = w.takeDone();
    expect(done.filter((what) => /^open|success/.test(what))).toEqual([
      `open ${alice.mac}`,
      'send success on swp1',
    ]);
    w.pass(5);
    expect(firstValue(w.server.accounting(Start)[0]?.attributes ?? [], AttributeType.Class)).toEqual(
      utf8('gold'),
    );
  });

  it('conformance 12: the EAP packet of a reject is passed on too, and attributes beside it let nobody in', () => {
    const w = world();
    w.server.rounds = 0;
    const failure = encodeEap({ code: EapCode.Failure, id: 78 });
    w.server.script = () => ({
      code: RadiusCode.AccessReject,
      attributes: [
        integer(AttributeType.SessionTimeout, 900),
        octets(AttributeType.Class, utf8('gold')),
        ...splitEapMessage(failure),
      ],
    });
    const alice = w.host('alice');
    expect(alice.login()?.bytes).toEqual(failure);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
  });

  it.each([
    [
      'a VLAN',
      [integer(AttributeType.TunnelType, 13), text(AttributeType.TunnelPrivateGroupId, '42')],
      'accept-tunnel',
    ],
    ['another service', [integer(AttributeType.ServiceType, 6)], 'accept-service-type'],
    ['an attribute of a wrong length', [octets(AttributeType.SessionTimeout, utf8('x'))], 'accept-malformed'],
  ])('conformance 13: an Accept that asks for %s is a reject', (_what, attributes, reason) => {
    const w = world();
    w.server.users.set('alice', attributes);
    const alice = w.host('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.logged('login-refused')[0]).toMatchObject({ account: 'alice', reason });
    expect(w.server.accounting(Start)).toEqual([]);
  });

  it('conformance 5, 26: a rejected host is held: its frames are ignored and nothing is asked for it', () => {
    const w = world();
    const mallory = w.host('mallory');
    expect(mallory.login()).toMatchObject({ code: EapCode.Failure });
    const asked = w.server.asked.length;
    for (let i = 0; i < 5; i++) {
      w.pass(10_000);
      mallory.start();
      mallory.identity(i);
      mallory.logoff();
    }
    expect(mallory.heard()).toEqual([]);
    expect(w.server.asked.length).toBe(asked);
    w.pass(10_001);
    const [request] = mallory.heard();
    expect(request).toMatchObject({ code: EapCode.Request, type: EapType.Identity });
  });

  it.each([
    [
      'a Response',
      encodeEap({ code: EapCode.Response, id: 9, type: EapType.Md5Challenge, typeData: Uint8Array.of(1) }),
    ],
    ['a Success', encodeEap({ code: EapCode.Success, id: 9 })],
    [
      'an EAP packet that is shorter than it says',
      Uint8Array.of(EapCode.Request, 9, 0, 99, EapType.Md5Challenge),
    ],
    ['an EAP packet without a type', Uint8Array.of(EapCode.Request, 9, 0, 4)],
    ['octets that are none', Uint8Array.of(EapCode.Request)],
  ])('conformance 9: a challenge with %s is passed to nobody', (_, eap) => {
    const w = world();
    w.server.script = ({ port }) =>
      port === 'acct' ? 'policy' : { code: RadiusCode.AccessChallenge, attributes: splitEapMessage(eap) };
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    const [request] = alice.heard();
    w.switch.takeSent();
    alice.identity(request?.id ?? -1);
    w.pass(10);
    // It is asked who it is once more, by a request of castgate's own.
    const heard = w.switch.takeSent().map(({ frame }) => frame);
    expect(heard.length).toBe(1);
    expect(w.logged('login-refused')[0]).toMatchObject({ reason: 'challenge-without-eap' });
    const id = w.core.stores.authenticators.get(alice.key)?.currentId;
    expect(heard[0]?.subarray(18, 23)).toEqual(
      Uint8Array.of(EapCode.Request, id ?? -1, 0, 5, EapType.Identity),
    );
  });

  it('a challenge without an EAP request in it is no answer', () => {
    const w = world();
    w.server.script = ({ port }) =>
      port === 'acct' ? 'policy' : { code: RadiusCode.AccessChallenge, attributes: [] };
    const alice = w.host('alice');
    alice.login();
    expect(w.session(alice)).toBeUndefined();
    expect(w.logged('login-refused')[0]).toMatchObject({ reason: 'challenge-without-eap' });
  });

  it('conformance 29: Session-Timeout of a challenge is when its request is sent again', () => {
    const w = world();
    w.server.script = ({ port }) => {
      if (port === 'acct') return 'policy';
      const { code, attributes } = challenge(9, utf8('s'));
      return { code, attributes: [...attributes, integer(AttributeType.SessionTimeout, 7)] };
    };
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    w.pass(5);
    expect(alice.heard()).toMatchObject([{ code: EapCode.Request, id: 9 }]);
    w.pass(6_900);
    expect(alice.heard()).toEqual([]);
    w.pass(200);
    expect(alice.heard()).toMatchObject([{ code: EapCode.Request, id: 9 }]);
  });

  it('conformance 18, 21: forged, unsigned and repeated answers change nothing, and are counted', () => {
    const w = world();
    const alice = w.host('alice');
    w.server.alive = false;
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    const asked = w.server.asked.at(-1);
    const request = asked?.packet;
    if (asked === undefined || request === undefined) throw new Error('nothing was asked');
    const yes = accept(1);
    const forged = w.sign(request, yes, utf8('another secret'));
    const unsigned = w.unsigned(request, yes);
    for (const bytes of [forged, unsigned, utf8('garbage'), forged.subarray(0, 30)])
      w.datagram(bytes, asked.socket);
    expect(w.session(alice)).toBeUndefined();
    expect(w.core.radius.inFlight('r1')).toBe(1);
    const good = w.sign(request, challenge(9, utf8('s')));
    w.datagram(good, asked.socket);
    w.datagram(good, asked.socket);
    w.datagram(w.sign(request, yes), asked.socket);
    expect(w.session(alice)).toBeUndefined();
    const counted = w.core.tally.withPrefix('radius/r1', 'discarded/');
    expect(counted).toEqual({
      'message-authenticator': 1,
      'eap-without-message-authenticator': 1,
      'radius-short-header': 1,
      'radius-bad-length': 1,
      duplicate: 2,
    });
  });

  it('conformance 24: a repeated request is the same packet from the same source port', () => {
    const w = world();
    w.server.alive = false;
    const alice = w.host('alice');
    alice.login();
    w.pass(20_000);
    const logins = w.server.asked.filter(({ port }) => port === 'auth');
    expect(logins.length).toBeGreaterThan(2);
    expect(new Set(logins.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(1);
    expect(new Set(logins.map(({ socket }) => socket)).size).toBe(1);
  });

  it('an answer to a login that was begun anew meanwhile is not taken', () => {
    const w = world();
    w.server.delayMs = 1_000;
    w.server.rounds = 0;
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    w.pass(500);
    alice.start();
    w.pass(900);
    expect(w.session(alice)).toBeUndefined();
    expect(w.core.tally.of('radius/r1', 'discarded/no-request')).toBe(1);
    alice.identity(alice.heard().at(-1)?.id ?? -1);
    w.pass(1_001);
    expect(w.session(alice)).toBeDefined();
  });
});

describe('bad input', () => {
  it('conformance 1: is dropped and counted by reason, and nobody gets in by it', () => {
    const w = world();
    const alice = w.host('alice');
    const counts = () => w.core.tally.withPrefix('swp1', 'drop/');
    w.switch.receive('swp1', 0, new Uint8Array(7));
    alice.send(EtherType.Eapol, Uint8Array.of(2, 0));
    alice.send(EtherType.Eapol, Uint8Array.of(2, 0, 1, 0, 1));
    alice.eapol(99);
    alice.eapol(EapolType.Key, new Uint8Array(20));
    alice.eapol(EapolType.Packet, Uint8Array.of(2, 1, 0, 3));
    alice.eapol(EapolType.Packet, encodeEap({ code: EapCode.Success, id: 1 }));
    alice.eapol(EapolType.Packet, encodeEap({ code: EapCode.Request, id: 1, type: EapType.Identity }));
    expect(counts()).toEqual({
      'ethernet-short-header': 1,
      'eapol-short-header': 1,
      'eapol-body-overruns-frame': 1,
      'eapol-unknown-type': 1,
      'eapol-type-not-supported': 1,
      'eap-length-below-header': 1,
      'eap-not-a-response': 2,
    });
    expect(w.core.stores.authenticators.size).toBe(0);
  });

  it('frames of a group address and frames with a second tag', () => {
    const w = world();
    const group = w.host('group', 'swp1', 0, '01:00:5e:01:01:01');
    group.start();
    const alice = w.host('alice');
    alice.send(EtherType.Vlan, Uint8Array.of(0, 42, 0x88, 0x8e, 2, 1, 0, 0));
    alice.send(EtherType.ServiceVlan, Uint8Array.of(0, 42, 8, 0));
    expect(w.core.tally.withPrefix('swp1', 'drop/')).toEqual({
      'source-is-group-address': 1,
      'second-vlan-tag': 2,
    });
    expect(w.core.stores.authenticators.size).toBe(0);
  });

  it('conformance 2: padding behind an EAPOL body is ignored', () => {
    const w = world();
    const alice = w.host('alice');
    alice.send(EtherType.Eapol, Uint8Array.of(2, EapolType.Start, 0, 0, ...new Uint8Array(42)));
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
  });
});

describe('a port without 802.1X', () => {
  it.each([
    ['force-authorized', EapCode.Success],
    ['force-unauthorized', EapCode.Failure],
  ])('conformance 7: %s answers EAPOL-Start by itself, and nobody has a session', (mode, code) => {
    const w = world({ ports: { swp1: { mode }, swp2: {} } });
    const alice = w.host('alice');
    expect(alice.heard()).toEqual([]);
    for (let i = 0; i < 2; i++) {
      alice.start();
      expect(alice.heard()).toMatchObject([{ code }]);
    }
    alice.identity(1);
    alice.logoff();
    w.pass(100_000);
    expect(w.session(alice)).toBeUndefined();
    expect(w.server.logins()).toEqual([]);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.logged('session-started')).toEqual([]);
  });
});
