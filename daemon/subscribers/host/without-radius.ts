/**
 * Going on without RADIUS (`reauth_without_radius`): who is in when a re-authentication is due that no server can answer
 * stays in as it is, for a limited time, and is asked again once a server may answer. Nothing is said to the host
 * meanwhile: an EAP-Success would be made up (RFC 3579 §2.6.3). A session that is to end by its time still ends.
 */
import type { PortConfig } from '../../../config/config.ts';
import type { CoreParts } from '../../core/parts.ts';
import type { Sessions } from '../sessions.ts';

/** When the host is to be asked again, or that its time without RADIUS is over. */
export type Postponed = { readonly until: number } | 'over';

export class WithoutRadius {
  readonly #parts: CoreParts;
  readonly #sessions: Sessions;
  readonly #mayAsk: (now: number) => boolean;

  /** `mayAsk`: whether a server lives, or a dead one is due to be tried. */
  constructor(parts: CoreParts, sessions: Sessions, mayAsk: (now: number) => boolean) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#mayAsk = mayAsk;
  }

  /** A re-authentication is due. Undefined: it can be begun. */
  due(now: number, port: PortConfig, key: string): Postponed | undefined {
    return this.#mayAsk(now) ? undefined : this.unanswered(now, port, key);
  }

  /** A re-authentication was not answered by any server. Undefined: the session does not go on for that. */
  unanswered(now: number, port: PortConfig, key: string): Postponed | undefined {
    if (port.reauthWithoutRadiusMs === 0) return undefined;
    const since = this.#sessions.withoutRadius(now, key);
    if (since === undefined) return undefined;
    const end = since + port.reauthWithoutRadiusMs;
    if (end <= now) {
      this.#parts.tally.count(port.name, 'without-radius/ended');
      this.#parts.log.warn('without-radius-too-long', { host: key, since });
      return 'over';
    }
    this.#parts.tally.count(port.name, 'without-radius/postponed');
    // Apart, so that those who waited for the same server do not come to it at once.
    const part = (this.#parts.random(1)[0] ?? 0) / 0xff;
    return { until: Math.min(end, now + LOOK_MS * (0.5 + 0.5 * part)) };
  }
}

/** It is looked again for a server after so long at most. */
const LOOK_MS = 60_000;
