/**
 * Upgrades of a pair's nodes on real parts whose new process fails at a step, while subscribers log in, watch, zap and
 * leave; those that succeed are in ha-failover.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from '../../../lab/control.ts';
import { AccountBooks } from '../../../lab/ha/account-books.ts';
import { judge } from '../../../lab/ha/judge.ts';
import { PairLab } from '../../../lab/ha/pair-lab.ts';
import { beginService } from '../../../lab/ha/pair-service.ts';
import { NODE_NAMES, otherOf } from '../../../lab/ha/pair-topology.ts';
import { inStep, playRound } from '../../../lab/ha/round.ts';
import type { Scenario } from '../../../lab/ha/scenario.ts';
import { type UpgradeFault, upgradeOf } from '../../../lab/ha/upgrades.ts';
import { monotonicMs } from '../../../lab/hosts/channel-packet.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { pause, until } from '../../../lab/processes.ts';
import { GatedProgram, otherRecords } from '../../../lab/upgrade/versions.ts';
import { packageRoot } from '../../../switch/native.ts';
import { type DatagramListener, listenForDatagrams } from '../../daemon/datagram-listener.ts';

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('keepalived', ['--version']).error !== undefined)
    return 'no keepalived: apt install keepalived';
  return existsSync(builtProgram('ha/viewers')) ? undefined : 'not built, npm run build';
}

const why = whyNot();
const FAULTS: readonly UpgradeFault[] = [
  'broken',
  { step: 'prepared', how: 'ends' },
  { step: 'taken', how: 'is killed' },
  { step: 'standing', how: 'ends' },
  { step: 'ready', how: 'is killed' },
  { step: 'serving', how: 'is killed' },
];

/** An upgrade of the active to this version, while people are at it. */
function handOver(program: string, version: string): Scenario {
  return {
    name: `upgrade of the active to ${version}`,
    serves: 'the other',
    strike: async (on, node) => {
      const answer = on.node(node).castgate.upgrade(program);
      await until('it to hand over', 20_000, async () =>
        (await on.node(node).status())?.role === 'active' ? undefined : true,
      );
      const at = monotonicMs();
      expect(await answer).toMatchObject({ program: version });
      return at;
    },
    mend: async () => undefined,
  };
}

describe.skipIf(why !== undefined)(
  `upgrades of a pair that fail${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    let lab: PairLab;
    const books = new AccountBooks();

    /** What the nodes tell a service manager. */
    let manager: DatagramListener;

    beforeAll(async () => {
      const place = mkdtempSync(join(tmpdir(), 'castgate-upgrade-'));
      manager = await listenForDatagrams(join(place, 'notify'));
      process.env['NOTIFY_SOCKET'] = join(place, 'notify');
      lab = await PairLab.open();
      await beginService(lab, books);
    }, 90_000);

    afterAll(async () => {
      await lab?.close();
      manager?.close();
      const socket = process.env['NOTIFY_SOCKET'];
      delete process.env['NOTIFY_SOCKET'];
      if (socket !== undefined) rmSync(dirname(socket), { recursive: true, force: true });
    });

    const active = async () => {
      const both = await until('both nodes in step', 20_000, () => inStep(lab));
      return NODE_NAMES.find((node) => both[node].role === 'active') ?? 'a';
    };

    it.each(
      FAULTS.flatMap((fault) => [upgradeOf('standby', fault), upgradeOf('active', fault)]).map(
        (scenario) => [scenario.name, scenario] as const,
      ),
    )(
      'lose nobody and nothing: %s',
      async (_, scenario) => {
        const seen = await playRound(lab, scenario, await active(), books, () => 0.5);
        const reasons = judge(seen);
        if (reasons.length > 0)
          console.error(NODE_NAMES.flatMap((node) => lab.nodes[node].tail(60)).join('\n'));
        expect(reasons).toEqual([]);
      },
      90_000,
    );

    it('tell the service manager of another process where they do not', async () => {
      const standby = lab.node(otherOf(await active()));
      const program = new GatedProgram(lab.workspace.directory, 'right', packageRoot());
      const answer = standby.castgate.upgrade(program.path);
      await program.waits();
      // What would be changed here the new process would not know.
      const { configFile, socket } = standby.castgate;
      const file = readFileSync(configFile, 'utf8');
      writeFileSync(configFile, `${file}\nlog: { level: warn }\n`);
      expect(await ask(socket, 'reload')).toEqual({
        refused: expect.stringMatching(/an upgrade is running/),
      });
      writeFileSync(configFile, file);
      program.letGo();
      const outcome = await answer;
      if ('refused' in outcome) throw new Error(outcome.refused);
      await until('its pid', 5_000, () => manager.heard.includes(`MAINPID=${outcome.pid}`) || undefined);
      const said = manager.heard.slice(manager.heard.indexOf(`MAINPID=${outcome.pid}`) + 1);
      expect(said[0]).toMatch(/^READY=1\nSTATUS=standing by: /);
      await until('both nodes in step', 5_000, () => inStep(lab));
    }, 60_000);

    it('are refused where the new version does not read what the other node has', async () => {
      const picky = otherRecords(join(lab.workspace.directory, 'picky'), '9.0.2', 'of later ones only');
      const standby = lab.node(otherOf(await active()));
      const outcome = await standby.castgate.upgrade(picky);
      expect(outcome).toEqual({ refused: expect.stringMatching(/reads \d+ and later.*goes on as before/) });
      await until('both nodes in step', 2_000, () => inStep(lab));
    }, 60_000);

    it('are refused where no standby is in step, and nothing is touched', async () => {
      const serving = lab.node(await active());
      await lab.node(otherOf(serving.name)).castgate.stop();
      await until('it to be alone', 5_000, async () => ((await serving.status())?.alone ? true : undefined));
      const outcome = await serving.castgate.upgrade(packageRoot());
      expect(outcome).toEqual({
        refused: expect.stringMatching(/no standby is in step.*goes on as before, serving/),
      });
      expect((await serving.status())?.role).toBe('active');
      await lab.node(otherOf(serving.name)).castgate.resume();
    }, 60_000);

    it('go on in the new process where the old one dies once that one takes part', async () => {
      const standby = lab.node(otherOf(await active()));
      const program = new GatedProgram(lab.workspace.directory, 'left-alone', packageRoot(), {
        step: 'standing',
        how: 'is left alone',
      });
      const answer = standby.castgate.upgrade(program.path);
      await program.waits();
      program.letGo();
      expect(await answer).toHaveProperty('refused');
      await until('both nodes in step', 20_000, () => inStep(lab));
      expect((await standby.status())?.role).toBe('standby');
      // The guard has not told keepalived of a death.
      await until(
        'its weight',
        5_000,
        () => readFileSync(standby.keepalived.priorityFile, 'utf8').trim() === '0' || undefined,
      );
      await pause(300);
      expect(readFileSync(standby.keepalived.priorityFile, 'utf8').trim()).toBe('0');
    }, 60_000);

    it('go one way to a version whose records an earlier one does not read, and nobody is disconnected', async () => {
      const later = otherRecords(join(lab.workspace.directory, 'later'), '9.0.1', 'for later ones only');
      const first = await active();
      const standby = lab.node(otherOf(first));
      expect(await standby.castgate.upgrade(later)).toMatchObject({ program: '9.0.1', serves: first });
      for (const node of NODE_NAMES)
        expect((await lab.node(node).status())?.mismatch).toMatch(
          /once the standby serves.*version \d+ or later/,
        );
      await until('its weight', 5_000, async () => (await standby.status())?.weight === 0 || undefined);
      const seen = await playRound(lab, handOver(later, '9.0.1'), await active(), books, () => 0.5);
      expect(judge(seen)).toEqual([]);
      expect(await active()).toBe(standby.name);
      for (const node of NODE_NAMES) expect((await lab.node(node).status())?.mismatch).toBe(null);
      const back = await lab.node(first).castgate.upgrade(packageRoot());
      expect(back).toEqual({ refused: expect.stringMatching(/cannot read these records.*standing by/) });
      await until('both nodes in step', 20_000, () => inStep(lab));
    }, 90_000);
  },
);
