/** The operator's commands against the daemon between real parts. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../cli/program.ts';
import { Lab } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { until } from '../../lab/processes.ts';
import { whyNoNamespaces } from './namespaces.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const reason =
  whyNoNamespaces() ?? (existsSync(builtProgram('receiver')) ? undefined : 'not built: npm run build');
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

describe.skipIf(reason !== undefined)(`an operator ${reason ?? ''}`, { timeout: 90_000 }, () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('follows a subscriber, tests a group, takes a channel, has somebody log in anew, shuts a port', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [{ account: 'alice', group: NEWS, holdsS: 600 }],
      channels: [NEWS, FILM],
    });
    closing.push(() => lab.close());
    const castgate = await lab.startCastgate({ log: { level: 'debug' } });
    closing.push(() => castgate.stop());
    const command = async (...argv: string[]) => {
      let out = '';
      let err = '';
      const code = await runCommand([...argv, '--socket', castgate.socket], {
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
      });
      return { code, out, err };
    };
    const { mac } = lab.topology.host('alice');
    const trace = spawn(process.execPath, [PROGRAM, 'trace', '--mac', mac, '--json', '-s', castgate.socket]);
    closing.push(() => void trace.kill('SIGKILL'));
    let steps = '';
    trace.stderr.on('data', (chunk) => {
      steps += chunk;
    });
    trace.stdout.on('data', (chunk) => {
      steps += chunk;
    });
    const traced = (pattern: RegExp) =>
      until(
        `${pattern} in the trace`,
        15_000,
        () => pattern.test(steps) || undefined,
        () => steps.split('\n'),
      );

    await traced(/following/);
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    await traced(/"event":"authenticator".*"to":"AUTHENTICATED"/);
    await traced(/"event":"radius-answer".*"answer":"accepts"/);
    const permitted = await command('test', 'account', 'alice', 'group', NEWS);
    expect([permitted.code, permitted.out]).toEqual([
      0,
      expect.stringContaining('permitted for 10m00s (by lab'),
    ]);
    const refused = await command('test', 'account', 'alice', 'group', FILM);
    expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('refused: radius-reject')]);
    expect(await castgate.groups()).toEqual([]);

    const player = await lab.startReceiver('alice');
    await player.ask(`join ${NEWS}`);
    await traced(/"event":"group-record".*"group":"239\.1\.1\.1"/);
    await traced(/"event":"join-granted"/);
    expect((await command('show', 'grants', '--mac', mac)).out).toContain(NEWS);
    expect(await command('revoke', '--account', 'alice', '--group', NEWS)).toMatchObject({ code: 0 });
    await traced(/"event":"channel-ended".*"cause":"permission-withdrawn"/);
    expect((await command('show', 'grants')).out).toBe('no groups\n');

    expect(await command('reauth', '--mac', mac)).toMatchObject({ code: 0 });
    await traced(/"event":"session-renewed"/);
    expect(await command('disconnect', '--account', 'alice')).toMatchObject({ code: 0 });
    await traced(/"event":"session-ended".*"cause":"admin-reset"[\s\S]*"event":"session-started"/);
    expect(await command('port', 'shut', 'swp1')).toMatchObject({ code: 0, out: 'swp1\n' });
    await traced(/"cause":"port-disabled"/);
    await until(
      'the port is down',
      10_000,
      async () => (await castgate.ports()).some(({ port, up }) => port === 'swp1' && !up) || undefined,
    );
    expect(await command('port', 'open', 'swp1')).toMatchObject({ code: 0 });
    await until(
      'the port is up',
      10_000,
      async () => (await castgate.ports()).some(({ port, up }) => port === 'swp1' && up) || undefined,
    );
    // What was logged of all that, to the last detail.
    expect((await command('log', 'channels', 'error')).out).toMatch(/^channels +error$/m);
    const logged = castgate.tail(100_000).join('\n');
    expect(logged).toContain('"event":"authenticator"');
    expect(logged).toContain('"event":"radius-answer"');
    for (const secret of ['secret-of-castgates-lab', 'alice-password']) {
      for (const form of ['utf8', 'hex', 'base64'] as const)
        expect(logged.includes(Buffer.from(secret).toString(form)), `${secret} as ${form}`).toBe(false);
    }
    const ended = new Promise((done) => trace.once('exit', done));
    trace.kill('SIGINT');
    expect(await ended).toBe(0);
  });
});
