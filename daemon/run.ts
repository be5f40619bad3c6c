/**
 * The daemon: a node, alone or one of two, with the switch, the control socket and the log around it.
 */
import type { Config } from '../config/config.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { ChangedKeyNeed } from '../config/reload-needs.ts';
import { now } from '../switch/clock.ts';
import { LinuxSwitch } from '../switch/linux/linux-switch.ts';
import { SwitchStartError } from '../switch/linux/preflight.ts';
import { type ControlHandler, ControlSocket } from './control-socket.ts';
import type { Core } from './core.ts';
import { explainHandlers } from './explain.ts';
import { HaNode } from './ha/node.ts';
import { HttpServer } from './http/http-server.ts';
import { metricsRoute } from './http/metrics-route.ts';
import { pageRoutes } from './http/page-routes.ts';
import { pageState } from './http/page-state.ts';
import { RefusalLog, refusalRows } from './kernel-refusals.ts';
import { FACILITIES, facilityOf, openLog } from './log.ts';
import { logLevels } from './log-levels.ts';
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
import { Reload, type Reloadable } from './reload.ts';
import { ServiceNotify } from './service-notify.ts';
import { accountingRows, groupRows, portRows, radiusRows, sessionRows } from './show.ts';
import { watchAll } from './turn-watch.ts';

/** How the daemon is to stop. */
export interface RunOptions {
  /** On a clean stop take back everything that castgate made in the kernel. */
  readonly cleanup: boolean;
}

/** Serves until SIGTERM or SIGINT. 0: a clean stop; 1: it could not start, with one line on standard error. */
export async function runDaemon(config: Config, options: RunOptions): Promise<number> {
  const log = openLog(config.log.level);
  sayPrivileges(config, log);
  const daemon = new Daemon(config, log);
  const service = new ServiceNotify(process.env, log);
  const refused = await daemon.start();
  if (refused !== undefined) {
    service.status(refused);
    process.stderr.write(`castgate: ${refused}\n`);
    return 1;
  }
  service.ready(daemon.describe());
  process.on('SIGHUP', () => {
    service.reloading('reading the configuration again');
    void daemon.reload.run().finally(() => service.ready(daemon.describe()));
  });
  const signal = await stopSignal();
  service.stopping(`stopping, after ${signal}`);
  log.info('stopping', { signal, cleanup: options.cleanup });
  await daemon.stop(options.cleanup);
  await log.close();
  service.close();
  return 0;
}

class Daemon implements Reloadable {
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
  readonly #looking = setInterval(() => this.#refusals.look(), REFUSALS_INTERVAL_MS);
  readonly #syncing = setInterval(() => this.#node.sync(), SYNC_INTERVAL_MS);

  constructor(config: Config, log: ReturnType<typeof openLog>) {
    this.#config = config;
    this.#log = log;
    const { ha } = config;
    this.#switch = new LinuxSwitch(
      {
        bridge: config.bridge,
        ports: config.ports.map((port) => port.name),
        openPorts: config.ports.filter(({ mode }) => mode === 'force-authorized').map(({ name }) => name),
        uplinks: config.uplinks,
        stateDirectory: config.stateDirectory,
        hashMax: config.multicast.hashMax,
        maxGroupsPerPort: config.multicast.maxGroupsPerPort,
        fence: ha !== undefined,
        hosts: hostsToHear(config),
        otherBridges: [...config.vlanBridges.values()],
      },
      (events) => this.#node.switchEvents(events),
    );
    this.#refusals = new RefusalLog(() => this.#switch.refusals(), log);
    const metrics = new PrometheusMetrics(log);
    this.#metrics = metrics;
    this.reload = new Reload(this, log);
    const happenings = new Happenings();
    const watch = watchAll([new Latencies(metrics), happenings]);
    this.#node =
      ha === undefined
        ? new LoneNode(config, log, this.#switch, now(), watch)
        : new HaNode({ ...config, ha }, facilityOf(log, 'ha'), this.#switch, watch);
    metrics.read(nodeReadings(this.#node, () => this.#switch.refusals(), programVersion()));
    this.#http = this.#newHttp();
    this.#handlers = this.#verbs(happenings);
    this.#control = new ControlSocket(config.controlSocket, this.#handlers, { log });
  }

  get config(): Config {
    return this.#config;
  }

  load(): LoadedConfig {
    return loadConfig(this.#config.file);
  }

  async apply(config: Config, changed: readonly ChangedKeyNeed[]): Promise<string | undefined> {
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
    this.#switch.hear(hostsToHear(config));
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
    const refused = await this.#startNode();
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

  async #startNode(): Promise<string | undefined> {
    try {
      return await this.#node.start();
    } catch (cause) {
      if (!(cause instanceof SwitchStartError)) throw cause;
      return cause.message;
    }
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
      sessions: this.#asked((core) => sessionRows(core, readings)),
      groups: this.#asked((core) => groupRows(core, readings)),
      radius: this.#asked((core) => radiusRows(core)),
      ports: this.#asked((core) => portRows(core)),
      accounting: this.#asked((core) => accountingRows(core, node.accountingDisk)),
      privileges: () => privilegeRows(this.#config),
      refusals: () => refusalRows(() => readings.refusals()),
      log: (params) => logLevels(this.#log, params),
      reload: this.reload.handler,
      ...orderHandlers(node),
      ...questionHandlers(node, happenings),
      ...explainHandlers(
        () => node.serving ?? { refused: node.idle ?? 'not serving' },
        () => readings.audit(),
      ),
      ...(node instanceof HaNode ? node.handlers() : NO_HA),
    };
  }

  /** Answers out of the core, where this node has one. */
  #asked(answer: (core: Core) => unknown): ControlHandler {
    return () => {
      const { serving, idle } = this.#node;
      return serving === undefined ? { refused: idle ?? 'not serving' } : answer(serving.core);
    };
  }
}

/** Who authenticates by MAC address is heard by what hosts send that speak no 802.1X. */
function hostsToHear({ ports }: Config): 'known' | 'all' {
  return ports.some(({ methods }) => methods.includes('mab')) ? 'all' : 'known';
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
