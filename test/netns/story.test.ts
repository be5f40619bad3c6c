/** The story of `npm start` as a test: every expectation of its table, and nothing left behind when it is cut off. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Lab } from '../../lab/lab.ts';
import { builtProgram } from '../../lab/line-program.ts';
import { Report } from '../../lab/report.ts';
import { storySettings } from '../../lab/start.ts';
import { tellStory } from '../../lab/story/story.ts';
import { STORY_PLAN } from '../../lab/story/story-plan.ts';
import { namespacesOf } from '../../lab/workspace.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

describe.skipIf(notRoot || notBuilt)(`the story of npm start${why}`, { timeout: 90_000 }, () => {
  it('conformance 4, 32, 43: comes true in every expectation', async () => {
    const report = new Report(() => {}, false);
    const lab = await Lab.open(STORY_PLAN);
    try {
      const castgate = await lab.startCastgate(storySettings('h3c'));
      await tellStory(lab, castgate, report);
    } finally {
      lab.close();
    }
    expect(report.findings.filter((finding) => !finding.passed)).toEqual([]);
    expect(report.findings.length).toBeGreaterThan(25);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind after %s in the middle', async (signal) => {
    const script = fileURLToPath(new URL('../../dist/lab/start.js', import.meta.url));
    const source = `import { start } from ${JSON.stringify(script)}; process.exit(await start({ once: true, encoding: 'h3c' }));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const flowing = new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        said += data;
        if (/receives news/.test(said)) resolve();
      });
      child.on('close', () => resolve());
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await flowing;
    const prefix = /namespaces (cg[0-9a-z]+)-/.exec(said)?.[1] ?? '';
    const folder = /files in (\S+)/.exec(said)?.[1] ?? '';
    expect(namespacesOf(prefix).length).toBeGreaterThan(3);
    child.kill(signal);
    expect(await ended).toBe(130);
    expect(namespacesOf(prefix)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });
});
