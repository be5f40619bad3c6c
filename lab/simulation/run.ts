/**
 * One run from one seed: a time of actions and faults, a time of calm in which everybody must come in and
 * receive what they may, then everybody leaves and the books are compared.
 */
import { channelKey, hostKey } from '../../session/records.ts';
import { act, wake } from './actions.ts';
import { channelsOf } from './checks/state-checks.ts';
import { must } from './checks/violation.ts';
import type { PairFigures } from './nodes/pair.ts';
import { ANY_SOURCE_GROUPS, anySourceOf } from './outside/channels.ts';
import type { Subscriber } from './outside/subscriber.ts';
import { World, type WorldOptions } from './world.ts';

/** What came of a run, and how much of everything was in it. */
export interface RunResult extends Readonly<PairFigures> {
  readonly seed: number;
  /** The event at which the active was to die, where the run was about that. */
  readonly dieAt: number | undefined;
  /** Undefined: nothing that must not be. */
  readonly failure: string | undefined;
  readonly events: number;
  readonly turns: number;
  readonly probes: number;
  readonly duplicates: number;
  /** Copies of Disconnect- and CoA-Requests that got their answer again. */
  readonly disconnects: number;
  /** CoA-Requests about channels that were carried out. */
  readonly channelOrders: number;
  readonly records: number;
}

export function simulate(seed: number, options: WorldOptions): RunResult {
  const world = new World(seed, options);
  let failure: string | undefined;
  try {
    new Run(world).run();
  } catch (cause) {
    failure = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    world.say(`FAILED: ${failure}`);
  }
  const { pair, radius, dynamic, books, turns, steps, probes } = world;
  return {
    ...pair.figures,
    seed,
    dieAt: options.dieAt,
    failure,
    events: steps,
    turns,
    probes,
    duplicates: radius.duplicates,
    disconnects: dynamic.repeated,
    channelOrders: dynamic.carriedOut,
    records: books.size,
  };
}

/** How much of everything was in the runs. */
export function figures(results: readonly RunResult[]): string {
  const sum = (of: (result: RunResult) => number) =>
    results.reduce((total, result) => total + of(result), 0).toLocaleString('en-US');
  return [
    `${sum(() => 1)} runs`,
    `${sum((r) => r.turns)} turns`,
    `${sum((r) => r.takeovers)} takeovers`,
    `${sum((r) => r.probes)} takeovers tried out`,
    `${sum((r) => r.restarts)} restarts (${sum((r) => r.torn)} with a torn journal)`,
    `${sum((r) => r.stale)} takeovers with an older state`,
    `${sum((r) => r.cold)} beginnings with nothing`,
    `${sum((r) => r.midTurn)} deaths in the middle of a turn`,
    `${sum((r) => r.compared)} comparisons of active and standby`,
    `${sum((r) => r.snapshots)} snapshots (${sum((r) => r.joinedUnderLoad)} changes during them)`,
    `${sum((r) => r.faults)} faults of the link noticed`,
    `${sum((r) => r.duplicates)} repeated RADIUS requests known again`,
    `${sum((r) => r.disconnects)} repeated Disconnect- and CoA-Requests answered as before`,
    `${sum((r) => r.channelOrders)} channels given or taken by CoA`,
    `${sum((r) => r.records)} accounting records`,
  ].join(', ');
}

class Run {
  readonly #world: World;
  #events = 0;

  constructor(world: World) {
    this.#world = world;
  }

  run(): void {
    this.#world.pair.begin();
    this.#act();
    this.#calm();
    this.#leave();
    this.#look();
  }

  #act(): void {
    const { agenda, random, plan } = this.#world;
    let left = plan.actions;
    const next = () => {
      if (left-- <= 0) return;
      this.#world.say(`* ${act(this.#world)}`);
      this.#world.lookClosely();
      agenda.after(-Math.log(1 - random.fraction()) * plan.paceMs, 'the next action', next);
    };
    agenda.after(0, 'the first action', next);
    this.#until(() => left < 0, Infinity, 'the actions to end');
  }

  /** Nothing is wrong any more: everybody comes in who may, and receives what it may. */
  #calm(): void {
    const world = this.#world;
    world.say('--- calm');
    world.radius.heal();
    world.dynamic.healed = true;
    world.pair.heal();
    for (const what of ['openHost', 'setForwarding', 'sendFrame'] as const)
      world.pair.bridge?.fail(what, '', 0);
    for (const port of world.plan.ports) world.setCarrier(port, true);
    world.openPorts();
    for (const who of world.subscribers) {
      wake(who);
      who.password = world.passwordOf(who.account);
      if (!who.isSurelyIn(world.agenda.now)) who.start();
      if (who.wishes.size === 0) who.want(ANY_SOURCE_GROUPS[who.identity.family][0] ?? '', undefined);
    }
    const unwell = new Set(world.subscribers.filter((who) => world.policy.accounts.has(who.account)));
    const well = () => {
      for (const who of unwell) if (this.#isWell(who)) unwell.delete(who);
      return unwell.size === 0 && world.pair.isInStep;
    };
    this.#until(
      well,
      150_000,
      () => `${[...unwell].map((who) => who.name).join(', ')} to be in and to receive`,
    );
    this.#askRouter();
  }

  /** In, with every channel that it wants and may receive, and without every other. */
  #isWell(who: Subscriber): boolean {
    const { pair, policy, agenda } = this.#world;
    const stores = pair.active?.stores;
    const host = hostKey(who.port, who.identity.vlan, who.mac);
    if (stores === undefined || !who.isSurelyIn(agenda.now) || !stores.sessions.has(host)) return false;
    const limit = stores.sessions.get(host)?.rights?.maxGroups ?? Number.POSITIVE_INFINITY;
    return [...who.wishes].every(([group, sources]) => {
      const pair = `${who.account} ${group}`;
      if (policy.rights.get(pair) === 'preview') return true;
      const may = policy.permits.has(pair);
      return (sources ?? anySourceOf(group)).every((source) => {
        const does = stores.grants.has(channelKey(host, group, source));
        return does === may || (may && channelsOf(stores, who.account) >= limit);
      });
    });
  }

  /** A router that has forgotten everything learns from one query what is received. */
  #askRouter(): void {
    const world = this.#world;
    const { agenda, pair, router } = world;
    const until = agenda.now + 1500;
    world.spare(() => {
      world.router.forget();
      world.isRouterNew = true;
      world.queryUpstream(3);
      const heard = () => agenda.now >= until && pair.active?.gate.waiting.length === 0;
      this.#until(heard, 10_000, 'the router to hear');
      world.isRouterNew = false;
    });
    const wanted = new Set(
      [...(pair.active?.stores.forwardings.values() ?? [])]
        .filter(({ told }) => told !== 'nothing')
        .map(({ vlan, group }) => `${vlan}/${group}`),
    );
    const known = new Set(router.groups());
    must(
      known.size === wanted.size && [...wanted].every((group) => known.has(group)),
      () => `the router believes in ${[...known].join(' ')}, not in ${[...wanted].join(' ')}`,
    );
  }

  #leave(): void {
    const world = this.#world;
    const { agenda, random } = world;
    world.say('--- leave');
    world.closing = true;
    for (const who of world.subscribers) {
      if (random.chance(0.5)) agenda.after(random.between(0, 3000), 'leaves', () => who.logoff());
    }
    for (const port of world.plan.ports) {
      agenda.after(random.between(3000, 5000), 'goes dark', () => world.setCarrier(port, false));
    }
    const quiet = agenda.now + 6000;
    this.#until(
      () => agenda.now > quiet && this.#isEmpty(),
      120_000,
      () => `the stores to be empty: ${this.#rest()}`,
    );
  }

  #isEmpty(): boolean {
    return this.#world.pair.active !== undefined && this.#rest() === '';
  }

  /** What is left of what should be gone. */
  #rest(): string {
    const stores = this.#world.pair.active?.stores;
    const names =
      stores === undefined
        ? ['no active']
        : [...stores.all()].flatMap(({ name, size }) => (PASSING.has(name) && size() > 0 ? [name] : []));
    return names.join(', ');
  }

  #look(): void {
    const { books, ledger, pair, coldStarts } = this.#world;
    books.compare(ledger);
    // An Accounting-On may die with the node that said it, a moment after it began.
    must(
      ledger.ons === coldStarts || (coldStarts > 1 && ledger.ons <= coldStarts && ledger.ons > 0),
      () => `${ledger.ons} times Accounting-On`,
    );
    const bridge = pair.active?.bridge;
    must(
      bridge?.openHosts().length === 0 && bridge.forwardings().length === 0,
      () => 'the switch is not empty',
    );
  }

  #until(done: () => boolean, withinMs: number, what: string | (() => string)): void {
    const { agenda } = this.#world;
    const began = agenda.now + withinMs;
    const idle = this.#world.idleTotalMs;
    while (!done()) {
      const name = () => (typeof what === 'string' ? what : what());
      must(this.#world.step(), () => `nothing happens any more, waiting for ${name()}`);
      const until = began + this.#world.idleTotalMs - idle;
      must(
        agenda.now <= until || this.#world.pair.active === undefined,
        () => `waited in vain for ${name()}`,
      );
      must(++this.#events < MAX_EVENTS, () => `more than ${MAX_EVENTS} events, waiting for ${name()}`);
    }
  }
}

/** Stores that are about somebody who is there, or about what is under way: in the end nobody and nothing is. */
const PASSING: ReadonlySet<string> = new Set([
  'authenticators',
  'conversations',
  'sessions',
  'memberships',
  'pending',
  'questions',
  'grants',
  'forwardings',
  'report-sources',
  'upstream-groups',
  'radius-requests',
  'accounting-records',
  'accounting-queue',
]);
const MAX_EVENTS = 300_000;
