import { describe, expect, it, vi } from 'vitest';
import { EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import {
  AttributeType,
  address,
  integer,
  splitEapMessage,
  text,
  vendorSpecific,
} from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { Vendor } from '../../../radius/values.ts';
import {
  type CookedFrame,
  cookedV2,
  eapEnd,
  identityResponse,
  loginQuestion,
  Recording,
  SWITCH,
  who,
} from '../recording.ts';
import {
  CONFIG,
  group,
  HOST,
  join,
  leave,
  login,
  NEWS,
  notes,
  OTHER,
  replay,
  SUCCESS,
  useScratch,
  words,
} from './rig.ts';

/** A replay that opened a socket or started a program would fail here. */
vi.mock('node:dgram', () => ({ createSocket: refuse }));
vi.mock('node:net', () => ({
  createConnection: refuse,
  connect: refuse,
  createServer: refuse,
  Socket: refuse,
}));
vi.mock('node:child_process', () => ({ spawn: refuse, spawnSync: refuse, exec: refuse, execFile: refuse }));

function refuse(): never {
  throw new Error('a replay touches nothing');
}

useScratch();

describe('logins', () => {
  it('gets the recorded answer after the recorded time', async () => {
    const lines = await replay(login(new Recording(), 100, HOST, 'alice').ethernet());
    expect(lines).toEqual([
      {
        time: '0.015000000',
        frame: 4,
        decision: 'session-started',
        port: 'swp1',
        vlan: 0,
        mac: HOST,
        account: 'alice',
        method: 'dot1x',
        server: 'lab',
        session: expect.stringMatching(/^[0-9A-F]{16}$/),
      },
    ]);
  });

  it('is refused by a reject, and by an Accept that asks for what there is not', async () => {
    const response = identityResponse(1, 'alice');
    const question = loginQuestion('alice', HOST, response);
    const rejected = new Recording()
      .start(0, HOST)
      .eap(10, HOST, response)
      .radius(11, question, RadiusCode.AccessReject, [eapEnd(EapCode.Failure, 1)]);
    expect(words(await replay(rejected.ethernet()))).toEqual(['login-refused alice radius-reject']);
    const vlan = [
      SUCCESS(1),
      integer(AttributeType.TunnelType, 13),
      text(AttributeType.TunnelPrivateGroupId, '42'),
    ];
    const tunnelled = new Recording()
      .start(0, HOST)
      .eap(10, HOST, response)
      .radius(11, question, RadiusCode.AccessAccept, vlan);
    expect(words(await replay(tunnelled.ethernet()))).toEqual(['login-refused alice accept-tunnel']);
  });

  it('waits in vain where the recorded server was silent, and says what it asked', async () => {
    const response = identityResponse(1, 'alice');
    const silent = new Recording()
      .start(0, HOST)
      .eap(10, HOST, response)
      .radius(11, loginQuestion('alice', HOST, response), undefined);
    const lines = await replay(silent.ethernet());
    expect(words(lines)).toEqual([
      'question-unanswered alice not-recorded',
      'radius-server',
      'login-refused alice radius-timeout',
    ]);
    expect(lines.map(({ frame }) => frame)).toEqual([2, null, null]);
  });

  it('answers each step of two logins of one account with its own exchange', async () => {
    const recording = new Recording();
    for (const [at, seed] of [
      [0, 1],
      [5_000, 2],
    ] as const) {
      const identity = identityResponse(9, 'alice');
      const challenge = encodeEap({
        code: EapCode.Request,
        id: 40 + seed,
        type: EapType.Md5Challenge,
        typeData: Uint8Array.of(1, seed),
      });
      const answer = encodeEap({
        code: EapCode.Response,
        id: 40 + seed,
        type: EapType.Md5Challenge,
        typeData: Uint8Array.of(1, 100 + seed),
      });
      recording
        .start(at, HOST)
        .eap(at + 10, HOST, identity)
        .radius(
          at + 11,
          loginQuestion('alice', HOST, identity),
          RadiusCode.AccessChallenge,
          splitEapMessage(challenge),
        )
        .eap(at + 20, HOST, answer)
        .radius(at + 21, loginQuestion('alice', HOST, answer), RadiusCode.AccessAccept, [SUCCESS(40 + seed)])
        .eapol(at + 1_000, HOST, EapolType.Logoff);
    }
    expect(words(await replay(recording.ethernet()))).toEqual([
      'session-started alice',
      'session-ended alice logoff',
      'session-started alice',
      'session-ended alice logoff',
    ]);
  });

  it('takes the verdict from the recorded switch where there is no RADIUS at all', async () => {
    const failure = new Recording()
      .start(0, HOST)
      .eap(5, SWITCH, encodeEap({ code: EapCode.Request, id: 3, type: EapType.Identity }))
      .eap(10, HOST, identityResponse(3, 'alice'))
      .eap(15, SWITCH, encodeEap({ code: EapCode.Failure, id: 3 }));
    const lines = await replay(failure.ethernet());
    expect(words(lines)).toEqual(['login-refused alice radius-reject']);
    expect(notes(lines)).toHaveLength(1);
    expect(lines.at(-1)).toMatchObject({ frame: 4, time: '0.015000000' });
  });

  it('asks again where the recorded switch did', async () => {
    const recording = login(new Recording(), 0, HOST, 'alice');
    const again = identityResponse(91, 'alice');
    recording
      .eap(3_000, SWITCH, encodeEap({ code: EapCode.Request, id: 91, type: EapType.Identity }))
      .eap(3_010, HOST, again)
      .radius(3_011, loginQuestion('alice', HOST, again), RadiusCode.AccessAccept, [SUCCESS(91)]);
    const lines = await replay(recording.ethernet());
    expect(words(lines)).toEqual(['session-started alice', 'session-renewed alice']);
    expect(notes(lines)[0]).toMatch(/^frame 6 answers a request of the recorded switch's own/);
  });

  it('drops what nobody asked for, with the reason', async () => {
    const recording = login(new Recording(), 0, HOST, 'alice')
      .eap(
        2_000,
        HOST,
        encodeEap({ code: EapCode.Response, id: 5, type: EapType.Md5Challenge, typeData: Uint8Array.of(0) }),
      )
      .eapol(2_001, HOST, EapolType.Key)
      .eapol(2_002, HOST, 99)
      .eap(2_003, HOST, encodeEap({ code: EapCode.Success, id: 5 }))
      .raw(2_004, new Uint8Array(9));
    const lines = await replay(recording.ethernet());
    expect(lines.slice(1).map(({ frame, decision, reason }) => [frame, decision, reason])).toEqual([
      [5, 'frame-dropped', 'eap-stale'],
      [6, 'frame-dropped', 'eapol-type-not-supported'],
      [7, 'frame-dropped', 'eapol-unknown-type'],
      [8, 'frame-dropped', 'eap-not-a-response'],
      [9, 'frame-dropped', 'ethernet-short-header'],
    ]);
  });
});

describe('joins', () => {
  const alice = () => login(new Recording(), 0, HOST, 'alice');

  it.each([
    ['h3c', group(NEWS)],
    ['huawei', vendorSpecific(Vendor.Huawei, 98, Uint8Array.of(239, 1, 1, 1))],
    ['Framed-IP-Address', address(AttributeType.FramedIpAddress, NEWS)],
    ['a vendor of its own', vendorSpecific(32473, 1, Uint8Array.of(239, 1, 1, 1))],
  ])('finds the recorded answer in whichever encoding: %s', async (_name, attribute) => {
    const recording = alice()
      .report(1_000, HOST, [join(NEWS)])
      .radius(1_001, [...who('alice', HOST), attribute], RadiusCode.AccessAccept, [], 30);
    for (const encoding of ['h3c', 'huawei']) {
      const lines = await replay(
        recording.ethernet(),
        CONFIG.replace('groups: {', `groups: {encoding: ${encoding}, `),
      );
      expect(words(lines)).toEqual(['session-started alice', `join-granted alice ${NEWS} radius`]);
      expect(lines[1]).toMatchObject({ time: '1.030000000', frame: 7 });
    }
  });

  it('judges each record on its own, and repeats a refusal', async () => {
    const recording = alice()
      .report(1_000, HOST, [join(NEWS), join('239.1.1.2'), join('232.1.1.1')])
      .radius(1_001, [...who('alice', HOST), group(NEWS)], RadiusCode.AccessAccept)
      .radius(1_002, [...who('alice', HOST), group('239.1.1.2')], RadiusCode.AccessReject)
      .report(1_500, HOST, [join('239.1.1.2')])
      .report(2_000, HOST, [leave(NEWS)]);
    expect(words(await replay(recording.ethernet()))).toEqual([
      'session-started alice',
      'join-refused alice 232.1.1.1 ssm-needs-source',
      `join-granted alice ${NEWS} radius`,
      'join-refused alice 239.1.1.2 radius-reject',
      'join-refused alice 239.1.1.2 radius-reject',
      `channel-ended alice ${NEWS} leave`,
    ]);
  });

  it('says once that an unsigned answer would not be taken', async () => {
    const recording = alice()
      .report(1_000, HOST, [join(NEWS)])
      .radius(1_001, [...who('alice', HOST), group(NEWS)], RadiusCode.AccessAccept, [], 1, false);
    const lines = await replay(recording.ethernet());
    expect(words(lines)).toContain(`join-granted alice ${NEWS} radius`);
    expect(notes(lines)[0]).toMatch(/no Message-Authenticator/);
  });

  it('ends a membership by the clock of the capture', async () => {
    const recording = alice()
      .report(1_000, HOST, [join(NEWS)])
      .radius(1_001, [...who('alice', HOST), group(NEWS)], RadiusCode.AccessAccept, [
        integer(AttributeType.SessionTimeout, 3_000),
      ])
      .report(400_000, OTHER, [join(NEWS)]);
    const lines = await replay(recording.ethernet());
    expect(words(lines)).toEqual([
      'session-started alice',
      `join-granted alice ${NEWS} radius`,
      `channel-ended alice ${NEWS} membership-timeout`,
      `join-refused ${NEWS} no-session`,
    ]);
    // Robustness 2, queries every 125 s, 10 s to answer: 260 s after the report at 1.000 s.
    expect(lines[2]).toMatchObject({ time: '261.000000000', frame: null });
  });

  it('shortens a silence of years, and keeps the times of the capture', async () => {
    const years = 10 * 365 * 86_400_000;
    const recording = alice()
      .report(years, HOST, [join(NEWS)])
      .report(years + 1_000, OTHER, [join(NEWS)]);
    const lines = await replay(
      recording.ethernet(),
      CONFIG.replace('nas:', 'authenticator: {reauth_enabled: false}\nnas:'),
    );
    expect(notes(lines)[0]).toMatch(/more than 48 hours/);
    expect(lines.slice(1).map(({ time, decision }) => [time, decision])).toEqual([
      ['0.015000000', 'session-started'],
      [`${years / 1000}.000000000`, 'question-unanswered'],
      [expect.stringMatching(new RegExp(`^${years / 1000}\\.9`)), 'join-refused'],
      [`${years / 1000 + 1}.000000000`, 'join-refused'],
    ]);
  });

  it('does not take the recorded switch for a host, and a host that queries for the switch', async () => {
    const query = {
      kind: 'query',
      version: 2,
      group: '0.0.0.0',
      maxRespCode: 100,
      maxRespMs: 10_000,
      suppress: false,
      qrv: 0,
      qqicCode: 0,
      qqicSeconds: 0,
      sources: [],
    } as const;
    const recording = alice()
      .igmp(500, SWITCH, '10.77.0.1', '224.0.0.1', query)
      .igmp(600, SWITCH, '10.77.0.1', '224.0.0.106', { kind: 'report', version: 2, group: NEWS })
      .igmp(700, HOST, '10.77.0.11', '224.0.0.1', query);
    const lines = await replay(recording.ethernet());
    expect(lines.slice(2).map(({ decision, mac, reason }) => [decision, mac, reason])).toEqual([
      ['frame-dropped', HOST, 'query-from-subscriber'],
    ]);
    expect(lines[0]).toMatchObject({ note: expect.stringContaining(SWITCH) });
  });

  it('takes a VLAN tag off and names it', async () => {
    const tagged = login(new Recording(), 0, HOST, 'alice', 42).report(1_000, HOST, [join(NEWS)]);
    const untagged = tagged.report(1_100, HOST, [join(NEWS)], 42);
    const lines = await replay(untagged.ethernet());
    expect(lines[0]).toMatchObject({ decision: 'session-started', vlan: 42 });
    expect(lines[1]).toMatchObject({ decision: 'join-refused', vlan: 0, reason: 'other-vlan' });
    expect(lines[2]).toMatchObject({ decision: 'question-unanswered', account: 'alice', group: NEWS });
  });
});

describe('interfaces of a cooked capture', () => {
  const cooked = (recording: Recording, ifindex: number, outgoing = false): CookedFrame[] =>
    recording.frames.map(({ timeUs, data }) => ({
      at: timeUs / 1000 - 1_700_000_000_000,
      ifindex,
      outgoing,
      data,
    }));
  const inOrder = (...frames: readonly (readonly CookedFrame[])[]) =>
    cookedV2(frames.flat().sort((a, b) => a.at - b.at));

  it('become ports in their order, and a bridge above them none', async () => {
    const first = new Recording().report(100, HOST, [join(NEWS)]);
    const second = new Recording().report(200, OTHER, [join(NEWS)]);
    const bridge = new Recording().report(100.1, HOST, [join(NEWS)]).report(200.1, OTHER, [join(NEWS)]);
    const proxied = new Recording().report(300, SWITCH, [join(NEWS)]);
    const capture = inOrder(cooked(first, 7), cooked(second, 9), cooked(bridge, 3), cooked(proxied, 4, true));
    const lines = await replay(capture);
    expect(lines.slice(1).map(({ port, mac }) => [port, mac])).toEqual([
      ['swp1', HOST],
      ['swp2', OTHER],
    ]);
    expect(notes(lines)).toEqual([
      'interface 3 is left out (it repeats what other interfaces hear), 7 is swp1 (by order), 9 is swp2 (by order); --port IFINDEX=NAME says otherwise',
    ]);
  });

  it('become what --port says, and are left out where no port is left', async () => {
    const hosts = [7, 8, 9, 10].map((ifindex) =>
      cooked(
        new Recording().report(10 * ifindex, `02:00:00:00:0c:${ifindex.toString().padStart(2, '0')}`, [
          join(NEWS),
        ]),
        ifindex,
      ),
    );
    const lines = await replay(inOrder(...hosts), CONFIG, ['8=swp1', '10=swp3']);
    expect(lines.slice(1).map(({ port, mac }) => [port, mac])).toEqual([
      ['swp2', '02:00:00:00:0c:07'],
      ['swp1', '02:00:00:00:0c:08'],
      ['swp3', '02:00:00:00:0c:10'],
    ]);
    expect(notes(lines)[0]).toContain('9 is left out (no port is left for it)');
  });

  it('recorded at a host hold what the host itself sent', async () => {
    const host = new Recording().start(0, HOST).eap(10, HOST, identityResponse(3, 'alice'));
    const heard = new Recording()
      .eap(5, SWITCH, encodeEap({ code: EapCode.Request, id: 3, type: EapType.Identity }))
      .eap(15, SWITCH, encodeEap({ code: EapCode.Success, id: 3 }));
    const lines = await replay(inOrder(cooked(host, 2, true), cooked(heard, 2)));
    expect(words(lines)).toEqual(['session-started alice']);
  });
});
