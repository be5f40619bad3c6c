/**
 * The daemon as it is started, on a real bridge without a RADIUS server: ports that are always open or
 * always shut, and what it shows and logs of frames that the kernel refused.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askDaemon } from '../../cli/control-client.ts';
import { show } from '../../cli/show/show.ts';
import { pause, until, whyNoNamespaces } from './namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch/switch-rig.ts';
import { igmp, ip, udp } from './switch/tap.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const reason = whyNoNamespaces() ?? (existsSync(PROGRAM) ? undefined : 'not built: npm run build');

describe.skipIf(reason !== undefined)(`modes of ports ${reason ?? ''}`, { timeout: 30_000 }, () => {
  let rig: SwitchRig;
  let daemon: ChildProcess | undefined;
  let log = '';

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-dp');
    log = '';
  });
  afterEach(async () => {
    daemon?.kill('SIGKILL');
    await rig.dispose();
  });

  /** Starts the daemon in the switch's namespace; resolves when it answers. */
  async function start(modes: Readonly<Record<string, string>>): Promise<string> {
    const folder = rig.stateDirectory;
    const socket = join(folder, 'control.sock');
    writeFileSync(join(folder, 'secret'), 'a secret of the test', { mode: 0o600 });
    const config = {
      bridge: 'br0',
      ports: Object.fromEntries(Object.entries(modes).map(([name, mode]) => [name, { mode }])),
      uplinks: ['up0'],
      nas: { identifier: 'test-switch' },
      radius: { servers: [{ name: 'r1', address: '127.0.0.1', secret_file: 'secret' }] },
      control_socket: socket,
      state_directory: join(folder, 'state'),
    };
    writeFileSync(join(folder, 'castgate.yaml'), JSON.stringify(config));
    const child = rig.lab.within('sw', () =>
      spawn(process.execPath, [PROGRAM, 'run', '--config', join(folder, 'castgate.yaml')], { stdio: 'pipe' }),
    );
    daemon = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        log += chunk.toString();
      });
    }
    await until(
      `the daemon answers: ${log}`,
      async () => 'result' in (await askDaemon(socket, 'ports')),
      10_000,
    );
    return socket;
  }

  it('opens a port that is forced open to all but channels, shuts one that is forced shut, and tells', async () => {
    const socket = await start({ swp1: 'force-authorized', swp2: 'force-unauthorized' });
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'from the open port', SOURCE));
    rig.taps.h2.send('eth0', udp('10.0.0.2', HOST2, '10.0.0.9', 'from the shut port', SOURCE));
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', 'to the open port', HOST1));
    await until(
      'both ways',
      () =>
        rig.taps.up.withText('from the open port').length === 1 &&
        rig.taps.h1.withText('to the open port').length === 1,
    );
    rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1));
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '239.1.1.1', 'as a sender'));
    await until('the join is refused', async () => {
      const answer = await askDaemon(socket, 'groups');
      const rows = 'result' in answer ? (answer.result as { group: string; reason: string }[]) : [];
      return rows.some(({ group, reason: why }) => group === '239.1.1.1' && why === 'no-session');
    });
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'a channel'));
    await pause(50);
    expect(rig.taps.h1.withText('a channel')).toHaveLength(0);
    expect(rig.taps.up.withText('as a sender')).toHaveLength(0);
    expect(rig.taps.up.withText('from the shut port')).toHaveLength(0);

    const shown = await show('ports', socket, false, Date.now());
    if ('failed' in shown) throw new Error(shown.failed);
    expect(shown.text).toMatch(/\nswp1 +up +force-authorized .*\nswp2 +up +force-unauthorized /);
    expect(shown.text).toMatch(/\nrefused by the kernel:\nWHAT +PACKETS +OCTETS\n/);
    for (const what of ['membership_reports', 'senders', 'strangers']) {
      expect(shown.text).toMatch(new RegExp(`\\n${what} +[1-9]\\d* `));
    }
    const ended = new Promise((done) => daemon?.once('exit', done));
    daemon?.kill('SIGTERM');
    await ended;
    const line = log.split('\n').find((each) => each.includes('"event":"kernel-refused"'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ packets: { senders: expect.any(Number) } });
  });
});
