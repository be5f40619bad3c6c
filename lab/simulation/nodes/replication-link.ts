/**
 * The link between two nodes: two streams of octets with a delay, cut now and then. A stream is never
 * wrong in TLS; here it loses, repeats, swaps and flips octets, and whatever of that is not noticed shows in
 * the stores.
 */
import type { ReplicationSource } from '../../../replication/source.ts';
import type { ReplicationTarget } from '../../../replication/target.ts';
import type { Random } from '../../random.ts';
import type { Agenda } from '../outside/agenda.ts';
import type { LinkPlan } from '../plan.ts';
import type { NodeStores } from './node-stores.ts';

/** What the link needs of the world. */
export interface LinkWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  say(line: string): void;
}

/** The two ends, and who is told that something arrived at them. */
export interface LinkEnds {
  readonly source: ReplicationSource;
  readonly target: ReplicationTarget<NodeStores>;
  readonly arrived: () => void;
}

export class ReplicationLink {
  /** Damage that an end noticed. */
  faults = 0;
  /** No more damage and cuts. */
  healed = false;
  #up = false;
  /** Counts connections: what was sent on an earlier one does not arrive. */
  #connection = 0;
  #forthAt = 0;
  #backAt = 0;
  #closed = false;
  /** Pieces on their way to the standby. */
  #flying: Uint8Array[] = [];
  readonly #world: LinkWorld;
  readonly #plan: LinkPlan;
  readonly #ends: LinkEnds;

  constructor(world: LinkWorld, plan: LinkPlan, ends: LinkEnds) {
    this.#world = world;
    this.#plan = plan;
    this.#ends = ends;
  }

  get up(): boolean {
    return this.#up;
  }

  connect(): void {
    if (this.#up || this.#closed) return;
    this.#up = true;
    this.#connection++;
    this.#world.say('link: up');
    this.#ends.source.connected(this.#world.agenda.now);
    this.#ends.target.connected();
    this.pump();
  }

  /** The connection breaks; both ends see it, and it comes back after a while. */
  cut(why: string): void {
    if (!this.#up) return;
    this.#up = false;
    this.#flying = [];
    this.#world.say(`link: ${why}`);
    this.#ends.source.disconnected(why);
    this.#ends.target.disconnected();
    const { agenda, random } = this.#world;
    const pause = this.healed ? 5 : random.pick([5, 80, 250, 3000]);
    agenda.after(pause, 'link: connects', () => this.connect());
  }

  /** The standby's end is gone, and does not come back. */
  close(why: string): void {
    this.#closed = true;
    if (!this.#up) return;
    this.#up = false;
    this.#ends.source.disconnected(why);
  }

  /** The active has died: what its kernel had sent arrives, up to some point. */
  die(): void {
    this.#closed = true;
    if (!this.#up) return;
    this.#up = false;
    const arriving = this.#flying.slice(0, this.#world.random.whole(0, this.#flying.length));
    for (const octets of arriving) if (this.#ends.target.receive(octets) !== undefined) break;
    this.#ends.target.disconnected();
  }

  /** Takes what both ends have to say. */
  pump(): void {
    const { source, target } = this.#ends;
    if (!this.#up) return;
    if (!source.wantsLink) {
      this.cut('let go by the active');
      return;
    }
    const { agenda } = this.#world;
    for (const octets of this.#damaged(source.drainOutput(agenda.now))) {
      this.#flying.push(octets);
      this.#forthAt = this.#send(this.#forthAt, octets.length, 'to standby', () => {
        this.#flying.shift();
        return target.receive(octets);
      });
    }
    for (const octets of this.#damaged(target.drainOutput())) {
      this.#backAt = this.#send(this.#backAt, octets.length, 'to active', () =>
        source.receive(agenda.now, octets),
      );
    }
    // A snapshot goes on when the last slice is out.
    if (source.hasMore) agenda.after(0, 'link: next slice', () => this.pump());
  }

  #send(notBefore: number, octets: number, where: string, receive: () => string | undefined): number {
    const { agenda, random } = this.#world;
    const [least, most] = this.#plan.delayMs;
    const at = Math.max(notBefore, agenda.now + random.between(least, most));
    const connection = this.#connection;
    agenda.after(at - agenda.now, `link: ${octets} octets ${where}`, () => {
      if (!this.#up || connection !== this.#connection) return;
      const fault = receive();
      if (fault !== undefined) {
        this.faults++;
        this.cut(`closed for ${fault}`);
      }
      this.#ends.arrived();
      this.pump();
    });
    return at;
  }

  #damaged(pieces: readonly Uint8Array[]): Uint8Array[] {
    const { random } = this.#world;
    const out: Uint8Array[] = [];
    for (const piece of pieces) {
      if (this.healed || !random.chance(this.#plan.damage)) {
        out.push(piece);
        continue;
      }
      const how = random.pick(['lost', 'flipped', 'cut', 'twice', 'swapped'] as const);
      this.#world.say(`link: a piece of ${piece.length} octets is ${how}`);
      if (how === 'flipped') out.push(flipped(piece, random));
      else if (how === 'cut') out.push(piece.subarray(0, random.whole(0, piece.length - 1)));
      else if (how === 'twice') out.push(piece, piece);
      else if (how === 'swapped') out.splice(Math.max(0, out.length - 1), 0, piece);
    }
    return out;
  }
}

function flipped(piece: Uint8Array, random: Random): Uint8Array {
  const out = Uint8Array.from(piece);
  const at = random.whole(0, out.length - 1);
  out[at] = (out[at] ?? 0) ^ (1 << random.whole(0, 7));
  return out;
}
