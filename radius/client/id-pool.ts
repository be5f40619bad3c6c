/**
 * The identifiers of one server and port: 256 for each source port, as many source ports as are needed up to a
 * cap. One is given out least recently used first, and never again before its request was answered or given up
 * (RFC 5080 §2.1.1, §2.2.2); one given up rests a while, so that a late answer meets no other request.
 */

/** A source port, counted from 0, and an identifier on it. */
export interface IdSlot {
  readonly socket: number;
  readonly id: number;
}

/** How long an unanswered identifier rests: longer than a server holds an answer back, in milliseconds. */
export const ID_REST_MS = 10_000;

export class IdPool {
  readonly #maxSockets: number;
  readonly #firstId: number;
  readonly #sockets: SocketIds[] = [];
  #inUse = 0;

  /** Identifiers below `firstId` are never given out. */
  constructor(maxSockets: number, firstId = 0) {
    this.#maxSockets = maxSockets;
    this.#firstId = firstId;
  }

  /** How many identifiers are given out. */
  get inUse(): number {
    return this.#inUse;
  }

  /** How many source ports have been needed so far. */
  get sockets(): number {
    return this.#sockets.length;
  }

  /** Gives an identifier out to `owner`, on `wanted` if it has one; undefined where the table is full. */
  take(now: number, owner: string, wanted?: number): IdSlot | undefined {
    const here = wanted === undefined ? undefined : this.#sockets[wanted]?.takeFree(now);
    if (here !== undefined && wanted !== undefined) return this.#give(wanted, here, owner);
    for (let socket = 0; socket < this.#sockets.length; socket++) {
      const id = this.#sockets[socket]?.takeFree(now);
      if (id !== undefined) return this.#give(socket, id, owner);
    }
    if (this.#sockets.length < this.#maxSockets) {
      const ids = new SocketIds(this.#firstId);
      this.#sockets.push(ids);
      const id = ids.takeFree(now);
      if (id !== undefined) return this.#give(this.#sockets.length - 1, id, owner);
    }
    for (let socket = 0; socket < this.#sockets.length; socket++) {
      const id = this.#sockets[socket]?.takeResting();
      if (id !== undefined) return this.#give(socket, id, owner);
    }
    return undefined;
  }

  /** Gives out this very identifier, which a record names; false where that cannot be. */
  claim(slot: IdSlot, owner: string): boolean {
    if (slot.socket >= this.#maxSockets || slot.id > 255) return false;
    while (this.#sockets.length <= slot.socket) this.#sockets.push(new SocketIds(this.#firstId));
    if (this.#sockets[slot.socket]?.claim(slot.id) !== true) return false;
    this.#give(slot.socket, slot.id, owner);
    return true;
  }

  /** Takes an identifier back. */
  release(now: number, slot: IdSlot, answered: boolean): void {
    const ids = this.#sockets[slot.socket];
    if (ids === undefined || ids.owners[slot.id] === undefined) return;
    ids.owners[slot.id] = undefined;
    ids.answered[slot.id] = answered;
    this.#inUse--;
    if (answered) ids.free.push(slot.id);
    else ids.resting.push({ id: slot.id, until: now + ID_REST_MS });
  }

  /** All identifiers of a source port are free again: its connection is gone, and nothing will be heard on it. */
  reset(socket: number): void {
    const ids = this.#sockets[socket];
    if (ids === undefined) return;
    this.#inUse -= ids.owners.filter((owner) => owner !== undefined).length;
    this.#sockets[socket] = new SocketIds(this.#firstId);
  }

  /** To whom the identifier is given out. */
  owner(socket: number, id: number): string | undefined {
    return this.#sockets[socket]?.owners[id];
  }

  /** True where the last request with this identifier was answered: what comes now is a duplicate. */
  wasAnswered(socket: number, id: number): boolean {
    return this.#sockets[socket]?.answered[id] ?? false;
  }

  #give(socket: number, id: number, owner: string): IdSlot {
    const ids = this.#sockets[socket];
    if (ids !== undefined) {
      ids.owners[id] = owner;
      ids.answered[id] = false;
    }
    this.#inUse++;
    return { socket, id };
  }
}

/** The identifiers of one source port. Both queues are short (at most 256), so that shifting them is cheap. */
class SocketIds {
  readonly owners: (string | undefined)[] = new Array<string | undefined>(256).fill(undefined);
  readonly answered: boolean[] = new Array<boolean>(256).fill(false);
  readonly free: number[];
  readonly resting: { readonly id: number; readonly until: number }[] = [];

  constructor(firstId: number) {
    this.free = Array.from({ length: 256 - firstId }, (_, i) => firstId + i);
  }

  takeFree(now: number): number | undefined {
    while (this.resting.length > 0 && (this.resting[0]?.until ?? 0) <= now) {
      const rested = this.resting.shift();
      if (rested !== undefined) this.free.push(rested.id);
    }
    return this.free.shift();
  }

  takeResting(): number | undefined {
    return this.resting.shift()?.id;
  }

  claim(id: number): boolean {
    const place = this.free.indexOf(id);
    if (place < 0) return false;
    this.free.splice(place, 1);
    return true;
  }
}
