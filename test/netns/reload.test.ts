/** `castgate reload` and SIGHUP between real parts: what is applied, what is refused, and that nobody notices. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { runCommand } from '../../cli/program.ts';
import { ask } from '../../lab/control.ts';
import { Lab } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { until } from '../../lab/processes.ts';
import { whyNoNamespaces } from './namespaces.ts';

const reason =
  whyNoNamespaces() ?? (existsSync(builtProgram('receiver')) ? undefined : 'not built: npm run build');
const NEWS = '239.1.1.1';

describe.skipIf(reason !== undefined)(`a reload ${reason ?? ''}`, { timeout: 90_000 }, () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('is applied while a subscriber watches, or changes nothing', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [{ account: 'alice', group: NEWS, holdsS: 600 }],
      channels: [NEWS],
    });
    closing.push(() => lab.close());
    const castgate = await lab.startCastgate({});
    closing.push(() => castgate.stop());
    let socket = castgate.socket;
    const command = async (...argv: string[]) => {
      let out = '';
      let err = '';
      const code = await runCommand([...argv, '--socket', socket], {
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
      });
      return { code, out, err };
    };
    const original = readFileSync(castgate.configFile, 'utf8');
    type File = Record<string, Record<string, unknown>>;
    const write = (change: (file: File) => void) => {
      const file = parse(original) as File;
      change(file);
      writeFileSync(castgate.configFile, stringify(file));
    };

    const supplicant = await lab.startSupplicant('alice', {
      method: 'md5',
      identity: 'alice',
      password: 'alice-password',
    });
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    const session = await until('alice is in', 20_000, async () => {
      const [first] = (await castgate.sessions()).filter(({ authorized }) => authorized);
      return first;
    });
    const player = await lab.startReceiver('alice');
    await player.ask(`join ${NEWS}`);
    await until('alice receives', 20_000, async () => {
      const [group] = await castgate.groups();
      return group?.state === 'granted' ? true : undefined;
    });

    // A wrong file, and one that needs more: both say why, and change nothing.
    writeFileSync(castgate.configFile, `${original}\nno_such_key: 1\n`);
    const wrong = await command('reload');
    expect(wrong.code).toBe(1);
    expect(wrong.err).toMatch(/castgate\.yaml:\d+:\d+: no_such_key: unknown key.*nothing was changed/);
    write((file) => {
      file['uplinks'] = [] as unknown as Record<string, unknown>;
      file['log'] = { level: 'debug' };
    });
    const needsMore = await command('reload');
    expect(needsMore.err).toContain('uplinks needs another process: castgate upgrade; nothing was changed');
    expect((await command('log')).out).toMatch(/all|core|radius/);
    expect((await command('log')).out).not.toContain('debug');
    expect((await command('reload', '--check')).out).toMatch(/uplinks +upgrade/);

    // One that is live: of the log, of hosts that are heard, of RADIUS, of the control socket itself.
    const moved = join(dirname(socket), 'moved.sock');
    write((file) => {
      file['log'] = { level: 'debug' };
      file['control_socket'] = moved as unknown as Record<string, unknown>;
      file['authenticator'] = { methods: 'dot1x-mab', mab_after: '1h', reauth_period: '2h' };
      file['radius'] = { ...file['radius'], retransmit: { initial: '1s' }, max_source_ports: 8 };
    });
    const applied = await command('reload');
    expect(applied.err).toBe('');
    expect(applied.out).toMatch(/control_socket +applied/);
    expect(await ask(socket, 'ports')).toBeUndefined();
    socket = moved;
    expect((await command('log')).out).toContain('debug');

    // SIGHUP is the same.
    write((file) => {
      file['control_socket'] = moved as unknown as Record<string, unknown>;
      file['log'] = { level: 'warn' };
    });
    castgate.process?.signal('SIGHUP');
    await until('SIGHUP is obeyed', 10_000, async () =>
      (await command('log')).out.includes('warn') ? true : undefined,
    );

    // Nobody has logged in again, the channel is still there, and the next one is served.
    const sessions = await ask(socket, 'sessions');
    expect(sessions).toMatchObject({ result: [{ acctSessionId: session.acctSessionId }] });
    const groups = await ask(socket, 'groups');
    expect(groups).toMatchObject({ result: [{ group: NEWS, state: 'granted' }] });
  });
});
