/**
 * A takeover tried out: a node goes on with a copy of the standby's records, on a switch of its own, and the
 * run does not know of it. So a takeover is looked at after every action, not only where the active dies.
 * Nobody answers the node; for a moment it must keep everything, and let nothing run out.
 */
import type { Config } from '../../../config/config.ts';
import type { Logger } from '../../../daemon/log/log.ts';
import { RecordDecoder, RecordEncoder } from '../../../replication/record-codec.ts';
import { StateDigest } from '../../../replication/state-digest.ts';
import { Random } from '../../random.ts';
import { ActiveNode, type NodeWorld } from '../nodes/active-node.ts';
import { NodeStores } from '../nodes/node-stores.ts';
import { Chassis } from '../outside/chassis.ts';
import type { Plan } from '../plan.ts';
import { checkRecords, checkSwitch } from './state-checks.ts';
import { disputedHosts } from './takeover-checks.ts';
import { must } from './violation.ts';

/** What is as in the run. */
export interface ProbedWorld {
  readonly plan: Plan;
  readonly config: Config;
  hasCable(port: string): boolean;
}

/** Throws where a takeover with these records at this time would cost something. */
export function probeTakeover(world: ProbedWorld, stores: NodeStores, now: number): void {
  // No frame comes while it looks.
  const agenda = { now, after: () => {} };
  const log = new ProbeLog(disputedHosts(stores));
  const { plan, config } = world;
  const nodeWorld: NodeWorld = {
    agenda,
    random: new Random(now),
    plan,
    config,
    log,
    datagrams: { send: () => {} },
    hasCable: (port) => world.hasCable(port),
    changed: () => {},
    sent: () => {},
    sealed: () => {},
    turned: () => {},
    fell: () => {},
  };
  const node = new ActiveNode('probe', nodeWorld, new Chassis(plan.ports, undefined, () => {}), {
    stores: copyOf(stores, config.groups.cacheSize),
    digest: new StateDigest(),
  });
  node.takeOver();
  check(node, now);
  for (let at = node.nextTimeout(); at < now + MOMENT_MS; at = node.nextTimeout()) {
    agenda.now = Math.max(agenda.now, at);
    node.handleTimeout();
    check(node, agenda.now);
  }
}

function check({ stores, bridge }: ActiveNode, now: number): void {
  checkRecords(stores, now);
  checkSwitch(stores, bridge, []);
}

/** Nothing may end by itself in the moment after a takeover; what lies behind a port without a cable may. */
class ProbeLog implements Logger {
  readonly #disputed: ReadonlySet<string>;

  constructor(disputed: ReadonlySet<string>) {
    this.#disputed = disputed;
  }

  debug(): void {}

  info(event: string, fields?: object): void {
    const { cause, host = '' } = (fields ?? {}) as { readonly cause?: string; readonly host?: string };
    if (event !== 'session-ended' && event !== 'channel-ended') return;
    if (cause === 'switch-failed' && this.#disputed.has(host)) return;
    // A preview ends when it does, whoever serves.
    if (cause === 'preview-ended') return;
    must(cause === 'lost-carrier', () => `a takeover here: ${event} by ${cause}, ${JSON.stringify(fields)}`);
  }
  warn(event: string, fields?: object): void {
    this.info(event, fields);
  }
  error(event: string, fields?: object): void {
    must(event !== 'accounting-lost', () => `a takeover here: ${event}, ${JSON.stringify(fields)}`);
  }
}

function copyOf(stores: NodeStores, decisions: number): NodeStores {
  const copy = new NodeStores(decisions);
  for (const store of stores.all()) {
    for (const [key, record] of store.entries()) {
      encoder.value(record);
      copy.store(store.name).apply(key, new RecordDecoder(encoder.take()).value() as object);
    }
  }
  return copy;
}

/** Shorter than RADIUS is waited for: nobody answers here. */
const MOMENT_MS = 500;
const encoder = new RecordEncoder();
