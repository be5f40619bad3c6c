import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { EapolType } from '../../../eapol/eapol.ts';
import { Recording } from '../recording.ts';
import { CONFIG, folder, HOST, login, notes, replay, run, useScratch, words } from './rig.ts';

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

const FIXTURES = new URL('../../../fixtures/captures/', import.meta.url).pathname;

useScratch();

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
    const { decodeCapture } = await import('../../../cli/decode/decode.ts');
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

describe('the command', () => {
  const command = async (...argv: readonly string[]) => {
    const { runCommand } = await import('../../../cli/program.ts');
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
