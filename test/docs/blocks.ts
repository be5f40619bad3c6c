/**
 * The commands of the documents: fenced blocks of shell, whose info string says where they are run.
 *
 *   sh lab      in the switch of a lab in which alice and bob are in
 *   sh system   in a Debian that systemd has booted; `sh system last` after all others
 *   sh told     nowhere: the text around says so
 *
 * A comment at a command's end says what to expect where it is not exit code 0: `# 1: refused`, or that somebody ends
 * it: `# until Ctrl-C`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../switch/native.ts';

export interface Block {
  readonly file: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
  /** Words of the info string; none where there is none. */
  readonly info: readonly string[];
  readonly text: string;
  /** The text since the last block. */
  readonly before: string;
}

export interface Command {
  readonly text: string;
  readonly exitCode: number;
  /** It goes on until it is ended by this signal. */
  readonly until: 'INT' | 'TERM' | undefined;
  /** `docs/x.md:12`. */
  readonly place: string;
}

/** README and docs/, in the order in which a person would read them. */
export function documents(): string[] {
  const first = ['README.md', 'docs/get-started.md'];
  const rest = readdirSync(join(packageRoot(), 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
    .sort();
  return [...first, ...rest.filter((name) => !first.includes(name))];
}

export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let open: { line: number; info: string[]; lines: string[] } | undefined;
  let before: string[] = [];
  for (const [i, line] of readFileSync(join(packageRoot(), file), 'utf8').split('\n').entries()) {
    if (!line.startsWith('```')) {
      (open?.lines ?? before).push(line);
      continue;
    }
    if (open === undefined) {
      open = { line: i + 1, info: line.slice(3).trim().split(/\s+/).filter(Boolean), lines: [] };
      continue;
    }
    blocks.push({
      file,
      line: open.line,
      info: open.info,
      text: open.lines.join('\n'),
      before: before.join('\n'),
    });
    open = undefined;
    before = [];
  }
  return blocks;
}

/** A command is a line, with the lines of its heredoc. */
export function commandsOf(block: Block): Command[] {
  const commands: Command[] = [];
  const lines = block.text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i] ?? '';
    if (first.trim() === '' || first.trim().startsWith('#')) continue;
    const place = `${block.file}:${block.line + 1 + i}`;
    const text = [first];
    const end = /<<'(\w+)'/.exec(first)?.[1];
    while (end !== undefined && lines[i] !== end && i + 1 < lines.length) text.push(lines[++i] ?? '');
    const code = / # (\d): /.exec(first)?.[1];
    const until = / # until (Ctrl-C|SIGTERM)$/.exec(first)?.[1];
    commands.push({
      text: text.join('\n'),
      exitCode: Number(code ?? 0),
      until: until === undefined ? undefined : until === 'SIGTERM' ? 'TERM' : 'INT',
      place,
    });
  }
  return commands;
}

/** All commands that are run there. */
export function commandsFor(where: 'lab' | 'system'): Command[] {
  const blocks = documents()
    .flatMap(blocksOf)
    .filter(({ info }) => info[0] === 'sh' && info[1] === where);
  const last = (block: Block) => block.info.includes('last');
  return [...blocks.filter((block) => !last(block)), ...blocks.filter(last)].flatMap(commandsOf);
}

/** For `sh -c`: a command that somebody has to end is ended after a moment. */
export function script({ text, until }: Command): string {
  return until === undefined ? text : `timeout --signal=${until} 4 ${text}`;
}

/** As it should be: 124 is `timeout`'s own word that it had to end it. */
export function isAsTold(command: Command, code: number | undefined): boolean {
  return command.until === undefined ? code === command.exitCode : code === 124 || code === 0;
}
