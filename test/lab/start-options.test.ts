/** `npm start` answers for its options before it installs or raises anything. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));

function start(...options: string[]) {
  // Without a PATH nothing could be installed or built: the answer has to come before that.
  return spawnSync(process.execPath, [SCRIPT, ...options], { encoding: 'utf8', env: { PATH: '/nowhere' } });
}

describe('npm start', () => {
  it('says what it does with --help', () => {
    const answer = start('--help');
    expect(answer.status).toBe(0);
    expect(answer.stdout).toMatch(/--once\s+end after the table/);
    expect(answer.stderr).toBe('');
  });

  it.each([[['--onec']], [['--once=1']], [['--encoding', 'dlink']], [['--encoding']], [['now']]])(
    'refuses %s with exit code 2 and one line',
    (options) => {
      const answer = start(...options);
      expect(answer.status).toBe(2);
      expect(answer.stdout).toBe('');
      expect(answer.stderr).toMatch(/^castgate: .+\n$/);
    },
  );
});
