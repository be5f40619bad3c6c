import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askDaemon } from '../../cli/control-client.ts';
import { ControlSocket, type ControlSocketOptions } from '../../daemon/control-socket.ts';
import { openLog } from '../../daemon/log/log.ts';

let folder = '';
let path = '';
const open: { close(): Promise<void> }[] = [];
const logged: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `cgt-${process.pid}-ctl-`));
  path = join(folder, 'run', 'control.sock');
  logged.length = 0;
});

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

const HANDLERS = {
  sessions: () => [{ port: 'swp1' }],
  slow: () => new Promise((resolve) => setTimeout(() => resolve('late'), 50)),
  never: () => new Promise(() => {}),
  echo: (params: object) => params,
  broken: () => {
    throw new Error('a bug with a secret in it');
  },
  rejected: () => Promise.reject(new Error('another bug')),
  refusing: () => ({ refused: 'not today' }),
  circular: () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    return loop;
  },
  nothing: () => undefined,
  large: () => 'x'.repeat(3_000_000),
  many: () => Array.from({ length: 1000 }, (_, n) => ({ n, text: 'x'.repeat(3000) })),
};

async function listening(options: ControlSocketOptions = {}): Promise<ControlSocket> {
  const socket = new ControlSocket(path, HANDLERS, {
    log: openLog('info', (line) => logged.push(line)),
    ...options,
  });
  expect(await socket.listen()).toBeUndefined();
  open.push(socket);
  return socket;
}

/** Sends octets and gives everything that comes back until the other end closes, or until `lines` lines. */
function exchange(octets: string | Uint8Array, lines = Number.POSITIVE_INFINITY): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(path);
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      if (text.split('\n').length > lines) end();
    });
    socket.on('error', () => {});
    socket.once('close', end);
    socket.write(octets);
    if (lines === Number.POSITIVE_INFINITY) socket.end();
  });
}

describe('the control socket', () => {
  it('answers the client', async () => {
    await listening();
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
    expect(await askDaemon(path, 'echo', { port: 'swp2' })).toEqual({ result: { port: 'swp2' } });
    expect(await askDaemon(path, 'slow')).toEqual({ result: 'late' });
    expect(await askDaemon(path, 'nothing')).toEqual({ result: null });
    expect(await askDaemon(path, 'large')).toEqual({ result: 'x'.repeat(3_000_000) });
  });

  it('answers with many rows a part at a time, and answers others meanwhile', async () => {
    await listening();
    const answers: string[] = [];
    const many = askDaemon(path, 'many').then((answer) => {
      answers.push('many');
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await askDaemon(path, 'sessions').then(() => answers.push('sessions'));
    const answer = await many;
    expect('result' in answer && answer.result).toEqual(HANDLERS.many());
    expect(answers).toEqual(['sessions', 'many']);
    // Who asks twice on one connection is answered in order.
    const [first, second] = (await exchange('{"verb":"many"}\n{"verb":"sessions"}\n', 2)).split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ ok: true, result: { length: 1000 } });
    expect(JSON.parse(second ?? '')).toEqual({ ok: true, result: [{ port: 'swp1' }] });
  });

  it('writes no more of many rows to who has gone', async () => {
    await listening();
    const socket = connect(path);
    socket.write('{"verb":"many"}\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
    expect(logged).toEqual([]);
  });

  it('is open to its owner alone, from the first moment', async () => {
    const before = process.umask(0);
    try {
      await listening();
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(before);
    }
  });

  it('answers requests of one connection in order, in pieces or many at once', async () => {
    await listening();
    const requests = '{"verb":"slow"}\n\n{"verb":"echo","params":{"n":1}}\n{"verb":"sessions"}\n';
    const answers =
      '{"ok":true,"result":"late"}\n{"ok":true,"result":{"n":1}}\n{"ok":true,"result":[{"port":"swp1"}]}\n';
    expect(await exchange(requests)).toBe(answers);
    const inPieces = new Promise<string>((resolve) => {
      const socket = connect(path);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('utf8');
      });
      socket.once('close', () => resolve(text));
      for (const [i, letter] of [...requests].entries()) setTimeout(() => socket.write(letter), i);
      setTimeout(() => socket.end(), requests.length + 20);
    });
    expect(await inPieces).toBe(answers);
  });

  it.each([
    ['no JSON', 'hello\n', 'a request is one line of JSON'],
    ['a list', '[]\n', 'a request is an object with a verb'],
    ['no verb', '{}\n', 'a request is an object with a verb'],
    ['params that are a list', '{"verb":"echo","params":[]}\n', 'params is an object'],
    ['an unknown verb', '{"verb":"reboot"}\n', "unknown verb 'reboot' (there are: sessions, "],
    ['a verb of the prototype', '{"verb":"constructor"}\n', "unknown verb 'constructor'"],
    ['a refusal', '{"verb":"refusing"}\n', 'not today'],
    ['a handler that throws', '{"verb":"broken"}\n', 'internal error: see the log'],
    ['a handler that rejects', '{"verb":"rejected"}\n', 'internal error: see the log'],
    ['an answer that is no JSON', '{"verb":"circular"}\n', 'internal error: see the log'],
  ])('answers %s with an error and goes on', async (_, request, words) => {
    await listening();
    const [first, second] = (await exchange(`${request}{"verb":"sessions"}\n`)).split('\n');
    expect(JSON.parse(first ?? '')).toEqual({ ok: false, error: expect.stringContaining(words) });
    expect(second).toBe('{"ok":true,"result":[{"port":"swp1"}]}');
    const bug = words.startsWith('internal');
    expect(logged.filter((line) => line.includes('control-request-failed'))).toHaveLength(bug ? 1 : 0);
  });

  it('ends a connection with a request that is too long, ended by a line end or not', async () => {
    await listening({ maxRequestOctets: 1000 });
    const error = '{"ok":false,"error":"a request has at most 1000 octets"}\n';
    expect(await exchange('x'.repeat(1001), 1)).toBe(error);
    expect(await exchange(`${'x'.repeat(1001)}\n{"verb":"sessions"}\n`)).toBe(error);
    expect(await exchange(`{"verb":"echo","params":{"x":"${'y'.repeat(960)}"}}\n`)).toContain('yyy');
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
  });

  it('takes so many connections and no more, and lets the next in when one has gone', async () => {
    await listening({ maxConnections: 2 });
    const held = [connect(path), connect(path)];
    await Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(await askDaemon(path, 'sessions')).toEqual({
      failed: expect.stringContaining('too many connections (2)'),
    });
    held[0]?.destroy();
    await expect.poll(() => askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
    held[1]?.destroy();
  });

  it('closes a connection that says nothing', async () => {
    await listening({ idleMs: 30 });
    const socket = connect(path);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.destroyed).toBe(true);
  });

  it('ends waiting connections when it closes, and leaves no socket behind', async () => {
    const control = await listening();
    const waiting = askDaemon(path, 'never');
    await askDaemon(path, 'sessions');
    await control.close();
    expect(await waiting).toEqual({
      failed: expect.stringContaining('closed the connection without an answer'),
    });
    expect(existsSync(path)).toBe(false);
    await control.close();
  });

  it('takes any octets', async () => {
    await listening();
    const request = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(`${text}\n`)),
    );
    await fc.assert(
      fc.asyncProperty(request, async (octets) => {
        for (const line of (await exchange(octets)).split('\n').slice(0, -1)) {
          expect(JSON.parse(line)).toEqual({ ok: false, error: expect.any(String) });
        }
      }),
      { numRuns: 100 },
    );
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
  });
});

describe('a path that is not free', () => {
  it('is refused where a daemon answers, which goes on', async () => {
    await listening();
    const second = new ControlSocket(path, {});
    expect(await second.listen()).toEqual({ refused: expect.stringContaining('another castgate answers') });
    await second.close();
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
  });

  it('is taken over from a dead daemon', async () => {
    const first = await listening();
    await first.close();
    // What a killed process leaves: a socket file with nobody behind it.
    const { execFileSync } = await import('node:child_process');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(() => execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' })).toThrow();
    expect(statSync(path).isSocket()).toBe(true);
    expect(await askDaemon(path, 'sessions')).toEqual({ failed: expect.stringContaining('nobody answers') });
    await listening();
    expect(await askDaemon(path, 'sessions')).toEqual({ result: [{ port: 'swp1' }] });
  });

  it('is refused where it is a file, which stays', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    const control = new ControlSocket(file, {});
    expect(await control.listen()).toEqual({ refused: expect.stringContaining('is no socket') });
    expect(statSync(file).size).toBe(8);
  });

  it('is refused where its folder cannot be made, or the path is too long', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(await new ControlSocket(join(file, 'x.sock'), {}).listen()).toEqual({
      refused: expect.stringContaining('cannot make the folder'),
    });
    expect(await new ControlSocket(join(folder, 'x'.repeat(120)), {}).listen()).toHaveProperty('refused');
  });
});

describe('the client without an answer', () => {
  const serve = async (answer: (socket: Socket) => void) => {
    path = join(folder, 'other.sock');
    const connections = new Set<Socket>();
    const server = createServer((socket) => {
      connections.add(socket);
      socket.on('error', () => {});
      answer(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    open.push({
      close: () => {
        for (const socket of connections) socket.destroy();
        return new Promise((resolve) => server.close(() => resolve()));
      },
    });
  };

  it('says that nobody is there', async () => {
    expect(await askDaemon(join(folder, 'none.sock'), 'sessions')).toEqual({
      failed: expect.stringMatching(/nobody answers on .*none\.sock: start the daemon with 'castgate run/),
    });
  });

  it('says that the daemon is silent', async () => {
    await listening();
    expect(await askDaemon(path, 'never', {}, 50)).toEqual({
      failed: expect.stringContaining('within 0.05 s'),
    });
  });

  it.each([
    ['text', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a number', '5\n'],
    ['an object without ok', '{}\n'],
    ['ok without a result', '{"ok":true}\n'],
  ])('says that %s is not castgate', async (_, text) => {
    await serve((socket) => socket.write(text));
    expect(await askDaemon(path, 'sessions')).toEqual({ failed: expect.stringContaining('is no castgate') });
  });

  it('says that the connection was closed', async () => {
    await serve((socket) => socket.end('{"ok":'));
    expect(await askDaemon(path, 'sessions')).toEqual({
      failed: expect.stringMatching(/closed the connection|cannot ask/),
    });
  });

  it.skipIf(process.getuid?.() === 0)(
    'says that it may not (as root everything is allowed: skipped)',
    async () => {
      await listening();
      const { chmodSync } = await import('node:fs');
      chmodSync(path, 0);
      expect(await askDaemon(path, 'sessions')).toEqual({ failed: expect.stringContaining('no permission') });
    },
  );
});
