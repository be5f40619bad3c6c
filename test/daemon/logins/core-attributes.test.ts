/** Attributes of the site's own, and Chargeable-User-Identity: in the core's real packets. */
import { describe, expect, it } from 'vitest';
import {
  AttributeType,
  firstInteger,
  firstText,
  firstValue,
  octets,
  vendorAttributes,
} from '../../../radius/attributes.ts';
import { RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { configOf, World } from '../world.ts';

const NEWS = '239.1.1.1';
const utf8 = (value: string) => new TextEncoder().encode(value);
const SERVERS = [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret' }];

function world(radius: Readonly<Record<string, unknown>>): World {
  const w = new World({ radius: { servers: SERVERS, ...radius } });
  w.server.users.set('alice', []);
  w.server.permit('alice', NEWS);
  return w;
}

const questions = (w: World) =>
  w.server.asked
    .map(({ packet }) => packet)
    .filter(
      ({ code, attributes }) =>
        code === RadiusCode.AccessRequest && firstValue(attributes, AttributeType.EapMessage) === undefined,
    );

describe('attributes of the site', () => {
  it('are in the requests that they are for, with fields of the session', () => {
    const w = world({
      attributes: [
        { attribute: '77', value: 'port {port} of {nas}, {mac}' },
        { attribute: '62', type: 'integer', value: '4', group: false, accounting: false },
        { attribute: '4874/31', value: '{account}/{session}', login: false },
        { attribute: '168', type: 'address', value: '2001:db8::7', login: false, group: false },
        { attribute: '126', type: 'hex', value: '30 31', group: false, accounting: false },
      ],
    });
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(5);
    const station = alice.mac.toUpperCase().replaceAll(':', '-');
    const whole = `port swp1 of test-switch, ${station}`;
    const login = w.server.logins()[0] as RadiusPacket;
    expect(firstText(login.attributes, 77)).toBe(whole);
    expect(firstInteger(login.attributes, 62)).toBe(4);
    expect(firstText(login.attributes, 126)).toBe('01');
    expect(vendorAttributes(login.attributes, 4874)).toEqual([]);
    const session = w.session(alice)?.acctSessionId;
    const [question] = questions(w);
    expect(firstText(question?.attributes ?? [], 77)).toBe(whole);
    expect(firstValue(question?.attributes ?? [], 62)).toBeUndefined();
    const own = vendorAttributes(question?.attributes ?? [], 4874);
    expect(
      isMalformed(own) ? own : own.map(({ type, value }) => [type, String.fromCharCode(...value)]),
    ).toEqual([[31, `alice/${session}`]]);
    const [start] = w.server.accounting(AcctStatusType.Start);
    expect(firstText(start?.attributes ?? [], 77)).toBe(whole);
    expect(firstValue(start?.attributes ?? [], 168)).toHaveLength(16);
    // Accounting-On is about no port and no host: what says one is not in it.
    const [on] = w.server.accounting(AcctStatusType.AccountingOn);
    expect(firstText(on?.attributes ?? [], 77)).toBeUndefined();
    expect(firstValue(on?.attributes ?? [], 168)).toHaveLength(16);
  });

  it('that castgate sends itself, or that are none, are refused', () => {
    for (const [bad, why] of [
      [{ attribute: '24', value: 'x' }, "attribute 24 is castgate's own"],
      [{ attribute: '2', value: 'x' }, "attribute 2 is castgate's own"],
      [{ attribute: '256', value: 'x' }, 'expected a number'],
      [{ attribute: 'Filter-Id', value: 'x' }, 'expected a number'],
      [{ attribute: '77', value: '{prot}' }, 'no field {prot}'],
      [{ attribute: '62', type: 'integer', value: '{port}' }, 'fields are text'],
      [{ attribute: '62', type: 'integer', value: '4.5' }, 'no integer'],
      [{ attribute: '168', type: 'address', value: 'here' }, 'no address'],
    ] as const) {
      const config = () => configOf({ radius: { servers: SERVERS, attributes: [bad] } });
      expect(config, JSON.stringify(bad)).toThrow(why);
    }
  });
});

describe('Chargeable-User-Identity', () => {
  const CUI = octets(AttributeType.ChargeableUserIdentity, utf8('customer 4711'));

  it('is asked for, told to accounting in every message, and said again at the next login', () => {
    const w = world({ chargeable_user_identity: true });
    w.server.users.set('alice', [CUI]);
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(5);
    const identities = (packets: readonly RadiusPacket[]) =>
      packets.map(({ attributes }) => firstText(attributes, AttributeType.ChargeableUserIdentity));
    expect(new Set(identities(w.server.logins()))).toEqual(new Set(['\0']));
    const before = w.server.logins().length;
    alice.login();
    expect(new Set(identities(w.server.logins().slice(before)))).toEqual(new Set(['customer 4711']));
    alice.logoff();
    w.pass(5);
    const about = w.server
      .accounting()
      .filter(({ attributes }) => firstText(attributes, AttributeType.UserName) === 'alice');
    expect(about.length).toBeGreaterThanOrEqual(4);
    expect(new Set(identities(about))).toEqual(new Set(['customer 4711']));
  });

  it('is not asked for by default, and a NUL in answer means none', () => {
    for (const [ask, given] of [
      [false, []],
      [true, [octets(AttributeType.ChargeableUserIdentity, Uint8Array.of(0))]],
    ] as const) {
      const w = world({ chargeable_user_identity: ask });
      w.server.users.set('alice', given);
      w.host('alice').login();
      w.pass(5);
      const asked = firstText(w.server.logins()[0]?.attributes ?? [], AttributeType.ChargeableUserIdentity);
      expect(asked).toBe(ask ? '\0' : undefined);
      const [start] = w.server.accounting(AcctStatusType.Start);
      expect(firstText(start?.attributes ?? [], AttributeType.ChargeableUserIdentity)).toBeUndefined();
    }
  });
});
