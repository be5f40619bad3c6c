/**
 * The daemon: the core between a Linux switch and the RADIUS servers' sockets, on the real clock. Every
 * event is one turn: the core thinks, its effects are carried out, the alarm is set. A bug that shows
 * itself in a turn is logged and shuts the port that it was about; the others go on.
 */
import { randomFillSync } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { Alarm, now } from '../switch/clock.ts';
import { LinuxSwitch } from '../switch/linux/linux-switch.ts';
import { SwitchStartError } from '../switch/linux/preflight.ts';
import type { SwitchEvent } from '../switch/switch.ts';
import { ControlSocket } from './control-socket.ts';
import { Core } from './core.ts';
import type { Effect } from './effects.ts';
import { grantGrace } from './grace.ts';
import { RefusalLog, refusalRows } from './kernel-refusals.ts';
import { openLog } from './log.ts';
import { limitPerPort } from './log-limit.ts';
import { RadiusSockets } from './radius-sockets.ts';
import { SavedState } from './saved-state.ts';
import { groupRows, portRows, radiusRows, sessionRows } from './show.ts';
import { endTurn } from './turn.ts';

/** How the daemon is to stop. */
export interface RunOptions {
  /** On a clean stop take back everything that castgate made in the kernel. */
  readonly cleanup: boolean;
}

/** Serves until SIGTERM or SIGINT. 0: a clean stop; 1: it could not start, with one line on standard error. */
export async function runDaemon(config: Config, options: RunOptions): Promise<number> {
  const log = openLog(config.log.level);
  const daemon = new Daemon(config, log);
  const refused = await daemon.start();
  if (refused !== undefined) {
    process.stderr.write(`castgate: ${refused}\n`);
    return 1;
  }
  const signal = await stopSignal();
  log.info('stopping', { signal, cleanup: options.cleanup });
  await daemon.stop(options.cleanup);
  await log.close();
  return 0;
}

class Daemon {
  readonly #config: Config;
  readonly #log: ReturnType<typeof openLog>;
  readonly #switch: LinuxSwitch;
  readonly #core: Core;
  readonly #state: SavedState;
  readonly #sockets: RadiusSockets;
  readonly #control: ControlSocket;
  readonly #alarm = new Alarm(() => this.#turn((at) => this.#core.handleTimeout(at)));
  readonly #refusals: RefusalLog;
  readonly #looking = setInterval(() => this.#refusals.look(), REFUSALS_INTERVAL_MS);
  readonly #syncing = setInterval(() => this.#state.sync(), SYNC_INTERVAL_MS);
  /** Stopping without --cleanup: ports, hosts and channels stay as they are, only servers hear the end. */
  #leaves = false;
  /** What happens while a turn runs waits for its end. */
  #turning = false;
  readonly #waiting: ((at: number) => void)[] = [];

  constructor(config: Config, log: ReturnType<typeof openLog>) {
    this.#config = config;
    this.#log = log;
    this.#switch = new LinuxSwitch(
      {
        bridge: config.bridge,
        ports: config.ports.map((port) => port.name),
        openPorts: config.ports.filter(({ mode }) => mode === 'force-authorized').map(({ name }) => name),
        uplinks: config.uplinks,
        stateDirectory: config.stateDirectory,
        hashMax: config.multicast.hashMax,
        maxGroupsPerPort: config.multicast.maxGroupsPerPort,
      },
      (events) => this.#switchEvents(events),
    );
    this.#refusals = new RefusalLog(() => this.#switch.refusals(), log);
    this.#state = new SavedState(config, log, now());
    const { stores, isWarm } = this.#state;
    if (isWarm) grantGrace(stores, now(), GRACE_RESPONSES * config.multicast.queryResponseIntervalMs);
    this.#core = new Core(config, {
      readings: this.#switch,
      log: limitPerPort(log, now),
      random: pooledRandom(),
      stores,
    });
    this.#sockets = new RadiusSockets(
      config.radius,
      (server, port, socket, bytes) =>
        this.#turn((at) => this.#core.datagram(at, server, port, socket, bytes)),
      log,
    );
    this.#control = new ControlSocket(config.controlSocket, this.#handlers(), { log });
  }

  /** Undefined: it serves. Else one line that says why not. */
  async start(): Promise<string | undefined> {
    const occupied = await this.#control.listen();
    if (occupied !== undefined) return occupied.refused;
    try {
      this.#sockets.open();
      if (this.#state.isWarm) this.#takeUp();
      else {
        this.#turn((at) => this.#core.start(at));
        this.#switch.start();
      }
      this.#state.begin();
      this.#refusals.begin();
    } catch (cause) {
      if (!(cause instanceof SwitchStartError)) throw cause;
      await this.#control.close();
      this.#sockets.close();
      this.#alarm.set(undefined);
      clearInterval(this.#syncing);
      clearInterval(this.#looking);
      return cause.message;
    }
    this.#log.info('serving', {
      sessions: this.#core.stores.sessions.size,
      bridge: this.#config.bridge,
      ports: this.#config.ports.length,
      control: this.#config.controlSocket,
    });
    return undefined;
  }

  /**
   * Where the next start can go on, sessions and channels go on too; else they end in the books. Waits a
   * little for the server to take what it has not yet.
   */
  async stop(cleanup: boolean): Promise<void> {
    const goesOn = !cleanup && this.#state.isKept;
    this.#leaves = !cleanup;
    if (!goesOn) this.#turn((at) => this.#core.shutdown(at));
    const until = now() + LAST_WORDS_MS;
    while (this.#core.books.waiting > 0 && now() < until) await pause(10);
    const unsent = this.#core.books.waiting;
    if (unsent > 0) this.#log.error('accounting-unsent', { messages: unsent });
    clearInterval(this.#looking);
    this.#refusals.look();
    this.#switch.stop({ cleanup });
    this.#alarm.set(undefined);
    clearInterval(this.#syncing);
    this.#state.end(goesOn);
    this.#sockets.close();
    await this.#control.close();
  }

  /** Goes on where the last run was: what it had opened and forwarded stays, and its counters with it. */
  #takeUp(): void {
    this.#turn((at) => this.#core.dropChangedPorts(at));
    const { sessions, forwardings } = this.#core.stores;
    this.#switch.start({
      hosts: [...sessions.values()],
      channels: [...forwardings.values()].map(({ port, vlan, group, mode, sources }) => ({
        port,
        vlan,
        group,
        filter: { mode, sources },
      })),
    });
    this.#turn((at) => this.#core.resume(at, 'kept'));
  }

  #switchEvents(events: readonly SwitchEvent[]): void {
    for (const event of events) {
      this.#turn((at) => this.#core.switchEvent(at, event), 'port' in event ? event.port : undefined);
    }
  }

  #turn(think: (at: number) => void, port?: string): void {
    if (this.#turning) {
      this.#waiting.push(think);
      return;
    }
    this.#turning = true;
    try {
      this.#think(think, port);
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
        this.#think(next);
    } finally {
      this.#turning = false;
    }
    this.#alarm.set(this.#core.nextTimeout());
  }

  #think(think: (at: number) => void, port?: string): void {
    try {
      think(now());
      this.#endTurn();
    } catch (cause) {
      const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      this.#log.error('internal-error', { port, error });
      if (port === undefined) return;
      this.#core.tally.count(port, 'internal-error');
      this.#core.shutPort(now(), port);
      this.#endTurn();
    }
  }

  #endTurn(): void {
    const before = () => this.#state.endTurn();
    const end = this.#leaves ? { before, wanted: isDatagram } : { before };
    endTurn(this.#core, this.#switch, this.#sockets, now, end);
  }

  #handlers() {
    const readings = this.#switch;
    return {
      sessions: () => sessionRows(this.#core, readings),
      groups: () => groupRows(this.#core, readings),
      radius: () => radiusRows(this.#core),
      ports: () => portRows(this.#core),
      refusals: () => refusalRows(() => readings.refusals()),
    };
  }
}

/** Random octets out of a pool: a call of its own costs forty times as much. */
function pooledRandom(): (length: number) => Uint8Array {
  const pool = new Uint8Array(RANDOM_POOL);
  let at = pool.length;
  return (length) => {
    if (length > pool.length - at) {
      randomFillSync(pool);
      at = 0;
    }
    const taken = pool.slice(at, at + length);
    pool.fill(0, at, at + length);
    at += length;
    return taken;
  };
}

function isDatagram(effect: Effect): boolean {
  return effect.kind === 'datagram';
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const SYNC_INTERVAL_MS = 1000;
const REFUSALS_INTERVAL_MS = 60_000;
/** After a pause hosts have this many query response intervals to say what they still want. */
const GRACE_RESPONSES = 2;
const RANDOM_POOL = 16384;
const LAST_WORDS_MS = 2000;
