/** Sessions that go on while no RADIUS server answers, for a limited time: the core on virtual time. */
import { describe, expect, it } from 'vitest';
import { EapCode, type EapPacket } from '../../../eapol/eap.ts';
import { AttributeType, firstInteger, integer } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { type Host, World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const PERIOD_S = 600;
const LIMIT_S = 3_600;

interface Made {
  readonly w: World;
  readonly alice: Host;
}

function world(authenticator: Readonly<Record<string, unknown>> = {}, ...terms: [number, number][]): Made {
  const w = new World({
    authenticator: { reauth_period: `${PERIOD_S}s`, reauth_without_radius: `${LIMIT_S}s`, ...authenticator },
  });
  w.server.users.set(
    'alice',
    terms.map(([type, value]) => integer(type, value)),
  );
  const alice = w.host('alice');
  alice.login();
  return { w, alice };
}

/** Lets time pass; the host answers what it is asked. Gives the EAP packets that it heard. */
function pass({ w, alice }: Made, seconds: number) {
  const heard = [];
  for (let i = 0; i < seconds; i++) {
    w.pass(1000);
    const said = alice.heard();
    heard.push(...said);
    const request = said.at(-1);
    if (request?.code === EapCode.Request && request.type === 1) alice.identity(request.id);
    else if (request?.code === EapCode.Request)
      alice.respond(request.id, request.type ?? 3, Uint8Array.of(1, 0x55));
  }
  return heard;
}

/** Lets time pass until no dead server is being tried. */
function untilAtRest(made: Made): void {
  const { w, alice } = made;
  const state = () => w.core.stores.authenticators.get(alice.key)?.pae;
  for (let i = 0; i < 60 && state() !== 'AUTHENTICATED'; i++) pass(made, 1);
  expect(state()).toBe('AUTHENTICATED');
}

function lastCause(w: World): number | undefined {
  return firstInteger(w.server.accounting(Stop).at(-1)?.attributes ?? [], AttributeType.AcctTerminateCause);
}

/** No server answers logins any more; accounting is answered. */
function silence(w: World): void {
  w.server.script = ({ packet }) => (packet.code === RadiusCode.AccountingRequest ? 'policy' : undefined);
}

describe('a re-authentication that no server answers', () => {
  it('ends the session, as it always did, where nothing else is configured', () => {
    const made = world({ reauth_without_radius: '0s' });
    silence(made.w);
    pass(made, PERIOD_S + 300);
    expect(made.w.session(made.alice)).toBeUndefined();
    expect(lastCause(made.w)).toBe(TerminateCause.ReauthenticationFailure);
  });

  it('lets the session go on as it is, says nothing made up, and is put again when a server lives', () => {
    const made = world();
    const { w, alice } = made;
    w.server.permits.set('alice 239.1.1.1', [integer(AttributeType.SessionTimeout, 86_400)]);
    alice.join('239.1.1.1');
    w.pass(10);
    const before = w.session(alice);
    silence(w);
    const heard: EapPacket[] = [];
    for (let minute = 0; minute < 30; minute++) {
      heard.push(...pass(made, 60));
      alice.join('239.1.1.1');
    }
    expect(heard.filter(({ code }) => code !== EapCode.Request)).toEqual([]);
    expect(w.session(alice)).toMatchObject({
      acctSessionId: before?.acctSessionId,
      startedAt: before?.startedAt,
    });
    expect(w.session(alice)?.withoutRadiusSince).toBeDefined();
    expect(w.switch.openHosts()).toEqual([alice.place]);
    untilAtRest(made);
    expect(w.core.stores.authenticators.get(alice.key)?.authorized).toBe(true);
    expect(w.logged('without-radius')).toHaveLength(1);
    expect(w.core.tally.of('swp1', 'without-radius/postponed')).toBeGreaterThan(10);
    w.server.script = undefined;
    const after = pass(made, 150);
    expect(after.at(-1)?.code).toBe(EapCode.Success);
    expect(w.session(alice)).toMatchObject({ acctSessionId: before?.acctSessionId });
    expect(w.session(alice)?.withoutRadiusSince).toBeUndefined();
    expect(w.server.accounting(Start)).toHaveLength(2);
    expect(w.server.accounting(Stop)).toEqual([]);
  });

  it('is not begun while every server is known to be dead, but to try one that is due', () => {
    const made = world();
    silence(made.w);
    pass(made, PERIOD_S + 100);
    expect(made.w.core.radius.hasLoginServer()).toBe(false);
    const heard = pass(made, 600);
    // A dead server is tried once a minute, and each trial is one Request/Identity.
    expect(heard.length).toBeLessThanOrEqual(11);
  });

  it('ends the session when its time without RADIUS is over, by serverTimeout late at most', () => {
    const made = world();
    const { w, alice } = made;
    silence(w);
    pass(made, PERIOD_S + 60);
    const since = w.session(alice)?.withoutRadiusSince ?? 0;
    expect(since).toBeGreaterThan(0);
    pass(made, Math.floor((since + LIMIT_S * 1000 - w.now) / 1000) - 1);
    expect(w.session(alice)).toBeDefined();
    pass(made, 32);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    expect(lastCause(w)).toBe(TerminateCause.ReauthenticationFailure);
    expect(w.core.tally.of('swp1', 'without-radius/ended')).toBe(1);
  });

  it('a reject ends the session at once, also after a time without RADIUS', () => {
    const made = world();
    silence(made.w);
    pass(made, PERIOD_S + 100);
    made.w.server.users.clear();
    made.w.server.script = undefined;
    const heard = pass(made, 150);
    expect(heard.at(-1)?.code).toBe(EapCode.Failure);
    expect(made.w.session(made.alice)).toBeUndefined();
    expect(lastCause(made.w)).toBe(TerminateCause.ReauthenticationFailure);
  });

  it('Session-Timeout with Termination-Action Default still ends it', () => {
    const made = world({}, [AttributeType.SessionTimeout, PERIOD_S + 700]);
    silence(made.w);
    made.w.core.reauthenticate(made.w.now, made.alice.key);
    pass(made, PERIOD_S + 690);
    expect(made.w.session(made.alice)?.withoutRadiusSince).toBeDefined();
    pass(made, 20);
    expect(made.w.session(made.alice)).toBeUndefined();
    expect(lastCause(made.w)).toBe(TerminateCause.SessionTimeout);
  });

  it('the period of RADIUS (Termination-Action RADIUS-Request) goes on without it too', () => {
    const made = world(
      { reauth_enabled: false },
      [AttributeType.SessionTimeout, 300],
      [AttributeType.TerminationAction, 1],
    );
    silence(made.w);
    pass(made, 900);
    expect(made.w.session(made.alice)?.withoutRadiusSince).toBeDefined();
  });

  it('servers that die in the middle of the conversation', () => {
    const made = world();
    const { w, alice } = made;
    pass(made, PERIOD_S - 100);
    // The first request is answered by a challenge, and nothing after it.
    let asked = 0;
    w.server.script = ({ packet }) =>
      packet.code === RadiusCode.AccountingRequest || asked++ === 0 ? 'policy' : undefined;
    const heard = pass(made, 400);
    expect(asked).toBeGreaterThan(1);
    expect(heard.filter(({ code }) => code !== EapCode.Request)).toEqual([]);
    expect(w.session(alice)?.withoutRadiusSince).toBeDefined();
    untilAtRest(made);
    expect(w.core.stores.authenticators.get(alice.key)).toMatchObject({
      pae: 'AUTHENTICATED',
      backend: 'IDLE',
    });
    w.server.script = undefined;
    expect(pass(made, 150).at(-1)?.code).toBe(EapCode.Success);
  });

  it('an EAPOL-Start of who is in is not answered while no server lives; its Logoff is heard', () => {
    const made = world();
    const { w, alice } = made;
    silence(w);
    pass(made, PERIOD_S + 100);
    alice.heard();
    const others = w.core.tally.of('swp1', 'drop/without-radius');
    // Right after a trial of the dead server, none is due.
    w.core.stores.radiusServers.put('r1/auth', {
      ...(w.core.stores.radiusServers.get('r1/auth') ?? (undefined as never)),
      retryAt: w.now + 60_000,
    });
    alice.start();
    expect(alice.heard()).toEqual([]);
    expect(w.core.tally.of('swp1', 'drop/without-radius')).toBe(others + 1);
    expect(w.session(alice)).toBeDefined();
    alice.logoff();
    expect(w.session(alice)).toBeUndefined();
    w.pass(100);
    expect(lastCause(w)).toBe(TerminateCause.UserRequest);
  });

  it('a host that does not answer is no matter of RADIUS: it is out', () => {
    const { w, alice } = world();
    w.pass((PERIOD_S + 300) * 1000);
    expect(w.session(alice)).toBeUndefined();
  });

  it('goes on after a takeover with the same limit, and a reload without it ends it', () => {
    const made = world();
    const { w, alice } = made;
    silence(w);
    pass(made, PERIOD_S + 300);
    const since = w.session(alice)?.withoutRadiusSince;
    w.takeOver();
    pass(made, 600);
    expect(w.session(alice)?.withoutRadiusSince).toBe(since);
    w.reconfigure({ authenticator: { reauth_period: `${PERIOD_S}s` } });
    pass(made, 400);
    expect(w.session(alice)).toBeUndefined();
  });

  it('many who waited come back apart', () => {
    const w = new World({
      authenticator: { max_hosts_per_port: 64, reauth_period: '600s', reauth_without_radius: '1h' },
    });
    const hosts = Array.from({ length: 40 }, (_, i) => w.host(`host ${i}`));
    for (const host of hosts) {
      w.server.users.set(host.name, []);
      host.login();
    }
    w.core.stores.radiusServers.put('r1/auth', {
      ...{ v: 1, key: 'r1/auth', server: 'r1', port: 'auth', state: 'dead', since: w.now },
      retryAt: w.now + 3_600_000,
    });
    w.pass(900_000);
    const at = hosts.map((host) => (w.core.stores.authenticators.get(host.key)?.reAuthWhen ?? 0) - w.now);
    expect(Math.min(...at)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(20_000);
    expect(hosts.every((host) => w.session(host)?.withoutRadiusSince !== undefined)).toBe(true);
  });
});

describe('a host that is in by its MAC address', () => {
  it('goes on without RADIUS the same way, and ends at the same limit', () => {
    const w = new World({
      authenticator: {
        methods: 'mab',
        reauth_period: '600s',
        reauth_without_radius: '1h',
        quiet_period: '60s',
      },
    });
    const answers = ({ packet }: { packet: { code: number } }) =>
      packet.code === RadiusCode.AccountingRequest
        ? { code: RadiusCode.AccountingResponse, attributes: [] }
        : { code: RadiusCode.AccessAccept, attributes: [] };
    w.server.script = answers;
    const printer = w.host('printer');
    printer.send(EtherType.Arp, new Uint8Array(28), 'ff:ff:ff:ff:ff:ff');
    w.pass(5);
    const before = w.session(printer);
    expect(before).toBeDefined();
    silence(w);
    w.pass(1_800_000);
    expect(w.session(printer)?.acctSessionId).toBe(before?.acctSessionId);
    expect(w.session(printer)?.withoutRadiusSince).toBeDefined();
    w.server.script = answers;
    w.pass(150_000);
    expect(w.session(printer)?.acctSessionId).toBe(before?.acctSessionId);
    expect(w.session(printer)?.withoutRadiusSince).toBeUndefined();
    silence(w);
    w.pass(5_400_000);
    expect(w.session(printer)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
  });
});
