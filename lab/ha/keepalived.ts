/**
 * keepalived in the lab: one VRRP instance on a node's management interface, the virtual address, and what
 * ties it to castgate: a FIFO on which it tells its state, a tracked file by which castgate moves its
 * priority. A second FIFO tells the lab the same, so that what castgate reads is left to castgate.
 */
import { spawnSync } from 'node:child_process';
import { constants, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { LabError, LabProcess } from '../processes.ts';

/** What differs from one use to the next. Intervals are VRRPv3's: whole hundredths of a second. */
export interface KeepalivedSettings {
  readonly interface: string;
  /** The address that moves, with its prefix length. */
  readonly virtualAddress: string;
  /** One of IPv6 that moves with it. */
  readonly virtualAddress6?: string | undefined;
  /** Seconds between two adverts; default 0.01. */
  readonly advertInterval?: number;
  /** Adverts that have to be missed; default 3, as in RFC 5798 §6.1. */
  readonly downTimerAdverts?: number;
  /** Default 250: the higher, the shorter a backup waits (RFC 5798 §6.1: skew time); castgate adds 4 at most. */
  readonly priority?: number;
}

/** A change of state of the VRRP instance, when the lab read it (milliseconds of the monotonic clock). */
export interface VrrpChange {
  readonly state: string;
  readonly priority: number;
  readonly atMs: number;
}

/** Name of the VRRP instance. */
export const VRRP_INSTANCE = 'castgate';

export class Keepalived {
  /** For castgate's `ha.notify_fifo`. */
  readonly notifyFifo: string;
  /** For castgate's `ha.priority_file`. */
  readonly priorityFile: string;
  readonly #folder: string;
  readonly #namespace: string;
  readonly #changes: VrrpChange[] = [];
  readonly #listeners = new Set<(change: VrrpChange) => void>();
  readonly #observer: Socket;
  #process: LabProcess | undefined;

  private constructor(folder: string, namespace: string) {
    this.#folder = folder;
    this.#namespace = namespace;
    this.notifyFifo = join(folder, 'notify');
    this.priorityFile = join(folder, 'priority');
    this.#observer = this.#observe(join(folder, 'observe'));
  }

  /** Writes the configuration and makes the FIFOs; `run` starts it. */
  static prepare(folder: string, namespace: string, settings: KeepalivedSettings): Keepalived {
    mkdirSync(folder, { mode: 0o700 });
    for (const name of ['notify', 'observe'])
      if (spawnSync('mkfifo', ['-m', '600', join(folder, name)]).status !== 0)
        throw new LabError(`cannot make the FIFO ${name}`);
    const keepalived = new Keepalived(folder, namespace);
    keepalived.weigh(0);
    writeFileSync(join(folder, 'keepalived.conf'), configuration(folder, settings), { mode: 0o600 });
    return keepalived;
  }

  /** Starts it (again). */
  async run(): Promise<void> {
    const file = (name: string) => join(this.#folder, name);
    this.#process = LabProcess.start(
      `keepalived of ${this.#namespace}`,
      [
        ...['keepalived', '--dont-fork', '--log-console', '--vrrp', '--use-file', file('keepalived.conf')],
        ...['--pid', file('keepalived.pid'), '--vrrp_pid', file('vrrp.pid'), '--log-detail'],
      ],
      this.#namespace,
    );
    await this.#process.waitForLine(/Entering (BACKUP|MASTER|FAULT) STATE/, 5_000);
  }

  /** Writes a weight into the tracked file, as castgate does. */
  weigh(weight: number): void {
    writeFileSync(this.priorityFile, `${weight}\n`);
  }

  /** The state that it told last; undefined where it has told none. */
  get state(): string | undefined {
    return this.#changes.at(-1)?.state;
  }

  /** All that it has told, in order. */
  get changes(): readonly VrrpChange[] {
    return this.#changes;
  }

  /** Calls `listener` with each change; returns how to stop that. */
  onChange(listener: (change: VrrpChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get process(): LabProcess | undefined {
    return this.#process;
  }

  tail(most?: number): readonly string[] {
    return this.#process?.tail(most) ?? [];
  }

  /** SIGKILL, as when the power goes: no farewell to the others. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** Ends it and closes the lab's end of the FIFO. */
  async close(): Promise<void> {
    await this.#process?.stop('SIGTERM', 1_000);
    this.#observer.destroy();
  }

  #observe(fifo: string): Socket {
    const socket = new Socket({ fd: openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK) });
    createInterface({ input: socket }).on('line', (line) => {
      const told = /^INSTANCE "([^"]*)" (MASTER|BACKUP|FAULT|STOP) (\d+)/.exec(line);
      // There are other lines, MASTER_RX_LOWER_PRI for one: those are events, not states.
      if (told?.[1] !== VRRP_INSTANCE || told[2] === undefined) return;
      const change = { state: told[2], priority: Number(told[3]), atMs: monotonicMs() };
      this.#changes.push(change);
      for (const listener of [...this.#listeners]) listener(change);
    });
    socket.unref();
    return socket;
  }
}

function configuration(folder: string, settings: KeepalivedSettings): string {
  const priority = settings.priority ?? 250;
  return `# Written by castgate's lab.
global_defs {
	vrrp_version 3
	vrrp_min_garp true
	vrrp_rt_priority 20
	vrrp_rlimit_rttime 1000000
	vrrp_no_swap
	vrrp_notify_fifo ${join(folder, 'notify')}
	notify_fifo ${join(folder, 'observe')}
}
track_file castgate {
	file ${join(folder, 'priority')}
	weight 1
}
vrrp_instance ${VRRP_INSTANCE} {
	state BACKUP
	interface ${settings.interface}
	virtual_router_id 47
	priority ${priority}
	advert_int ${settings.advertInterval ?? 0.01}
	down_timer_adverts ${settings.downTimerAdverts ?? 3}
	track_file {
		castgate weight 1
	}
	virtual_ipaddress {
		${settings.virtualAddress} dev ${settings.interface}
	}
${settings.virtualAddress6 === undefined ? '' : `\tvirtual_ipaddress_excluded {\n\t\t${settings.virtualAddress6} dev ${settings.interface}\n\t}\n`}}
`;
}
