/** Completion scripts for shells, made from the commands: their names, options, and words that they take. */
import type { Command } from 'commander';
import { SHOW_WORDS } from './show/show.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Described {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly about: string;
    readonly file: boolean;
  }[];
  readonly words: readonly string[];
  /** It takes the name of a file. */
  readonly file: boolean;
}

export function completion(program: Command, shell: Shell): string {
  const commands = program.commands.map(describe);
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return zsh(commands);
    case 'fish':
      return fish(commands);
  }
}

function describe(command: Command): Described {
  const help = command.createHelp();
  const words = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return {
    name: command.name(),
    summary: command.summary(),
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      about: option.description,
      file: /<(file|path)>/.test(option.flags),
    })),
    words: command.name() === 'show' ? SHOW_WORDS : words,
    file: command.registeredArguments.some((argument) => argument.name() === 'file'),
  };
}

function bash(commands: readonly Described[]): string {
  const cases = commands.map(({ name, options, words, file }) => {
    const flags = options.flatMap((option) => option.flags).join(' ');
    const files = file ? '\n      COMPREPLY+=( $(compgen -f -- "$cur") )' : '';
    return `    ${name})\n      COMPREPLY=( $(compgen -W "${[...words, flags].join(' ')}" -- "$cur") )${files} ;;`;
  });
  const fileOptions = flagsWithFile(commands).join('|');
  return `# castgate: completion for bash. Made by 'castgate completion bash'.
_castgate() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W "${commands.map(({ name }) => name).join(' ')} help --help --version" -- "$cur") )
    return
  fi
  case $prev in
    ${fileOptions}) COMPREPLY=( $(compgen -f -- "$cur") ); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
}
complete -o filenames -F _castgate castgate
`;
}

function zsh(commands: readonly Described[]): string {
  const list = commands.map(({ name, summary }) => `    '${name}:${zshText(summary)}'`);
  const cases = commands.map(({ name, options, words, file }) => {
    const flags = options.flatMap((option) =>
      option.flags.map((flag) => `'${flag}[${zshText(option.about)}]${option.file ? ':file:_files' : ''}'`),
    );
    const given = words.length > 0 ? [`'*:word:(${words.join(' ')})'`] : file ? ["'*:file:_files'"] : [];
    return `    ${name}) _arguments ${[...flags, ...given].join(' ')} ;;`;
  });
  return `#compdef castgate
# castgate: completion for zsh. Made by 'castgate completion zsh'.
_castgate() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
_castgate "$@"
`;
}

function fish(commands: readonly Described[]): string {
  const lines = commands.flatMap(({ name, summary, options, words, file }) => {
    const within = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c castgate -n __fish_use_subcommand -a ${name} -d ${fishText(summary)}`,
      ...(file ? [`complete -c castgate ${within} -F`] : []),
      ...words.map((word) => `complete -c castgate ${within} -a ${word}`),
      ...options.map(({ flags, about, file: takesFile }) => {
        const [short, long] = [flags.find((f) => !f.startsWith('--')), flags.find((f) => f.startsWith('--'))];
        const names = [short && `-s ${short.slice(1)}`, long && `-l ${long.slice(2)}`]
          .filter(Boolean)
          .join(' ');
        return `complete -c castgate ${within} ${names}${takesFile ? ' -r -F' : ''} -d ${fishText(about)}`;
      }),
    ];
  });
  return `# castgate: completion for fish. Made by 'castgate completion fish'.\ncomplete -c castgate -f\n${lines.join('\n')}\n`;
}

function flagsWithFile(commands: readonly Described[]): string[] {
  const flags = commands.flatMap(({ options }) =>
    options.filter((option) => option.file).flatMap((option) => option.flags),
  );
  return [...new Set(flags)];
}

function zshText(text: string): string {
  return text.replaceAll(/['[\]:\\]/g, (c) => (c === "'" ? "'\\''" : `\\${c}`));
}

function fishText(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (c) => `\\${c}`)}'`;
}
