/**
 * RADIUS over TLS through a death, an upgrade and a restart, on real parts: a TLS server that resumes sessions, FreeRADIUS
 * behind it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { askDaemon } from '../../../cli/control-client.ts';
import type { HandedOver } from '../../../daemon/upgrade/hand-over.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';
import { frontSection, reportOf, startFront } from '../../../lab/radius/front.ts';
import { TakeoverLab } from '../../../lab/takeover/takeover-lab.ts';
import { LabAddress } from '../../../lab/topology.ts';
import { whyNoNamespaces } from '../namespaces.ts';

const reason =
  whyNoNamespaces() ??
  (existsSync(builtProgram('radius/tls-front')) ? undefined : 'not built: npm run build');

describe.skipIf(reason !== undefined)(`RADIUS over TLS ${reason ?? ''}`, { timeout: 180_000 }, () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('goes on at the other node by a resumed session, and every question is answered', async () => {
    const on = await TakeoverLab.open({ server: 'freeradius', messages: 'small', transport: 'tls' });
    closing.push(() => on.close());
    const { front } = on;
    if (front === undefined) throw new Error('no front');
    const active = await on.inStep();
    const other = active === 'a' ? 'b' : 'a';
    await until('tickets of both connections', 10_000, async () =>
      (await reportOf(front)).handshakes.length === 2 ? true : undefined,
    );
    expect((await on.nodes[active].castgate.radius())[0]?.handshakes).toEqual({ full: 2 });
    await on.joiner.ask('run 1 100 200');
    await until('half of the questions', 30_000, async () =>
      (await on.asked(1)).length >= 50 ? true : undefined,
    );
    await on.nodes[active].castgate.kill();
    await until('the other node to serve', 20_000, async () =>
      (await on.nodes[other].status())?.role === 'active' ? true : undefined,
    );
    await until(
      'an answer to every question',
      30_000,
      async () => {
        const there = new Set(await on.asked(1));
        const missing = Array.from({ length: 100 }, (_, i) => 1 + i).filter((number) => !there.has(number));
        if (missing.length > 0) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          await on.joiner.ask(`again ${missing.join(',')}`);
          return undefined;
        }
        return (await on.nodes[other].castgate.radius())[0]?.inFlight === 0 ? true : undefined;
      },
      () => on.nodes[other].tail(40),
    );
    expect((await on.nodes[other].castgate.radius())[0]).toMatchObject({
      handshakes: { resumed: 2 },
      connectionsLost: {},
      timeouts: 0,
      discarded: {},
    });
    expect(await reportOf(front)).toEqual({
      handshakes: ['full', 'full', 'resumed', 'resumed'],
      connections: 4,
    });
  });

  it('resumes its sessions in an upgrade; a ticket is on no disk, so a process that was killed begins anew', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [],
      channels: ['239.1.1.1'],
      streams: true,
      behindFront: true,
    });
    closing.push(() => lab.close());
    const front = await startFront(lab.radius, lab.topology.radiusNamespace);
    const server = { name: 'front', address: LabAddress.radius, secret_file: lab.radius.secretFile };
    const castgate = await lab.startCastgate({
      radius: { servers: [{ ...server, transport: 'tls', tls: frontSection(lab.radius) }] },
    });
    closing.push(() => castgate.stop());
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    const seen = async (sessions: number) =>
      await until('sessions of TLS', 10_000, async () => {
        const { handshakes } = await reportOf(front);
        return handshakes.length >= sessions ? handshakes : undefined;
      });
    expect(await seen(2)).toEqual(['full', 'full']);
    const answer = await askDaemon(castgate.socket, 'upgrade', {}, 60_000);
    if ('failed' in answer) throw new Error(`${answer.failed}\n${castgate.tail(30).join('\n')}`);
    const { pid } = answer.result as HandedOver;
    closing.push(() => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    });
    expect(await seen(4)).toEqual(['full', 'full', 'resumed', 'resumed']);
    expect((await castgate.radius())[0]?.handshakes).toEqual({ full: 2, resumed: 2 });
    // Node's server gives no ticket with a session that was resumed: one more, whose tickets are there when it dies.
    const again = await askDaemon(castgate.socket, 'upgrade', {}, 60_000);
    if ('failed' in again) throw new Error(`${again.failed}\n${castgate.tail(30).join('\n')}`);
    const last = (again.result as HandedOver).pid;
    expect((await seen(6)).slice(4)).toEqual(['full', 'full']);
    process.kill(last, 'SIGKILL');
    const folder = join(castgate.configFile, '..');
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const journals = files.filter(({ name }) => name.startsWith('journal-'));
    expect(journals.length).toBeGreaterThan(0);
    for (const { parentPath, name } of files)
      expect(readFileSync(join(parentPath, name)).includes('tls-tickets')).toBe(false);
    await castgate.resume();
    expect((await seen(8)).slice(6)).toEqual(['full', 'full']);
    expect((await castgate.sessions())[0]?.state).toBe('AUTHENTICATED');
  });
});
