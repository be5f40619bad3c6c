/** The lab itself: it comes up, carries frames, and leaves nothing behind, whatever happened to its owner. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ofGroup, tally } from '../../lab/capture.ts';
import { Lab, type LabPlan } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { attempt, pause, until } from '../../lab/processes.ts';
import { namespacesOf, openWorkspace, removeWorkspace } from '../../lab/workspace.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const PLAN: LabPlan = {
  hosts: [
    { name: 'a', port: 'swp1' },
    { name: 'b', port: 'swp2', igmpVersion: 2 },
    { name: 'c', port: 'swp2' },
  ],
  users: [{ name: 'alice', password: 'alice-password', class: 'gold' }],
  permissions: [{ account: 'alice', group: '239.1.1.1', holdsS: 30 }],
  channels: ['239.1.1.1'],
};

describe.skipIf(notRoot || notBuilt)(`the lab${why}`, { timeout: 30_000 }, () => {
  it('carries a channel to a host that joins, over a cable and over a hub', async () => {
    const lab = await Lab.open(PLAN);
    try {
      for (const host of lab.topology.hosts) await lab.topology.plugIn(host);
      const cable = await lab.capture('b');
      const players = await Promise.all(['a', 'b'].map((name) => lab.startReceiver(name)));
      for (const player of players) await player.ask('join 239.1.1.1');
      for (const player of players)
        await until('the channel', 5_000, () =>
          player.events.some((event) => event['event'] === 'first') ? true : undefined,
        );
      const told = await until('the router to be told', 3_000, async () => {
        const groups = (await lab.router.ask('groups'))['groups'] as Record<string, { wanted: boolean }>;
        return groups['239.1.1.1'];
      });
      expect(told.wanted).toBe(true);
      const count = await players[1]?.ask('leave 239.1.1.1');
      expect(count?.['missing']).toBe(0);
      const frames = await cable.finish();
      expect(tally(frames, ofGroup('239.1.1.1')).packets).toBeGreaterThanOrEqual(Number(count?.['packets']));
      expect(tally(frames, (frame) => frame.ip?.protocol === 2).packets).toBeGreaterThan(0);
    } finally {
      lab.close();
    }
    expect(namespacesOf(lab.workspace.prefix)).toEqual([]);
    expect(existsSync(lab.workspace.directory)).toBe(false);
  });

  it.each([
    ['H3C-IPv4-Multicast-Receive-Group=239.1.1.1', 'alice', /Access-Accept(.|\n)*Session-Timeout = 30/],
    ['Huawei-Multicast-Receive-Group=239.1.1.1', 'alice', /Access-Accept(.|\n)*Session-Timeout = 30/],
    ['H3C-IPv4-Multicast-Receive-Group=239.1.1.2', 'alice', /Access-Reject(.|\n)*Reply-Message/],
    ['Huawei-Multicast-Receive-Group=239.1.1.1', 'mallory', /Access-Reject(.|\n)*Reply-Message/],
    ['H3C-IPv6-Multicast-Receive-Group=ff15::101', 'alice', /Access-Reject(.|\n)*Reply-Message/],
    ['NAS-Port=1', 'alice', /Access-Reject/],
  ])('FreeRADIUS answers %s of %s', async (group, account, expected) => {
    const lab = await Lab.open({ ...PLAN, hosts: [] });
    try {
      const request = `User-Name=${account},Service-Type=Authorize-Only,${group},Message-Authenticator=0x00\n`;
      const answer = await attempt(
        ['radclient', '-x', `${lab.radius.plan.listen}:1812`, 'auth', lab.radius.plan.secret],
        { namespace: lab.topology.switchNamespace, input: request },
      );
      expect(answer.stdout).toMatch(expected);
      expect(answer.stdout.split('Received')[1]).toMatch(/Message-Authenticator = 0x[0-9a-f]{32}/);
      const recorded = await until('the recorded request', 3_000, () => lab.radius.accessRequests().at(0));
      expect(recorded.text('User-Name')).toBe(account);
    } finally {
      lab.close();
    }
  });

  it('leaves nothing of a lab whose owner was killed', async () => {
    const workspaceModule = fileURLToPath(new URL('../../dist/lab/workspace.js', import.meta.url));
    const topologyModule = fileURLToPath(new URL('../../dist/lab/topology.js', import.meta.url));
    const processesModule = fileURLToPath(new URL('../../dist/lab/processes.js', import.meta.url));
    const script = `
      const { openWorkspace } = await import(${JSON.stringify(workspaceModule)});
      const { Topology } = await import(${JSON.stringify(topologyModule)});
      const { LabProcess } = await import(${JSON.stringify(processesModule)});
      const workspace = openWorkspace();
      const topology = await Topology.raise(workspace, [{ name: 'a', port: 'swp1' }]);
      const sleeper = LabProcess.start('sleep', ['sleep', '600'], topology.switchNamespace);
      setTimeout(() => console.log(JSON.stringify({ ...workspace, pid: sleeper.pid })), 200);
      setTimeout(() => {}, 600_000);
    `;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const told = await new Promise<{ prefix: string; directory: string; pid: number }>((resolve) => {
      owner.stdout.once('data', (data) => resolve(JSON.parse(String(data))));
    });
    expect(namespacesOf(told.prefix).length).toBeGreaterThan(3);
    expect(existsSync(`/proc/${told.pid}`)).toBe(true);
    const ended = new Promise((resolve) => owner.on('close', resolve));
    owner.kill('SIGKILL');
    await ended;
    // Its programs die with it; its namespaces and folder go when the next lab opens.
    await until('the program of the dead owner to end', 2_000, () =>
      existsSync(`/proc/${told.pid}`) ? undefined : true,
    );
    await pause(2_100); // younger folders are taken for labs that are being made
    removeWorkspace(openWorkspace());
    expect(namespacesOf(told.prefix)).toEqual([]);
    expect(existsSync(told.directory)).toBe(false);
  });
});
