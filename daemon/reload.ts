/**
 * `castgate reload` and SIGHUP: the configuration file is read again, and what has changed is applied while
 * castgate serves. All or nothing: a file with a mistake, or with a change that needs more than this, changes
 * nothing, and the answer says which key needs what.
 */
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/file/problem.ts';
import type { LoadedConfig } from '../config/load.ts';
import { type ChangedKeyNeed, changesOf } from '../config/reference/reload-needs.ts';
import type { ControlHandler } from './control-socket.ts';
import type { Logger } from './log/log.ts';

/** What a reload found. */
export interface Reloaded {
  /** The keys that differ from those in use. */
  readonly changed: readonly ChangedKeyNeed[];
  readonly warnings: readonly string[];
  /** False where it was only looked at. */
  readonly applied: boolean;
}

/** The daemon around it. */
export interface Reloadable {
  /** The configuration in use. */
  readonly config: Config;
  load(): LoadedConfig;
  /** Goes on under the new one, whose changes are all live. Why it does not: nothing has changed then. */
  apply(config: Config, changed: readonly ChangedKeyNeed[]): Promise<string | undefined>;
}

export class Reload {
  readonly #daemon: Reloadable;
  readonly #log: Logger;
  /** One at a time. */
  #running: Promise<unknown> = Promise.resolve();

  constructor(daemon: Reloadable, log: Logger) {
    this.#daemon = daemon;
    this.#log = log;
  }

  /** The verb of the control socket; with `check` it is only looked at. */
  readonly handler: ControlHandler = ({ check }) => this.run(check === true);

  /** What was changed, or why nothing was. */
  run(onlyCheck = false): Promise<Reloaded | { readonly refused: string }> {
    const result = this.#running.then(() => this.#run(onlyCheck));
    this.#running = result.catch(() => {});
    return result;
  }

  async #run(onlyCheck: boolean): Promise<Reloaded | { readonly refused: string }> {
    const result = await this.#attempt(onlyCheck);
    if ('refused' in result) this.#log.warn('reload-refused', { why: result.refused });
    else if (result.applied) this.#log.info('reloaded', { changed: result.changed.map(({ at }) => at) });
    return result;
  }

  async #attempt(onlyCheck: boolean): Promise<Reloaded | { readonly refused: string }> {
    const loaded = this.#daemon.load();
    const warnings = loaded.warnings.map(formatProblem);
    if ('errors' in loaded) {
      return { refused: `${loaded.errors.map(formatProblem).join('; ')}; nothing was changed` };
    }
    const changed = changesOf(this.#daemon.config, loaded.config);
    if (onlyCheck) return { changed, warnings, applied: false };
    const more = changed.filter(({ needs }) => needs !== 'live');
    if (more.length > 0) return { refused: `${more.map(inWords).join('; ')}; nothing was changed` };
    if (changed.length > 0) {
      const refused = await this.#daemon.apply(loaded.config, changed);
      if (refused !== undefined) return { refused: `${refused}; nothing was changed` };
    }
    return { changed, warnings, applied: true };
  }
}

function inWords({ at, needs }: ChangedKeyNeed): string {
  return needs === 'upgrade'
    ? `${at} needs another process: castgate upgrade`
    : `${at} needs an end and another start of the daemon`;
}
