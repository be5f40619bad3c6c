/** `castgate upgrade` between real parts: another process goes on, and nobody notices. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { askDaemon } from '../../cli/control-client.ts';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import { Lab } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { attempt, run, until } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';
import { failingProgram, nextVersion } from '../../lab/upgrade/versions.ts';
import { packageRoot } from '../../switch/native.ts';
import { whyNoNamespaces } from './namespaces.ts';

const reason =
  whyNoNamespaces() ?? (existsSync(builtProgram('receiver')) ? undefined : 'not built: npm run build');
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

describe.skipIf(reason !== undefined)(`an upgrade ${reason ?? ''}`, { timeout: 90_000 }, () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it('keeps sessions, channels and counters, and serves on with the same sockets', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [
        { account: 'alice', group: NEWS, holdsS: 600 },
        { account: 'alice', group: FILM, holdsS: 600 },
      ],
      channels: [NEWS, FILM],
    });
    closing.push(() => lab.close());
    const castgate = await lab.startCastgate({});
    closing.push(() => castgate.stop());
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    const player = await lab.startReceiver('alice');
    await player.ask(`join ${NEWS}`);
    await until('alice receives', 20_000, async () =>
      (await castgate.groups())[0]?.state === 'granted' ? true : undefined,
    );
    const [before] = await castgate.sessions();
    const pids: number[] = [];
    const versions = join(lab.workspace.directory, 'versions');
    mkdirSync(versions);
    const next = nextVersion(join(versions, 'next'), '9.0.1');
    const table = { namespace: lab.topology.switchNamespace };
    // The same program, a next version with another table, and back.
    for (const program of [undefined, next, packageRoot()]) {
      const order = program === undefined ? {} : { program };
      const answer = await askDaemon(castgate.socket, 'upgrade', order, 60_000);
      if ('failed' in answer) throw new Error(`${answer.failed}\n${castgate.tail(30).join('\n')}`);
      const { pid, pauseMs } = answer.result as HandedOver;
      expect(pauseMs).toBeGreaterThan(0);
      const { stdout } = await attempt(['nft', 'list', 'table', 'bridge', 'castgate'], table);
      expect(stdout.includes('chain of_later')).toBe(program === next);
      pids.push(pid);
      closing.push(() => {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has left for the next one.
        }
      });
    }
    expect(new Set(pids).size).toBe(3);
    const [after] = await castgate.sessions();
    expect(after).toMatchObject({ acctSessionId: before?.acctSessionId, state: 'AUTHENTICATED' });
    expect((await castgate.groups())[0]).toMatchObject({ group: NEWS, state: 'granted' });
    await player.ask(`join ${FILM}`);
    await until(
      'the new process answers joins',
      20_000,
      async () =>
        (await castgate.groups()).some(({ group, state }) => group === FILM && state === 'granted') ||
        undefined,
    );
    // Told to end while the process before it is still leaving, as systemd does with all processes of a unit.
    const leaving = pids.at(-1) ?? 0;
    const last = await askDaemon(castgate.socket, 'upgrade', {}, 60_000);
    const { pid } = 'failed' in last ? { pid: 0 } : (last.result as HandedOver);
    for (const each of [pid, leaving]) process.kill(each, 'SIGTERM');
    await until('both have ended', 10_000, () => ![pid, leaving].some(isRunning) || undefined);
    expect(existsSync(castgate.socket)).toBe(false);
  });

  it('hands connections to RADIUS servers over TCP on: the server sees one, and no request twice', async () => {
    const names = Array.from({ length: 4 }, (_, i) => `guest${i}`);
    const lab = await Lab.open({
      hosts: names.map((name, i) => ({ name, port: `swp${i + 1}` })),
      users: names.map((name) => ({ name, password: `${name}-password` })),
      permissions: [],
      channels: [NEWS],
      streams: true,
    });
    closing.push(() => lab.close());
    const server = { name: 'by-tcp', address: LabAddress.radius, transport: 'tcp' };
    const castgate = await lab.startCastgate({
      radius: { servers: [{ ...server, secret_file: lab.radius.secretFile }] },
    });
    closing.push(() => castgate.stop());
    const radius = { namespace: lab.topology.radiusNamespace };
    const handshakes = 'tcp flags & (syn | fin | rst) != 0 counter';
    await until('both connections', 20_000, async () => {
      const { stdout } = await attempt(['ss', '-Htn', 'state', 'established'], radius);
      return /:1812\s/.test(stdout) && /:1813\s/.test(stdout) ? true : undefined;
    });
    await run(
      [
        'nft',
        `add table inet seen; add chain inet seen in { type filter hook input priority 0; }; add chain inet seen out { type filter hook output priority 0; }; add rule inet seen in tcp dport { 1812, 1813 } ${handshakes}; add rule inet seen out tcp sport { 1812, 1813 } ${handshakes}`,
      ],
      radius,
    );
    for (const name of names) {
      const supplicant = await lab.startSupplicant(name, {
        method: 'peap',
        identity: name,
        password: `${name}-password`,
      });
      await lab.topology.plugIn(lab.topology.host(name));
      // PEAP needs many questions and answers: one or the other is on its way.
      const answer = await askDaemon(castgate.socket, 'upgrade', {}, 60_000);
      if ('failed' in answer) throw new Error(`${answer.failed}\n${castgate.tail(30).join('\n')}`);
      const { pid } = answer.result as HandedOver;
      closing.push(() => {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has left for the next one.
        }
      });
      await supplicant.authenticated(20_000);
    }
    await until('accounting to be taken', 20_000, () =>
      lab.radius.accountingRecords().filter((record) => record.text('Acct-Status-Type') === 'Start')
        .length === names.length
        ? true
        : undefined,
    );
    const [row] = await castgate.radius();
    expect(row).toMatchObject({ retransmits: 0, timeouts: 0, discarded: {} });
    expect(row?.connectionsLost).toEqual({});
    const { sent = 0, accepts = 0, rejects = 0, challenges = 0 } = row ?? {};
    expect(sent).toBe(accepts + rejects + challenges + lab.radius.accountingRecords().length);
    const counted = await attempt(['nft', '-j', 'list', 'table', 'inet', 'seen'], radius);
    expect([...counted.stdout.matchAll(/"packets": (\d+)/g)].map(([, packets]) => packets)).toEqual([
      '0',
      '0',
    ]);
  });

  it('ends with the old process while it only follows, and serves once everything was handed over', async () => {
    const lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [{ name: 'alice', password: 'alice-password' }],
      permissions: [],
      channels: [NEWS],
    });
    closing.push(() => lab.close());
    const castgate = await lab.startCastgate({});
    closing.push(() => castgate.stop());
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const supplicant = await lab.startSupplicant('alice', credentials);
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(15_000);
    const [before] = await castgate.sessions();
    const folder = lab.workspace.directory;
    for (const step of ['begun', 'followed', 'prepared'] as const) {
      const program = failingProgram(folder, step, 'is left alone');
      const answer = await askDaemon(castgate.socket, 'upgrade', { program }, 60_000);
      expect(answer, step).toHaveProperty('failed');
      await until(`an end at ${step}`, 20_000, () => processesOf(program).length === 0 || undefined);
      // Nobody serves now; the journal is that of the process that did.
      await castgate.resume();
      expect((await castgate.sessions())[0], step).toMatchObject({ acctSessionId: before?.acctSessionId });
    }
    const program = failingProgram(folder, 'ready', 'is left alone');
    closing.push(() => {
      for (const pid of processesOf(program)) process.kill(pid, 'SIGKILL');
    });
    const answer = await askDaemon(castgate.socket, 'upgrade', { program }, 60_000);
    expect(answer).toHaveProperty('failed');
    expect(processesOf(program)).toHaveLength(1);
    expect((await castgate.sessions())[0]).toMatchObject({
      acctSessionId: before?.acctSessionId,
      state: 'AUTHENTICATED',
    });
  });
});

/** False of one that has ended, also where nobody has asked yet how. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Processes that run a program. */
function processesOf(program: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(program)
        ? [Number(name)]
        : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
