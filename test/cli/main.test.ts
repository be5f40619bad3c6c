/** The built program as people run it. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const CAPTURE = fileURLToPath(
  new URL('../../../shared/captures/recorded/peap-success-radius.pcap', import.meta.url),
);
const BUILT = existsSync(MAIN);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs it; `listen` false closes its standard output before it says anything. */
function castgate(argv: readonly string[], listen = true): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    let out = '';
    let err = '';
    if (listen)
      child.stdout.on('data', (chunk) => {
        out += chunk;
      });
    else child.stdout.destroy();
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
}

describe.skipIf(!BUILT)(`dist/cli/main.js${BUILT ? '' : ' (not built: npm run build)'}`, () => {
  it('is a program for the shell', () => {
    expect(readFileSync(MAIN, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it('ends with the exit codes of its help', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await castgate(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
    expect((await castgate(['shw'])).code).toBe(2);
    expect((await castgate(['check', '/nonexistent.yaml'])).code).toBe(2);
    expect((await castgate(['show', 'ports', '--socket', '/nonexistent.sock'])).code).toBe(1);
  });

  it('says what is expected without a stack trace', async () => {
    for (const argv of [
      ['check', '/'],
      ['show', 'ports', '--socket', '/'],
      ['decode', '/nonexistent.pcap'],
    ]) {
      const { code, err } = await castgate(argv);
      expect(code).toBeGreaterThan(0);
      expect(err).not.toMatch(/\n\s+at /);
    }
  });

  it('takes a reader that goes for an end', async () => {
    expect(await castgate(['--help'], false)).toMatchObject({ code: 0, err: '' });
  });

  it.skipIf(!existsSync(CAPTURE))(
    'decodes to its end, or to that of its reader (recorded captures needed)',
    async () => {
      const { code, out } = await castgate(['decode', CAPTURE, '--json']);
      expect(code).toBe(0);
      expect(out.trimEnd().split('\n')).toHaveLength(30);
      expect((await castgate(['decode', CAPTURE, '--json'], false)).code).toBe(0);
    },
  );
});
