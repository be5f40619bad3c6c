/** The commands of the documents that look at a switch, in the switch of a lab. */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { attempt, until } from '../../../lab/processes.ts';
import { commandsFor, isAsTold, script } from '../../docs/blocks.ts';
import { whyNoNamespaces } from '../namespaces.ts';

const PROGRAM = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const reason =
  whyNoNamespaces() ?? (existsSync(builtProgram('receiver')) ? undefined : 'not built: npm run build');

describe.skipIf(reason !== undefined)(`the documents in a lab ${reason ?? ''}`, { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cgt-docs-'));
  let lab: Lab | undefined;
  let castgate: Castgate | undefined;

  beforeAll(async () => {
    lab = await Lab.open({
      hosts: [
        { name: 'alice', port: 'swp1' },
        { name: 'bob', port: 'swp2' },
      ],
      users: [
        { name: 'alice', password: 'alice-password' },
        { name: 'bob', password: 'bob-password' },
      ],
      permissions: [
        { account: 'alice', group: '239.1.1.1', holdsS: 600 },
        { account: 'bob', group: '239.1.1.2', holdsS: 600 },
      ],
      channels: ['239.1.1.1', '239.1.1.2'],
    });
    castgate = await lab.startCastgate();
    const running = castgate;
    for (const name of ['alice', 'bob'] as const) {
      const supplicant = await lab.startSupplicant(name, {
        method: 'md5',
        identity: name,
        password: `${name}-password`,
      });
      await lab.topology.plugIn(lab.topology.host(name));
      await supplicant.authenticated(30_000);
      const player = await lab.startReceiver(name);
      for (const group of ['239.1.1.1', '239.1.1.2']) await player.ask(`join ${group}`);
    }
    await until('all joins to be decided', 20_000, async () => {
      const states = (await running.groups()).map(({ state }) => state).sort();
      return states.join() === 'granted,granted,refused,refused' || undefined;
    });
    // `castgate` as it is installed, but for its socket.
    const wrapper = join(folder, 'castgate');
    writeFileSync(wrapper, `#!/bin/sh\nexec node ${PROGRAM} "$@" --socket ${castgate.socket}\n`);
    chmodSync(wrapper, 0o755);
  }, 120_000);
  afterAll(async () => {
    await castgate?.stop();
    lab?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const command of commandsFor('lab')) {
    it(`${command.place}: ${command.text}`, async () => {
      const path = `PATH=${folder}:${process.env['PATH'] ?? ''}`;
      const { code, stdout, stderr } = await attempt(['env', path, 'sh', '-c', script(command)], {
        namespace: lab?.topology.switchNamespace ?? '',
        timeoutMs: 30_000,
      });
      expect(isAsTold(command, code), `exit code ${code}\n${stdout}${stderr}`).toBe(true);
      expect(stdout + stderr).not.toBe('');
    });
  }
});
