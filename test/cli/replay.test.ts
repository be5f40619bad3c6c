import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { replayCapture } from '../../cli/replay.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType } from '../../eapol/eapol.ts';
import { RecordType } from '../../igmp/group-record.ts';
import {
  AttributeType,
  address,
  integer,
  splitEapMessage,
  text,
  vendorSpecific,
} from '../../radius/attributes.ts';
import { RadiusCode } from '../../radius/packet.ts';
import { Vendor } from '../../radius/values.ts';
import {
  type CookedFrame,
  cookedV2,
  eapEnd,
  identityResponse,
  loginQuestion,
  merged,
  Recording,
  SWITCH,
  scratch,
  who,
} from './recording.ts';

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

const FIXTURES = new URL('../../fixtures/captures/', import.meta.url).pathname;
const RECORDED = new URL('../../../shared/captures/recorded/', import.meta.url).pathname;
const HOST = '02:00:00:00:0a:01';
const OTHER = '02:00:00:00:0a:02';
const NEWS = '239.1.1.1';
const CONFIG = `
bridge: br0
ports: {swp1: {}, swp2: {}, swp3: {}}
uplinks: [up0]
nas: {identifier: test-switch}
radius: {servers: [{name: lab, address: 198.18.0.2, secret_file: none}]}
groups: {patience: 1s}
`;

let folder: ReturnType<typeof scratch>;
beforeEach(() => {
  folder = scratch();
});
afterEach(() => folder.remove());

interface Line {
  readonly time: string;
  readonly frame: number | null;
  readonly decision: string;
  readonly [field: string]: unknown;
}

async function run(
  capture: string | Uint8Array,
  config = CONFIG,
  ports: readonly string[] = [],
  json = true,
) {
  let out = '';
  let err = '';
  const path = typeof capture === 'string' ? capture : folder.file('capture.pcap', capture);
  const configFile = config.includes('\n') ? folder.file('castgate.yaml', config) : config;
  const code = await replayCapture(
    path,
    configFile,
    { json, ports },
    (said) => {
      out += said;
    },
    (said) => {
      err += said;
    },
  );
  return { code, out, err };
}

/** The decisions of a replay that goes well. */
async function replay(
  capture: string | Uint8Array,
  config?: string,
  ports?: readonly string[],
): Promise<Line[]> {
  const { code, out, err } = await run(capture, config, ports);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out === ''
    ? []
    : out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

/** Decision, account, channel and reason, in words. */
function words(lines: readonly Line[]): string[] {
  return lines
    .filter(({ decision }) => decision !== 'note')
    .map(({ decision, account, group, source, reason, cause, by }) =>
      [decision, account, group, source, reason, cause, by].filter((word) => word !== undefined).join(' '),
    );
}

function notes(lines: readonly Line[]): string[] {
  return lines.flatMap(({ decision, note }) => (decision === 'note' ? [String(note)] : []));
}

const SUCCESS = (id: number) => eapEnd(EapCode.Success, id);
const group = (at: string) => vendorSpecific(Vendor.H3c, 98, new Uint8Array(at.split('.').map(Number)));
const join = (at: string, sources: string[] = []) => ({
  type: sources.length === 0 ? RecordType.ToExclude : RecordType.Allow,
  group: at,
  sources,
  auxWords: 0,
});
const leave = (at: string) => ({ type: RecordType.ToInclude, group: at, sources: [], auxWords: 0 });

/** A login of one round: Start, identity, Accept. */
function login(recording: Recording, at: number, mac: string, name: string, vlan?: number): Recording {
  const response = identityResponse(77, name);
  return recording
    .start(at, mac, vlan)
    .eap(at + 10, mac, response, vlan)
    .radius(at + 11, loginQuestion(name, mac, response), RadiusCode.AccessAccept, [SUCCESS(77)], 5);
}

describe('the story of the lab, recorded in the switch', () => {
  const capture = `${FIXTURES}lab-switch.pcap`;
  const config = `${FIXTURES}lab.yaml`;

  it('is decided as the daemon decided it', async () => {
    const lines = await replay(capture, config);
    const logged = readFileSync(`${FIXTURES}lab-switch.log.jsonl`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ event }) => /^(session|login|join|channel)-/.test(String(event)))
      .map(({ event, level, time, session, ...fields }) => {
        const [port, vlan, mac] = String(fields['host'] ?? '').split('/');
        const { host, ...rest } = fields;
        return host === undefined
          ? { decision: event, ...rest }
          : { decision: event, port, vlan: Number(vlan), mac, ...rest };
      });
    expect(logged.length).toBeGreaterThan(12);
    const seen = new Set<string>();
    const decided = lines.flatMap(({ time, frame, session, ...fields }) => {
      // The daemon does not repeat a refusal in its log, a replay does.
      const key = JSON.stringify(fields);
      if (fields.decision === 'note' || seen.has(key)) return [];
      seen.add(key);
      return [fields];
    });
    const byHost = (list: readonly object[]) =>
      list.map((each) => JSON.stringify(each, Object.keys(each).sort())).sort();
    expect(byHost(decided)).toEqual(byHost(logged));
  });

  it('gives each host what it may have, for the reason that it has', async () => {
    const lines = await replay(capture, config);
    const of = (port: string) => words(lines.filter((line) => line['port'] === port));
    expect([...new Set(of('swp1'))]).toEqual([
      'session-started alice',
      'join-granted alice 232.1.1.1 10.77.0.1 radius',
      'join-refused alice 239.1.1.3 radius-reject',
      'join-granted alice 239.1.1.1 radius',
      'channel-ended alice 239.1.1.1 leave',
      'channel-ended alice 232.1.1.1 10.77.0.1 logoff',
      'session-ended alice logoff',
    ]);
    expect(new Set(of('swp2'))).toEqual(
      new Set([
        'session-started bob',
        'join-granted bob 239.1.1.2 radius',
        'join-refused bob 239.1.1.1 radius-reject',
        'channel-ended bob 239.1.1.2 logoff',
        'session-ended bob logoff',
      ]),
    );
    expect([...new Set(of('swp3'))]).toEqual(['join-refused 239.1.1.1 no-session']);
    expect(of('swp4')).toEqual(['login-refused mallory radius-reject']);
    expect(words(lines).filter((word) => /unanswered|dropped|refused by/.test(word))).toEqual([]);
  });

  it('says which interface is which port', async () => {
    const [note, ...others] = notes(await replay(capture, config));
    expect(others).toEqual([]);
    expect(note).toMatch(/left out \(queries come in there\)/);
    for (const port of ['swp1', 'swp2', 'swp4'])
      expect(note).toMatch(new RegExp(`\\d is ${port} \\(by recorded NAS-Port-Id\\)`));
    expect(note).toMatch(/\d is swp3 \(by order\)/);
  });

  it('names the frame behind each decision, at the time that decode prints', async () => {
    const { decodeCapture } = await import('../../cli/decode.ts');
    let decoded = '';
    await decodeCapture(
      capture,
      { json: true, secret: undefined },
      (said) => {
        decoded += said;
      },
      refuse,
    );
    const frames = decoded
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const lines = await replay(capture, config);
    for (const line of lines.filter(({ decision }) => decision !== 'note')) {
      const frame = frames[Number(line.frame) - 1];
      expect(line.time).toMatch(/^\d+\.\d{9}$/);
      if (line['by'] === 'radius' || line.decision === 'session-started') expect(frame.radius.code).toBe(2);
      if (line['reason'] === 'radius-reject' && frame.radius !== undefined) expect(frame.radius.code).toBe(3);
      if (line['reason'] === 'no-session' || line['cause'] === 'leave') {
        expect(frame.igmp.version).toBe(3);
        expect(line.time).toBe(frame.time);
      }
      if (line.decision === 'session-ended') expect(frame.eapol.type).toBe(EapolType.Logoff);
    }
  });

  it('is the same in every run, in both forms', async () => {
    for (const json of [true, false]) {
      const first = await run(capture, config, [], json);
      expect(first.out.length).toBeGreaterThan(1000);
      expect((await run(capture, config, [], json)).out).toBe(first.out);
    }
  });

  it('reads as one line a decision', async () => {
    const { out } = await run(capture, config, [], false);
    expect(out).toMatch(
      /^ +\d+ +\d+\.\d{6} {2}session-started +swp1, alice 02:ca:57:00:01:01, server lab session /m,
    );
    expect(out).toMatch(
      /^ +\d+ +\d+\.\d{6} {2}join-granted +swp1, alice 02:ca:57:00:01:01, 232\.1\.1\.1 from 10\.77\.0\.1, by radius$/m,
    );
    expect(out).toMatch(
      /^ +\d+ +\d+\.\d{6} {2}join-refused +swp3, 02:ca:57:00:01:03, 239\.1\.1\.1, no-session$/m,
    );
  });

  it('puts all hosts on the one port of --port', async () => {
    const lines = await replay(capture, config, ['swp3']);
    const ports = new Set(lines.flatMap((line) => (line['port'] === undefined ? [] : [line['port']])));
    expect(ports).toEqual(new Set(['swp3']));
    expect(words(lines)).toContain('session-started bob');
  });
});

describe('the cable of one subscriber', () => {
  const config = `${readFileSync(`${FIXTURES}lab.yaml`, 'utf8')}\ngroups: {patience: 1s}\n`;

  it('takes the verdict of what the recorded switch said, and leaves questions without an answer', async () => {
    const lines = await replay(`${FIXTURES}lab-cable.pcap`, config);
    expect(notes(lines)).toHaveLength(1);
    expect(notes(lines)[0]).toMatch(/holds no RADIUS for this login/);
    const said = words(lines);
    expect(said[0]).toBe('session-started alice');
    for (const at of ['239.1.1.1', '239.1.1.3', '232.1.1.1']) {
      expect(said).toContain(`question-unanswered alice ${at} not-recorded`);
    }
    expect(said).toContain('join-refused alice 239.1.1.1 radius-timeout');
    expect(said).toContain('join-refused alice 232.1.1.1 10.77.0.1 radius-timeout');
    expect(said).toContain('session-ended alice logoff');
    expect(said.filter((word) => word.startsWith('join-granted'))).toEqual([]);
    const timeout = lines.find((line) => line['reason'] === 'radius-timeout' && line.frame === null);
    expect(timeout).toBeDefined();
  });
});

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
    expect(lines[1]).toMatchObject({ decision: 'join-refused', vlan: 0, reason: 'no-session' });
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

describe('the command', () => {
  const command = async (...argv: readonly string[]) => {
    const { runCommand } = await import('../../cli/program.ts');
    let out = '';
    let err = '';
    const code = await runCommand(argv, {
      out: (said) => {
        out += said;
      },
      err: (said) => {
        err += said;
      },
    });
    return { code, out, err };
  };

  it('takes file, configuration, form and ports', async () => {
    const file = folder.file('capture.pcap', login(new Recording(), 0, HOST, 'alice').ethernet());
    const config = folder.file('castgate.yaml', CONFIG);
    const plain = await command('replay', file, '--config', config);
    expect(plain).toMatchObject({ code: 0, err: '' });
    expect(plain.out).toMatch(/session-started +swp1, alice/);
    const { out } = await command('replay', file, '-c', config, '--json', '-p', 'swp2');
    expect(JSON.parse(out)).toMatchObject({ decision: 'session-started', port: 'swp2' });
  });

  it('says what is missing, and what it does', async () => {
    expect(await command('replay', 'capture.pcap')).toMatchObject({ code: 2, out: '' });
    const help = await command('replay', '--help');
    expect(help.code).toBe(0);
    for (const word of ['--config', '--json', '--port', 'Exit codes']) expect(help.out).toContain(word);
    expect(Math.max(...help.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

describe('what cannot be used', () => {
  const capture = () => login(new Recording(), 0, HOST, 'alice').ethernet();

  it.each([
    ['an unknown key', CONFIG.replace('bridge:', 'brigde:'), /brigde: unknown key \(did you mean bridge\?\)/],
    ['no YAML', '{{\n', /error: .*castgate\.yaml:1:/],
    ['no such file', '/nonexistent/castgate.yaml', /no such file/],
  ])('a configuration: %s', async (_name, config, said) => {
    const { code, out, err } = await run(capture(), config);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(said);
    expect(err).toMatch(/nothing was done\n$/);
  });

  it.each([
    ['that is not there', () => '/nonexistent/capture.pcap', /no such file/],
    ['that is none', () => folder.file('text', 'no capture'), /is no pcap or pcapng file/],
    [
      'that is cut off',
      () => folder.file('cut', capture().subarray(0, 150)),
      /cut off or damaged after 2 frames/,
    ],
  ])('a capture %s', async (_name, path, said) => {
    const { code, out, err } = await run(path());
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(said);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('a port that is not configured', async () => {
    const { code, out, err } = await run(capture(), CONFIG, ['swp9']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toBe('castgate: --port swp9: no such port is configured (did you mean swp1?)\n');
    expect((await run(capture(), CONFIG, ['up0'])).code).toBe(2);
  });

  it('a capture without frames decides nothing', async () => {
    expect(await run(new Recording().ethernet())).toEqual({ code: 0, out: '', err: '' });
  });
});

describe.skipIf(!existsSync(RECORDED))(
  'captures of hostapd, wpa_supplicant and FreeRADIUS (../shared)',
  () => {
    const both = (name: string) =>
      merged({ path: `${RECORDED}${name}-eapol.pcap` }, { path: `${RECORDED}${name}-radius.pcap` });

    it.each<[string, readonly string[]]>([
      ['md5-success', ['session-started alice']],
      ['mschapv2-success', ['session-started alice']],
      ['gtc-success', ['session-started carol']],
      ['peap-success', ['session-started anonymous']],
      ['ttls-pap-success', ['session-started anonymous']],
      ['ttls-mschapv2-success', ['session-started anonymous']],
      ['tls-success', ['session-started tess']],
      ['eapol-version-3', ['session-started alice']],
      ['md5-wrong-password', ['login-refused alice radius-reject']],
      ['peap-wrong-password', ['login-refused anonymous radius-reject']],
      ['tls-expired', ['login-refused expired radius-reject']],
      ['tls-unknown-ca', ['login-refused stranger radius-reject']],
      ['unknown-user', ['login-refused no-such-user radius-reject']],
      ['method-nak-all', ['login-refused alice radius-reject']],
      ['denied', ['login-refused mallory radius-reject']],
      ['vlan-success', ['login-refused bob accept-tunnel']],
      ['reject-without-eap', ['login-refused mute radius-reject', 'frame-dropped eap-stale']],
      ['logoff-logon', ['session-started alice', 'session-ended alice logoff']],
      [
        'reauth-by-authenticator',
        ['session-started alice', 'session-renewed alice', 'session-renewed alice'],
      ],
      [
        'two-supplicants',
        [
          'session-started alice',
          'session-started anonymous',
          'session-ended alice logoff',
          'session-started alice',
        ],
      ],
      [
        'radius-server-down',
        ['question-unanswered alice not-recorded', 'radius-server', 'login-refused alice radius-timeout'],
      ],
    ])('%s', async (name, expected) => {
      expect(words(await replay(await both(name)))).toEqual(expected);
    });

    it.each<[string, readonly string[]]>([
      ['md5-success', ['session-started alice']],
      ['peap-success', ['session-started anonymous']],
      ['md5-wrong-password', ['login-refused alice radius-reject']],
    ])('%s without its RADIUS side', async (name, expected) => {
      const lines = await replay(`${RECORDED}${name}-eapol.pcap`);
      expect(words(lines)).toEqual(expected);
      expect(notes(lines)).toHaveLength(1);
    });

    it('a subscriber who is in joins two groups: the recorded policy knows one of them', async () => {
      const capture = await merged(
        { path: `${RECORDED}md5-success-eapol.pcap`, shiftMs: 0 },
        { path: `${RECORDED}igmpv3-asm.pcap`, shiftMs: 2_000, src: new Map([['02:00:00:00:0b:01', HOST]]) },
        { path: `${RECORDED}mcast-authorize-radius.pcap`, shiftMs: 2_000 },
      );
      expect(words(await replay(capture))).toEqual([
        'session-started alice',
        'join-granted alice 239.1.1.1 radius',
        'question-unanswered alice 239.1.1.2 not-recorded',
        'join-refused alice 239.1.1.2 radius-timeout',
        'channel-ended alice 239.1.1.1 leave',
      ]);
    });

    it('joins of hosts who never logged in', async () => {
      for (const [name, at] of [
        ['igmpv3-asm', '239.1.1.1'],
        ['igmpv3-asm-vlan42', '239.1.1.1'],
        ['igmpv2-join-leave', '239.1.1.1'],
        ['mldv2-asm', 'ff15::101'],
      ] as const) {
        const lines = await replay(`${RECORDED}${name}.pcap`);
        expect(words(lines)[0]).toBe(`join-refused ${at} no-session`);
        expect(words(lines).every((word) => word.endsWith('no-session'))).toBe(true);
        expect(lines[0]).toMatchObject({ vlan: name.endsWith('vlan42') ? 42 : 0 });
      }
    });
  },
);
