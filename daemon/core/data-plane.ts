/** What records mean at the switch: the same for a core that goes on with them and for a standby that only follows. */
import { filterOf } from '../../auth/forwarding-table.ts';
import type {
  ForwardingRecord,
  PortServiceRecord,
  SessionRecord,
  ShutPortRecord,
} from '../../session/records.ts';
import type { Store } from '../../session/store.ts';
import { type HostOpening, ORDINARY } from '../../switch/switch.ts';
import type { Effect } from './effects.ts';
import type { Stores } from './stores.ts';

/** The effect that makes the switch serve a port as the record says. */
function serviceOf({ key: port, open, vlan, bridge, monitored }: PortServiceRecord): Effect {
  return { kind: 'serve-port', port, service: { open, vlan, bridge, ...(monitored && { monitored }) } };
}

/** What the switch is told of a host that is in. */
export function openingOfSession({ port, vlan, mac, sends, filter }: SessionRecord): HostOpening {
  return {
    port,
    vlan,
    mac,
    ...(sends !== undefined && { sends }),
    ...(filter !== undefined && { filter: filter.rules }),
  };
}

/** The effect that keeps the link of a shut port down. */
function linkOf({ key: port }: ShutPortRecord): Effect {
  return { kind: 'port-link', port, up: false };
}

/** The effect that makes the switch what the session says. */
function openingOf(session: SessionRecord): Effect {
  return { kind: 'open-host', key: session.key, host: openingOfSession(session) };
}

/** The effect that makes the switch what the record says. */
function forwardingOf(record: ForwardingRecord): Effect {
  const { port, vlan, group } = record;
  return { kind: 'forward', port, vlan, group, filter: filterOf(record) };
}

/** A record that means something at the switch, as the effect that it means. */
export interface Meant {
  /** Store and key. */
  readonly place: string;
  readonly effect: Effect;
}

/** Which stores of a node mean something at the switch, and what. */
export class DataPlane {
  readonly #meanings: ReadonlyMap<string, Meaning>;

  constructor(stores: Stores) {
    // In the order in which the switch is told: ports, then hosts, then what is forwarded.
    const meanings = [
      meaning(stores.shutPorts, linkOf),
      meaning(stores.portServices, serviceOf),
      meaning(stores.sessions, openingOf),
      meaning(stores.forwardings, forwardingOf),
    ];
    this.#meanings = new Map(meanings.map((each) => [each.store.name, each]));
  }

  /** Of all records, as they are. */
  *all(): Generator<Meant> {
    for (const { store, effectOf } of this.#meanings.values()) {
      for (const [key, record] of store.entries())
        yield { place: placeOf(store.name, key), effect: effectOf(record) };
    }
  }

  /** Whether records of this store mean anything at the switch. */
  knows(store: string): boolean {
    return this.#meanings.has(store);
  }

  /** What a record of this store means; undefined where it means nothing at the switch. */
  effectOf(store: string, record: object): Effect | undefined {
    return this.#meanings.get(store)?.effectOf(record);
  }
}

/** Names a record among those of all stores. */
export function placeOf(store: string, key: string): string {
  return `${store}/${key}`;
}

interface Meaning {
  readonly store: { readonly name: string; entries(): IterableIterator<[string, object]> };
  readonly effectOf: (record: object) => Effect;
}

function meaning<R extends object>(store: Store<R>, effectOf: (record: R) => Effect): Meaning {
  return { store, effectOf: (record) => effectOf(record as R) };
}

/** The effect that takes another one back; undefined where there is nothing to take back. */
export function inverseOf(effect: Effect): Effect | undefined {
  if (effect.kind === 'open-host') {
    const { port, vlan, mac } = effect.host;
    return { kind: 'close-host', host: { port, vlan, mac } };
  }
  if (effect.kind === 'serve-port') return { kind: effect.kind, port: effect.port, service: ORDINARY };
  if (effect.kind === 'port-link') return { ...effect, up: true };
  return effect.kind === 'forward' ? { ...effect, filter: undefined } : undefined;
}
