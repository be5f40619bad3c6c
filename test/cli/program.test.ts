import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands, runCommand } from '../../cli/program.ts';
import { ControlSocket } from '../../daemon/control-socket.ts';

let folder = '';
let valid = '';
let control: ControlSocket;
const ROWS = [{ port: 'swp1', up: true, mode: 'auto', hosts: 1, drops: {} }];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), `cgt-${process.pid}-cli-`));
  writeFileSync(join(folder, 'secret'), 'a-secret-of-24-octets-ok', { mode: 0o600 });
  valid = join(folder, 'valid.yaml');
  writeFileSync(
    valid,
    `bridge: br0
ports: { swp1: {} }
uplinks: [swp49]
nas: { identifier: sw1 }
control_socket: ${folder}/control.sock
radius: { servers: [{ name: r1, address: 192.0.2.10, secret_file: secret }] }
`,
  );
  control = new ControlSocket(join(folder, 'control.sock'), { ports: () => ROWS, sessions: () => 'no list' });
  expect(await control.listen()).toBeUndefined();
});

afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

async function castgate(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runCommand(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

describe('usage', () => {
  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await castgate('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it.each([
    [['--help']],
    [['help', 'run']],
    ...commands({ output: { out: () => {}, err: () => {} }, done: () => {} }).commands.map((command) => [
      [command.name(), '--help'],
    ]),
  ])('%j explains itself with an example, in lines that fit', async (argv) => {
    const { code, out, err } = await castgate(...argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Example');
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it.each([
    [[], 'Usage: castgate'],
    [['shw'], 'Did you mean show?'],
    [['show'], "missing required argument 'what'"],
    [['show', 'sesions'], 'did you mean sessions?'],
    [['show', 'ports', '--jsn'], 'Did you mean --json?'],
    [['run'], "required option '-c, --config <file>' not specified"],
    [['check'], "missing required argument 'file'"],
    [['check', 'a', 'b'], 'too many arguments'],
    [['replay', 'x.pcap'], "required option '-c, --config <file>'"],
  ])('%j is wrong usage: exit 2', async (argv, words) => {
    const { code, out, err } = await castgate(...argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(words);
  });
});

describe('check', () => {
  it('says what is in a valid file', async () => {
    expect(await castgate('check', valid)).toEqual({
      code: 0,
      out: `${valid}: valid (bridge br0, 1 subscriber port, 1 uplink, 1 RADIUS server)\n`,
      err: '',
    });
  });

  it('warns and still finds it valid', async () => {
    const path = join(folder, 'warned.yaml');
    writeFileSync(path, readFileSync(valid, 'utf8').replace('uplinks: [swp49]\n', ''));
    const { code, err } = await castgate('check', path);
    expect(code).toBe(0);
    expect(err).toMatch(/^warning: .*warned\.yaml:1:1: uplinks: no uplink/);
  });

  it('gives each error a line, then their number: exit 2', async () => {
    const path = join(folder, 'wrong.yaml');
    writeFileSync(path, readFileSync(valid, 'utf8').replace('bridge:', 'brige:'));
    expect(await castgate('check', path)).toEqual({
      code: 2,
      out: '',
      err: `error: ${path}:1:1: bridge: required key is missing (the Linux bridge that all ports belong to)
error: ${path}:1:1: brige: unknown key (did you mean bridge?)
castgate: ${path}: 2 errors, nothing was done
`,
    });
    expect((await castgate('run', '--config', path)).code).toBe(2);
    expect((await castgate('check', join(folder, 'none.yaml'))).code).toBe(2);
  });
});

describe('show', () => {
  it('prints a table, or JSON, from the socket that is named or configured', async () => {
    const socket = join(folder, 'control.sock');
    const { code, out } = await castgate('show', 'ports', '--socket', socket);
    expect(code).toBe(0);
    expect(out).toMatch(/^PORT +LINK.*\nswp1 +up +auto/);
    expect(await castgate('show', 'ports', '--json', '--config', valid)).toEqual({
      code: 0,
      out: `${JSON.stringify(ROWS)}\n`,
      err: '',
    });
  });

  it('prints what the kernel refused below the ports, and as JSON by itself', async () => {
    const socket = join(folder, 'refusing.sock');
    const refused = [
      { what: 'senders', packets: 2, octets: 120 },
      { what: 'pim', packets: 0, octets: 0 },
    ];
    const daemon = new ControlSocket(socket, { ports: () => ROWS, refusals: () => refused });
    expect(await daemon.listen()).toBeUndefined();
    try {
      const { out } = await castgate('show', 'ports', '--socket', socket);
      expect(out.split('\n').slice(-5)).toEqual([
        '',
        'refused by the kernel:',
        'WHAT     PACKETS  OCTETS',
        'senders        2     120',
        '',
      ]);
      expect(JSON.parse((await castgate('show', 'ports', '--json', '--socket', socket)).out)).toEqual(ROWS);
      expect(JSON.parse((await castgate('show', 'refusals', '--json', '--socket', socket)).out)).toEqual(
        refused,
      );
      refused[0] = { what: 'senders', packets: 0, octets: 0 };
      expect((await castgate('show', 'ports', '--socket', socket)).out).not.toContain('kernel');
    } finally {
      await daemon.close();
    }
  });

  it('needs no secret to find the socket', async () => {
    const path = join(folder, 'no-secret.yaml');
    writeFileSync(path, readFileSync(valid, 'utf8').replace('secret_file: secret', 'secret_file: none'));
    expect((await castgate('show', 'ports', '--config', path)).code).toBe(0);
    expect((await castgate('check', path)).code).toBe(2);
    // Nor the key of two nodes, the page's token and the certificates of TLS.
    const pair = {
      ha: { node: 'a', address: '127.0.0.2', peer: '127.0.0.3', key_file: 'none', vrrp_instance: 'v' },
      http: { token_file: 'none' },
    };
    const more = join(folder, 'no-secrets.yaml');
    const text = readFileSync(path, 'utf8');
    const tls = 'tls: { ca_file: none, certificate_file: none, key_file: none }, transport: tls';
    const keys = Object.entries(pair).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    writeFileSync(more, `${text.replace('secret_file: none', tls)}\n${keys.join('')}`);
    expect(await castgate('show', 'ports', '--config', more)).toMatchObject({ code: 0, err: '' });
  });

  it.each([
    [
      'a socket with nobody behind it',
      ['ports', '--socket', '/nonexistent/control.sock'],
      'nobody answers on',
    ],
    ['a verb that the daemon does not have', ['radius'], "unknown verb 'radius'"],
    ['an answer that is no list', ['sessions'], 'is it of another version?'],
  ])('%s: one line and exit 1', async (_, argv, words) => {
    const socket = argv.includes('--socket') ? [] : ['--socket', join(folder, 'control.sock')];
    const { code, out, err } = await castgate('show', ...argv, ...socket);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(words);
    expect(err.split('\n')).toHaveLength(2);
  });

  it('refuses a configuration that is wrong: exit 2', async () => {
    expect((await castgate('show', 'ports', '--config', join(folder, 'none.yaml'))).code).toBe(2);
  });
});
