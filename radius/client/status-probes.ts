/**
 * When a server is asked how it is, by Status-Server (RFC 5997): a dead one, to hear of its return; one that has
 * been silent for a moment while requests wait, to know within two seconds whether it is slow or gone. A server
 * that answers Status-Server and not the requests is slow, and left alone.
 */
import type { DeadlineHeap } from '../../wire/deadline-heap.ts';
import { RadiusCode } from '../packet.ts';
import type { RadiusRequest } from './client-types.ts';
import type { ServerHealth } from './server-health.ts';
import type { Lane } from './server-table.ts';

/** What is known of a silence. Not worth a record: after a takeover everything is sent again, and it begins anew. */
interface Suspicion {
  /** Probes in a row that were not answered. */
  misses: number;
  /** The host refused a packet: a second refusal settles it. */
  refused: boolean;
}

export class StatusProbes {
  readonly #health: ServerHealth;
  readonly #deadlines: DeadlineHeap;
  readonly #suspicions = new Map<string, Suspicion>();

  constructor(health: ServerHealth, deadlines: DeadlineHeap) {
    this.#health = health;
    this.#deadlines = deadlines;
  }

  /** Sets the time of the next probe of each lane. `asked`: those whose probe is on its way. */
  schedule(lanes: Iterable<[string, Lane]>, asked: (token: string) => boolean): void {
    for (const [key, lane] of lanes) {
      if (!asked(PROBE + key)) this.#deadlines.set(PROBE + key, this.#probeAt(key, lane));
    }
  }

  /** Something was sent to a lane, or heard of it. */
  follow(key: string, lane: Lane, asked: boolean): void {
    if (asked || lane.server.statusServer !== true) return;
    this.#deadlines.set(PROBE + key, this.#probeAt(key, lane));
  }

  /** A lane answered: whatever was thought of it is over. */
  answered(key: string): void {
    this.#suspicions.delete(key);
  }

  /** A probe was not answered. True where that is enough to take a lane that was alive for dead. */
  missed(key: string): boolean {
    const suspicion = this.#of(key);
    suspicion.misses++;
    return suspicion.misses >= MISSES || suspicion.refused;
  }

  /** The host refused a packet (ICMP). True where it refused a probe too: nobody is there. */
  refused(key: string, asked: boolean): boolean {
    const suspicion = this.#of(key);
    const again = suspicion.refused && asked;
    suspicion.refused = true;
    return again;
  }

  /** One packet, never sent again, a new identifier each time (RFC 5997 §3). */
  request(key: string, { server, port }: Lane, attributes: RadiusRequest['attributes']): RadiusRequest {
    return {
      list: port,
      token: PROBE + key,
      code: RadiusCode.StatusServer,
      attributes,
      server: server.name,
      pinned: true,
      patience: this.#health.isDead(server.name, port)
        ? { maxCount: 1, maxDurationMs: 0 }
        : { initialMs: PROBE_WAIT_MS, maxCount: 1, maxDurationMs: 0 },
    };
  }

  #probeAt(key: string, { server, port }: Lane): number | undefined {
    if (server.statusServer !== true) return undefined;
    const { name } = server;
    const retryAt = this.#health.retryAt(name, port);
    if (retryAt !== undefined) {
      const { deadMs } = this.#health.options;
      return retryAt - deadMs + Math.min(deadMs, DEAD_PROBE_MS);
    }
    const since = this.#health.silentSince(name, port);
    if (since === undefined) return undefined;
    const { misses, refused } = this.#suspicions.get(key) ?? NO_SUSPICION;
    // A miss is followed by the next probe at once; each has had its own wait.
    return misses > 0 || refused ? since : since + SILENCE_MS;
  }

  #of(key: string): Suspicion {
    const known = this.#suspicions.get(key);
    if (known !== undefined) return known;
    const made = { misses: 0, refused: false };
    this.#suspicions.set(key, made);
    return made;
  }
}

/** True for the tokens of probes. */
export function isProbe(token: string): boolean {
  return token.startsWith(PROBE);
}

/** The token of the probe of a lane. */
export function probeToken(key: string): string {
  return PROBE + key;
}

/** The lane that a probe is about, by laneKey(). */
export function laneOfProbe(token: string): string {
  return token.slice(PROBE.length);
}

/** Before the key of a server's port: the token of castgate's own Status-Server requests. */
const PROBE = '\0status/';
/** How long a server may be silent while requests wait, before it is asked how it is, in milliseconds. */
const SILENCE_MS = 600;
/** How long a living server may take to answer that. */
const PROBE_WAIT_MS = 400;
/** Probes in a row without an answer: 600 + 2 × 400 ms, with chance in each, is under two seconds. */
const MISSES = 2;
/** How often a dead server is asked: nothing else is spent on it, so it may be more often than a request would be. */
const DEAD_PROBE_MS = 5_000;
const NO_SUSPICION: Suspicion = { misses: 0, refused: false };
