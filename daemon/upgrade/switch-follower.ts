/**
 * What a process that serves opens and closes while another one prepares itself: noted by key, and looked up once, when
 * the other one goes on.
 */
import type { Change, ChangeFeed } from '../../session/store.ts';
import type { LinuxSwitch } from '../../switch/linux/linux-switch.ts';
import { DataPlane, inverseOf, placeOf } from '../core/data-plane.ts';
import type { Effect } from '../core/effects.ts';
import type { Stores } from '../core/stores.ts';

/** The books of the switch of a process that prepares itself. */
export type FollowingSwitch = Pick<LinuxSwitch, 'followHost' | 'followChannel' | 'followService'>;

export class SwitchFollower implements ChangeFeed {
  readonly #plane: DataPlane;
  readonly #known: Map<string, Effect>;
  readonly #touched = new Map<string, Effect | undefined>();

  /** The switch has been told what these records say. */
  constructor(stores: Stores) {
    this.#plane = new DataPlane(stores);
    this.#known = new Map([...this.#plane.all()].map(({ place, effect }) => [place, effect]));
  }

  changed({ store, key, record }: Change): void {
    if (!this.#plane.knows(store)) return;
    this.#touched.set(
      placeOf(store, key),
      record === undefined ? undefined : this.#plane.effectOf(store, record),
    );
  }

  /** Tells the switch what has changed since. */
  catchUp(bridge: FollowingSwitch): void {
    // What ends goes first: an address may be on another port now.
    for (const [place, effect] of this.#touched) {
      const before = this.#known.get(place);
      const end = before && effect === undefined ? inverseOf(before) : undefined;
      if (end !== undefined) note(bridge, end);
    }
    for (const effect of this.#touched.values()) if (effect !== undefined) note(bridge, effect);
  }
}

function note(bridge: FollowingSwitch, effect: Effect): void {
  switch (effect.kind) {
    case 'open-host':
      bridge.followHost(effect.host, effect.host);
      return;
    case 'close-host':
      bridge.followHost(effect.host, undefined);
      return;
    case 'forward':
      bridge.followChannel(effect.port, effect.vlan, effect.group, effect.filter);
      return;
    case 'serve-port':
      bridge.followService(effect.port, effect.service);
      return;
  }
}
