/** /metrics of the daemon as it is started: what it counts and measures between real parts, and on a standby. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Lab } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { attempt, until } from '../../lab/processes.ts';
import { namesIn, seriesOf } from '../daemon/metrics/fixture.ts';
import { whyNoNamespaces } from './namespaces.ts';
import { SwitchRig } from './switch/switch-rig.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const reason =
  whyNoNamespaces() ?? (existsSync(builtProgram('receiver')) ? undefined : 'not built: npm run build');
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

/** The metrics, asked for inside a namespace as Prometheus would. */
async function scrape(namespace: string, path = '/metrics'): Promise<string> {
  const script = `fetch('http://127.0.0.1:8021${path}').then((r) => r.text()).then((t) => process.stdout.write(t))`;
  const asked = await attempt([process.execPath, '-e', script], { namespace });
  return asked.stdout;
}

describe.skipIf(reason !== undefined)(`metrics ${reason ?? ''}`, { timeout: 60_000 }, () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('measure a login, a join and a leave, and count as the switch and RADIUS do', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [{ account: 'alice', group: NEWS, holdsS: 600 }],
      channels: [NEWS, FILM],
    });
    closing.push(() => lab.close());
    const castgate = await lab.startCastgate();
    closing.push(() => castgate.stop());
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    const player = await lab.startReceiver('alice');
    await player.ask(`join ${NEWS}`);
    await player.ask(`join ${FILM}`);
    const states = async () => (await castgate.groups()).map(({ group, state }) => `${group} ${state}`);
    await until('both are decided', 10_000, async () => {
      const found = await states();
      return (found.includes(`${NEWS} granted`) && found.includes(`${FILM} refused`)) || undefined;
    });
    await player.ask(`leave ${NEWS}`);
    await until('the leave', 10_000, async () => !(await states()).includes(`${NEWS} granted`) || undefined);

    const text = await scrape(lab.topology.switchNamespace);
    expect(seriesOf(text, 'castgate_serving')).toBe(1);
    expect(seriesOf(text, 'castgate_sessions{port="swp1"}')).toBe(1);
    expect(seriesOf(text, 'dot1x_auth_auth_success_while_authenticating_total{port="swp1"}')).toBe(1);
    expect(seriesOf(text, 'castgate_authentication_seconds_count{result="accepted"}')).toBe(1);
    expect(seriesOf(text, 'castgate_join_seconds_count{result="granted",by="radius"}')).toBe(1);
    expect(seriesOf(text, 'castgate_join_seconds_sum{result="granted",by="radius"}')).toBeGreaterThan(0);
    expect(seriesOf(text, 'castgate_leave_seconds_count')).toBe(1);
    expect(
      seriesOf(text, 'castgate_refused_joins_total{port="swp1",reason="radius-reject"}'),
    ).toBeGreaterThan(0);
    expect(seriesOf(text, 'radius_client_access_rejects_total{server="lab"}')).toBeGreaterThan(0);
    expect(seriesOf(text, 'radius_client_server_up{server="lab",port="auth"}')).toBe(1);
    expect(seriesOf(text, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(text).not.toContain('castgate_ha_role{');
    // The page of the built program, and what it shows.
    expect(await scrape(lab.topology.switchNamespace, '/')).toContain('<h2>Front panel</h2>');
    expect(await scrape(lab.topology.switchNamespace, '/page.js')).toContain('EventSource');
    expect(JSON.parse(await scrape(lab.topology.switchNamespace, '/api/state'))).toMatchObject({
      serving: true,
      actions: false,
      sessions: [{ account: 'alice', authorized: true }],
    });
    const rules = readFileSync(
      new URL('../../contrib/prometheus/castgate.rules.yml', import.meta.url),
      'utf8',
    );
    const there = namesIn(text);
    const named = rules.match(/\b(?:castgate|dot1x|radius_client)_[a-z0-9_]+/g) ?? [];
    expect(named.filter((name) => !there.has(name))).toEqual([]);
    const checked = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaints = '';
    checked.stderr.on('data', (chunk) => {
      complaints += chunk;
    });
    checked.stdin.end(text);
    await new Promise((done) => checked.once('close', done));
    expect(complaints.split('\n').filter((line) => line !== '' && !/^(process|nodejs)_/.test(line))).toEqual(
      [],
    );
  });

  it('are there on a node that stands by', async () => {
    const rig = await SwitchRig.create('cgt-mt');
    closing.push(() => rig.dispose());
    const folder = mkdtempSync(join(tmpdir(), 'cgt-metrics-'));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of ['secret', 'key'])
      writeFileSync(join(folder, name), randomBytes(32).toString('hex'), { mode: 0o600 });
    const config = {
      bridge: 'br0',
      ports: { swp1: {}, swp2: {} },
      uplinks: ['up0'],
      nas: { identifier: 'test-switch' },
      radius: {
        servers: [{ name: 'r1', address: '127.0.0.1', source_address: '127.0.0.9', secret_file: 'secret' }],
      },
      ha: { node: 'b', address: '127.0.0.2', peer: '127.0.0.3', key_file: 'key', vrrp_instance: 'v' },
      control_socket: join(folder, 'control.sock'),
      state_directory: join(folder, 'state'),
    };
    const file = join(folder, 'castgate.yaml');
    writeFileSync(file, JSON.stringify(config));
    let log = '';
    const daemon = rig.lab.within('sw', () =>
      spawn(process.execPath, [PROGRAM, 'run', '--config', file], { stdio: 'pipe' }),
    );
    closing.push(() => void daemon.kill('SIGKILL'));
    for (const stream of [daemon.stdout, daemon.stderr])
      stream.on('data', (chunk) => {
        log += chunk;
      });
    await until(
      'the standby answers',
      10_000,
      () => (log.includes('"http-listening"') ? (true as const) : undefined),
      () => log.split('\n'),
    );
    const text = await scrape(rig.lab.name('sw'));
    expect(seriesOf(text, 'castgate_serving')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_role{node="b",role="standby"}')).toBe(1);
    expect(seriesOf(text, 'castgate_ha_in_step{node="b"}')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_takeovers_total{node="b"}')).toBe(0);
    expect(text).toContain('castgate_kernel_refused_packets_total{what="strangers"}');
    expect(text).not.toContain('castgate_sessions{');
  });
});
