/** What records mean at the switch: the same for a core that goes on with them and for a standby that only follows. */
import type { ForwardingRecord, PortServiceRecord, SessionRecord } from '../session/records.ts';
import { ORDINARY } from '../switch/switch.ts';
import type { Effect } from './effects.ts';
import type { Stores } from './stores.ts';

/** The effect that makes the switch serve a port as the record says. */
export function serviceOf({ key: port, open, vlan, bridge }: PortServiceRecord): Effect {
  return { kind: 'serve-port', port, service: { open, vlan, bridge } };
}

/** The effect that makes the switch what the session says. */
export function openingOf({ key, port, vlan, mac }: SessionRecord): Effect {
  return { kind: 'open-host', key, host: { port, vlan, mac } };
}

/** The effect that makes the switch what the record says. */
export function forwardingOf({ port, vlan, group, mode, sources }: ForwardingRecord): Effect {
  return { kind: 'forward', port, vlan, group, filter: { mode, sources } };
}

/** All of a node's: ports, then hosts, then what is forwarded. */
export function* dataPlaneOf(stores: Stores): Generator<Effect> {
  for (const service of stores.portServices.values()) yield serviceOf(service);
  for (const session of stores.sessions.values()) yield openingOf(session);
  for (const forwarding of stores.forwardings.values()) yield forwardingOf(forwarding);
}

/** The effect that takes another one back; undefined where there is nothing to take back. */
export function inverseOf(effect: Effect): Effect | undefined {
  if (effect.kind === 'open-host') return { kind: 'close-host', host: effect.host };
  if (effect.kind === 'serve-port') return { kind: effect.kind, port: effect.port, service: ORDINARY };
  return effect.kind === 'forward' ? { ...effect, filter: undefined } : undefined;
}
