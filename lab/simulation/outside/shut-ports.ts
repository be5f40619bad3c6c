/**
 * Ports that an operator shuts and, after a while, opens. Whoever has seen the link go down relies on it: the port is
 * shut at whichever node goes on with what the last one knew, until the operator opens it, and looks whether it is open.
 */
import type { Stores } from '../../../daemon/core/stores.ts';
import type { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { Random } from '../../random.ts';
import type { Mark } from '../checks/marks.ts';
import { must } from '../checks/violation.ts';
import type { ActiveNode } from '../nodes/active-node.ts';
import type { Fate } from '../nodes/pair.ts';
import type { Agenda } from './agenda.ts';

/** What it needs of the world. */
export interface ShutPortsWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly closing: boolean;
  readonly pair: { readonly active: ActiveNode | undefined; readonly bridge: MemorySwitch | undefined };
  readonly subscribers: readonly { readonly port: string; mark(...marks: readonly Mark[]): void }[];
  readonly plan: { readonly ports: readonly string[] };
  hasCable(port: string): boolean;
  carrierChanged(port: string, carrier: boolean): void;
  say(line: string): void;
}

export class ShutPorts {
  readonly #world: ShutPortsWorld;
  /** Links that castgate has taken down. */
  readonly #down = new Set<string>();
  /** Seen to be down since they were shut, and nobody has opened them since. */
  readonly #seen = new Set<string>();
  /** What whoever goes on must know. */
  #relied: ReadonlySet<string> = new Set();

  constructor(world: ShutPortsWorld) {
    this.#world = world;
  }

  isDown(port: string): boolean {
    return this.#down.has(port);
  }

  shut(port: string): void {
    const { agenda, random, pair, closing } = this.#world;
    const { active } = pair;
    if (closing || active === undefined || active.stores.shutPorts.has(port)) return;
    for (const who of this.#world.subscribers) if (who.port === port) who.mark('shut');
    const { core } = active;
    active.turn((now) => core.operate(now, () => core.links.shut(now, port, 'operator')));
    agenda.after(random.pick([500, 8_000, 40_000]), `${port} is to be opened`, () => this.open(port));
  }

  /** Opens the port, and looks later whether it is. */
  open(port: string): void {
    const { agenda, pair, closing } = this.#world;
    const { active } = pair;
    const isShut = active === undefined || active.stores.shutPorts.has(port) || this.#down.has(port);
    if (closing || !isShut) return;
    this.#seen.delete(port);
    active?.turn((now) => active.core.operate(now, () => active.core.links.open(port)));
    agenda.after(1_000, `is ${port} open?`, () => this.open(port));
  }

  /** A daemon has set a link; some time later somebody may set it up again, which changes nothing. */
  linkSet(bridge: MemorySwitch, port: string, up: boolean): void {
    const { agenda, random } = this.#world;
    agenda.after(random.between(0, 2), `the link of ${port} is set ${up ? 'up' : 'down'}`, () => {
      const { pair, say } = this.#world;
      if (pair.bridge !== bridge) return;
      say.call(this.#world, `${port}: set ${up ? 'up' : 'down'}`);
      if (!up && pair.active?.stores.shutPorts.has(port) === true) this.#seen.add(port);
      this.#setDown(port, !up);
      bridge.setLink(port, up && this.#world.hasCable(port));
      if (!up && random.chance(0.3))
        agenda.after(100, `somebody sets ${port} up`, () => this.#setUp(bridge, port));
    });
  }

  /** The active is gone. */
  died(fate: Fate): void {
    const knows = fate === 'takeover' || fate === 'restart';
    this.#relied = new Set(knows ? this.#seen : []);
    if (!knows) this.#seen.clear();
  }

  /** A node goes on; one that stood by has its links as its records say. */
  tookOver(stores: Stores, fate: Fate): void {
    for (const port of this.#relied)
      must(stores.shutPorts.has(port), () => `${port} was shut, and whoever goes on does not know`);
    this.#relied = new Set();
    if (fate === 'restart') return;
    for (const port of this.#world.plan.ports) this.#setDown(port, stores.shutPorts.has(port));
  }

  #setUp(bridge: MemorySwitch, port: string): void {
    const { pair, hasCable } = this.#world;
    if (pair.bridge === bridge && this.#down.has(port) && hasCable.call(this.#world, port))
      bridge.setLink(port, true);
  }

  #setDown(port: string, isDown: boolean): void {
    if (this.#down.has(port) === isDown) return;
    if (isDown) this.#down.add(port);
    else this.#down.delete(port);
    if (this.#world.hasCable(port)) this.#world.carrierChanged(port, !isDown);
  }
}
