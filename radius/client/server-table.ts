/**
 * The servers of the RADIUS client: which are asked in which order, which are passed over because they are dead,
 * and what identifiers are left towards each. A server's two ports are apart: each has its own identifiers and
 * its own health (RFC 5997 §4.1).
 */
import { sameBytes } from '../../wire/bytes.ts';
import type { RadiusClientOptions, RadiusServerConfig } from './client-types.ts';
import { IdPool, type IdSlot } from './id-pool.ts';
import { laneKey, portOf, type RadiusList, type RadiusPort } from './request-record.ts';
import type { ServerHealth } from './server-health.ts';

/** One port of one server, and the identifiers towards it. */
export interface Lane {
  readonly server: RadiusServerConfig;
  readonly port: RadiusPort;
  readonly pool: IdPool;
}

/** Where a packet may go: a lane and an identifier that is taken already. */
export interface Place {
  readonly lane: Lane;
  readonly slot: IdSlot;
}

export class ServerTable {
  readonly #health: ServerHealth;
  #options: RadiusClientOptions;
  #lanes: ReadonlyMap<string, Lane>;
  /** Who is first among equals; nothing depends on where it begins. */
  #turn = 0;

  constructor(options: RadiusClientOptions, health: ServerHealth) {
    this.#options = options;
    this.#health = health;
    this.#lanes = makeLanes(options, new Map());
  }

  /** Takes new servers and lists. One that is as before keeps its identifiers; one that is gone is forgotten. */
  reconfigure(options: RadiusClientOptions): void {
    const before = this.#lanes;
    this.#options = options;
    this.#lanes = makeLanes(options, before);
    for (const [key, { server, port }] of before) {
      if (!this.#lanes.has(key)) this.#health.forget(server.name, port);
    }
  }

  lane(server: string, port: RadiusPort): Lane | undefined {
    return this.#lanes.get(laneKey(server, port));
  }

  /** The lane of a key by laneKey(). */
  laneOf(key: string): Lane | undefined {
    return this.#lanes.get(key);
  }

  lanes(): Iterable<[string, Lane]> {
    return this.#lanes;
  }

  /** The servers of a list, `server` before all others, or alone where it is pinned. */
  order(list: RadiusList, server: string | undefined, pinned: boolean): readonly string[] {
    const { auth, authorization, acct } = this.#options;
    const names = list === 'acct' ? acct : list === 'auth' ? auth : (authorization ?? auth);
    if (server === undefined) return this.#options.balance === true ? this.#leastLoaded(names, list) : names;
    return pinned ? [server] : [server, ...names.filter((name) => name !== server)];
  }

  /**
   * Takes an identifier at the first server of the order that has one left. Dead servers come last, and with
   * `alive` not at all, save the one whose turn it is to be tried again.
   */
  pick(
    now: number,
    names: readonly string[],
    port: RadiusPort,
    owner: string,
    which: 'any' | 'alive',
    socket?: number,
  ): Place | 'radius-no-server' | 'radius-table-full' {
    let known = false;
    for (const pass of which === 'any' ? BOTH_PASSES : FIRST_PASS) {
      for (const name of names) {
        const lane = this.lane(name, port);
        if (lane === undefined) continue;
        known = true;
        const dead = this.#health.isDead(name, port);
        const trial = dead && this.#isTrialDue(now, lane);
        if (pass === 'alive' && dead && !trial) continue;
        const slot = lane.pool.take(now, owner, socket);
        if (slot === undefined) continue;
        if (trial) this.#health.tried(now, name, port);
        return { lane, slot };
      }
    }
    return known ? 'radius-table-full' : 'radius-no-server';
  }

  /** True where one of these is configured and not dead. */
  anyAlive(names: readonly string[], port: RadiusPort): boolean {
    return names.some((name) => this.lane(name, port) !== undefined && !this.#health.isDead(name, port));
  }

  /** Those with the fewest requests in flight first; where they are equal, each in turn. */
  #leastLoaded(names: readonly string[], list: RadiusList): readonly string[] {
    const port = portOf(list);
    const first = this.#turn++ % names.length;
    const turned = [...names.slice(first), ...names.slice(0, first)];
    const load = (name: string) => this.lane(name, port)?.pool.inUse ?? 0;
    return turned.sort((a, b) => load(a) - load(b));
  }

  /** True where a dead server is to get one request again, to see whether it answers. */
  #isTrialDue(now: number, { server, port }: Lane): boolean {
    if (server.statusServer === true) return false;
    const retryAt = this.#health.retryAt(server.name, port);
    return retryAt !== undefined && retryAt <= now;
  }
}

/** A server with another secret gets new identifiers: answers by the old one are nobody's. */
function makeLanes(options: RadiusClientOptions, before: ReadonlyMap<string, Lane>): Map<string, Lane> {
  const lanes = new Map<string, Lane>();
  for (const server of options.servers) {
    for (const port of ['auth', 'acct'] as const) {
      const key = laneKey(server.name, port);
      const old = before.get(key);
      const same =
        old !== undefined &&
        old.server.stream === server.stream &&
        sameBytes(old.server.secret, server.secret);
      // On a connection identifier 0 is the watchdog's (RFC 6613 §2.6.5).
      const pool = same ? old.pool : new IdPool(options.socketsPerServer, server.stream === true ? 1 : 0);
      lanes.set(key, { server, port, pool });
    }
  }
  return lanes;
}

const FIRST_PASS = ['alive'] as const;
const BOTH_PASSES = ['alive', 'dead'] as const;
