/**
 * The daemon: a node, alone or one of two, with the switch, the control socket and the log around it.
 */
import type { Config, HaConfig } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { ChangedKeyNeed } from '../config/reference/reload-needs.ts';
import { LEAST_READER, RECORDS_VERSION } from '../replication/record-version.ts';
import { now } from '../switch/clock.ts';
import { LinuxSwitch } from '../switch/linux/linux-switch.ts';
import type { LinuxSwitchOptions } from '../switch/linux/options.ts';
import { SwitchStartError } from '../switch/linux/preflight.ts';
import type { SwitchEvent } from '../switch/switch.ts';
import { type ControlHandler, ControlSocket } from './control-socket.ts';
import type { Core } from './core/core.ts';
import { watchAll } from './core/turn-watch.ts';
import { HaNode } from './ha/node.ts';
import { HttpServer } from './http/http-server.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { pageRoutes } from './http/page-routes.ts';
import { pageState } from './http/page-state.ts';
import { FACILITIES, facilityOf, type Logger, openLog } from './log/log.ts';
import { logLevels } from './log/log-levels.ts';
import { LoneNode } from './lone-node.ts';
import { Latencies } from './metrics/latencies.ts';
import { nodeReadings } from './metrics/node-readings.ts';
import { PrometheusMetrics } from './metrics/prometheus.ts';
import type { Node } from './node.ts';
import { Happenings } from './operator/happenings.ts';
import { orderHandlers } from './operator/orders.ts';
import { questionHandlers } from './operator/questions.ts';
import { privilegeRows, sayPrivileges } from './privileges.ts';
import { programVersion } from './program-version.ts';
import { radiusWays } from './radius/radius-changes.ts';
import { Reload, type Reloadable } from './reload.ts';
import { ServiceNotify } from './service-notify.ts';
import { explainHandlers } from './show/explain.ts';
import { inSlices, OneAtATime } from './show/in-slices.ts';
import { RefusalLog, refusalRows } from './show/kernel-refusals.ts';
import { accountingRows, groupRows, portRows, radiusRows, sessionRows } from './show/show.ts';
import { configDigest, switchOptions } from './upgrade/comparison.ts';
import type { Incumbent } from './upgrade/hand-over.ts';
import { hurry } from './upgrade/hurry.ts';
import { checkNode, hasJoined, incumbentOf, standInWith } from './upgrade/pair-process.ts';
import { type Replacement, type StandInStep, standIn } from './upgrade/stand-in.ts';
import { type Draft, type Inheritance, type TakeOverStep, takeOver } from './upgrade/take-over.ts';
import { type Upgradable, Upgrade } from './upgrade/upgrade.ts';

/** How the daemon is to stop. */
export interface RunOptions {
  /** On a clean stop take back everything that castgate made in the kernel. */
  readonly cleanup: boolean;
  /** The sockets to the process from which it is to take over. */
  readonly upgrade?: {
    readonly frames: number;
    readonly descriptors: number;
    readonly reached?: (step: TakeOverStep | StandInStep) => void;
  };
}

/** Serves until SIGTERM or SIGINT. 0: a clean stop; 1: it could not start, with one line on standard error. */
export async function runDaemon(config: Config, options: RunOptions): Promise<number> {
  const log = openLog(config.log.level);
  sayPrivileges(config, log);
  const service = new ServiceNotify(process.env, log);
  // From before it serves, as whoever asked for an upgrade may end it at once.
  const told = options.upgrade === undefined ? undefined : stopSignal();
  const daemon =
    options.upgrade === undefined
      ? new Daemon(config, log)
      : await Promise.race([
          config.ha === undefined
            ? takenOver(config, log, options.upgrade)
            : stoodIn({ ...config, ha: config.ha }, log, options.upgrade),
          told,
        ]);
  // The other process sees its end, and serves on.
  if (typeof daemon === 'string' || daemon === undefined) process.exit(1);
  const refused = options.upgrade === undefined ? await daemon.start() : undefined;
  if (refused !== undefined) {
    service.status(refused);
    process.stderr.write(`castgate: ${refused}\n`);
    return 1;
  }
  if (options.upgrade !== undefined) service.tell({ MAINPID: process.pid });
  service.ready(daemon.describe());
  process.on('SIGHUP', () => {
    service.reloading('reading the configuration again');
    void daemon.reload.run().finally(() => service.ready(daemon.describe()));
  });
  process.on('SIGUSR2', () => void daemon.upgrade.run());
  const signal = await Promise.race([told ?? stopSignal(), daemon.upgrade.done]);
  if (signal === undefined || (await daemon.upgrade.abandon())) {
    // Another process serves: whatever is closed here is still in use there.
    service.close();
    await log.close();
    process.exit(0);
  }
  service.stopping(`stopping, after ${signal}`);
  log.info('stopping', { signal, cleanup: options.cleanup });
  await daemon.stop(options.cleanup);
  await log.close();
  service.close();
  return 0;
}

/** Takes over from the process that serves; undefined: it goes on, or nobody could. */
async function takenOver(
  config: Config,
  log: ReturnType<typeof openLog>,
  upgrade: NonNullable<RunOptions['upgrade']>,
): Promise<Daemon | undefined> {
  let daemon: Daemon | undefined;
  // They take long to be made.
  const lookers = lookersOn(log);
  let listener: (events: readonly SwitchEvent[]) => void = () => {};
  const serves = await takeOver({
    ...upgrade,
    config,
    log,
    heir: {
      makeSwitch: () => new LinuxSwitch(switchOptionsOf(config), (events) => listener(events)),
      draft: (draft) => {
        const heir = new Daemon(config, log, draft, lookers);
        let inherited: Inheritance | undefined;
        return {
          inherit: (inheritance) => {
            inherited = inheritance;
            heir.inherit(inheritance);
            daemon = heir;
            listener = (events) => heir.switchEvents(events);
          },
          begin: () => inherited !== undefined && heir.begin(inherited),
        };
      },
    },
  });
  return serves === true ? daemon : undefined;
}

/** Stands by in the stead of the process that does; undefined: it goes on, or nobody could. */
async function stoodIn(
  config: Config & { readonly ha: HaConfig },
  log: ReturnType<typeof openLog>,
  upgrade: NonNullable<RunOptions['upgrade']>,
): Promise<Daemon | undefined> {
  const daemon = new Daemon(config, log);
  const goesOn = await standIn({ ...upgrade, config, replacement: daemon.replacement });
  return goesOn === true ? daemon : undefined;
}

class Daemon implements Reloadable, Upgradable {
  readonly reload: Reload;
  #config: Config;
  readonly #log: ReturnType<typeof openLog>;
  readonly #switch: LinuxSwitch;
  readonly #node: Node;
  readonly #handlers: Readonly<Record<string, ControlHandler>>;
  readonly #metrics: PrometheusMetrics;
  #control: ControlSocket;
  #http: HttpServer;
  readonly #refusals: RefusalLog;
  readonly upgrade: Upgrade;
  readonly #longAnswers = new OneAtATime();
  /** From its start on: a process that only prepares itself has none, and ends where the other one does. */
  #looking: NodeJS.Timeout | undefined;
  #syncing: NodeJS.Timeout | undefined;

  constructor(config: Config, log: ReturnType<typeof openLog>, draft?: Draft, lookers = lookersOn(log)) {
    this.#config = config;
    this.#log = log;
    const { ha } = config;
    this.#switch =
      draft?.bridge ?? new LinuxSwitch(switchOptionsOf(config), (events) => this.switchEvents(events));
    this.#refusals = new RefusalLog(() => this.#switch.refusals(), log);
    const { metrics, happenings, watch } = lookers;
    this.#metrics = metrics;
    this.reload = new Reload(this, log);
    this.upgrade = new Upgrade(this, log);
    this.#node =
      ha === undefined
        ? new LoneNode(config, log, this.#switch, now(), watch, draft)
        : new HaNode({ ...config, ha }, facilityOf(log, 'ha'), this.#switch, watch);
    metrics.read(nodeReadings(this.#node, () => this.#switch.refusals(), programVersion()));
    this.#http = this.#newHttp();
    this.#handlers = this.#verbs(happenings);
    this.#control = new ControlSocket(config.controlSocket, this.#handlers, { log });
  }

  get config(): Config {
    return this.#config;
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    this.#node.switchEvents(events);
  }

  /** Another process rests: what it has handed over is this one's. */
  inherit(inheritance: Inheritance): void {
    this.#lone().inherit(inheritance);
  }

  /** Serves on where another process rests. */
  begin(inheritance: Inheritance): void {
    const node = this.#lone();
    if (inheritance.control !== undefined) this.#control.inherit(inheritance.control);
    else this.#listen();
    node.begin(inheritance);
    this.#keepTime();
    this.#refusals.begin();
    this.#http.start();
    this.#log.info('serving', {
      sessions: node.serving.core.stores.sessions.size,
      upgrade: programVersion(),
      pid: process.pid,
    });
  }

  /** On a control socket of another name than that of the process before. */
  #listen(): void {
    void this.#control.listen().then((occupied) => {
      if (occupied !== undefined) this.#log.error('control-socket-failed', { why: occupied.refused });
    });
  }

  /** As the process that stands by in the stead of another one of this node. */
  get replacement(): Replacement {
    const node = this.#node;
    if (!(node instanceof HaNode)) throw new Error('only a node of two stands in so');
    return {
      check: () => checkNode(this.#config, this.#switch),
      stand: (estate) => {
        this.#keepTime();
        return this.#attempt(() => standInWith(node, estate));
      },
      joined: (estate) => hasJoined(node, estate),
      begin: (control) => {
        if (control !== undefined) this.#control.inherit(control);
        else this.#listen();
        this.#refusals.begin();
        this.#http.start();
        this.#log.info('standing-by', { upgrade: programVersion(), pid: process.pid });
      },
    };
  }

  /** What another process can go on with. */
  get incumbent(): Upgradable['incumbent'] {
    const node = this.#node;
    if (node instanceof LoneNode) return { alone: this.#incumbent(node) };
    if (!(node instanceof HaNode)) throw new Error('a node of another kind');
    return {
      ofPair: incumbentOf({
        node,
        config: this.#config,
        silence: () => {
          this.#control.rest();
          this.#http.close();
          return this.#control.descriptor;
        },
        answer: () => this.#answer(),
        end: async (why) => {
          this.#log.error('cannot-go-on', { why, means: 'this process ends; its ports are shut' });
          await this.#log.close();
          process.exit(1);
        },
      }),
    };
  }

  #incumbent(node: LoneNode): Incumbent {
    return {
      fed: node.fed,
      begin: () => ({
        facts: {
          bridge: this.#config.bridge,
          stateDirectory: this.#config.stateDirectory,
          config: configDigest(this.#config),
          switch: switchOptions(this.#config),
          ways: radiusWays(this.#config),
          records: RECORDS_VERSION,
          leastReader: LEAST_READER,
          packetSockets: this.#switch.descriptors.length,
        },
        descriptors: this.#switch.descriptors,
      }),
      lull: () => node.lull(),
      rest: () => {
        hurry(true);
        node.rest();
        this.#control.rest();
        this.#http.close();
        const sockets = node.serving.sockets.sockets();
        return {
          facts: {
            sockets: sockets.map(({ fd: _, ...socket }) => socket),
            control: this.#config.controlSocket,
            linkGroups: this.#switch.linkGroups(),
            steered: this.#switch.steered,
            tally: node.serving.core.tally.all(),
          },
          descriptors: [this.#control.descriptor, ...sockets.map(({ fd }) => fd)],
        };
      },
      goOn: () => {
        this.#answer();
        node.goOn();
        hurry(false);
      },
    };
  }

  /** On all its sockets, again. */
  #answer(): void {
    this.#http = this.#newHttp();
    this.#http.start();
    this.#control.goOn();
  }

  load(): LoadedConfig {
    return loadConfig(this.#config.file);
  }

  async apply(config: Config, changed: readonly ChangedKeyNeed[]): Promise<string | undefined> {
    if (this.upgrade.isRunning) return 'an upgrade is running: reload once it is done';
    const isChanged = (section: string) => changed.some(({ key }) => key.startsWith(section));
    if (isChanged('control_socket')) {
      const control = new ControlSocket(config.controlSocket, this.#handlers, { log: this.#log });
      const occupied = await control.listen();
      if (occupied !== undefined) return occupied.refused;
      this.#control.retire();
      this.#control = control;
    }
    this.#config = config;
    if (isChanged('log.')) for (const facility of FACILITIES) this.#log.setLevel(facility, config.log.level);
    this.#switch.hear(hostsToHear(config), config.multicast.reportsPerPort);
    this.#node.reconfigure(config);
    if (isChanged('http.')) {
      this.#http.close();
      this.#http = this.#newHttp();
      this.#http.start();
    }
    return undefined;
  }

  /** Undefined: it serves. Else one line that says why not. */
  async start(): Promise<string | undefined> {
    const occupied = await this.#control.listen();
    if (occupied !== undefined) return occupied.refused;
    this.#keepTime();
    const refused = await this.#attempt(() => this.#node.start());
    if (refused !== undefined) {
      await this.#control.close();
      clearInterval(this.#syncing);
      clearInterval(this.#looking);
      return refused;
    }
    this.#refusals.begin();
    this.#http.start();
    this.#log.info(this.#node.serving === undefined ? 'standing-by' : 'serving', {
      sessions: this.#node.serving?.core.stores.sessions.size ?? 0,
      bridge: this.#config.bridge,
      ports: this.#config.ports.length,
      control: this.#config.controlSocket,
    });
    return undefined;
  }

  /** What it does, in words. */
  describe(): string {
    const { bridge, ports } = this.#config;
    const what = this.#node.serving === undefined ? 'standing by' : 'serving';
    return `${what}: ${bridge}, ${ports.length} port${ports.length === 1 ? '' : 's'}`;
  }

  async stop(cleanup: boolean): Promise<void> {
    this.#http.close();
    await this.#node.stop(cleanup);
    clearInterval(this.#looking);
    this.#refusals.look();
    this.#switch.stop({ cleanup });
    clearInterval(this.#syncing);
    this.#node.closed();
    await this.#control.close();
  }

  async #attempt(start: () => Promise<string | undefined>): Promise<string | undefined> {
    try {
      return await start();
    } catch (cause) {
      if (!(cause instanceof SwitchStartError)) throw cause;
      return cause.message;
    }
  }

  #keepTime(): void {
    this.#looking = setInterval(() => this.#refusals.look(), REFUSALS_INTERVAL_MS);
    this.#syncing = setInterval(() => this.#node.sync(), SYNC_INTERVAL_MS);
  }

  #lone(): LoneNode {
    if (!(this.#node instanceof LoneNode)) throw new Error('only a node alone goes on so');
    return this.#node;
  }

  #newHttp(): HttpServer {
    const { http } = this.#config;
    const page = pageRoutes({
      state: () => {
        const { nas, bridge } = this.#config;
        return pageState({
          node: this.#node,
          readings: this.#switch,
          name: nas.identifier ?? bridge,
          version: programVersion(),
          actions: http.token !== undefined,
        });
      },
      orders: orderHandlers(this.#node),
      token: http.token,
    });
    return new HttpServer(http, page.set('/metrics', metricsRoute(this.#metrics)), this.#log);
  }

  #verbs(happenings: Happenings): Readonly<Record<string, ControlHandler>> {
    const readings = this.#switch;
    const node = this.#node;
    return {
      sessions: this.#askedForMany((core) => sessionRows(core, readings)),
      groups: this.#askedForMany((core) => groupRows(core, readings)),
      radius: this.#asked((core) => radiusRows(core)),
      ports: this.#asked((core) => portRows(core)),
      accounting: this.#asked((core) => accountingRows(core, node.accountingDisk)),
      privileges: () => privilegeRows(this.#config),
      refusals: () => refusalRows(() => readings.refusals()),
      log: (params) => logLevels(this.#log, params),
      reload: this.reload.handler,
      upgrade: this.upgrade.handler,
      ...orderHandlers(node),
      ...questionHandlers(node, happenings),
      ...explainHandlers(
        () => node.serving ?? { refused: node.idle ?? 'not serving' },
        () => readings.inspect(),
      ),
      ...(node instanceof HaNode ? node.handlers() : NO_HA),
    };
  }

  /** As `#asked`, where there may be many rows. */
  #askedForMany<R>(answer: (core: Core) => Iterable<R>): ControlHandler {
    return () =>
      this.#longAnswers.run(async () => {
        const { serving, idle } = this.#node;
        if (serving === undefined) return { refused: idle ?? 'not serving' };
        const rows: R[] = [];
        const { core } = serving;
        // Another one after a reload, none after a change of roles.
        const isThere = () => this.#node.serving?.core === core;
        const isWhole = await inSlices(answer(core), (row) => rows.push(row), isThere);
        return isWhole ? rows : { refused: 'what was asked for has changed hands meanwhile: ask again' };
      });
  }

  /** Answers out of the core, where this node has one. */
  #asked(answer: (core: Core) => unknown): ControlHandler {
    return () => {
      const { serving, idle } = this.#node;
      return serving === undefined ? { refused: idle ?? 'not serving' } : answer(serving.core);
    };
  }
}

function switchOptionsOf(config: Config): LinuxSwitchOptions {
  return {
    bridge: config.bridge,
    ports: config.ports.map((port) => port.name),
    openPorts: config.ports.filter(({ mode }) => mode === 'force-authorized').map(({ name }) => name),
    uplinks: config.uplinks,
    stateDirectory: config.stateDirectory,
    hashMax: config.multicast.hashMax,
    maxGroupsPerPort: config.multicast.maxGroupsPerPort,
    fence: config.ha !== undefined,
    hosts: hostsToHear(config),
    framesPerPort: config.multicast.reportsPerPort,
    otherBridges: [...config.vlanBridges.values()],
  };
}

/** Who looks on at a node that serves. */
function lookersOn(log: Logger) {
  const metrics = new PrometheusMetrics(log);
  const happenings = new Happenings();
  return { metrics, happenings, watch: watchAll([new Latencies(metrics), happenings]) };
}

/**
 * Who authenticates by MAC address, is only watched, or is asked whether it is there, is heard by what is neither
 * EAPOL nor a report.
 */
function hostsToHear({ ports }: Config): 'known' | 'all' {
  const wanted = ports.some(
    ({ mode, methods, handshakePeriodMs }) =>
      mode === 'monitor' || methods.includes('mab') || handshakePeriodMs > 0,
  );
  return wanted ? 'all' : 'known';
}

/** What a node alone says to what only one of two can do. */
const alone = () => ({ refused: 'this node is alone: its configuration has no section ha' });
const NO_HA: Readonly<Record<string, ControlHandler>> = { ha: alone, promote: alone, demote: alone };

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

const SYNC_INTERVAL_MS = 1000;
const REFUSALS_INTERVAL_MS = 60_000;
