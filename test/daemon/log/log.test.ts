import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { type LogLevel, type OpenLogger, openLog, silentLog } from '../../../daemon/log/log.ts';
import { LogOutput } from '../../../daemon/log/log-output.ts';

function collect(level: LogLevel): { log: OpenLogger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { log: openLog(level, (line) => lines.push(JSON.parse(line))), lines };
}

describe('the log', () => {
  it('writes one JSON object a line, with level, time and event', () => {
    const { log, lines } = collect('debug');
    log.info('session-start', { port: 'swp1', account: 'alice\n' });
    log.warn('radius-silent');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        event: 'session-start',
        port: 'swp1',
        account: 'alice\n',
      },
      { level: 'warn', time: expect.any(String), event: 'radius-silent' },
    ]);
  });

  it('says only what is at least the level, and an unwanted level is one shared empty function', () => {
    const { log, lines } = collect('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map((line) => line['event'])).toEqual(['c', 'd']);
    expect(log.debug).toBe(silentLog.debug);
    expect(log.info).toBe(silentLog.info);
  });

  it('lets the level of one part be changed while it runs', () => {
    const { log, lines } = collect('info');
    const channels = log.facility?.('channels') ?? silentLog;
    channels.debug('a');
    log.setLevel('channels', 'debug');
    channels.debug('b');
    log.debug('c');
    log.setLevel('channels', 'error');
    channels.warn('d');
    log.warn('e');
    expect(lines.map((line) => line['event'])).toEqual(['b', 'e']);
    expect(log.levels).toMatchObject({ channels: 'error', daemon: 'info' });
  });

  it('tells port, VLAN and MAC address of a host apart', () => {
    const { log, lines } = collect('info');
    log.info('x', { host: 'swp1/7/02:00:00:00:00:01' });
    log.info('y', { host: 'something else' });
    expect(lines).toMatchObject([{ port: 'swp1', vlan: 7, mac: '02:00:00:00:00:01' }, { event: 'y' }]);
    expect(lines[1]).not.toHaveProperty('port');
  });

  it('hides secrets, also some levels down', () => {
    const { log, lines } = collect('info');
    log.info('x', {
      secret: 'hunter2',
      server: { secret: 'hunter2' },
      servers: [{ secret: 'hunter2' }],
      password: 'hunter2',
      of: [{ which: { is: [{ userPassword: Uint8Array.of(0x68), sharedSecret: 'hunter2' }] } }],
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(lines[0]).toMatchObject({ secret: '[hidden]', server: { secret: '[hidden]' } });
  });

  it('writes octets as hex and errors with their trace, and leaves the fields as they were', () => {
    const { log, lines } = collect('info');
    const fields = { octets: Uint8Array.of(1, 0xab), cause: new Error('broken') };
    log.info('x', fields);
    expect(lines[0]).toMatchObject({ octets: '01ab', cause: { name: 'Error', message: 'broken' } });
    expect(fields.octets).toBeInstanceOf(Uint8Array);
  });

  it('ends at a record that holds itself', () => {
    const { log, lines } = collect('info');
    const loop: Record<string, unknown> = { name: 'loop' };
    loop['self'] = loop;
    log.info('x', loop);
    expect(lines[0]).toMatchObject({ name: 'loop' });
  });

  it('writes to a stream', async () => {
    const { stream, text } = reader();
    const log = openLog('info', stream);
    for (let n = 0; n < 1000; n++) log.info('line', { n });
    await log.close();
    const lines = text().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  it('makes lines later, with the time at which they were said', async () => {
    const { stream, text } = reader();
    const log = openLog('info', stream);
    const before = Date.now();
    log.info('said');
    const after = Date.now();
    expect(text()).toBe('');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const time = Date.parse(JSON.parse(text()).time);
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThanOrEqual(after);
    await log.close();
  });

  it('lets the process end when its reader has gone', async () => {
    expect(await runScript((child) => child.stdout?.destroy())).toBe('code 0');
  });

  it('lets the process go on and end when its reader has stopped to read', async () => {
    expect(await runScript((child) => child.stdout?.pause())).toBe('code 0');
  });

  it('tells what was said just before the process breaks down', async () => {
    let text = '';
    const ended = await runScript((child) => {
      child.stdout?.on('data', (data) => {
        text += data;
      });
    }, `output.write('one\\n'); output.later(() => output.write('two\\n')); throw new Error('a bug')`);
    expect(ended).toBe('code 1');
    expect(text).toBe('one\ntwo\n');
  });
});

describe('a full backlog', () => {
  it('drops lines, counts them, and says so when it can', async () => {
    const { stream, text, release } = reader({ held: true });
    const output = new LogOutput(stream, 20);
    output.write('first\n');
    for (let n = 0; n < 10; n++) output.write('seven7\n');
    release();
    await output.close();
    output.write('after\n');
    await output.close();
    const [first, second, third, lost, after] = text().split('\n');
    expect([first, second, third, after]).toEqual(['first', 'seven7', 'seven7', 'after']);
    expect(JSON.parse(lost ?? '')).toMatchObject({ level: 'warn', event: 'log-lines-dropped', lines: 8 });
  });

  it('is forgotten when the stream fails', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
    const output = new LogOutput(stream);
    output.write('lost\n');
    await output.close();
    output.write('lost\n');
    await output.close();
    expect(stream.destroyed).toBe(true);
  });
});

/** A stream that keeps what it is given; a held one takes nothing before its release. */
function reader({ held = false } = {}): { stream: Writable; text: () => string; release: () => void } {
  let text = '';
  let waiting: (() => void) | undefined;
  let open = !held;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const take = () => {
        text += chunk.toString('utf8');
        done();
      };
      if (open) take();
      else waiting = take;
    },
  });
  const release = () => {
    open = true;
    waiting?.();
  };
  return { stream, text: () => text, release };
}

/** Runs LogOutput in a process of its own, by default with 2 MB to say; `reader` is what its reader does. */
function runScript(reader: (child: ChildProcess) => void, say = TWO_MEGABYTES): Promise<string> {
  const source = stripTypes(
    readFileSync(new URL('../../../daemon/log/log-output.ts', import.meta.url), 'utf8'),
  );
  const script = `${source}
    const output = new LogOutput(process.stdout);
    ${say}`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    reader(child);
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(signal ?? `code ${code}`);
    });
  });
}

function stripTypes(text: string): string {
  return ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  }).outputText;
}

const TWO_MEGABYTES = `
  for (let n = 0; n < 20000; n++) output.write('x'.repeat(100) + '\\n');
  setTimeout(() => output.close(200).then(() => process.exit(0)), 50);`;
