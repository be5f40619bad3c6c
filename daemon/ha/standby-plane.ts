/**
 * The switch of a standby: it is programmed as records arrive, behind the shut fence, so that a takeover has
 * nothing left to program, however many sessions and channels there are.
 */
import type { Config } from '../../config/config.ts';
import type { Change } from '../../session/store.ts';
import type { Switch } from '../../switch/switch.ts';
import { forwardingOf, inverseOf, openingOf, serviceOf } from '../data-plane.ts';
import { carryOut, type Effect } from '../effects.ts';
import type { Logger } from '../log.ts';
import { emptyStores, type FedStores } from '../saved-state.ts';
import type { Stores } from '../stores.ts';

export class StandbyPlane {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #bridge: Switch;
  /** What the switch has, by store and key of the record behind it. */
  readonly #programmed = new Map<string, Effect>();
  /** Records that changed since `follow` looked, for each set of stores. */
  readonly #changed = new WeakMap<Stores, Map<string, Change>>();
  readonly #fed = new WeakMap<Stores, FedStores>();
  #shown: Stores | undefined;

  constructor(config: Config, log: Logger, bridge: Switch) {
    this.#config = config;
    this.#log = log;
    this.#bridge = bridge;
  }

  /** Stores for a snapshot. */
  fresh(): Stores {
    const fed = emptyStores(this.#config);
    const changed = new Map<string, Change>();
    const { portServices, sessions, forwardings } = fed.stores;
    const shown = new Set([portServices.name, sessions.name, forwardings.name]);
    fed.feed.follow({
      changed: (change) => {
        if (shown.has(change.store)) changed.set(`${change.store}/${change.key}`, change);
      },
    });
    this.#changed.set(fed.stores, changed);
    this.#fed.set(fed.stores, fed);
    return fed.stores;
  }

  /** The feed of stores that `fresh` made. */
  fed(stores: Stores): FedStores {
    const fed = this.#fed.get(stores);
    if (fed === undefined) throw new Error('stores of another plane');
    return fed;
  }

  /** The switch has what these records say: a node that served has programmed it. */
  adopt(stores: Stores): void {
    this.#programmed.clear();
    this.#shown = undefined;
    for (const [place, effect] of effectsOf(stores)) this.#programmed.set(place, effect);
  }

  /** Makes the switch what these stores say now. */
  follow(stores: Stores): void {
    const changed = this.#changed.get(stores);
    const effects: Effect[] = [];
    if (stores !== this.#shown) {
      this.#shown = stores;
      const wanted = effectsOf(stores);
      for (const place of [...this.#programmed.keys()]) if (!wanted.has(place)) this.#take(place, effects);
      for (const [place, effect] of wanted) this.#put(place, effect, effects);
    } else if (changed !== undefined) {
      for (const [place, { record }] of changed) {
        const effect = record === undefined ? undefined : effectOf(place, record);
        if (effect === undefined) this.#take(place, effects);
        else this.#put(place, effect, effects);
      }
    }
    changed?.clear();
    if (effects.length === 0) return;
    for (const { effect, failure } of carryOut(effects, this.#bridge, NO_DATAGRAMS)) {
      this.#log.warn('standby-switch-refused', {
        operation: effect.kind,
        why: failure.failed,
        errno: failure.errno,
      });
    }
  }

  #put(place: string, effect: Effect, effects: Effect[]): void {
    const before = this.#programmed.get(place);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(effect)) return;
    this.#programmed.set(place, effect);
    effects.push(effect);
  }

  #take(place: string, effects: Effect[]): void {
    const before = this.#programmed.get(place);
    const inverse = before === undefined ? undefined : inverseOf(before);
    this.#programmed.delete(place);
    if (inverse !== undefined) effects.push(inverse);
  }
}

function effectsOf({ portServices, sessions, forwardings }: Stores): Map<string, Effect> {
  const effects = new Map<string, Effect>();
  for (const record of portServices.values())
    effects.set(`${portServices.name}/${record.key}`, serviceOf(record));
  for (const record of sessions.values()) effects.set(`${sessions.name}/${record.key}`, openingOf(record));
  for (const record of forwardings.values())
    effects.set(`${forwardings.name}/${record.key}`, forwardingOf(record));
  return effects;
}

function effectOf(place: string, record: object): Effect {
  if (place.startsWith('port-services/')) return serviceOf(record as Parameters<typeof serviceOf>[0]);
  return place.startsWith('sessions/')
    ? openingOf(record as Parameters<typeof openingOf>[0])
    : forwardingOf(record as Parameters<typeof forwardingOf>[0]);
}

const NO_DATAGRAMS = { send: () => {} };
