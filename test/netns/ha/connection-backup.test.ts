/**
 * A RADIUS connection over TCP and the death of the node that holds it, on real parts: continued, and where that
 * cannot be, made anew with nothing lost.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeName } from '../../../lab/ha/pair-topology.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { attempt, run, until } from '../../../lab/processes.ts';
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

const QUESTIONS = 100;

/**
 * Asks, and kills the node that serves meanwhile; gives the other one. `beforeDeath` is done while it is frozen: it cannot
 * tell the other one anything any more.
 */
async function killUnderLoad(
  on: TakeoverLab,
  first: number,
  beforeDeath?: () => Promise<void>,
): Promise<NodeName> {
  const active = await on.inStep();
  const other = active === 'a' ? 'b' : 'a';
  await on.joiner.ask(`run ${first} ${QUESTIONS} 200`);
  let joinedAt = performance.now();
  await until(
    'half of the questions',
    30_000,
    async () => {
      const { asked } = await on.seen(first);
      if (asked.length >= QUESTIONS / 2) return true;
      // A frame may be lost on a busy machine, as anywhere.
      if (performance.now() - joinedAt > 3_000) {
        joinedAt = performance.now();
        await on.joiner.ask(`run ${first} ${QUESTIONS} 200`);
      }
      return undefined;
    },
    () => on.nodes[active].tail(40),
  );
  if (beforeDeath !== undefined) on.nodes[active].castgate.process?.signal('SIGSTOP');
  await beforeDeath?.();
  await on.nodes[active].castgate.kill();
  return other;
}

/** Until all that were asked have an answer; those whose join nobody heard are asked again. */
async function allAnswered(on: TakeoverLab, node: NodeName, heard: () => Promise<ReadonlySet<number>>) {
  await until(
    'an answer to every question',
    30_000,
    async () => {
      const there = await heard();
      const missing = Array.from({ length: QUESTIONS }, (_, i) => 1 + i).filter(
        (number) => !there.has(number),
      );
      if (missing.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await on.joiner.ask(`again ${missing.join(',')}`);
        return undefined;
      }
      const [row] = await on.nodes[node].castgate.radius();
      return row?.inFlight === 0 ? true : undefined;
    },
    () => on.nodes[node].tail(40),
  );
}

describe.skipIf(notRoot || notBuilt)(`a RADIUS connection over TCP${why}`, { timeout: 180_000 }, () => {
  it('outlives its node: the same connection, every question once, nothing but data on the wire', async () => {
    const on = await TakeoverLab.open({ server: 'counting', messages: 'large' });
    lab = on;
    const before = await on.seen(1);
    const flags = on.flags.length;
    const other = await killUnderLoad(on, 1);
    await allAnswered(on, other, async () => new Set((await on.seen(1)).asked));
    const after = await on.seen(1);
    expect(after).toMatchObject({ accepted: before.accepted, ended: [], damaged: [], repeated: 0 });
    expect(after.asked).toHaveLength(QUESTIONS);
    expect(on.flags.slice(flags)).toEqual([]);
    expect((await on.nodes[other].castgate.radius())[0]).toMatchObject({
      retransmits: 0,
      timeouts: 0,
      discarded: {},
    });
    expect(await on.nodes[other].status()).toMatchObject({
      role: 'active',
      connections: 2,
      connectionsContinued: 2,
      connectionsNotContinued: {},
    });
    expect((await on.nodes[other].status())?.connectionsNotContinued).toEqual({});
  });

  it.each([
    ['', false],
    [', with packets that come to the standby first', true],
  ])(
    'goes on while the processes of both nodes are replaced, one after the other%s',
    async (_, standbyFirst) => {
      const on = await TakeoverLab.open({ server: 'counting', messages: 'large', standbyFirst });
      lab = on;
      const before = await on.seen(1);
      const flags = on.flags.length;
      const active = await on.inStep();
      await on.joiner.ask(`run 1 ${QUESTIONS} 40`);
      for (const name of [active, active === 'a' ? 'b' : 'a'] as const) {
        expect(await on.nodes[name].castgate.upgrade(packageRoot())).toMatchObject({
          serves: expect.any(String),
        });
        expect(await on.inStep()).not.toBe(name);
      }
      await allAnswered(on, active, async () => new Set((await on.seen(1)).asked));
      const after = await on.seen(1);
      expect(after).toMatchObject({ accepted: before.accepted, ended: [], damaged: [], repeated: 0 });
      expect(after.asked).toHaveLength(QUESTIONS);
      expect(on.flags.slice(flags)).toEqual([]);
      expect(await on.nodes[active].status()).toMatchObject({ connections: 2, connectionsContinued: 2 });
    },
  );

  it('that the server knows no more is made anew, and what was open is asked again', async () => {
    const on = await TakeoverLab.open({ server: 'counting', messages: 'small' });
    lab = on;
    const heard = new Set<number>();
    const other = await killUnderLoad(on, 1, async () => {
      // As if the server's machine had been away: what comes for its old connections is refused.
      for (const number of (await on.seen(1)).asked) heard.add(number);
      await run(['ss', '-K', 'dst', '198.18.0.10'], { namespace: on.topology.radiusNamespace });
    });
    await allAnswered(on, other, async () => {
      for (const number of (await on.seen(1)).asked) heard.add(number);
      return heard;
    });
    const after = await on.seen(1);
    expect(after.damaged).toEqual([]);
    const status = await on.nodes[other].status();
    expect(status?.role).toBe('active');
    const fallBacks = Object.values(status?.connectionsNotContinued ?? {});
    expect(fallBacks.reduce((sum, count) => sum + count, status?.connectionsContinued ?? 0)).toBe(2);
    await until('connections of its own', 10_000, async () =>
      (await on.nodes[other].status())?.connections === 2 ? true : undefined,
    );
    expect(after.accepted).toBeGreaterThan(2);
  });

  it('leaves the table that silences a dead process where the process is dead', async () => {
    const on = await TakeoverLab.open({ server: 'counting', messages: 'small' });
    lab = on;
    const active = await on.inStep();
    const { namespace } = on.nodes[active];
    await on.nodes[active].castgate.kill();
    const rules = await attempt(['nft', 'list', 'tables'], { namespace });
    expect(rules.stdout).toContain('castgate_connections');
  });
});
