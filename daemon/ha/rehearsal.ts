/**
 * A node that stands by has served nobody yet: the first time that a piece of code runs costs many times the next ones, and
 * would cost it when hosts and servers wait. So it plays logins and joins of hosts that there are not through a core with
 * records, a switch and a RADIUS server of its own, and has that core taken up again as in a takeover. Nothing of it leaves.
 */
import { randomFillSync } from 'node:crypto';
import type { Config } from '../../config/config.ts';
import type { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import { ChangeLog } from '../../replication/change-log.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { Core } from '../core/core.ts';
import { turnsOf } from '../core/event-turns.ts';
import { endTurn } from '../core/turn.ts';
import { emptyStores } from '../journal/saved-state.ts';
import { type Logger, silentLog } from '../log/log.ts';
import { rehearseConnections } from './connection-rehearsal.ts';
import { accepted, STAGE_HOSTS, StageHost, stageOf } from './stage.ts';

/** What is there after a step. */
export interface Played {
  readonly sessions: number;
  readonly channels: number;
}

/** Once in the life of a process, a step at a time between other work. */
export class Rehearsal {
  readonly #log: Logger;
  readonly #mayPlay: () => boolean;
  #play: Generator<unknown, void> | undefined;
  #next: NodeJS.Timeout | undefined;

  /** It is over when this node may not play any more: it is to serve. */
  constructor(log: Logger, mayPlay: () => boolean) {
    this.#log = log;
    this.#mayPlay = mayPlay;
  }

  /** `guard`: of connections that are backed up; undefined where there are none. */
  begin(config: Config, guard: ConnectionGuard | undefined): void {
    if (this.#play !== undefined) return;
    const play = both(config, guard);
    this.#play = play;
    const step = () => {
      try {
        if (!this.#mayPlay()) play.return();
        else if (play.next().done !== true) this.#next = setTimeout(step, PAUSE_MS);
      } catch (cause) {
        const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.#log.error('internal-error', { error, means: 'a takeover is slower by some milliseconds' });
      }
    };
    this.#next = setTimeout(step, PAUSE_MS);
  }

  end(): void {
    clearTimeout(this.#next);
    this.#play?.return();
  }
}

function* both(config: Config, guard: ConnectionGuard | undefined): Generator<unknown, void> {
  yield* rehearse(config);
  if (guard !== undefined) yield* rehearseConnections(config, guard);
}

/** Plays it; between two steps whoever calls does other work. A step takes a few milliseconds at most. */
export function* rehearse(of: Config): Generator<Played, void> {
  const config = stageOf(of);
  const [first] = config.ports;
  const secret = config.radius.servers[0]?.secret;
  if (first === undefined || secret === undefined) return;
  const fed = emptyStores(config);
  const log = new ChangeLog(0, 'none');
  fed.feed.follow(log);
  let at = wallClock();
  const events: SwitchEvent[] = [];
  const ports = config.ports.map(({ name }) => name);
  const bridge = new MemorySwitch({ ports, uplinks: config.uplinks }, (more) => events.push(...more));
  const parts = {
    readings: bridge,
    log: silentLog,
    random: (length: number) => randomFillSync(new Uint8Array(length)),
    stores: fed.stores,
  };
  const answers: ((core: Core) => void)[] = [];
  const datagrams = {
    send: (server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array) => {
      const answer = accepted(bytes, secret);
      if (answer !== undefined) answers.push((core) => core.datagram(at, server, port, socket, answer));
    },
  };
  const turn = (core: Core, think: (core: Core) => void) => {
    think(core);
    for (;;) {
      endTurn(core, bridge, datagrams, () => at, { before: () => log.seal() });
      const next = answers.shift();
      if (next === undefined) return;
      next(core);
    }
  };
  const settle = (core: Core) => {
    for (const together of turnsOf(events.splice(0)))
      turn(core, () => {
        for (const event of together) core.switchEvent(at, event);
      });
    bridge.takeSent();
  };
  let core = new Core(config, { ...parts, follows: true });
  core.takeUp();
  turn(core, () => core.start(at));
  bridge.start();
  settle(core);
  for (let number = 0; number < STAGE_HOSTS; number++) {
    // Rates of logins are counted over time.
    at += 1_000;
    const host = new StageHost(number, first.name, bridge);
    host.start();
    settle(core);
    host.tellName(fed.stores);
    settle(core);
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
    for (let channel = 1; channel <= CHANNELS; channel++) {
      host.join(`239.255.${number}.${channel}`);
      settle(core);
    }
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
    if (number % HOSTS_OF_A_CORE !== 0) continue;
    core = new Core(config, { ...parts, follows: true });
    core.takeUp();
    turn(core, () => core.resume(at, 'new', true));
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
  }
}

const PAUSE_MS = 20;
const CHANNELS = 6;
/** So many logins after each other, then another core takes them up. */
const HOSTS_OF_A_CORE = 8;
