import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../switch/native.ts';
import { blocksOf, commandsFor, commandsOf, documents } from './blocks.ts';

/** What only shells understand. */
const COMMAND =
  /^\s*(\(?umask|castgate|npm|npx|node|ip|bridge|nft|systemctl|dpkg|apt|echo|cat|kill|curl|freeradius) /m;

describe('the commands of the documents', () => {
  it('all say where they are run, or that they are not', () => {
    const silent: string[] = [];
    for (const block of documents().flatMap(blocksOf)) {
      const [language, where] = block.info;
      const at = `${block.file}:${block.line}`;
      if (language === 'sh') {
        if (!['lab', 'system', 'told'].includes(where ?? '')) silent.push(at);
        const said = /not run by the\s+tests/.test(block.before) || block.file === 'README.md';
        if (where === 'told' && !said) silent.push(`${at}: does not say that it is not run`);
      } else if (language === undefined && COMMAND.test(block.text)) silent.push(at);
    }
    expect(silent).toEqual([]);
  });

  it('are read with their heredocs and what they are to end with', () => {
    const block = { file: 'x.md', line: 3, info: ['sh', 'lab'], before: '' };
    const text =
      "cat > a <<'END'\n# not a comment\nEND\n\n# a comment\nfalse # 1: it is\nsleep 9 # until Ctrl-C";
    expect(commandsOf({ ...block, text })).toEqual([
      { text: "cat > a <<'END'\n# not a comment\nEND", exitCode: 0, until: undefined, place: 'x.md:4' },
      { text: 'false # 1: it is', exitCode: 1, until: undefined, place: 'x.md:9' },
      { text: 'sleep 9 # until Ctrl-C', exitCode: 0, until: 'INT', place: 'x.md:10' },
    ]);
  });

  it('are there', () => {
    expect(commandsFor('lab').length).toBeGreaterThan(20);
    expect(commandsFor('system').length).toBeGreaterThan(20);
  });
});

describe('the links of the documents', () => {
  it('lead somewhere', () => {
    const lost: string[] = [];
    for (const file of [...documents(), 'ARCHITECTURE.md', 'CONTRIBUTING.md']) {
      const text = readFileSync(join(packageRoot(), file), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const at = path === '' ? file : join(dirname(file), path);
        if (!existsSync(join(packageRoot(), at))) lost.push(`${file}: ${target}`);
        else if (anchor !== undefined && !anchorsOf(at).includes(anchor)) lost.push(`${file}: ${target}`);
      }
    }
    expect(lost).toEqual([]);
  });
});

/** As they are made out of headings. */
function anchorsOf(file: string): string[] {
  const text = readFileSync(join(packageRoot(), file), 'utf8');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
