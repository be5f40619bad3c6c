/**
 * The switch of a standby: it is programmed as records arrive, behind the shut fence, so that a takeover has
 * nothing left to program, however many sessions and channels there are.
 */
import type { Config } from '../../config/config.ts';
import type { Change } from '../../session/store.ts';
import type { Switch, SwitchFailure, SwitchOperation } from '../../switch/switch.ts';
import { DataPlane, inverseOf, placeOf } from '../core/data-plane.ts';
import { carryOut, type Effect } from '../core/effects.ts';
import type { Stores } from '../core/stores.ts';
import { emptyStores, type FedStores } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';

export class StandbyPlane {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #bridge: Switch;
  /** What the switch has, by store and key of the record behind it. */
  readonly #programmed = new Map<string, Effect>();
  /** Records that changed since `follow` looked, for each set of stores. */
  readonly #changed = new WeakMap<Stores, Map<string, Change>>();
  readonly #means = new WeakMap<Stores, DataPlane>();
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
    const means = new DataPlane(fed.stores);
    fed.feed.follow({
      changed: (change) => {
        if (means.knows(change.store)) changed.set(placeOf(change.store, change.key), change);
      },
    });
    this.#means.set(fed.stores, means);
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
    for (const { place, effect } of new DataPlane(stores).all()) this.#programmed.set(place, effect);
  }

  /** The switch has begun with the hosts and channels of these records; how ports are served is told to it now. */
  beginWith(stores: Stores): void {
    this.#programmed.clear();
    for (const { place, effect } of new DataPlane(stores).all())
      if (effect.kind === 'open-host' || effect.kind === 'forward') this.#programmed.set(place, effect);
    this.#shown = undefined;
    this.follow(stores);
  }

  /** Makes the switch what these stores say now. */
  follow(stores: Stores): void {
    const changed = this.#changed.get(stores);
    const effects: Effect[] = [];
    const means = this.#means.get(stores) ?? new DataPlane(stores);
    if (stores !== this.#shown) {
      this.#shown = stores;
      const wanted = [...means.all()];
      const places = new Set(wanted.map(({ place }) => place));
      for (const place of [...this.#programmed.keys()]) if (!places.has(place)) this.#take(place, effects);
      for (const { place, effect } of wanted) this.#put(place, effect, effects);
    } else if (changed !== undefined) {
      for (const [place, { store, record }] of changed) {
        const effect = record === undefined ? undefined : means.effectOf(store, record);
        if (effect === undefined) this.#take(place, effects);
        else this.#put(place, effect, effects);
      }
    }
    changed?.clear();
    this.#apply(effects);
  }

  /** What the switch takes many at a time it is given so. */
  #apply(effects: readonly Effect[]): void {
    let run: SwitchOperation[] = [];
    const flush = () => {
      for (const { operation, failure } of this.#bridge.applyAll(run)) this.#refused(operation.kind, failure);
      run = [];
    };
    for (const effect of effects) {
      if (effect.kind === 'open-host' || effect.kind === 'close-host' || effect.kind === 'forward') {
        run.push(effect);
        continue;
      }
      flush();
      for (const { failure } of carryOut([effect], this.#bridge, NO_DATAGRAMS))
        this.#refused(effect.kind, failure);
    }
    flush();
  }

  #refused(operation: string, { failed, errno }: SwitchFailure): void {
    this.#log.warn('standby-switch-refused', { operation, why: failed, errno });
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

const NO_DATAGRAMS = { send: () => {} };
