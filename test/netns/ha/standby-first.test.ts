/** The standby in the way of the packets (ha.standby_first), on real kernels: what it sees, and what happens without it. */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeName } from '../../../lab/ha/pair-topology.ts';
import { PairAddress } from '../../../lab/ha/pair-topology.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { LabProcess, pause, run, until } from '../../../lab/processes.ts';
import { TakeoverLab } from '../../../lab/takeover/takeover-lab.ts';
import { packageRoot } from '../../../switch/native.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('takeover/counting-server'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

let lab: TakeoverLab | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && lab !== undefined)
    for (const node of ['a', 'b'] as const) console.error(lab.nodes[node].tail(40).join('\n'));
  await lab?.close();
  lab = undefined;
});

/** In step, the standby in the way. */
async function opened(messages: 'small' | 'large', family: 4 | 6 = 4) {
  const on = await TakeoverLab.open({ server: 'counting', messages, standbyFirst: true, family });
  lab = on;
  const active = await on.inStep();
  const standby: NodeName = active === 'a' ? 'b' : 'a';
  return { on, active, standby };
}

/** Asks so many questions and waits until all are answered. */
async function askAll(on: TakeoverLab, node: NodeName, first: number, count: number): Promise<void> {
  await on.joiner.ask(`run ${first} ${count} 400`);
  await until('all questions', 20_000, async () => {
    const { asked } = await on.seen(first);
    const missing = Array.from({ length: count }, (_, i) => first + i).filter((n) => !asked.includes(n));
    if (missing.length === 0) return (await on.nodes[node].castgate.radius())[0]?.inFlight === 0 || undefined;
    return undefined;
  });
}

async function macOf(on: TakeoverLab, node: NodeName): Promise<string> {
  const text = await run(['ip', '-j', 'link', 'show', 'mgmt0'], { namespace: on.nodes[node].namespace });
  return (JSON.parse(text) as { address: string }[])[0]?.address ?? '';
}

/** Where the server believes the virtual address to be. */
async function believed(on: TakeoverLab, family: 4 | 6 = 4): Promise<string | undefined> {
  const address = family === 6 ? PairAddress.virtual6 : PairAddress.virtual;
  const text = await run(['ip', '-j', 'neigh', 'show', 'to', address], {
    namespace: on.topology.radiusNamespace,
  });
  return (JSON.parse(text) as { lladdr?: string }[])[0]?.lladdr;
}

/** Segments that the server's kernel has sent again. */
async function sentAgain(on: TakeoverLab): Promise<number> {
  const text = await run(['nstat', '-asz', 'TcpRetransSegs'], { namespace: on.topology.radiusNamespace });
  return Number(/TcpRetransSegs\s+(\d+)/.exec(text)?.[1] ?? Number.NaN);
}

/**
 * Sends a packet to the virtual address every few milliseconds, and looks at the node that serves when they come; gives
 * the longest time without one, in milliseconds.
 */
async function darkness(on: TakeoverLab, active: NodeName): Promise<{ end(): Promise<number> }> {
  const words = ['tcpdump', '-l', '-n', '-tt', '-i', 'mgmt0', '--immediate-mode'];
  const filter = `udp dst port 9 and dst host ${PairAddress.virtual} and ether dst ${await macOf(on, active)}`;
  const dump = LabProcess.start('tcpdump', [...words, filter], on.nodes[active].namespace);
  const times: number[] = [];
  dump.onLine((line, from) => {
    const at = from === 'stdout' ? Number.parseFloat(line) : Number.NaN;
    if (!Number.isNaN(at)) times.push(1000 * at);
  });
  await dump.waitForLine(/listening on/, 5_000);
  const send = `exec 3>/dev/udp/${PairAddress.virtual}/9; while :; do echo >&3; sleep 0.002; done 2>/dev/null`;
  const sender = LabProcess.start('sender', ['bash', '-c', send], on.topology.radiusNamespace);
  await until('packets', 5_000, () => Promise.resolve(times.length > 20 ? true : undefined));
  return {
    end: async () => {
      await sender.stop('SIGKILL');
      await dump.stop('SIGINT');
      return Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? time)));
    },
  };
}

describe.skipIf(notRoot || notBuilt)(`a standby in the way${why}`, { timeout: 180_000 }, () => {
  it.each([4, 6] as const)('sees every octet, and the server knows no other node (IPv%i)', async (family) => {
    const { on, active, standby } = await opened('large', family);
    expect(await believed(on, family)).toBe(await macOf(on, standby));
    const before = await on.nodes[standby].status();
    await askAll(on, active, 1, 200);
    const after = await on.nodes[standby].status();
    expect((after?.tappedOctets ?? 0) - (before?.tappedOctets ?? 0)).toBeGreaterThan(200 * 4000);
    expect(after).toMatchObject({
      way: 'in-the-way',
      tapUnseenOctets: before?.tapUnseenOctets,
      tapOverflows: 0,
    });
    // The active asks for the server's address itself, and is not learnt by that.
    await run(['ip', 'neigh', 'flush', 'dev', 'mgmt0'], { namespace: on.nodes[active].namespace });
    await askAll(on, active, 201, 100);
    expect(await believed(on, family)).toBe(await macOf(on, standby));
    expect((await on.nodes[standby].status())?.tapUnseenOctets).toBe(before?.tapUnseenOctets);
  });

  it('goes on with octets that the active never read: the server need not send them again', async () => {
    const { on, active, standby } = await opened('large');
    const again = await sentAgain(on);
    const { ended, accepted } = await on.seen(1);
    await on.joiner.ask('run 1 120 400');
    await until('some questions', 5_000, async () => (await on.seen(1)).asked.length > 20 || undefined);
    await on.counting?.ask('stop');
    await pause(60);
    const tapped = async () => (await on.nodes[standby].status())?.tappedOctets ?? 0;
    const before = await tapped();
    // What is answered now is with its kernel, and with the standby.
    on.nodes[active].castgate.process?.signal('SIGSTOP');
    await on.counting?.ask('go');
    await until(
      'answers at the standby',
      5_000,
      async () => (await tapped()) > before + 6 * 4096 || undefined,
    );
    await on.nodes[active].castgate.kill();
    await until('all answers', 20_000, async () => {
      const status = await on.nodes[standby].status();
      if (status?.role !== 'active') return undefined;
      const { asked } = await on.seen(1);
      const missing = Array.from({ length: 120 }, (_, i) => 1 + i).filter((n) => !asked.includes(n));
      if (missing.length > 0) {
        await pause(200);
        await on.joiner.ask(`again ${missing.join(',')}`);
        return undefined;
      }
      return (await on.nodes[standby].castgate.radius())[0]?.inFlight === 0 || undefined;
    });
    const status = await on.nodes[standby].status();
    expect(status).toMatchObject({ connectionsContinued: 2, connectionsNotContinued: {} });
    expect(status?.tapTakenUpOctets).toBeGreaterThan(5 * 4096);
    expect(await on.seen(1)).toMatchObject({ ended, accepted, damaged: [], repeated: 0 });
    expect((await on.nodes[standby].castgate.radius())[0]).toMatchObject({ retransmits: 0, discarded: {} });
    // Its timers send a segment or two meanwhile, as the acknowledgement is late; all of these octets were a lot more.
    expect(((await sentAgain(on)) - again) * 1448).toBeLessThan((status?.tapTakenUpOctets ?? 0) / 2);
  });

  it('that dies leaves the packets to the active at once', async () => {
    const { on, active, standby } = await opened('small');
    const dark = await darkness(on, active);
    await on.joiner.ask('run 1 200 400');
    await pause(200);
    await on.nodes[standby].castgate.kill();
    await until('the way', 5_000, async () =>
      (await on.nodes[active].status())?.way === 'direct' ? true : undefined,
    );
    await pause(500);
    expect(await believed(on)).toBe(await macOf(on, active));
    const ms = await dark.end();
    expect(ms).toBeLessThan(200);
    await askAll(on, active, 201, 50);
    expect((await on.nodes[active].castgate.radius())[0]).toMatchObject({ retransmits: 0, timeouts: 0 });
    await on.nodes[standby].castgate.resume();
    await on.inStep();
    expect(await believed(on)).toBe(await macOf(on, standby));
  });

  it('whose link is cut says nothing more: the active takes the packets back, and gives them again', async () => {
    const { on, active, standby } = await opened('small');
    const dark = await darkness(on, active);
    await on.topology.replicationLink(false);
    await until('the way', 5_000, async () =>
      (await on.nodes[active].status())?.way === 'direct' ? true : undefined,
    );
    await pause(300);
    expect(await believed(on)).toBe(await macOf(on, active));
    await askAll(on, active, 1, 50);
    await on.topology.replicationLink(true);
    expect(await on.inStep()).toBe(active);
    expect(await believed(on)).toBe(await macOf(on, standby));
    const ms = await dark.end();
    expect(ms).toBeLessThan(200);
  });

  it('is so again after each upgrade of a node', async () => {
    const { on, active } = await opened('small');
    const { ended, accepted } = await on.seen(1);
    let serves: NodeName = active;
    let first = 1;
    for (const which of ['standby', 'active'] as const) {
      const name = which === 'active' ? serves : serves === 'a' ? 'b' : 'a';
      await on.joiner.ask(`run ${first} 100 200`);
      await pause(100);
      // On a crowded machine keepalived changes its mind by itself, and for a moment no standby is in step.
      const answer = await until('the upgrade', 20_000, async () => {
        const given = await on.nodes[name].castgate.upgrade(packageRoot());
        return 'refused' in given && /in step|try again|hears of no/.test(given.refused) ? undefined : given;
      });
      expect(answer).not.toHaveProperty('refused');
      serves = await on.inStep();
      // keepalived has said something else meanwhile.
      const there = await macOf(on, serves === 'a' ? 'b' : 'a');
      await until('the way', 2_000, async () => (await believed(on)) === there || undefined);
      first += 100;
      await askAll(on, serves, first, 30);
      first += 30;
    }
    expect(await on.seen(1)).toMatchObject({ ended, accepted, damaged: [], repeated: 0 });
  });

  it('that is passed by is no danger: what it has not seen waits for the records', async () => {
    const { on, active, standby } = await opened('large');
    const before = await on.nodes[standby].status();
    const { ended, accepted } = await on.seen(1);
    // The server does as it likes.
    await run(
      [
        'ip',
        'neigh',
        'replace',
        PairAddress.virtual,
        'lladdr',
        await macOf(on, active),
        'dev',
        'eth0',
        'nud',
        'permanent',
      ],
      { namespace: on.topology.radiusNamespace },
    );
    await askAll(on, active, 1, 100);
    const after = await on.nodes[standby].status();
    expect((after?.tapUnseenOctets ?? 0) - (before?.tapUnseenOctets ?? 0)).toBeGreaterThan(100 * 4000);
    expect((after?.tappedOctets ?? 0) - (before?.tappedOctets ?? 0)).toBeLessThan(1000);
    await on.joiner.ask('run 101 60 400');
    await pause(80);
    await on.nodes[active].castgate.kill();
    await run(['ip', 'neigh', 'del', PairAddress.virtual, 'dev', 'eth0'], {
      namespace: on.topology.radiusNamespace,
    });
    await until('the other node to serve', 10_000, async () =>
      (await on.nodes[standby].status())?.role === 'active' ? true : undefined,
    );
    await until('answers', 10_000, async () =>
      (await on.nodes[standby].castgate.radius())[0]?.inFlight === 0 ? true : undefined,
    );
    expect(await on.nodes[standby].status()).toMatchObject({ connectionsContinued: 2 });
    expect(await on.seen(1)).toMatchObject({ ended, accepted, damaged: [], repeated: 0 });
    expect((await on.nodes[standby].castgate.radius())[0]).toMatchObject({ retransmits: 0, discarded: {} });
  });
});
