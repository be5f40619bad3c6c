/** The commands of the documents that install and run castgate, in a Debian that systemd has booted. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../lab/processes.ts';
import { packageRoot } from '../../../switch/native.ts';
import { commandsFor, isAsTold, script } from '../../docs/blocks.ts';
import { BootedDebian, whyNotBootable } from './booted-debian.ts';

const reason = whyNotBootable();

describe.skipIf(reason !== undefined)(
  `the documents on a system of their own ${reason ?? ''}`,
  { timeout: 120_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'cgt-docs-'));
    let system: BootedDebian | undefined;

    beforeAll(async () => {
      await run(['node', join(packageRoot(), 'packaging/build-deb.mjs'), folder], { timeoutMs: 240_000 });
      system = await BootedDebian.boot();
      for (const name of readdirSync(folder)) cpSync(join(folder, name), join(system.root, 'root', name));
      // The cables, which a switch has.
      for (const [port, end] of [
        ['swp1', 'host1'],
        ['up0', 'upstream'],
      ] as const) {
        await system.run(['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', end]);
        for (const name of [port, end]) await system.run(['ip', 'link', 'set', name, 'up']);
      }
    }, 360_000);
    afterAll(async () => {
      await system?.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    for (const command of commandsFor('system')) {
      it(`${command.place}: ${command.text.split('\n')[0]}`, async () => {
        const done = await system?.attempt(['sh', '-c', script(command)], 90_000);
        const said = `exit code ${done?.code}\n${done?.stdout}${done?.stderr}`;
        expect(isAsTold(command, done?.code), said).toBe(true);
      });
    }
  },
);
