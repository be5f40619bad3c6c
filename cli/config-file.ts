/** A configuration for a command: what is wrong with it is said on standard error, all of it at once. */
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';

/** The configuration; undefined where it cannot be used, after the last line has said that nothing was done. */
export function usable(loaded: LoadedConfig, err: (text: string) => void): Config | undefined {
  for (const warning of loaded.warnings) err(`warning: ${formatProblem(warning)}\n`);
  if ('config' in loaded) return loaded.config;
  for (const error of loaded.errors) err(`error: ${formatProblem(error)}\n`);
  const [first] = loaded.errors;
  const n = loaded.errors.length;
  err(`castgate: ${first?.file}: ${n} error${n === 1 ? '' : 's'}, nothing was done\n`);
  return undefined;
}
