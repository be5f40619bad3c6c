/** The version of the program, out of its package. */
import { readFileSync } from 'node:fs';

/** `unknown` where the package's own file is not beside the program. */
export function programVersion(): string {
  // Two folders up from dist/daemon, one from daemon.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (name === 'castgate') return String(version);
    } catch {
      // Not there: the next place.
    }
  }
  return 'unknown';
}
