/**
 * Output commit (US7957269B2, claim 2): effects wait until the standby holds the records that they follow
 * from. What others could believe (an EAP-Success, an open port, a request) is thus never ahead of what the
 * standby would go on with. The order of effects stays, across turns too.
 *
 * While the end of a host or channel waits, the switch still counts for it: readings() hides that count, so
 * that whoever begins anew under the same key does not inherit it.
 */
import type { Counter, HostPlace } from '../../switch/switch.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { Effect } from './effects.ts';
import type { SwitchReadings } from './parts.ts';

interface HeldTurn {
  readonly change: number;
  readonly effects: readonly Effect[];
  readonly at: number;
}

export class EffectGate {
  #held: HeldTurn[] = [];
  /** How often each host or channel ends in what is held. */
  readonly #endings = new Map<string, number>();
  #released = 0;

  /** Number of the last change whose effects have left. */
  get released(): number {
    return this.#released;
  }

  /** True where effects wait. */
  get isWaiting(): boolean {
    return this.#held.length > 0;
  }

  /** When the oldest of what waits was decided; undefined where nothing waits. */
  get waitingSince(): number | undefined {
    return this.#held[0]?.at;
  }

  /** Effects that wait, in order. */
  get waiting(): readonly Effect[] {
    return this.#held.flatMap(({ effects }) => effects);
  }

  /** Takes the effects of a turn at `at`; `change` is the number of the last change when it ended, and never falls. */
  hold(effects: readonly Effect[], change: number, at = 0): void {
    if (effects.length === 0) return;
    this.#held.push({ change, effects, at });
    for (const effect of effects) this.#count(effect, 1);
  }

  /** The effects that may leave, now that changes up to `committed` are safe; each is given once. */
  release(committed: number): Effect[] {
    let turns = 0;
    while ((this.#held[turns]?.change ?? Infinity) <= committed) turns++;
    if (turns === 0) return [];
    const left = this.#held.splice(0, turns);
    this.#released = left.at(-1)?.change ?? this.#released;
    const effects = left.flatMap((turn) => turn.effects);
    for (const effect of effects) this.#count(effect, -1);
    return effects;
  }

  /** The switch as the core is to read it: what is about to end there has no count any more. */
  readings(of: SwitchReadings): SwitchReadings {
    return {
      hostCounters: (host) => (this.#endings.has(hostEnding(host)) ? undefined : of.hostCounters(host)),
      channelCounter: (port, vlan, group) =>
        this.#endings.has(channelEnding(port, vlan, group)) ? NOTHING : of.channelCounter(port, vlan, group),
      macOf: (port) => of.macOf(port),
      linkId: (port) => of.linkId(port),
      hasVlans: () => of.hasVlans(),
      portNumber: (port) => of.portNumber(port),
    };
  }

  #count(effect: Effect, step: 1 | -1): void {
    const key = endingOf(effect);
    if (key === undefined) return;
    const count = (this.#endings.get(key) ?? 0) + step;
    if (count === 0) this.#endings.delete(key);
    else this.#endings.set(key, count);
  }
}

/** What ends with the effect. */
function endingOf(effect: Effect): string | undefined {
  if (effect.kind === 'close-host') return hostEnding(effect.host);
  if (effect.kind !== 'forward' || effect.filter !== undefined) return undefined;
  return channelEnding(effect.port, effect.vlan, effect.group);
}

function hostEnding({ port, vlan, mac }: HostPlace): string {
  return `${port}/${vlan}/${mac}`;
}

function channelEnding(port: string, vlan: number, group: IpAddress): string {
  return `${port}/${vlan}/${group}`;
}

const NOTHING: Counter = { octets: 0, packets: 0 };
