/**
 * The counters of the machines, each at the transition that defines it: dot1xAuthDiagTable of IEEE8021-PAE-MIB, by the
 * diagnostic counters of 802.1X-2004 clause 8.2. A row is one event; it counts what is named, and nothing else.
 */
import { describe, expect, it } from 'vitest';
import { PAE_COUNTERS } from '../../daemon/metrics/mib-counters.ts';
import type { AuthenticatorAction, AuthenticatorCounter } from '../../eapol/authenticator-actions.ts';
import { counters, MachineBench, states } from './machine-bench.ts';

type Step = (bench: MachineBench) => AuthenticatorAction[];
type Row = readonly [
  what: string,
  before: readonly Step[],
  event: Step,
  through: readonly string[],
  counted: readonly AuthenticatorCounter[],
];

const begin: Step = (bench) => bench.do((machine, now) => machine.begin(now));
const start: Step = (bench) => bench.do((machine, now) => machine.receiveStart(now));
const logoff: Step = (bench) => bench.do((machine, now) => machine.receiveLogoff(now));
const identify: Step = (bench) => bench.identify();
const challenge: Step = (bench) => bench.challenge(100);
const respond: Step = (bench) => bench.respond(4, new Uint8Array(17));
const accept: Step = (bench) => bench.accept();
const reject: Step = (bench) => bench.reject();
const pass =
  (ms: number): Step =>
  (bench) =>
    bench.pass(ms);
const reAuthenticate: Step = (bench) => bench.do((machine, now) => machine.reAuthenticate(now));
const silence: Step = (bench) => bench.do((machine, now) => machine.receiveVerdict(now, { kind: 'timeout' }));
/** The EAP layer has nothing to ask yet: the only way in which CONNECTING lasts. */
const connecting: Step = (bench) => {
  Object.assign(bench.record, { pae: 'CONNECTING', backend: 'IDLE', eap: 'DISABLED', eapReq: false });
  return [];
};
const login = [begin, identify, challenge, respond, accept];

const AGAIN = ['RESTART', 'CONNECTING', 'AUTHENTICATING'] as const;
const ENTERS = ['authEntersConnecting', 'authEntersAuthenticating'] as const;

const ROWS: readonly Row[] = [
  ['a host is there', [], begin, ['DISCONNECTED', ...AGAIN], ENTERS],
  ['it says who it is', [begin], identify, [], ['backendResponses']],
  [
    'the server asks',
    [begin, identify],
    challenge,
    [],
    ['backendAccessChallenges', 'backendOtherRequestsToSupplicant'],
  ],
  [
    'the request is sent again',
    [begin, identify, challenge],
    pass(20_000),
    [],
    ['backendOtherRequestsToSupplicant'],
  ],
  ['the identity is asked for again', [begin], pass(30_000), [], []],
  ['it answers the server', [begin, identify, challenge], respond, [], ['backendResponses']],
  [
    'it is accepted',
    [begin, identify],
    accept,
    ['AUTHENTICATED'],
    ['backendAuthSuccesses', 'authAuthSuccessesWhileAuthenticating'],
  ],
  [
    'it is rejected',
    [begin, identify],
    reject,
    ['HELD'],
    ['backendAuthFails', 'authAuthFailWhileAuthenticating'],
  ],
  [
    'the server is silent',
    [begin, identify],
    silence,
    ['ABORTING', ...AGAIN],
    ['authAuthTimeoutsWhileAuthenticating', ...ENTERS],
  ],
  [
    'the host is silent',
    [begin, pass(30_000)],
    pass(30_000),
    ['ABORTING', ...AGAIN],
    ['authAuthTimeoutsWhileAuthenticating', ...ENTERS],
  ],
  [
    'EAPOL-Start in a login',
    [begin, identify],
    start,
    ['ABORTING', ...AGAIN],
    ['authAuthEapStartsWhileAuthenticating', ...ENTERS],
  ],
  [
    'EAPOL-Logoff in a login',
    [begin, identify],
    logoff,
    ['ABORTING', 'DISCONNECTED'],
    ['authAuthEapLogoffWhileAuthenticating'],
  ],
  [
    'EAPOL-Logoff while CONNECTING',
    [begin, connecting],
    logoff,
    ['DISCONNECTED'],
    ['authEapLogoffsWhileConnecting'],
  ],
  ['re-authentication', login, reAuthenticate, AGAIN, ['authAuthReauthsWhileAuthenticated', ...ENTERS]],
  [
    'EAPOL-Start of a host that is in',
    login,
    start,
    AGAIN,
    ['authAuthEapStartsWhileAuthenticated', ...ENTERS],
  ],
  [
    'EAPOL-Logoff of a host that is in',
    login,
    logoff,
    ['DISCONNECTED'],
    ['authAuthEapLogoffWhileAuthenticated'],
  ],
  [
    'EAPOL-Start and -Logoff while HELD',
    [begin, identify, reject],
    (bench) => [...start(bench), ...logoff(bench)],
    [],
    [],
  ],
  ['quietWhile is over', [begin, identify, reject], pass(60_000), AGAIN, ENTERS],
  ['an answer that nobody waits for', login, accept, [], []],
];

describe('a counter counts at the transition that defines it', () => {
  it.each(ROWS)('%s', (_, before, event, through, counted) => {
    const bench = new MachineBench();
    for (const step of before) step(bench);
    const actions = event(bench);
    expect(states(actions)).toEqual(through);
    expect(counters(actions).sort()).toEqual([...counted].sort());
  });

  it('and there is no other counter', () => {
    const defined = new Set(ROWS.flatMap(([, , , , counted]) => counted));
    expect([...defined].sort()).toEqual(Object.keys(PAE_COUNTERS).sort());
  });
});
