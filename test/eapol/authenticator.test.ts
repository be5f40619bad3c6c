import { describe, expect, it } from 'vitest';
import { Authenticator } from '../../eapol/authenticator.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { counters, kinds, MachineBench, sent, states } from './machine-bench.ts';

describe('authenticator', () => {
  it('walks the states of a login and opens the port by Access-Accept alone', () => {
    const bench = new MachineBench();
    const begun = bench.do((machine, now) => machine.begin(now));
    expect(states(begun)).toEqual(['DISCONNECTED', 'RESTART', 'CONNECTING', 'AUTHENTICATING']);
    expect(sent(begun)).toMatchObject([{ code: EapCode.Request, id: 7, type: EapType.Identity }]);

    const identified = bench.identify();
    expect(identified.find((a) => a.kind === 'ask-server')).toMatchObject({
      first: true,
      identity: new TextEncoder().encode('alice'),
    });

    const challenged = bench.challenge(41);
    expect(sent(challenged)).toMatchObject([{ code: EapCode.Request, id: 41, type: 4 }]);
    const answered = bench.respond(4, new Uint8Array(17));
    expect(answered.find((a) => a.kind === 'ask-server')).toMatchObject({ first: false });
    expect(bench.record.authorized).toBe(false);

    const accepted = bench.accept();
    expect(kinds(accepted).sort()).toEqual(['authorize', 'send-eap']);
    expect(bench.record).toMatchObject({ pae: 'AUTHENTICATED', authorized: true });
    expect(counters(accepted)).toContain('authAuthSuccessesWhileAuthenticating');
  });

  it('conformance 3: EAPOL-Start of an AUTHENTICATED host restarts, and the port stays authorized', () => {
    const bench = new MachineBench();
    bench.login();
    const restarted = bench.do((machine, now) => machine.receiveStart(now));
    expect(states(restarted)).toEqual(['RESTART', 'CONNECTING', 'AUTHENTICATING']);
    expect(sent(restarted)).toMatchObject([{ type: EapType.Identity }]);
    expect(kinds(restarted)).not.toContain('unauthorize');
    expect(bench.record.authorized).toBe(true);
    bench.identify();
    const refused = bench.reject();
    expect(refused.find((a) => a.kind === 'unauthorize')).toMatchObject({ cause: 'rejected' });
    expect(bench.record).toMatchObject({ pae: 'HELD', authorized: false });
  });

  it('conformance 4: EAPOL-Logoff ends in DISCONNECTED, unauthorized', () => {
    const bench = new MachineBench();
    bench.login();
    const out = bench.do((machine, now) => machine.receiveLogoff(now));
    expect(states(out)).toEqual(['DISCONNECTED']);
    expect(kinds(out)).toEqual(['unauthorize', 'remove']);
    expect(out.find((a) => a.kind === 'unauthorize')).toMatchObject({ cause: 'logoff' });
    expect(bench.record.authorized).toBe(false);
    expect(bench.pass(10_000_000)).toEqual([]);
  });

  it('conformance 5: a reject holds the host for quietPeriod, in which EAPOL is ignored', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    const refused = bench.reject(encodeEap({ code: EapCode.Failure, id: 7 }));
    expect(sent(refused)).toMatchObject([{ code: EapCode.Failure, id: 7 }]);
    expect(bench.record.pae).toBe('HELD');
    expect(bench.pass(59_999)).toEqual([]);
    expect(bench.do((machine, now) => machine.receiveStart(now))).toEqual([]);
    expect(bench.do((machine, now) => machine.receiveLogoff(now))).toEqual([]);
    expect(bench.identify()).toEqual([]);
    expect(states(bench.pass(1))).toEqual(['RESTART', 'CONNECTING', 'AUTHENTICATING']);
  });

  it('conformance 6: reAuthMax silent rounds end in DISCONNECTED', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    const actions = bench.pass(24 * 3_600_000);
    const requests = sent(actions).filter((eap) => eap.type === EapType.Identity).length;
    // Two rounds of two requests each, of which begin() sent the first.
    expect(requests).toBe(3);
    expect(states(actions).at(-1)).toBe('DISCONNECTED');
    expect(kinds(actions).at(-1)).toBe('remove');
    expect(bench.record.reAuthCount).toBe(0);
  });

  it('a host that falls silent at re-authentication loses the port', () => {
    const bench = new MachineBench();
    bench.login();
    const actions = bench.pass(3_600_000 + 24 * 3_600_000);
    expect(actions.find((a) => a.kind === 'unauthorize')).toMatchObject({ cause: 'reauthentication-failed' });
    expect(counters(actions)).toContain('authAuthReauthsWhileAuthenticated');
  });

  it.each([
    ['force-authorized', EapCode.Success, true],
    ['force-unauthorized', EapCode.Failure, false],
  ] as const)('conformance 7: %s answers EAPOL-Start with a canned packet', (control, code, authorized) => {
    const bench = new MachineBench(control);
    expect(sent(bench.do((machine, now) => machine.begin(now)))).toMatchObject([{ code }]);
    expect(sent(bench.do((machine, now) => machine.receiveStart(now)))).toMatchObject([{ code }]);
    expect(bench.record.authorized).toBe(authorized);
    expect(bench.identify()).toEqual([]);
  });

  it('conformance 9: a stale or repeated response is discarded', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    expect(bench.respond(EapType.Identity, new Uint8Array(5), bench.record.currentId + 1)).toEqual([]);
    expect(bench.respond(4, new Uint8Array(5))).toEqual([]);
    expect(kinds(bench.identify())).toEqual(['ask-server']);
    expect(bench.identify('mallory')).toEqual([]);
    bench.challenge(9);
    expect(bench.respond(4, new Uint8Array(17), 8)).toEqual([]);
    expect(kinds(bench.respond(4, new Uint8Array(17), 9))).toEqual(['ask-server']);
  });

  it('conformance 10: Access-Accept opens, and Access-Reject shuts, whatever EAP packet is inside', () => {
    const opened = new MachineBench();
    opened.do((machine, now) => machine.begin(now));
    opened.identify();
    opened.do((machine, now) =>
      machine.receiveVerdict(now, {
        kind: 'accept',
        eap: encodeEap({ code: EapCode.Failure, id: 7 }),
        reAuthPeriodMs: undefined,
      }),
    );
    expect(opened.record.authorized).toBe(true);

    const shut = new MachineBench();
    shut.do((machine, now) => machine.begin(now));
    shut.identify();
    shut.reject(encodeEap({ code: EapCode.Success, id: 7 }));
    expect(shut.record).toMatchObject({ authorized: false, pae: 'HELD' });
  });

  it('conformance 11: no EAP packet is made up when the server is silent', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    const actions = bench.do((machine, now) => machine.receiveVerdict(now, { kind: 'timeout' }));
    expect(sent(actions).every((eap) => eap.code === EapCode.Request)).toBe(true);
    expect(bench.record.authorized).toBe(false);
  });

  it('conformance 11: a reject without an EAP packet is told to nobody; one of castgate’s own is', () => {
    const bare = new MachineBench();
    bare.do((machine, now) => machine.begin(now));
    bare.identify();
    expect(sent(bare.reject())).toEqual([]);
    expect(bare.record.pae).toBe('HELD');
    const own = new MachineBench();
    own.do((machine, now) => machine.begin(now));
    own.identify();
    expect(sent(own.reject('failure'))).toMatchObject([{ code: EapCode.Failure, id: 7 }]);
    expect(own.record.pae).toBe('HELD');
  });

  it('gives up on a silent server after serverTimeout by itself and tells it so', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    const actions = bench.pass(30_000);
    expect(kinds(actions)).toContain('abort-server');
    expect(states(actions)).toContain('ABORTING');
  });

  it('conformance 29: Session-Timeout of a challenge sets the retransmission of that request', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    bench.challenge(9, 3_000);
    expect(sent(bench.pass(2_999))).toEqual([]);
    expect(sent(bench.pass(1))).toMatchObject([{ id: 9, type: 4 }]);
  });

  it('conformance 29: the period that the server names is when the host is asked again', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    bench.accept(30_000);
    expect(bench.pass(29_999)).toEqual([]);
    expect(states(bench.pass(1))).toContain('RESTART');
    expect(bench.record.authorized).toBe(true);
  });

  it('waits for the server in RESPONSE alone: a login that has ended is not looked at again for that', () => {
    const bench = new MachineBench();
    const next = () => new Authenticator(bench.record, bench.timers).nextTimeout();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    expect(bench.record.aWhile).toBe(bench.now + bench.timers.serverTimeoutMs);
    bench.challenge(100);
    expect(bench.record.aWhile).toBeUndefined();
    bench.respond(4, new Uint8Array(17));
    bench.accept();
    expect(bench.record.aWhile).toBeUndefined();
    expect(next()).toBe(bench.record.reAuthWhen);
    bench.do((machine, now) => machine.receiveStart(now));
    bench.identify();
    bench.reject();
    expect([bench.record.pae, bench.record.aWhile]).toEqual(['HELD', undefined]);
    expect(next()).toBe(bench.record.quietWhile);
    // No answer, so that it ends by the timer itself, and is asked anew.
    bench.pass(bench.timers.quietPeriodMs);
    bench.identify();
    bench.pass(bench.timers.serverTimeoutMs);
    expect([bench.record.backend, bench.record.aWhile]).toEqual(['IDLE', undefined]);
  });

  it('an EAPOL-Start in the middle of a login begins it anew', () => {
    const bench = new MachineBench();
    bench.do((machine, now) => machine.begin(now));
    bench.identify();
    const actions = bench.do((machine, now) => machine.receiveStart(now));
    expect(kinds(actions)).toEqual(['abort-server', 'send-eap']);
    expect(states(actions)).toEqual(['ABORTING', 'RESTART', 'CONNECTING', 'AUTHENTICATING']);
    // The late verdict of the aborted request finds nobody.
    expect(bench.accept()).toEqual([]);
    expect(bench.record.authorized).toBe(false);
  });

  it('goes on from its record alone, at any point of a login', () => {
    const bench = new MachineBench();
    const copy = () => Object.assign(bench.record, structuredClone(bench.record));
    bench.do((machine, now) => machine.begin(now));
    copy();
    bench.identify();
    copy();
    bench.challenge(100);
    copy();
    bench.respond(4, new Uint8Array(17));
    copy();
    expect(kinds(bench.accept())).toContain('authorize');
  });
});
