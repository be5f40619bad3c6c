/**
 * What one seed is about: who is there, how bad links and servers are, how often the active dies. Drawn
 * before anything happens. Many seeds have no trouble of one kind at all, so that what trouble explains
 * there is a violation here.
 */
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import type { Random } from '../random.ts';
import { ANY_SOURCE_GROUPS, MAPPED_SOURCES, SOURCE_GROUPS } from './outside/channels.ts';

export interface Plan {
  readonly ports: readonly string[];
  readonly subscribers: number;
  /** Actions of people and faults before everything is wound up. */
  readonly actions: number;
  /** Mean time between two actions. */
  readonly paceMs: number;
  readonly mode: 'sync' | 'async';
  /** How often the active dies, at most. */
  readonly crashes: number;
  /** Of deaths: only the daemon dies, and starts again with its journal. */
  readonly restarts: number;
  /** Undefined: no journal is kept. Else after how many octets it begins anew. */
  readonly journalOctets: number | undefined;
  /** Of deaths: in the middle of a turn. */
  readonly midTurn: number;
  /** The active may also die where the standby does not know all that has left it: something is lost then. */
  readonly careless: boolean;
  /** How long nobody serves when the active is gone: one of these. */
  readonly pausesMs: readonly number[];
  /** The switch of a node that goes on may refuse some of what it is told at first. */
  readonly refusals: number;
  /** Mean number of events between two deaths. */
  readonly crashEvery: number;
  readonly link: LinkPlan;
  readonly radius: RadiusPlan;
  /** People keep answering, and switches do what they are told. */
  readonly calm: boolean;
  /** The two nodes are of different versions. */
  readonly skewed: boolean;
  /** Some accounts' logins bring rights to channels, previews and limits. */
  readonly rights: boolean;
}

/** Of the replication link. Probabilities are per piece of the stream. */
export interface LinkPlan {
  readonly delayMs: readonly [number, number];
  readonly damage: number;
  /** Of a cut, per action. */
  readonly cut: number;
  readonly sliceOctets: number;
  readonly keepOctets: number;
}

/** Of the network to the RADIUS servers, each way. */
export interface RadiusPlan {
  readonly delayMs: readonly [number, number];
  readonly loss: number;
  readonly repeat: number;
  /** Servers may fall silent for a while. */
  readonly silence: boolean;
}

export function drawPlan(random: Random, actions: number): Plan {
  const ports = ['swp1', 'swp2', 'swp3', 'swp4'].slice(0, random.whole(1, 4));
  const troubled = random.chance(0.4);
  const mode = random.chance(0.06) ? 'async' : 'sync';
  const calm = random.chance(0.3);
  return {
    ports,
    subscribers: random.whole(2, 8),
    actions,
    paceMs: random.pick([100, 500, 2000]),
    mode,
    crashes: random.whole(1, 5),
    restarts: random.pick([0, 0, 0.4, 1]),
    journalOctets: random.pick([undefined, 3000, 30_000, Infinity]),
    midTurn: random.pick([0, 0.5, 0.9]),
    // What an active in async mode had not replicated is lost with it, which is what that mode means.
    careless: mode === 'async' || random.chance(0.12),
    pausesMs: random.pick([
      [1, 60, 400, 1500],
      [1, 60, 400, 1500],
      [1, 20_000, 70_000],
    ]),
    refusals: calm ? 0 : random.pick([0, 0.3]),
    crashEvery: random.pick([40, 120, 300]),
    link: {
      delayMs: random.pick([
        [0, 0],
        [0.1, 2],
        [2, 60],
      ] as const),
      damage: random.pick([0, 0, 0.002, 0.03]),
      cut: random.pick([0, 0, 0.02, 0.1]),
      sliceOctets: random.pick([300, 3000, 1 << 18]),
      keepOctets: random.pick([500, 20_000, 1 << 20]),
    },
    radius: {
      delayMs: random.pick([
        [0.2, 2],
        [1, 30],
        [5, 300],
      ] as const),
      loss: troubled ? random.pick([0, 0.02, 0.15]) : 0,
      repeat: random.pick([0, 0.1]),
      silence: troubled && random.chance(0.5),
    },
    calm,
    skewed: random.chance(0.25),
    rights: random.chance(0.6),
  };
}

/** The same for every seed: short times, so that a short run sees every timer go off. */
export function simulatedConfig(ports: readonly string[]): Config {
  const names = ports.join(' ');
  const known = configs.get(names);
  if (known !== undefined) return known;
  const file = {
    bridge: 'br0',
    // On every other port sessions go on for a while without RADIUS.
    ports: Object.fromEntries(ports.map((port, i) => [port, i % 2 === 0 ? {} : WITHOUT_RADIUS])),
    uplinks: [UPLINK],
    nas: { identifier: 'simulated-switch', address: '198.18.0.1' },
    authenticator: {
      quiet_period: '5s',
      tx_period: '5s',
      supp_timeout: '5s',
      server_timeout: '12s',
      max_req: 2,
      reauth_max: 2,
      reauth_period: `${REAUTH_PERIOD_MS / 1000}s`,
    },
    radius: {
      servers: SERVERS.map((name, i) => ({ name, address: `198.18.1.${i + 1}`, secret_file: 'secret' })),
      dynamic_authorization: {
        clients: [{ name: 'server', address: '198.18.1.9', secret_file: 'secret' }],
      },
      retransmit: { initial: '1s', max_interval: '4s', max_count: 6, max_duration: '12s' },
    },
    groups: { patience: '4s', default_permit: '20s', deny: '3s', timeout_hold: '2s', cache_size: 16 },
    multicast: {
      query_interval: `${QUERY_INTERVAL_MS / 1000}s`,
      query_response_interval: `${QUERY_RESPONSE_MS / 1000}s`,
      unsolicited_report_interval: '1s',
      ssm_map: ([4, 6] as const).map((family) => ({
        groups: SOURCE_GROUPS[family].slice(0, 1),
        sources: MAPPED_SOURCES[family],
      })),
    },
    channels: {
      // Half of the any-source groups.
      optimistic: {
        channels: [...ANY_SOURCE_GROUPS[4].slice(0, 2), ...ANY_SOURCE_GROUPS[6].slice(0, 2)],
        wait: '300ms',
        count: 3,
        reset: '15s',
        pause: '20s',
      },
    },
    previews: { length: '8s', interval: '4s', count: 3, reset: '60s' },
    accounting: { interim_interval: '10s' },
  };
  const loaded = parseConfig(JSON.stringify(file), 'simulated', () => ({ secret: SECRET, remarks: [] }));
  if ('config' in loaded) {
    configs.set(names, loaded.config);
    return loaded.config;
  }
  throw new Error(loaded.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
}

/** By the names of the ports: a run does not change it. */
const configs = new Map<string, Config>();
export const UPLINK = 'up0';
export const SERVERS: readonly string[] = ['r1', 'r2'];
export const SECRET = new TextEncoder().encode('the secret of the simulation');
export const REAUTH_PERIOD_MS = 60_000;
/** The switch's own period is up to a tenth shorter, so that hosts that came in together part. */
export const LEAST_REAUTH_PERIOD_MS = 0.9 * REAUTH_PERIOD_MS;
export const QUERY_INTERVAL_MS = 20_000;
export const QUERY_RESPONSE_MS = 2_000;

const WITHOUT_RADIUS = { reauth_without_radius: '40s' };
