/**
 * The VLANs of those who are in, counted for each port: what a login, a query and the end of a session ask about
 * all others on the port, without a look at each of them. Derived from the session records alone.
 */
import type { SessionRecord } from '../../session/records.ts';

type Place = Pick<SessionRecord, 'port' | 'vlan' | 'assignedVlan'>;

interface Counts {
  /** Sessions by the VLAN of their frames; 0: untagged. */
  readonly tags: Map<number, number>;
  /** Untagged sessions by the VLAN that their logins brought. */
  readonly assigned: Map<number | undefined, number>;
}

export class PortVlans {
  readonly #ports = new Map<string, Counts>();

  /** The session was so and is now so; undefined where it was not, or is no more. */
  move(before: Place | undefined, after: Place | undefined): void {
    if (before !== undefined) this.#remove(before);
    if (after !== undefined) this.#add(after);
  }

  /** The VLANs that somebody on the port is in by the tag of their frames, ascending; 0 where they have none. */
  tags(port: string): readonly number[] {
    return [...(this.#ports.get(port)?.tags.keys() ?? [])].sort((a, b) => a - b);
  }

  /** What the logins of the port's untagged hosts have brought: one VLAN, or none, but while it is being changed. */
  assigned(port: string): readonly number[] {
    const found: number[] = [];
    for (const vlan of this.#ports.get(port)?.assigned.keys() ?? []) if (vlan !== undefined) found.push(vlan);
    return found;
  }

  /** Whether an untagged host of the port, other than this one, has brought another VLAN than `vlan`. */
  hasOther(port: string, vlan: number | undefined, but: Place | undefined): boolean {
    for (const [assigned, sessions] of this.#ports.get(port)?.assigned ?? []) {
      const own = but?.vlan === 0 && but.assignedVlan === assigned ? 1 : 0;
      if (assigned !== vlan && sessions > own) return true;
    }
    return false;
  }

  #add(session: Place): void {
    let counts = this.#ports.get(session.port);
    if (counts === undefined) {
      counts = { tags: new Map(), assigned: new Map() };
      this.#ports.set(session.port, counts);
    }
    count(counts, session, 1);
  }

  #remove(session: Place): void {
    const counts = this.#ports.get(session.port);
    if (counts === undefined) return;
    count(counts, session, -1);
    if (counts.tags.size === 0) this.#ports.delete(session.port);
  }
}

function count({ tags, assigned }: Counts, { vlan, assignedVlan }: Place, step: 1 | -1): void {
  change(tags, vlan, step);
  if (vlan === 0) change(assigned, assignedVlan, step);
}

function change<K>(counts: Map<K, number>, key: K, step: 1 | -1): void {
  const left = (counts.get(key) ?? 0) + step;
  if (left === 0) counts.delete(key);
  else counts.set(key, left);
}
