/** The commands that act, follow and test, against a control socket that says what it was asked. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../cli/program.ts';
import { ControlSocket } from '../../daemon/control-socket.ts';

let folder = '';
let socket = '';
let control: ControlSocket;
let asked: [string, unknown][] = [];
let steps: object[][] = [];
const ROWS = [
  { port: 'swp1', mac: '02:00:00:00:00:01', account: 'alice', group: '239.1.1.1', state: 'granted' },
  { port: 'swp1', mac: '02:00:00:00:00:01', account: 'alice', group: '239.1.1.2', state: 'refused' },
  { port: 'swp2', mac: '02:00:00:00:00:02', account: 'bob', group: '239.1.1.1', state: 'refused' },
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), `cgt-${process.pid}-op-`));
  socket = join(folder, 'control.sock');
  const order = (verb: string) => (params: unknown) => {
    asked.push([verb, params]);
    return (params as { account?: string }).account === 'nobody'
      ? { refused: 'no host is meant by that' }
      : { done: ['swp1/0/02:00:00:00:00:01'] };
  };
  const verbs = ['reauth', 'disconnect', 'revoke', 'clear', 'port-shut', 'port-open'];
  control = new ControlSocket(socket, {
    ...Object.fromEntries(verbs.map((verb) => [verb, order(verb)])),
    groups: () => ROWS,
    test: ({ account }) =>
      account === 'alice'
        ? { permit: true, reason: null, holdsMs: 300_000, server: 'r1', tookMs: 1.25, session: 'swp1/0/m' }
        : { permit: false, reason: 'radius-reject', holdsMs: null, server: 'r1', tookMs: 2, session: null },
    trace: ({ id }) => (id === undefined ? { id: '1', events: [], lost: 0 } : { id, ...next() }),
  });
  expect(await control.listen()).toBeUndefined();
});

afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  asked = [];
  steps = [];
});

function next(): object {
  return { events: steps.shift() ?? [], lost: 0 };
}

async function castgate(
  argv: readonly string[],
  options: { stopAt?: string; isTerminal?: boolean } = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const stop = new AbortController();
  const code = await runCommand([...argv, '--socket', socket], {
    out: (text) => {
      out += text;
      if (options.stopAt !== undefined && out.includes(options.stopAt)) stop.abort();
    },
    err: (text) => {
      err += text;
    },
    stop: stop.signal,
    ...(options.isTerminal === undefined ? {} : { isTerminal: options.isTerminal }),
  });
  return { code, out, err };
}

describe('orders', () => {
  it.each([
    [
      ['reauth', '--account', 'alice'],
      ['reauth', { account: 'alice' }],
    ],
    [
      ['disconnect', '--mac', '0200.0000.0001'],
      ['disconnect', { mac: '02:00:00:00:00:01' }],
    ],
    [
      ['disconnect', '--port', 'swp1', '--account', 'alice'],
      ['disconnect', { port: 'swp1', account: 'alice' }],
    ],
    [
      ['disconnect', '--all'],
      ['disconnect', { all: true }],
    ],
    [
      ['revoke', '-a', 'alice', '-g', '239.1.1.1'],
      ['revoke', { account: 'alice', group: '239.1.1.1' }],
    ],
    [
      ['clear', '--group', 'ff3e::1'],
      ['clear', { group: 'ff3e::1' }],
    ],
    [
      ['port', 'shut', 'swp3'],
      ['port-shut', { port: 'swp3' }],
    ],
    [
      ['port', 'open', 'swp3'],
      ['port-open', { port: 'swp3' }],
    ],
  ] as const)('castgate %j', async (argv, request) => {
    expect(await castgate(argv)).toEqual({ code: 0, out: 'swp1/0/02:00:00:00:00:01\n', err: '' });
    expect(asked).toEqual([request]);
  });

  it('that mean nobody: exit 1, with the reason', async () => {
    const { code, out, err } = await castgate(['disconnect', '--account', 'nobody']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe('castgate: the daemon refused: no host is meant by that\n');
  });

  it.each([
    [['disconnect', '--mac', '02:00']],
    [['revoke', '--account', 'alice', '--group', '10.0.0.1']],
    [['port', 'close', 'swp1']],
    [['revoke', '--port', 'swp1']],
  ])('%j is wrong usage: exit 2, nothing asked', async (argv) => {
    expect((await castgate(argv)).code).toBe(2);
    expect(asked).toEqual([]);
  });
});

describe('show', () => {
  const groups = async (...argv: string[]) =>
    JSON.parse((await castgate(['show', ...argv, '--json'])).out).map(
      (row: (typeof ROWS)[number]) => `${row.account} ${row.group} ${row.state}`,
    );

  it('chooses rows', async () => {
    expect(await groups('groups', '--account', 'alice', '--group', '239.1.1.1')).toEqual([
      'alice 239.1.1.1 granted',
    ]);
    expect(await groups('groups', '--mac', '02-00-00-00-00-02')).toEqual(['bob 239.1.1.1 refused']);
    expect(await groups('groups', '--port', 'swp1')).toHaveLength(2);
    expect(await groups('grants')).toEqual(['alice 239.1.1.1 granted']);
    expect(await groups('denied')).toEqual(['alice 239.1.1.2 refused', 'bob 239.1.1.1 refused']);
    expect(await groups('denied', '--account', 'bob')).toEqual(['bob 239.1.1.1 refused']);
  });

  it('refuses a choice that says nothing about the rows', async () => {
    const { code, err } = await castgate(['show', 'radius', '--mac', '02:00:00:00:00:01']);
    expect([code, err]).toEqual([2, 'castgate: show radius has no mac: leave --mac out\n']);
  });

  it('--watch writes over the same place on a terminal until it is ended', async () => {
    const shown = await castgate(['show', 'grants', '--watch', '0.1'], {
      isTerminal: true,
      stopAt: '\x1b[J\x1b[H',
    });
    expect(shown.code).toBe(0);
    expect(shown.out.startsWith('\x1b[2J\x1b[HPORT')).toBe(true);
    expect(shown.out.match(/PORT/g)?.length).toBeGreaterThanOrEqual(2);
    const moves = ['\x1b[2J', '\x1b[H', '\x1b[K', '\x1b[J'];
    expect(moves.reduce((text, move) => text.replaceAll(move, ''), shown.out)).not.toContain('\x1b');
  });

  it('--watch goes on while there is no daemon, and says so', async () => {
    const stop = new AbortController();
    let out = '';
    const code = await runCommand(['show', 'grants', '-w', '0.1', '-s', join(folder, 'nobody.sock')], {
      out: (text) => {
        out += text;
        if (out.split('nobody answers').length > 2) stop.abort();
      },
      err: () => {},
      stop: stop.signal,
    });
    expect(code).toBe(0);
    expect(out).not.toContain('\x1b');
  });
});

describe('test', () => {
  it('prints the answer, and ends with it: 0 permitted, 1 refused', async () => {
    expect(await castgate(['test', 'account', 'alice', 'group', '239.1.1.1'])).toEqual({
      code: 0,
      out: 'permitted for 5m00s (by r1 in 1.3 ms, as session swp1/0/m)\n',
      err: '',
    });
    const refused = await castgate(['test', 'account', 'bob', 'group', '239.1.1.1']);
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/^refused: radius-reject \(by r1 in 2\.0 ms, without a session/);
  });

  it.each([
    [['test', 'alice', '239.1.1.1']],
    [['test', 'account', 'alice', 'group', '10.1.1.1']],
    [['test', 'user', 'alice', 'group', '239.1.1.1']],
  ])('%j is wrong usage', async (argv) => expect((await castgate(argv)).code).toBe(2));
});

describe('trace', () => {
  it('prints each step with what is known of it, until it is ended', async () => {
    const at = Date.UTC(2026, 0, 1, 12, 30, 15, 250);
    steps = [
      [],
      [{ at, event: 'authenticator', host: 'swp1/0/02:00:00:00:00:01', from: 'CONNECTING', to: 'HELD' }],
      [{ at, event: 'join-refused', port: 'swp1', vlan: 0, mac: 'm', reason: 'no-session', source: null }],
    ];
    const { code, out } = await castgate(['trace', '--mac', '02:00:00:00:00:01'], { stopAt: 'no-session' });
    expect(code).toBe(0);
    expect(out.split('\n').slice(0, 2)).toEqual([
      '12:30:15.250  swp1/0/02:00:00:00:00:01  authenticator     from=CONNECTING  to=HELD',
      '12:30:15.250  swp1/0/m                  join-refused      reason=no-session',
    ]);
  });

  it('leaves nothing open that it waits for when it is ended', async () => {
    const stop = new AbortController();
    const path = join(folder, 'silent.sock');
    const silent = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (chunk) => {
        // The first question begins the trace; the second one is answered by nobody.
        if (chunk.includes('"id"')) stop.abort();
        else socket.write(`${JSON.stringify({ ok: true, result: { id: '1' } })}\n`);
      });
    });
    await new Promise<void>((done) => silent.listen(path, done));
    const output = { out: () => {}, err: () => {}, stop: stop.signal };
    expect(await runCommand(['trace', '--socket', path], output)).toBe(0);
    // Resolves when no connection is left, long before the patience of a question is over.
    await new Promise<void>((done) => silent.close(() => done()));
  }, 10_000);

  it('keeps what came from the network off the terminal', async () => {
    steps = [[{ at: 0, event: 'x', account: '\x1b[2Jevil\n' }]];
    const { out } = await castgate(['trace'], { stopAt: 'evil' });
    expect(out.split('\n')[0]).toBe(
      '00:00:00.000  -                         x                 account=\\x1b[2Jevil\\x0a',
    );
  });
});
