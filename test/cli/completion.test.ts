/** What shells and man know of the commands: the same as the commands do. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commands, runCommand } from '../../cli/program.ts';

const program = commands({ output: { out: () => {}, err: () => {} }, done: () => {} });

async function castgate(...argv: string[]): Promise<string> {
  let out = '';
  const code = await runCommand(argv, {
    out: (text) => {
      out += text;
    },
    err: () => {},
  });
  expect(code).toBe(0);
  return out;
}

/** What bash offers for the last word. */
async function offered(...words: string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cgt-completion-'));
  try {
    const file = join(folder, 'castgate');
    writeFileSync(file, await castgate('completion', 'bash'));
    const list = ['castgate', ...words].map((word) => `'${word}'`).join(' ');
    const script = `source ${file}; COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _castgate; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const bash = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(bash.stderr).toBe('');
    return bash.stdout.split('\n').filter((line) => line !== '');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('completion', () => {
  it('in bash offers commands, options and words', async () => {
    const names = program.commands.map((command) => command.name());
    expect(await offered('')).toEqual(expect.arrayContaining(names));
    expect(await offered('sh')).toEqual(['show']);
    expect(await offered('show', 'gr')).toEqual(['groups', 'grants']);
    expect(await offered('show', '--wa')).toEqual(['--watch']);
    expect(await offered('port', 's')).toEqual(['shut']);
    expect(await offered('completion', 'f')).toEqual(['fish']);
    expect(await offered('check', '/etc/host')).toContain('/etc/hosts');
    expect(await offered('show', '--config', '/etc/host')).toContain('/etc/hosts');
  });

  it.each(['bash', 'zsh', 'fish'])('for %s knows every command and every long option', async (shell) => {
    const script = await castgate('completion', shell);
    for (const command of program.commands) {
      expect(script).toContain(command.name());
      for (const { long } of command.options)
        expect(script).toContain(shell === 'fish' ? `-l ${long?.slice(2)}` : long);
    }
    const check = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    if (check.error === undefined) expect([check.status, check.stderr]).toEqual([0, '']);
  });
});

describe('man page', () => {
  it('has every command with its options, examples and exit codes', async () => {
    const page = await castgate('man');
    expect(page.split('\n')[1]).toMatch(/^\.TH CASTGATE 1/);
    for (const command of program.commands) {
      expect(page).toContain(`.SS castgate ${command.name()}`);
      for (const { flags } of command.options) expect(page).toContain(`.B ${flags.replaceAll('-', '\\-')}`);
    }
    expect(page).toContain('castgate show denied \\-\\-account alice');
    expect(page).toContain('Exit codes: 0 permitted');
    // No line but requests begins with a dot.
    for (const line of page.split('\n'))
      if (/^[.']/.test(line)) expect(line).toMatch(/^\.(\\"|TH|SH|SS|B|BR|I|TP|PP|br|nf|fi)( |$)|^\.\\"/);
  });
});
