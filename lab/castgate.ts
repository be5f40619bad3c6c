/**
 * castgate itself in the lab: its configuration file for a lab's switch, the daemon in the switch's
 * namespace, what it shows, and its commands run as a person would run them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Explanation } from '../daemon/channels/channels.ts';
import type { GroupRow, PortRow, RadiusRow, SessionRow, ShowRows } from '../daemon/show/show-rows.ts';
import type { HandedOver } from '../daemon/upgrade/hand-over.ts';
import { ask } from './control.ts';
import { attempt, LabError, LabProcess, lastLines, until } from './processes.ts';
import type { FreeRadius } from './radius/freeradius.ts';
import { LabAddress, type Topology } from './topology.ts';

/** Parts of the configuration file that a test wants otherwise; sections as in castgate.example.yaml. */
export interface CastgateSettings {
  readonly authenticator?: Readonly<Record<string, unknown>>;
  readonly groups?: Readonly<Record<string, unknown>>;
  readonly multicast?: Readonly<Record<string, unknown>>;
  readonly channels?: Readonly<Record<string, unknown>>;
  readonly profiles?: Readonly<Record<string, unknown>>;
  readonly filters?: Readonly<Record<string, unknown>>;
  readonly previews?: Readonly<Record<string, unknown>>;
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly accounting?: Readonly<Record<string, unknown>>;
  readonly retransmit?: Readonly<Record<string, unknown>>;
  /** Keys of the section `radius` beside its one server. */
  readonly radius?: Readonly<Record<string, unknown>>;
  readonly restart?: Readonly<Record<string, unknown>>;
  readonly vlan_bridges?: Readonly<Record<string, string>>;
  readonly log?: Readonly<Record<string, unknown>>;
  readonly ha?: Readonly<Record<string, unknown>>;
  /** The address that RADIUS knows the switch by, where it is not the one of a single switch. */
  readonly nasAddress?: string;
  /** Where it keeps its records; a folder of its own when left out. */
  readonly stateDirectory?: string;
  /** Flags for node itself: `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** The castgate that is started: a `dist/cli/main.js`; this build's when left out. */
  readonly program?: string;
}

/** What castgate has to know of the network that it is started in. */
export type SwitchPlace = Pick<Topology, 'switchNamespace' | 'ports'>;

export class Castgate {
  readonly configFile: string;
  readonly socket: string;
  readonly #namespace: string;
  /** Node with its flags, and the program. */
  readonly #program: readonly string[];
  #process: LabProcess | undefined;

  private constructor(folder: string, namespace: string, program: readonly string[]) {
    this.configFile = join(folder, 'castgate.yaml');
    this.socket = join(folder, 'control.sock');
    this.#namespace = namespace;
    this.#program = program;
  }

  /** Writes the configuration and starts the daemon; resolves when it answers on its control socket. */
  static async start(
    folder: string,
    place: SwitchPlace,
    radius: Pick<FreeRadius, 'secretFile'>,
    settings: CastgateSettings = {},
  ): Promise<Castgate> {
    const castgate = Castgate.prepare(folder, place, radius, settings);
    await castgate.resume();
    return castgate;
  }

  /** Writes the configuration; `resume` starts it. */
  static prepare(
    folder: string,
    place: SwitchPlace,
    radius: Pick<FreeRadius, 'secretFile'>,
    settings: CastgateSettings = {},
  ): Castgate {
    mkdirSync(folder, { mode: 0o700 });
    const castgate = new Castgate(folder, place.switchNamespace, [
      process.execPath,
      ...(settings.nodeFlags ?? []),
      settings.program ?? PROGRAM,
    ]);
    const content = configuration(castgate.socket, folder, place, radius, settings);
    writeFileSync(castgate.configFile, stringify(content), { mode: 0o600 });
    return castgate;
  }

  /** Starts the daemon (again); with `cleanup` a clean stop takes back what it made in the kernel. */
  async resume(options: { readonly cleanup: boolean } = { cleanup: false }): Promise<void> {
    const flags = options.cleanup ? ['--cleanup'] : [];
    const process_ = LabProcess.start(
      'castgate',
      [...this.#program, 'run', '--config', this.configFile, ...flags],
      this.#namespace,
    );
    this.#process = process_;
    await until(
      'castgate to answer on its control socket',
      60_000,
      async () => {
        if (!process_.running) throw new LabError('castgate ended at its start', process_.tail());
        // Also the answer of a node that stands by, which knows of no ports.
        return (await ask(this.socket, 'ports')) === undefined ? undefined : true;
      },
      () => process_.tail(),
    );
  }

  sessions(): Promise<readonly SessionRow[]> {
    return this.#show('sessions');
  }

  groups(): Promise<readonly GroupRow[]> {
    return this.#show('groups');
  }

  ports(): Promise<readonly PortRow[]> {
    return this.#show('ports');
  }

  radius(): Promise<readonly RadiusRow[]> {
    return this.#show('radius');
  }

  /** The table as a person sees it. */
  async table(topic: keyof ShowRows): Promise<string> {
    const shown = await this.#command(['show', topic, '--socket', this.socket]);
    if (shown.code !== 0) throw new LabError(`castgate show ${topic} failed`, lastLines(shown.stderr));
    return shown.stdout;
  }

  /** A command line for a person to type. */
  commandLine(...args: readonly string[]): string {
    return ['ip netns exec', this.#namespace, 'node', PROGRAM, ...args, '--socket', this.socket].join(' ');
  }

  /** What `castgate explain` says of a host and group, as JSON. */
  async explain(host: { port: string; mac: string }, group: string, ...more: readonly string[]) {
    const { port, mac } = host;
    const about = ['--port', port, '--mac', mac, '--group', group];
    const shown = await this.#command(['explain', ...about, ...more, '--json', '--socket', this.socket]);
    if (shown.code !== 0) throw new LabError('castgate explain failed', lastLines(shown.stderr));
    return JSON.parse(shown.stdout) as Explanation;
  }

  /** The last lines of its log. */
  tail(most?: number): readonly string[] {
    return this.#process?.tail(most) ?? [];
  }

  get process(): LabProcess | undefined {
    return this.#process;
  }

  /** Lets another program go on in its place. Gives what came of it, or why nothing did. */
  async upgrade(program: string): Promise<HandedOver | { readonly refused: string }> {
    const answer = await ask(this.socket, 'upgrade', 240_000, { program });
    if (answer === undefined) return { refused: 'no answer' };
    if (!('result' in answer)) return answer;
    const result = answer.result as HandedOver;
    this.#process?.replacedBy(result.pid);
    return result;
  }

  /** A clean stop. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM', 5_000);
  }

  /** SIGKILL: nothing is put in order. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** The rows that `castgate show --json` prints, asked for without a process, as tests look many times a second. */
  async #show<T extends keyof ShowRows>(topic: T): Promise<ShowRows[T]> {
    const answer = await ask(this.socket, topic, 10_000);
    if (answer !== undefined && 'result' in answer) return answer.result as ShowRows[T];
    throw new LabError(
      `castgate does not show ${topic}: ${answer === undefined ? 'no answer' : answer.refused}`,
      this.tail(),
    );
  }

  #command(args: readonly string[]) {
    return attempt([process.execPath, PROGRAM, ...args], { namespace: this.#namespace });
  }
}

function configuration(
  socket: string,
  folder: string,
  place: SwitchPlace,
  radius: Pick<FreeRadius, 'secretFile'>,
  settings: CastgateSettings,
): unknown {
  return {
    bridge: LabAddress.bridge,
    ports: Object.fromEntries(place.ports.map((port) => [port, {}])),
    uplinks: [LabAddress.uplink],
    nas: { identifier: 'lab-switch', address: settings.nasAddress ?? LabAddress.switchOnRadiusLink },
    state_directory: settings.stateDirectory ?? join(folder, 'state'),
    control_socket: socket,
    radius: {
      servers: [
        {
          name: 'lab',
          address: LabAddress.radius,
          secret_file: radius.secretFile,
          ...(settings.nasAddress === undefined ? {} : { source_address: settings.nasAddress }),
        },
      ],
      ...(settings.retransmit === undefined ? {} : { retransmit: settings.retransmit }),
      ...settings.radius,
    },
    ...Object.fromEntries(
      (
        [
          'authenticator',
          'groups',
          'multicast',
          'channels',
          'profiles',
          'filters',
          'previews',
          'limits',
          'accounting',
          'restart',
          'vlan_bridges',
          'log',
          'ha',
        ] as const
      )
        .filter((section) => settings[section] !== undefined)
        .map((section) => [section, settings[section]]),
    ),
  };
}

/** The built program, whether this module runs out of dist/ or out of the sources. */
const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/cli/main.js' : '../cli/main.js', import.meta.url),
);
