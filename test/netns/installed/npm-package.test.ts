/**
 * What `npm pack` gives: installed into an empty prefix, and run from there as a user of its own that has two
 * capabilities and nothing else.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attempt, run, until } from '../../../lab/processes.ts';
import { packageRoot } from '../../../switch/native.ts';
import { listenForDatagrams } from '../../daemon/datagram-listener.ts';
import { whyNoNamespaces } from '../namespaces.ts';
import { SwitchRig } from '../switch/switch-rig.ts';
import { asUser, startInstalled, USER, writeConfiguration } from './installed-daemon.ts';

const reason = whyNoNamespaces();
const BOTH = ['net_admin', 'net_raw'];

describe.skipIf(reason !== undefined)(`the npm package ${reason ?? ''}`, { timeout: 120_000 }, () => {
  const prefix = mkdtempSync(join(tmpdir(), 'cgt-npm-'));
  const installed = join(prefix, 'lib/node_modules/castgate');
  const castgate = join(prefix, 'bin/castgate');
  const closing: (() => void | Promise<void>)[] = [];
  let rig: SwitchRig;

  beforeAll(async () => {
    chmodSync(prefix, 0o755);
    const npm = ['npm', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    // The build that is being tested; `prepack` would make the same one.
    const pack = await run(
      [...npm, 'pack', packageRoot(), '--ignore-scripts', '--json', '--pack-destination', prefix],
      { timeoutMs: 60_000 },
    );
    const [{ filename }] = JSON.parse(pack);
    await run([...npm, 'install', '--global', '--prefix', prefix, join(prefix, filename)], {
      timeoutMs: 240_000,
    });
  }, 300_000);
  afterAll(() => rmSync(prefix, { recursive: true, force: true }));

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-np');
    closing.push(() => rig.dispose());
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  function configured(more: Readonly<Record<string, unknown>> = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'cgt-own-'));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    return { folder, file: writeConfiguration(folder, more) };
  }

  function started(file: string, capabilities: readonly string[], environment = {}) {
    const daemon = startInstalled(
      rig,
      [...asUser(capabilities), castgate, 'run', '--config', file],
      environment,
    );
    closing.push(() => void daemon.process.kill('SIGKILL'));
    const said = (pattern: RegExp) =>
      until(
        `${pattern} in the log`,
        30_000,
        () => pattern.test(daemon.log()) || undefined,
        () => daemon.log().split('\n'),
      );
    const ask = (...words: string[]) =>
      attempt([...asUser([]), castgate, ...words, '--config', file], { namespace: rig.lab.name('sw') });
    return { ...daemon, said, ask };
  }

  it('has what runs and what people read, and nothing of the workshop', () => {
    const top = readdirSync(installed);
    for (const name of ['LICENSE', 'README.md', 'contrib', 'dist', 'docs', 'packaging', 'page'])
      expect(top).toContain(name);
    for (const name of ['test', 'lab', 'bench', 'fixtures', 'scripts']) expect(top).not.toContain(name);
    expect(readdirSync(join(installed, 'dist'))).not.toContain('lab');
    expect(existsSync(join(installed, 'switch/native/build/Release/castgate_native.node'))).toBe(true);
    const files = readdirSync(join(installed, 'dist'), { recursive: true }).map(String);
    expect(files.filter((name) => name.endsWith('.ts') || name.endsWith('.map'))).toEqual([]);
  });

  it('answers for its version, its help and a configuration', async () => {
    const { version } = await import('../../../package.json', { with: { type: 'json' } }).then(
      (m) => m.default,
    );
    expect(await run([castgate, '--version'])).toBe(`${version}\n`);
    expect(await run([castgate, '--help'])).toContain('castgate check /etc/castgate/castgate.yaml');
    const { file } = configured();
    expect(await run([castgate, 'check', file])).toContain('valid (bridge br0, 2 subscriber ports');
    expect(await run([castgate, 'check', join(installed, 'castgate.example.yaml')])).toContain('valid');
  });

  it('serves as a user of its own with two capabilities, and tells the service manager', async () => {
    const { folder, file } = configured();
    const notify = join(folder, 'notify');
    const listener = await listenForDatagrams(notify);
    closing.push(() => listener.close());
    const environment = { NOTIFY_SOCKET: notify, WATCHDOG_USEC: '300000' };
    const daemon = started(file, BOTH, environment);
    await daemon.said(/"event":"serving"/);
    await daemon.said(/"event":"http-listening"/);
    const heard = (pattern: RegExp) =>
      until(`${pattern} told`, 10_000, () => listener.heard.some((text) => pattern.test(text)) || undefined);
    await heard(/^READY=1\nSTATUS=serving: br0, 2 ports$/);
    await heard(/^WATCHDOG=1$/);
    const status = await run([
      'grep',
      '-E',
      '^(Uid|CapEff|CapBnd|CapAmb|NoNewPrivs)',
      `/proc/${daemon.process.pid}/status`,
    ]);
    expect(status.split('\n').map((line) => line.replace(/\s+/g, ' '))).toEqual([
      `Uid: ${USER} ${USER} ${USER} ${USER}`,
      'CapEff: 0000000000003000',
      'CapBnd: 0000000000003000',
      'CapAmb: 0000000000003000',
      'NoNewPrivs: 1',
      '',
    ]);
    // What it made in the kernel with them.
    expect(await rig.lab.exec('sw', 'bridge', '-d', 'link', 'show', 'dev', 'swp1')).toContain('locked on');
    expect(await rig.lab.exec('sw', 'nft', 'list', 'tables')).toContain('table bridge castgate');
    expect(daemon.log()).toMatch(
      /"event":"privileges","user":"nobody","capabilities":\["CAP_NET_ADMIN","CAP_NET_RAW"\],"cannot":\[\]|"cannot":\[\].*"event":"privileges"/,
    );
    expect((await daemon.ask('show', 'ports')).stdout).toMatch(/^swp1 +up/m);
    const privileges = await daemon.ask('show', 'privileges');
    expect(privileges.stdout).toMatch(/^EAPOL, IGMP and MLD on the ports +CAP_NET_RAW +yes$/m);
    expect(privileges.stdout).not.toContain('NO');
    daemon.process.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    await heard(/^STOPPING=1\n/);
  });

  it('stands by as one of two with the same two capabilities: fence, FIFO, weight for keepalived', async () => {
    const { folder, file } = configured();
    const own = join(folder, 'own');
    const key = join(own, 'key');
    writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
    chownSync(key, USER, USER);
    const fifo = join(own, 'keepalived');
    const weight = join(own, 'priority');
    const ha = {
      ...{ node: 'b', address: '127.0.0.2', peer: '127.0.0.3', key_file: key, vrrp_instance: 'v' },
      ...{ notify_fifo: fifo, priority_file: weight },
    };
    writeConfiguration(folder, { ha });
    const notify = join(folder, 'notify');
    const listener = await listenForDatagrams(notify);
    closing.push(() => listener.close());
    const daemon = started(file, BOTH, { NOTIFY_SOCKET: notify });
    await daemon.said(/"event":"standing-by"/);
    await until(
      'the status',
      10_000,
      () => listener.heard.includes('READY=1\nSTATUS=standing by: br0, 2 ports') || undefined,
    );
    expect(statSync(fifo)).toMatchObject({ uid: USER });
    expect((await daemon.ask('show', 'privileges')).stdout).toMatch(
      /^the fence of a pair of nodes +CAP_NET_ADMIN +yes$/m,
    );
    expect(await rig.lab.exec('sw', 'nft', 'list', 'tables')).toContain('table bridge castgate_lease');
    expect(daemon.log()).not.toMatch(/EPERM|EACCES/);
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    await until(
      'the weight of a dead one',
      10_000,
      () => readFileSync(weight, 'utf8') === '-254\n' || undefined,
    );
  });

  it('says at the start what it cannot do, feature by feature, and does the rest', async () => {
    const { file } = configured({ http: { port: 80 } });
    const daemon = started(file, BOTH);
    await daemon.said(/"event":"http-not-listening"/);
    const event =
      daemon
        .log()
        .split('\n')
        .find((line) => line.includes('"privileges"')) ?? '{}';
    const cannot = [
      {
        feature: 'the page and /metrics on port 80',
        needs: 'CAP_NET_BIND_SERVICE',
        without: 'nobody is answered there',
      },
    ];
    expect(JSON.parse(event)).toMatchObject({ level: 'warn', event: 'privileges', cannot });
    expect((await daemon.ask('show', 'ports')).stdout).toMatch(/^swp1 +up/m);
    expect((await daemon.ask('show', 'privileges')).stdout).toContain(
      'without it: nobody is answered there (the page and /metrics on port 80)',
    );
    daemon.process.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    const more = started(file, [...BOTH, 'net_bind_service']);
    await more.said(/"event":"http-listening"/);
    expect((await more.ask('show', 'privileges')).stdout).not.toContain('NO');
  });

  it('does not start without what it cannot do without, and names it', async () => {
    const { file } = configured();
    const daemon = started(file, ['net_admin']);
    expect(await daemon.ended).toBe(1);
    expect(daemon.log()).toContain(
      'castgate: missing CAP_NET_RAW: run as root, or in the service: AmbientCapabilities=CAP_NET_RAW',
    );
    expect(daemon.log()).toMatch(/"feature":"EAPOL, IGMP and MLD on the ports","needs":"CAP_NET_RAW"/);
    const checked = await attempt([...asUser(['net_admin']), castgate, 'check', '--privileges', file]);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toMatch(/^EAPOL, IGMP and MLD on the ports +CAP_NET_RAW +NO$/m);
  });

  it('does not start where it can keep nothing, and names the folder', async () => {
    const { file } = configured({ state_directory: '/usr/castgate-of-another' });
    const daemon = started(file, BOTH);
    expect(await daemon.ended).toBe(1);
    expect(daemon.log()).toMatch(/^castgate: .*EACCES.*\/usr\/castgate-of-another/m);
    expect(daemon.log()).toContain('"needs":"write /usr/castgate-of-another"');
  });
});
