/** Sessions, from the second login to their end: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import {
  AttributeType,
  allValues,
  firstInteger,
  firstText,
  firstValue,
  integer,
  octets,
  text,
  vendorSpecific,
} from '../../../radius/attributes.ts';
import type { RadiusAttribute, RadiusPacket } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause, TerminationAction } from '../../../radius/values.ts';
import { World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const utf8 = (value: string) => new TextEncoder().encode(value);

const right = (words: string) => vendorSpecific(32473, 5, utf8(words));
const vlan = (id: string): readonly RadiusAttribute[] => [
  integer(AttributeType.TunnelType, 13),
  integer(AttributeType.TunnelMediumType, 6),
  text(AttributeType.TunnelPrivateGroupId, id),
];

const isLogin = ({ attributes }: RadiusPacket) => allValues(attributes, AttributeType.EapMessage).length > 0;

/** A world in which alice and bob may log in. */
function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []).set('bob', []);
  return made;
}

describe('the end of a session', () => {
  it('conformance 4: a logoff closes the port; accounting is told "user request"', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.logoff();
    w.pass(2);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    const [stop, ...others] = w.server.accounting(Stop);
    expect(others).toEqual([]);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.UserRequest,
    );
    expect(w.logged('session-ended')[0]).toMatchObject({ account: 'alice', cause: 'logoff' });
  });

  it('conformance 8: a port that goes down ends its sessions with "lost carrier", and no other', () => {
    const w = world();
    const [alice, bob] = [w.host('alice'), w.host('bob', 'swp2')];
    alice.login();
    bob.login();
    w.switch.setLink('swp1', false);
    w.pass(2);
    expect(w.session(alice)).toBeUndefined();
    expect(w.session(bob)).toBeDefined();
    const [stop] = w.server.accounting(Stop);
    expect(firstText(stop?.attributes ?? [], AttributeType.UserName)).toBe('alice');
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.LostCarrier,
    );
    expect(w.core.stores.authenticators.has(alice.key)).toBe(false);
  });

  it('a port that vanishes and returns begins anew', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    w.switch.removePort('swp1');
    expect(w.session(alice)).toBeUndefined();
    w.switch.addPort('swp1');
    w.pass(1);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.isOpen(alice.place)).toBe(true);
  });

  it('conformance 29: Session-Timeout alone ends the session, and the host is asked anew', () => {
    const w = world();
    w.server.users.set('alice', [integer(AttributeType.SessionTimeout, 60)]);
    const alice = w.host('alice');
    alice.login();
    w.pass(59_000);
    expect(w.session(alice)).toBeDefined();
    alice.heard();
    w.pass(1_000);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.isOpen(alice.place)).toBe(false);
    w.pass(2);
    const [stop] = w.server.accounting(Stop);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.SessionTimeout,
    );
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.server.accounting(Start)).toHaveLength(2);
  });

  it('a clean stop ends every session in the books', () => {
    const w = world();
    w.host('alice').login();
    w.host('bob', 'swp2').login();
    w.turn(() => w.core.shutdown(w.now));
    w.pass(10);
    expect(w.core.stores.sessions.size).toBe(0);
    const causes = w.server
      .accounting(Stop)
      .map(({ attributes }) => firstInteger(attributes, AttributeType.AcctTerminateCause));
    expect(causes).toEqual([TerminateCause.AdminReboot, TerminateCause.AdminReboot]);
    expect(w.server.accounting(AcctStatusType.AccountingOff)).toHaveLength(1);
  });
});

describe('authenticating again', () => {
  it('conformance 3, 41: Start of a host that is in: the port stays open, ids stay, no accounting', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    const before = w.session(alice);
    const records = w.server.accounting().length;
    w.takeDone();
    alice.start();
    expect(w.switch.isOpen(alice.place)).toBe(true);
    w.pass(5);
    alice.answer();
    expect(w.switch.isOpen(alice.place)).toBe(true);
    expect(w.session(alice)).toEqual({ ...before, authenticatedAt: expect.any(Number) });
    expect(w.session(alice)?.authenticatedAt).toBeGreaterThan(before?.authenticatedAt ?? Infinity);
    expect(w.server.accounting().length).toBe(records);
    expect(w.takeDone().filter((done) => done.startsWith('close'))).toEqual([]);
    expect(w.logged('session-renewed')).toHaveLength(1);
  });

  it('conformance 29: Session-Timeout with RADIUS-Request is a period of re-authentication', () => {
    const w = world();
    w.server.users.set('alice', [
      integer(AttributeType.SessionTimeout, 60),
      integer(AttributeType.TerminationAction, TerminationAction.RadiusRequest),
    ]);
    const alice = w.host('alice');
    alice.login();
    alice.heard();
    const ids = w.session(alice)?.acctSessionId;
    w.pass(60_000);
    expect(w.session(alice)).toBeDefined();
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)?.acctSessionId).toBe(ids);
    for (const { attributes } of w.server.logins()) {
      expect(firstText(attributes, AttributeType.AcctSessionId)).toBe(ids);
    }
  });

  it('a reject at re-authentication ends the session', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    w.server.users.delete('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.isOpen(alice.place)).toBe(false);
    const done = w.takeDone();
    expect(done.lastIndexOf(`close ${alice.mac}`)).toBeGreaterThan(-1);
    const [stop] = w.server.accounting(Stop);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.ReauthenticationFailure,
    );
  });

  it('conformance 6: a host that is silent at re-authentication is out after reAuthMax rounds', () => {
    const w = world({ authenticator: { reauth_period: '1m', tx_period: '1s', max_req: 2, reauth_max: 2 } });
    const alice = w.host('alice');
    alice.login();
    w.pass(54_000);
    expect(w.session(alice)).toBeDefined();
    w.pass(66_000);
    expect(w.session(alice)).toBeUndefined();
    expect(w.core.stores.authenticators.has(alice.key)).toBe(false);
    expect(w.logged('session-ended')[0]).toMatchObject({ cause: 'reauthentication-failed' });
  });

  it.each([
    [
      'a VLAN that is not there',
      [
        integer(AttributeType.TunnelType, 13),
        integer(AttributeType.TunnelMediumType, 6),
        octets(AttributeType.TunnelPrivateGroupId, utf8('42')),
      ],
    ],
    ['another service', [integer(AttributeType.ServiceType, 6)]],
    ['a filter that is not there', [octets(AttributeType.FilterId, utf8('nowhere'))]],
    ['an attribute of a wrong length', [octets(AttributeType.SessionTimeout, utf8('x'))]],
  ])(
    'conformance 13: an Accept that asks for %s at re-authentication ends the session',
    (_what, attributes) => {
      const w = world();
      w.server.permit('alice', '239.1.1.1');
      const alice = w.host('alice');
      alice.login();
      alice.join('239.1.1.1');
      w.pass(5);
      expect(w.switch.deliver('239.1.1.1', '198.51.100.7', 100)).toEqual(['swp1']);
      w.server.users.set('alice', attributes);
      w.takeDone();
      expect(alice.login()).toMatchObject({ code: EapCode.Failure });
      expect(w.takeDone()).not.toContain('send success on swp1');
      expect(w.session(alice)).toBeUndefined();
      expect(w.switch.openHosts()).toEqual([]);
      expect(w.switch.deliver('239.1.1.1', '198.51.100.7', 100)).toEqual([]);
      w.pass(5);
      const causes = w.server
        .accounting(Stop)
        .map((stop) => firstInteger(stop.attributes, AttributeType.AcctTerminateCause));
      expect(causes).toEqual([
        TerminateCause.ReauthenticationFailure,
        TerminateCause.ReauthenticationFailure,
      ]);
    },
  );

  it('conformance 26: after a reject nothing more is asked for that session, neither for it nor for its channels', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    // A question about a channel waits for its answer, and is sent again and again.
    w.server.script = (asked) => (asked.port === 'acct' || isLogin(asked.packet) ? 'policy' : undefined);
    alice.join('239.1.1.1');
    w.pass(500);
    expect(w.server.questions()).toEqual(['alice 239.1.1.1']);
    w.server.users.delete('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    const asked = w.server.asked.filter(({ port }) => port === 'auth').length;
    w.pass(40_000);
    alice.join('239.1.1.1');
    w.pass(10_000);
    expect(w.server.asked.filter(({ port }) => port === 'auth').length).toBe(asked);
  });

  it('conformance 41: another account is another session', () => {
    const w = world();
    const host = w.host('alice');
    host.login('alice');
    const before = w.session(host);
    host.login('bob');
    const after = w.session(host);
    expect(after?.account).toBe('bob');
    expect(after?.acctSessionId).not.toBe(before?.acctSessionId);
    const [stop] = w.server.accounting(Stop);
    expect(firstText(stop?.attributes ?? [], AttributeType.AcctSessionId)).toBe(before?.acctSessionId);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.ServiceUnavailable,
    );
    expect(w.server.accounting(Start)).toHaveLength(2);
    expect(w.switch.isOpen(host.place)).toBe(true);
  });

  for (const [what, first, second] of [
    ['filter', [], [octets(AttributeType.NasFilterRule, utf8('deny in tcp from any to any 25'))]],
    ['VLAN', [], vlan('7')],
    ['rights', [right('watch 239.1.1.0/24')], [right('watch 239.1.0.0/16')]],
  ] as const) {
    it(`conformance 41: another ${what} at a re-authentication is another session to accounting, and to nobody else`, () => {
      const w = new World({}, 1, { vlans: true });
      w.server.permit('alice', '239.1.1.1');
      w.server.users.set('alice', first);
      const alice = w.host('alice');
      alice.login();
      alice.join('239.1.1.1');
      w.pass(10);
      for (let i = 0; i < 5; i++) w.switch.transmit(alice.place, 100);
      const before = w.session(alice);
      w.server.users.set('alice', second);
      w.takeDone();
      alice.login();
      w.pass(5);
      const after = w.session(alice);
      expect(w.takeDone().filter((done) => done.startsWith('close'))).toEqual([]);
      expect(after?.acctSessionId).not.toBe(before?.acctSessionId);
      expect(after?.acctMultiSessionId).toBe(before?.acctMultiSessionId);
      expect(w.switch.deliver('239.1.1.1', '198.51.100.7', 100)).toEqual(['swp1']);
      for (let i = 0; i < 3; i++) w.switch.transmit(alice.place, 100);
      alice.logoff();
      w.pass(10);
      const told = (status: number) =>
        w.server
          .accounting(status)
          .filter(({ attributes }) => firstValue(attributes, AttributeType.VendorSpecific) === undefined)
          .map(({ attributes }) =>
            [AttributeType.AcctTerminateCause, AttributeType.AcctInputPackets].map((type) =>
              firstInteger(attributes, type),
            ),
          );
      expect(told(Start)).toHaveLength(2);
      expect(told(Stop)).toEqual([
        [TerminateCause.ServiceUnavailable, 5],
        [TerminateCause.UserRequest, 3],
      ]);
      // The same again changes nothing.
      alice.login();
      w.pass(5);
      alice.login();
      w.pass(5);
      expect(told(Start)).toHaveLength(3);
    });
  }

  it('a person may ask for it, and it is refused for hosts that are not in', () => {
    const w = world();
    const alice = w.host('alice');
    expect(w.core.reauthenticate(w.now, alice.key)).toBe(false);
    alice.login();
    alice.heard();
    w.turn(() => expect(w.core.reauthenticate(w.now, alice.key)).toBe(true));
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.logged('session-renewed')).toHaveLength(1);
  });
});

describe('accounting of a session', () => {
  it('conformance 32, 36, 37, 38: Class is copied, ids are the same from request to stop', () => {
    const w = world();
    w.server.users.set('alice', [
      octets(AttributeType.Class, utf8('a')),
      octets(AttributeType.Class, utf8('b')),
    ]);
    const alice = w.host('alice');
    alice.login();
    for (let i = 0; i < 5; i++) w.switch.transmit(alice.place, 100);
    for (let i = 0; i < 3; i++) w.switch.transmitTo(0, alice.mac, 1_000);
    w.pass(5_000);
    alice.logoff();
    w.pass(2);
    const id = firstText(w.server.logins()[0]?.attributes ?? [], AttributeType.AcctSessionId);
    const [start] = w.server.accounting(Start);
    const [stop] = w.server.accounting(Stop);
    for (const packet of [start, stop]) {
      const attributes = packet?.attributes ?? [];
      expect(firstText(attributes, AttributeType.AcctSessionId)).toBe(id);
      expect(allValues(attributes, AttributeType.Class)).toEqual([utf8('a'), utf8('b')]);
      for (const type of [AttributeType.EapMessage, AttributeType.State, AttributeType.UserPassword]) {
        expect(firstValue(attributes, type)).toBeUndefined();
      }
    }
    const counted = (type: number) => firstInteger(stop?.attributes ?? [], type);
    expect(counted(AttributeType.AcctInputOctets)).toBe(500);
    expect(counted(AttributeType.AcctInputPackets)).toBe(5);
    expect(counted(AttributeType.AcctOutputOctets)).toBe(3_000);
    expect(counted(AttributeType.AcctOutputPackets)).toBe(3);
    expect(counted(AttributeType.AcctSessionTime)).toBe(5);
  });
});

describe('identity is port, VLAN and MAC address', () => {
  it('the same MAC address on another port is another host, and not let in beside the first', () => {
    const w = world();
    const alice = w.host('alice', 'swp1');
    const twin = w.host('alice', 'swp2');
    alice.login();
    expect(twin.login()?.code).not.toBe(EapCode.Success);
    expect(w.session(twin)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(w.logged('host-refused')[0]).toMatchObject({ port: 'swp2', reason: 'mac-on-other-port' });
    expect(w.session(alice)).toBeDefined();
  });

  it('the same MAC address in another VLAN is another host', () => {
    const w = world();
    const alice = w.host('alice', 'swp1', 7);
    const untagged = w.host('alice', 'swp1', 0);
    alice.login();
    expect(w.session(alice)).toMatchObject({ vlan: 7 });
    expect(w.session(untagged)).toBeUndefined();
    expect(w.switch.transmit(untagged.place, 10)).toBe(false);
  });
});
