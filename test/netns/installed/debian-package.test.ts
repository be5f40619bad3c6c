/**
 * The Debian packages, in a system that systemd has booted: installed, started, watched over, removed. The switch is
 * a bridge with cables inside of it.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, until } from '../../../lab/processes.ts';
import { packageRoot } from '../../../switch/native.ts';
import { blocksOf } from '../../docs/blocks.ts';
import { BootedDebian, whyNotBootable } from './booted-debian.ts';

const reason = whyNotBootable();
const UNIT = 'packaging/systemd/castgate.service';
const CONFIGURATION = `bridge: br0
ports: { swp1: {} }
uplinks: [up0]
nas: { identifier: packaged }
radius: { servers: [ { name: r1, address: 127.0.0.1, secret_file: r1.secret } ] }
`;
/** Its own user, with the answers of a real FreeRADIUS beside it. */
const CLIENT = `client local {
	ipaddr = 127.0.0.1
	secret = secret-between-the-two
	require_message_authenticator = yes
	virtual_server = castgate
}
`;

describe.skipIf(reason !== undefined)(`the Debian packages ${reason ?? ''}`, { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cgt-deb-'));
  let system: BootedDebian | undefined;
  const inside = (...command: string[]) => (system as BootedDebian).run(command, 90_000);
  const property = async (name: string) =>
    (await inside('systemctl', 'show', 'castgate', '--value', '-p', name)).trim();
  const state = () => property('ActiveState');

  beforeAll(async () => {
    await run(['node', join(packageRoot(), 'packaging/build-deb.mjs'), folder], { timeoutMs: 240_000 });
    system = await BootedDebian.boot();
    for (const words of [
      'ip link add br0 type bridge',
      'ip link set br0 up',
      'ip link add swp1 type veth peer name host1',
      'ip link add up0 type veth peer name upstream',
      ...['swp1', 'up0'].map((port) => `ip link set ${port} master br0`),
      ...['swp1', 'host1', 'up0', 'upstream'].map((port) => `ip link set ${port} up`),
    ])
      await inside(...words.split(' '));
    for (const name of packages()) cpSync(join(folder, name), join(system.root, 'root', name));
  }, 360_000);
  afterAll(async () => {
    await system?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  function packages(): string[] {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
    const names = [`castgate_${version}_amd64.deb`, `castgate_${version}_arm64.deb`].filter((name) =>
      existsSync(join(folder, name)),
    );
    return [...names, `castgate-freeradius_${version}_all.deb`];
  }

  it('have a unit that systemd finds sound, and no more open than it has to be', async () => {
    const said = await run(['systemd-analyze', 'security', '--offline=yes', join(packageRoot(), UNIT)], {
      timeoutMs: 60_000,
    });
    const exposure = Number(/Overall exposure level for castgate.service: ([\d.]+)/.exec(said)?.[1]);
    // 0.2 of it is NotifyAccess=all, without which no other process could go on under the same unit.
    expect(exposure).toBeLessThanOrEqual(2.2);
    expect(said).toMatch(/✓ .*User=\/DynamicUser=/);
    const open = said
      .split('\n')
      .filter((line) => line.startsWith('✗'))
      .map((line) => line.split(' ')[1] ?? '');
    // What it is for: the host's network, and a program that compiles what it runs.
    expect(open.filter((name) => name.startsWith('CapabilityBoundingSet'))).toEqual([
      'CapabilityBoundingSet=~CAP_NET_ADMIN',
      'CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)',
    ]);
    expect(open.filter((name) => name.startsWith('SystemCallFilter'))).toEqual([]);
  });

  it('install, and wait for a configuration', async () => {
    const said = await inside('dpkg', '-i', ...packages().map((name) => `/root/${name}`));
    expect(said).toContain('write /etc/castgate/castgate.yaml');
    expect(await inside('systemd-analyze', 'verify', 'castgate.service')).not.toMatch(/castgate\.service/);
    expect(await state()).toBe('inactive');
    expect(await inside('castgate', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await inside('castgate', 'check', '/usr/share/doc/castgate/examples/castgate.yaml')).toContain(
      'valid',
    );
    expect(await inside('man', '--pager=cat', 'castgate')).toContain('castgate show');
    expect(await inside('stat', '-c', '%U %G %a', '/etc/castgate', '/run/castgate/keepalived')).toBe(
      'root castgate 750\ncastgate castgate 600\n',
    );
    // Without a configuration it fails, says so, and is not tried again.
    expect((await system?.attempt(['systemctl', 'start', 'castgate']))?.code).not.toBe(0);
    expect([await state(), await property('NRestarts')]).toEqual(['failed', '0']);
    expect(await inside('journalctl', '--no-pager', '-u', 'castgate')).toContain(
      '/etc/castgate/castgate.yaml',
    );
  });

  it('start: ready when it serves, as its own user, with two capabilities behind a filter of system calls', async () => {
    (system as BootedDebian).write('etc/castgate/castgate.yaml', CONFIGURATION);
    await inside('sh', '-c', 'umask 077; openssl rand -hex 32 > /etc/castgate/r1.secret');
    await inside('chown', 'castgate:castgate', '/etc/castgate/r1.secret');
    await inside('systemctl', 'reset-failed', 'castgate');
    // Returns when READY=1 came.
    await inside('systemctl', 'enable', '--now', 'castgate');
    expect([await state(), await property('StatusText')]).toEqual(['active', 'serving: br0, 1 port']);
    const pid = await property('MainPID');
    const status = await inside('grep', '-E', '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):', `/proc/${pid}/status`);
    expect(status.replace(/\t/g, ' ').split('\n')).toEqual([
      'CapEff: 0000000000003000',
      'CapBnd: 0000000000003000',
      'NoNewPrivs: 1',
      'Seccomp: 2',
      '',
    ]);
    expect(
      await inside('stat', '-c', '%U', `/proc/${pid}`, '/var/lib/castgate', '/run/castgate/control.sock'),
    ).toBe('castgate\ncastgate\ncastgate\n');
    expect(await inside('castgate', 'show', 'ports')).toMatch(/^swp1 +up +auto/m);
    expect(await inside('castgate', 'show', 'privileges')).not.toContain('NO');
    expect(await inside('bridge', '-d', 'link', 'show', 'dev', 'swp1')).toContain('locked on');
    expect(await inside('nft', 'list', 'tables')).toContain('table bridge castgate');
    const log = await inside('journalctl', '--no-pager', '-u', 'castgate', '-o', 'cat');
    expect(log).toMatch(/"event":"http-listening"/);
    expect(log).not.toMatch(/"level":"error"|EPERM|EACCES/);
  });

  it('reload: another configuration, the same process', async () => {
    const pid = await property('MainPID');
    const changed = `${CONFIGURATION}log: { level: debug }\n`;
    (system as BootedDebian).write('etc/castgate/castgate.yaml', changed);
    await inside('systemctl', 'reload', 'castgate');
    expect([await state(), await property('MainPID')]).toEqual(['active', pid]);
    expect(await inside('castgate', 'log')).toMatch(/^daemon +debug$/m);
    // One that cannot be read is refused, and the old one holds.
    (system as BootedDebian).write('etc/castgate/castgate.yaml', `${changed}nonsense: 1\n`);
    expect((await system?.attempt(['systemctl', 'reload', 'castgate']))?.code).not.toBe(0);
    expect([await state(), await property('MainPID')]).toEqual(['active', pid]);
    (system as BootedDebian).write('etc/castgate/castgate.yaml', CONFIGURATION);
  });

  it('hand over to another process: by order, and when a package is installed again', async () => {
    let pid = await property('MainPID');
    const orders = [
      ['castgate', 'upgrade'],
      ['dpkg', '-i', `/root/${packages()[0]}`],
    ];
    for (const order of orders) {
      const said = await inside(...order);
      expect(said).toMatch(/castgate \S+ serves as process \d+; the pause was/);
      const now = await property('MainPID');
      expect(now).not.toBe(pid);
      expect(said).toContain(`process ${now};`);
      expect([await state(), await property('NRestarts')]).toEqual(['active', '0']);
      expect((await inside('grep', 'CapEff', `/proc/${now}/status`)).trim()).toMatch(/0{12}3000$/);
      pid = now;
    }
    expect(await inside('castgate', 'show', 'ports')).toMatch(/^swp1 +up +auto/m);
    // It feeds the watchdog, and not the one before it.
    const fed = () => property('WatchdogTimestampMonotonic');
    const before = await fed();
    await until('the watchdog to be fed', 30_000, async () => (await fed()) !== before || undefined);
  });

  it('keep watch: a loop that hangs is killed and a new one serves', async () => {
    const pid = await property('MainPID');
    await inside('systemctl', 'show', 'castgate', '-p', 'WatchdogUSec').then((said) =>
      expect(said).toContain('30s'),
    );
    // The same unit with less patience; then its process stands still, as one would that hangs.
    await inside('mkdir', '-p', '/run/systemd/system/castgate.service.d');
    await inside(
      'sh',
      '-c',
      'printf "[Service]\\nWatchdogSec=2\\n" > /run/systemd/system/castgate.service.d/test.conf',
    );
    await inside('systemctl', 'daemon-reload');
    await inside('systemctl', 'restart', 'castgate');
    const hanging = await property('MainPID');
    expect(hanging).not.toBe(pid);
    await inside('kill', '-STOP', hanging);
    await until('another one to serve', 60_000, async () => {
      const now = await property('MainPID');
      return (now !== hanging && now !== '0' && (await state()) === 'active') || undefined;
    });
    expect(await property('NRestarts')).toBe('1');
    expect(await inside('journalctl', '--no-pager', '-u', 'castgate')).toContain('Watchdog timeout');
    expect(await inside('castgate', 'show', 'ports')).toMatch(/^swp1 +up +auto/m);
  });

  it('have an example for keepalived that it takes, the one of the documents', async () => {
    const example = '/usr/share/doc/castgate/examples/keepalived.conf';
    await inside('ip', 'link', 'add', 'mgmt0', 'type', 'veth', 'peer', 'name', 'mgmt1');
    expect(await inside('keepalived', '--config-test', '--vrrp', '--use-file', example)).not.toMatch(
      /warning/i,
    );
    const [documented] = blocksOf('docs/high-availability.md').filter(({ info }) => info[0] === 'keepalived');
    expect(await inside('grep', '-v', '^#', example)).toBe(`${documented?.text}\n`);
  });

  it('bring FreeRADIUS to answer castgate: a permitted channel, a refused one, a stranger', async () => {
    const etc = '/etc/freeradius/3.0';
    for (const command of [
      `echo '$INCLUDE /usr/share/freeradius/dictionary.castgate' >> ${etc}/dictionary`,
      `ln -s ../mods-available/castgate ${etc}/mods-enabled/castgate`,
      `ln -s ../sites-available/castgate ${etc}/sites-enabled/castgate`,
      `echo 'alice/239.1.1.1 Auth-Type := Accept
	Session-Timeout := 600' >> ${etc}/mods-config/castgate/channels`,
    ])
      await inside('sh', '-c', command);
    (system as BootedDebian).write('etc/freeradius/3.0/clients.conf', CLIENT);
    await inside('freeradius', '-XC');
    await inside('systemctl', 'start', 'freeradius');
    const ask = async (attributes: string) => {
      const request = `printf '%s\\n' "${attributes}" 'Message-Authenticator=0x00'`;
      const client = 'radclient -x 127.0.0.1 auth secret-between-the-two';
      return (await system?.attempt(['sh', '-c', `${request} | ${client}`]))?.stdout ?? '';
    };
    const permitted = await ask('User-Name=alice,H3C-IPv4-Multicast-Receive-Group=239.1.1.1');
    expect(permitted).toContain('Received Access-Accept');
    expect(permitted).toContain('Session-Timeout = 600');
    expect(permitted).toMatch(/Received Access-Accept[\s\S]*Message-Authenticator = 0x/);
    expect(await ask('User-Name=alice,Castgate-Group=239.1.1.1')).toContain('Received Access-Accept');
    const refused = await ask('User-Name=alice,H3C-IPv4-Multicast-Receive-Group=239.1.1.2');
    expect(refused).toContain('Received Access-Reject');
    expect(refused).toContain('alice may not receive 239.1.1.2');
    expect(await ask('User-Name=mallory,Castgate-Group=239.1.1.1')).toContain('Received Access-Reject');
    expect(await ask('User-Name=alice')).toContain('Received Access-Reject');
  });

  it('are removed: stopped, gone, and purged with what they kept', async () => {
    expect(await inside('dpkg', '--remove', 'castgate')).not.toContain('error');
    expect(
      await inside(
        'sh',
        '-c',
        'command -v castgate || echo gone; ls /usr/lib/castgate 2>/dev/null || echo gone',
      ),
    ).toBe('gone\ngone\n');
    expect((await system?.attempt(['pgrep', '-u', 'castgate']))?.code).toBe(1);
    // What somebody wrote is still there, and what it kept.
    expect(await inside('ls', '/etc/castgate')).toContain('castgate.yaml');
    expect(await inside('ls', '/var/lib')).toContain('castgate');
    await inside('dpkg', '--purge', 'castgate', 'castgate-freeradius');
    expect(await inside('sh', '-c', 'ls -d /var/lib/castgate /run/castgate 2>/dev/null || echo gone')).toBe(
      'gone\n',
    );
    expect((await system?.attempt(['getent', 'passwd', 'castgate']))?.code).not.toBe(0);
    expect(await inside('ls', '/etc/castgate')).toContain('castgate.yaml');
  });
});
