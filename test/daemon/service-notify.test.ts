import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '../../daemon/log/log.ts';
import { ServiceNotify } from '../../daemon/service-notify.ts';
import { pause, until } from '../../lab/processes.ts';
import { loadNative } from '../../switch/native.ts';
import { listenForDatagrams } from './datagram-listener.ts';

const MODULE = new URL('../../dist/daemon/service-notify.js', import.meta.url);

describe('the service manager', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0).reverse()) close();
    vi.useRealTimers();
  });

  function notify(environment: Record<string, string>, log = silentLog) {
    const sent: string[] = [];
    const told = new ServiceNotify(environment, log, (path, octets) => {
      sent.push(`${path}: ${Buffer.from(octets).toString().replaceAll('\n', ' | ')}`);
      return octets.length;
    });
    closing.push(() => told.close());
    return { told, sent };
  }

  it('hears that the daemon is ready, reloads, is ready again, stops', () => {
    const { told, sent } = notify({ NOTIFY_SOCKET: '/run/n' });
    told.ready('serving\non br0');
    told.reloading('reading castgate.yaml');
    told.ready('serving');
    told.tell({ MAINPID: 4711 });
    told.stopping('SIGTERM');
    expect(sent.map((text) => text.replace(/USEC=\d+/, 'USEC=n'))).toEqual([
      '/run/n: READY=1 | STATUS=serving on br0',
      '/run/n: RELOADING=1 | MONOTONIC_USEC=n | STATUS=reading castgate.yaml',
      '/run/n: READY=1 | STATUS=serving',
      '/run/n: MAINPID=4711',
      '/run/n: STOPPING=1 | STATUS=SIGTERM',
    ]);
  });

  it('is not told anything where there is none', () => {
    for (const environment of [{}, { NOTIFY_SOCKET: '' }, { WATCHDOG_USEC: '30000000' }]) {
      const { told, sent } = notify(environment as Record<string, string>);
      told.ready('serving');
      expect([told.isHeard, sent]).toEqual([false, []]);
    }
  });

  it('is fed thrice in a watchdog interval, from ready on to the very end', () => {
    vi.useFakeTimers();
    const { told, sent } = notify({
      NOTIFY_SOCKET: '@n',
      WATCHDOG_USEC: '3000000',
      WATCHDOG_PID: `${process.pid}`,
    });
    const fed = () => sent.filter((text) => text.endsWith('WATCHDOG=1')).length;
    vi.advanceTimersByTime(10_000);
    expect(fed()).toBe(0);
    told.ready('serving');
    expect(fed()).toBe(1);
    vi.advanceTimersByTime(3_000);
    expect(fed()).toBe(4);
    told.stopping('SIGTERM');
    vi.advanceTimersByTime(3_000);
    expect(fed()).toBe(7);
    told.close();
    vi.advanceTimersByTime(9_000);
    expect(fed()).toBe(7);
  });

  it('is not fed where the watchdog is of another process, or reads like none', () => {
    for (const more of [{ WATCHDOG_PID: '1' }, { WATCHDOG_USEC: '0' }, { WATCHDOG_USEC: 'x' }]) {
      const { told, sent } = notify({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '3000000', ...more });
      told.ready('serving');
      expect(sent).toHaveLength(1);
    }
  });

  it('that is gone is a warning once, and no more until it was back', () => {
    const warnings: unknown[] = [];
    const log = { ...silentLog, warn: (event: string, fields?: object) => warnings.push([event, fields]) };
    let answer = -2;
    const told = new ServiceNotify({ NOTIFY_SOCKET: '/run/n' }, log, () => answer);
    told.status('a');
    told.status('b');
    expect(warnings).toEqual([['service-manager-unheard', { socket: '/run/n', error: 'ENOENT' }]]);
    answer = 8;
    told.status('c');
    answer = -111;
    told.status('d');
    expect(warnings).toHaveLength(2);
  });

  it('gets datagrams of the kernel, at a path and at an abstract name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cgt-notify-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    for (const path of [join(folder, 'notify'), `@cgt-notify-${process.pid}`]) {
      const listener = await listenForDatagrams(path);
      closing.push(() => listener.close());
      const told = new ServiceNotify({ NOTIFY_SOCKET: path }, silentLog);
      told.ready('serving');
      await until('the datagram', 10_000, () => listener.heard.length > 0 || undefined);
      expect(listener.heard).toEqual(['READY=1\nSTATUS=serving']);
    }
    const { datagramSend } = loadNative();
    const octets = Buffer.from('x');
    expect(datagramSend(join(folder, 'none'), octets)).toBe(-2);
    expect(datagramSend('relative', octets)).toBe(-22);
    expect(datagramSend(`/${'long'.repeat(40)}`, octets)).toBe(-36);
    expect(datagramSend('/run/n', 'text' as unknown as Uint8Array)).toBe(-22);
  });

  const notBuilt = existsSync(MODULE) ? '' : ' (not built: npm run build)';
  it.skipIf(notBuilt !== '')(`is not fed by a loop that hangs${notBuilt}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cgt-notify-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'notify');
    const listener = await listenForDatagrams(path);
    closing.push(() => listener.close());
    const script = `
      const { ServiceNotify } = await import(${JSON.stringify(MODULE.href)});
      new ServiceNotify(process.env, { warn: console.error }).ready('serving');
      process.stdin.once('data', () => { for (;;); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NOTIFY_SOCKET: path, WATCHDOG_USEC: '60000' },
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    closing.push(() => void child.kill('SIGKILL'));
    const fed = () => listener.heard.filter((text) => text === 'WATCHDOG=1').length;
    await until('it to be fed', 20_000, () => fed() > 5 || undefined);
    child.stdin.write('hang\n');
    let last = -1;
    await until('the feeding to end', 20_000, async () => {
      if (fed() === last) return true;
      last = fed();
      await pause(500);
      return undefined;
    });
    expect(child.exitCode).toBeNull();
  });
});
