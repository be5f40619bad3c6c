/** What is wrong with a configuration, and where: one line each for people. */

/** `line` and `column` count from 1; undefined where the file as a whole is meant. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `ports.swp1.quiet_period`, `radius.servers[0].address`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what to write instead. */
  readonly message: string;
}

/** Where a key is: texts are keys of mappings, numbers are places in lists. */
export type KeyPath = readonly (string | number)[];

/** `site.yaml:6:11: ports.swp1.quiet_perod: unknown key (did you mean quiet_period?)` */
export function formatProblem(p: ConfigProblem): string {
  const place = p.line === undefined ? p.file : `${p.file}:${p.line}:${p.column ?? 1}`;
  return p.path === '' ? `${place}: ${p.message}` : `${place}: ${p.path}: ${p.message}`;
}

/** A path as people write it. */
export function formatPath(path: KeyPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}
