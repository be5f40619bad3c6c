/** A configuration for a command: what is wrong with it is said on standard error, all of it at once. */
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/file/problem.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';

/** A configuration for who may not read the secrets that it names, and needs none: all of them are this one. */
export function withoutSecrets(path: string, secret: Uint8Array = STAND_IN): LoadedConfig {
  const loaded = loadConfig(
    path,
    () => ({ secret, remarks: [] }),
    () => ({ pem: secret }),
  );
  return { ...loaded, warnings: [] };
}

/** As long as the longest that is asked for: the key of two nodes. */
const STAND_IN = new TextEncoder().encode('what stands for a secret where none is needed');

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
