/**
 * What every measurement stands on: the network, one FreeRADIUS for castgate and its peers, castgate itself,
 * and the players. Taken away as one, also when the process is killed.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HaRow } from '../daemon/show/show-rows.ts';
import { Castgate, type CastgateSettings } from '../lab/castgate.ts';
import { ask } from '../lab/control.ts';
import type { Json } from '../lab/line-program.ts';
import { LineProgram } from '../lab/line-program.ts';
import { LabError, until } from '../lab/processes.ts';
import { FreeRadius } from '../lab/radius/freeradius.ts';
import type { RadiusPlan } from '../lab/radius/freeradius-files.ts';
import { LabAddress } from '../lab/topology.ts';
import { openWorkspace, removeWorkspace, type Workspace } from '../lab/workspace.ts';
import { Hostapd } from './auth/hostapd.ts';
import { accountOf, type LoginOutcome, type LoginPlan } from './auth/supplicants.ts';
import type { AskOutcome, AskPlan } from './channels/asker.ts';
import { groupAddress } from './channels/channels.ts';
import type { FloodPlan } from './channels/flood.ts';
import type { RevokeOutcome, RushOutcome, WatchPlan, ZapOutcome } from './channels/viewers.ts';
import { BenchNetwork, REPLICATION } from './network.ts';
import type { PlayersSetup } from './players.ts';

/** Accounts that the server knows; each may receive every group. */
export const ACCOUNTS = 128;
/** Groups that each account may receive. */
export const GROUPS = 256;
export const PASSWORD = 'watching-paint-dry';

export interface BedOptions {
  /** Where castgate's CPU profile is to be written; undefined: none is made. */
  readonly profileDirectory: string | undefined;
  /** Whether castgate and hostapd send accounting. */
  readonly accounting: boolean;
  /** With a second node that follows; what others could believe waits for it. */
  readonly standby?: boolean;
  /** castgate asks its server by Status-Server how it is. */
  readonly statusServer?: boolean;
  /** Subscriber ports; 8 if left out. Each takes 4,096 hosts. */
  readonly ports?: number;
  /** castgate asks a server that answers so many milliseconds late (lab/radius/slow-radius.ts), and waits for it. */
  readonly slowMs?: number;
  /** Who may receive what, where it is not ACCOUNTS × GROUPS by asking. */
  readonly rights?: BedRights;
  /** The default limits of reports, groups and logins hold. */
  readonly hasLimits?: boolean;
  /** Groups that the bridge's multicast database has room for, 512 at least; the default's if left out. */
  readonly hashMax?: number;
}

/** Accounts of two kinds: the first ones are asked about, those behind them bring their rights along. */
export interface BedRights {
  readonly asked: number;
  readonly preloaded: number;
  /** Groups that each may receive, a power of two of 256 at least. */
  readonly groups: number;
}

export class Bed {
  readonly network: BenchNetwork;
  readonly castgate: Castgate;
  readonly #options: BedOptions;
  readonly #workspace: Workspace;
  readonly radius: FreeRadius;
  readonly #players: LineProgram;
  /** The slow server, where castgate asks one. */
  readonly slow: LineProgram | undefined;

  private constructor(
    options: BedOptions,
    workspace: Workspace,
    network: BenchNetwork,
    radius: FreeRadius,
    castgate: Castgate,
    players: LineProgram,
    slow: LineProgram | undefined,
  ) {
    this.#options = options;
    this.#workspace = workspace;
    this.network = network;
    this.radius = radius;
    this.castgate = castgate;
    this.#players = players;
    this.slow = slow;
  }

  /** Raises it all. What was made is taken away again where a part fails. */
  static async raise(options: BedOptions): Promise<Bed> {
    const workspace = openWorkspace();
    const remove = () => removeWorkspace(workspace);
    process.on('exit', remove);
    const { directory } = workspace;
    const network = await BenchNetwork.raise(workspace, options.ports);
    if (options.hashMax !== undefined) await network.shrinkDatabase(options.hashMax);
    const radius = await FreeRadius.start(
      radiusPlan(options.rights),
      join(directory, 'radius'),
      network.radiusNamespace,
    );
    const slow = await startSlow(network, options.slowMs);
    const castgate = await startCastgate(directory, network, radius, options);
    const setup: PlayersSetup = {
      hostsNamespace: network.hostsNamespace,
      hostInterfaces: [...network.castgate.ports, ...network.plain.ports, network.hostapdCable],
      upstreamNamespace: network.upstreamNamespace,
      upstreamInterfaces: [network.castgate.upstream, network.plain.upstream],
      switchNamespace: network.switchNamespace,
      switchAddress: LabAddress.switchOnRadiusLink,
      radiusNamespace: network.radiusNamespace,
      radiusAddress: LabAddress.radius,
      radiusSecretFile: radius.secretFile,
    };
    const players = await LineProgram.start(
      'players',
      '../bench/players',
      [JSON.stringify(setup)],
      network.hostsNamespace,
    );
    return new Bed(options, workspace, network, radius, castgate, players, slow);
  }

  /** The process of the daemon under test. */
  get castgatePid(): number {
    const pid = this.castgate.process?.pid;
    if (pid === undefined) throw new LabError('castgate is not running');
    return pid;
  }

  /** A hostapd that knows nobody yet. */
  startHostapd(): Promise<Hostapd> {
    return Hostapd.start(this.#workspace.directory, this.network, this.radius, this.#options.accounting);
  }

  async login(plan: Omit<LoginPlan, 'accounts' | 'password'>): Promise<LoginOutcome> {
    const { rights } = this.#options;
    const accounts = rights === undefined ? ACCOUNTS : rights.asked + rights.preloaded;
    return (await this.#ask('login', { ...plan, accounts, password: PASSWORD })) as LoginOutcome & Json;
  }

  async logoff(ports: readonly string[], first: number, count: number): Promise<void> {
    await this.#ask('logoff', ports, String(first), String(count));
  }

  async zap(plan: WatchPlan): Promise<ZapOutcome> {
    return (await this.#ask('zap', plan)) as ZapOutcome & Json;
  }

  async rush(plan: WatchPlan, inFlight: number): Promise<RushOutcome> {
    return (await this.#ask('rush', plan, String(inFlight))) as RushOutcome & Json;
  }

  /** As a rush, but everybody stays; `leaveAll` ends it. */
  async gather(plan: WatchPlan, inFlight: number): Promise<RushOutcome> {
    return (await this.#ask('gather', plan, String(inFlight))) as RushOutcome & Json;
  }

  async leaveAll(plan: WatchPlan): Promise<void> {
    await this.#ask('leave-all', plan);
  }

  /** Viewers that change channels by one report. */
  async change(plan: WatchPlan): Promise<ZapOutcome> {
    return (await this.#ask('change', plan)) as ZapOutcome & Json;
  }

  /** Viewers ask for a group that nobody may have, which the head-end sends from now on. */
  async wantDenied(plan: WatchPlan): Promise<void> {
    await this.#ask('want-denied', plan);
  }

  /** Datagrams of that group that came to a port of castgate's. */
  async leaks(): Promise<number> {
    return Number((await this.#ask('leaks', {}))['leaks']);
  }

  /** Frames of one kind from one port, so many a second, until it is given none. */
  async flood(plan: FloodPlan | undefined): Promise<number> {
    return Number((await this.#ask('flood', plan ?? {}))['sent']);
  }

  async revoke(plan: WatchPlan): Promise<RevokeOutcome> {
    return (await this.#ask('revoke', plan, String(ACCOUNTS))) as RevokeOutcome & Json;
  }

  async ask(plan: Omit<AskPlan, 'accounts'>): Promise<AskOutcome> {
    return (await this.#ask('ask', { ...plan, accounts: ACCOUNTS })) as AskOutcome & Json;
  }

  /** Takes everything away. castgate ends by itself, so that a profile is written. */
  async close(): Promise<void> {
    await this.castgate.stop();
    removeWorkspace(this.#workspace);
  }

  #ask(verb: string, plan: object, ...rest: readonly string[]): Promise<Json> {
    return this.#players.ask([verb, JSON.stringify(plan), ...rest].join(' '), LONGEST_MS);
  }
}

async function startSlow(
  network: BenchNetwork,
  delayMs: number | undefined,
): Promise<LineProgram | undefined> {
  if (delayMs === undefined) return undefined;
  const how = [LabAddress.radius, String(SLOW_PORT), SECRET, String(delayMs)];
  return LineProgram.start('slow RADIUS server', 'radius/slow-radius', how, network.radiusNamespace);
}

async function startCastgate(
  directory: string,
  network: BenchNetwork,
  radius: FreeRadius,
  options: BedOptions,
): Promise<Castgate> {
  if (options.standby !== true) {
    return Castgate.start(join(directory, 'castgate'), network, radius, settings(options, radius));
  }
  await network.addStandby();
  const key = join(directory, 'ha.key');
  writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
  const ha = (node: string, address: string, peer: string) => ({
    ...settings(options, radius),
    ha: { node, address, peer, key_file: key, vrrp_instance: 'bench' },
  });
  const { active, standby } = REPLICATION;
  const castgate = await Castgate.start(
    join(directory, 'castgate'),
    network,
    radius,
    ha('a', active, standby),
  );
  await until(
    'castgate to serve',
    20_000,
    async () => {
      const answer = await ask(castgate.socket, 'promote', 10_000);
      return answer !== undefined && 'result' in answer ? true : undefined;
    },
    () => castgate.tail(),
  );
  const place = { switchNamespace: network.standbyNamespace, ports: network.ports };
  const second = await Castgate.start(join(directory, 'standby'), place, radius, ha('b', standby, active));
  await until(
    'the standby to be in step',
    20_000,
    async () => {
      const answer = await ask(second.socket, 'ha');
      const rows = answer !== undefined && 'result' in answer ? (answer.result as readonly HaRow[]) : [];
      return rows[0]?.state === 'in-step' ? true : undefined;
    },
    () => [...castgate.tail(), ...second.tail()],
  );
  return castgate;
}

function settings(
  { profileDirectory, accounting, statusServer = false, hasLimits = false, slowMs, hashMax }: BedOptions,
  radius: FreeRadius,
): CastgateSettings {
  return {
    authenticator: {
      max_hosts_per_port: 4096,
      max_hosts: 65536,
      // Nobody is to be given up, or asked again, because the server is slow.
      ...(slowMs === undefined ? {} : { server_timeout: '5m' }),
      quiet_period: '0s',
      ...(hasLimits ? {} : { login_rate_per_port: 100000, login_rate: 1000000 }),
    },
    multicast: {
      ...(hasLimits
        ? {}
        : {
            max_groups_per_host: 4096,
            max_groups_per_port: 4096,
            reports_per_host: 0,
            reports_per_port: 0,
          }),
      ...(hashMax === undefined ? {} : { hash_max: hashMax }),
    },
    accounting: { enabled: accounting },
    radius: {
      servers: [
        {
          name: 'lab',
          address: LabAddress.radius,
          secret_file: radius.secretFile,
          status_server: statusServer,
          ...(slowMs === undefined ? {} : { auth_port: SLOW_PORT }),
        },
      ],
      dynamic_authorization: {
        clients: [{ name: 'lab', address: LabAddress.radius, secret_file: radius.secretFile }],
        listen: [LabAddress.switchOnRadiusLink],
      },
      ...(slowMs === undefined
        ? {}
        : { retransmit: { initial: '60s', max_interval: '60s', max_duration: '5m' } }),
    },
    ...(profileDirectory === undefined
      ? {}
      : { nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] }),
  };
}

function radiusPlan({ asked, preloaded, groups }: BedRights = ASK_ALL): RadiusPlan {
  const accounts = Array.from({ length: asked + preloaded }, (_, i) => accountOf(i, asked + preloaded));
  const all = `Castgate-Right += "watch ${groupAddress(0)}/${32 - Math.log2(groups)}"`;
  return {
    secret: SECRET,
    client: LabAddress.switchOnRadiusLink,
    listen: LabAddress.radius,
    users: accounts.map((name, i) => ({
      name,
      password: PASSWORD,
      ...(i < asked ? {} : { replies: [all] }),
    })),
    permissions: accounts
      .slice(0, asked)
      .flatMap((account) =>
        Array.from({ length: groups }, (_, i) => ({ account, group: groupAddress(i), holdsS: 3600 })),
      ),
    recordRequests: false,
  };
}

const ASK_ALL: BedRights = { asked: ACCOUNTS, preloaded: 0, groups: GROUPS };
const SECRET = 'secret-of-castgates-bench';
const SLOW_PORT = 18120;
/** The longest that one command of the players may take. */
const LONGEST_MS = 300_000;
