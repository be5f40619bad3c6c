/** What records mean at the switch: the same for a core that goes on with them and for a standby that only follows. */
import type { ForwardingRecord, SessionRecord } from '../session/records.ts';
import type { Effect } from './effects.ts';
import type { Stores } from './stores.ts';

/** The effect that makes the switch what the session says. */
export function openingOf({ key, port, vlan, mac }: SessionRecord): Effect {
  return { kind: 'open-host', key, host: { port, vlan, mac } };
}

/** The effect that makes the switch what the record says. */
export function forwardingOf({ port, vlan, group, mode, sources }: ForwardingRecord): Effect {
  return { kind: 'forward', port, vlan, group, filter: { mode, sources } };
}

/** All of a node's, hosts first. */
export function* dataPlaneOf(stores: Stores): Generator<Effect> {
  for (const session of stores.sessions.values()) yield openingOf(session);
  for (const forwarding of stores.forwardings.values()) yield forwardingOf(forwarding);
}

/** The effect that takes another one back; undefined where there is nothing to take back. */
export function inverseOf(effect: Effect): Effect | undefined {
  if (effect.kind === 'open-host') return { kind: 'close-host', host: effect.host };
  return effect.kind === 'forward' ? { ...effect, filter: undefined } : undefined;
}
