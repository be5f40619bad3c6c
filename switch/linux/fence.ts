/**
 * The fence: subscriber ports carry nothing, in either direction, unless this process lives and its lease has
 * not run out. The kernel alone enforces both. The table `castgate_lease` is owned by a netlink socket of this
 * process, so it goes in the moment in which the process does, however that ends; the lease is an element of a
 * set in it, which ends by itself. While the lease is alive the table's chains mark the packets of subscriber
 * ports, else they drop them; and the table `castgate` (ruleset.ts), which stays, drops what has no mark. So a
 * dead process leaves the ports shut by the one, a frozen one by both, and `nft flush ruleset`, which cannot
 * touch an owned table, leaves those of a living standby shut by the other.
 *
 * The mark is one bit, FENCE_BIT. castgate clears it before and behind, so that it is seen only by chains with
 * priorities between its own (prerouting and output -202 to -200, postrouting 298 to 300), and touches no
 * other bit. Whoever else marks packets of these ports there must leave this bit alone.
 */

import { FENCE_BIT, portElement } from './filter/ruleset.ts';
import { MessageFlag, type MessageWriter, NetlinkProtocol } from './netlink/message.ts';
import { NetlinkSocket, type Refusal } from './netlink/netlink-socket.ts';
import { batch, type SetElement } from './netlink/nft.ts';
import {
  accept,
  BridgeHook,
  constantIn,
  count,
  drop,
  Meta,
  metaIn,
  putChain,
  putDeleteElement,
  putNewElements,
  putOwnedTable,
  putRule,
  putSet,
  setMarkBits,
} from './netlink/nft-table.ts';

/** The owned table's name, in the family `bridge`. */
export const LEASE_TABLE = 'castgate_lease';

export class Fence {
  readonly #socket = new NetlinkSocket(NetlinkProtocol.Netfilter);
  readonly #now: () => number;
  /** Until then the lease is alive, by this process's clock; never later than by the kernel's. */
  #until = 0;
  /** There is no lease, not even one that has run out. */
  #isShut = true;
  /** Messages of the last length of a lease. */
  #forMs = 0;
  #renewal: Uint8Array = NOTHING;
  #opening: Uint8Array = NOTHING;
  #commits = 0;

  /** Throws the errno's name where the socket cannot be made. `now` in milliseconds, monotonic. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Puts the table there, without a lease. EEXIST or EPERM: another process has it. */
  shut(ports: Iterable<string>): Refusal | undefined {
    const names = [...ports].map((port) => portElement('subscribers', port).key);
    return this.#commit(batch((message) => putTable(message, names)));
  }

  /** Commits to nftables by this object. */
  get commits(): number {
    return this.#commits;
  }

  /** True while the lease is alive. */
  get isOpen(): boolean {
    return this.#now() < this.#until;
  }

  /** From now on the lease lasts `ms` more; where there was none, the ports open. */
  renew(ms: number): Refusal | undefined {
    // A batch that the kernel refuses costs it some ten milliseconds, so the likely one goes first.
    const extended = this.extend(ms);
    if (extended?.errno !== 'ENOENT') return extended;
    const opened = this.#lease(this.#opening, ms);
    return opened?.errno === 'EEXIST' ? this.#lease(this.#renewal, ms) : opened;
  }

  /** The same for a lease that is alive; ENOENT where it has run out, and then the ports stay shut. */
  extend(ms: number): Refusal | undefined {
    this.#prepare(ms);
    return this.isOpen ? this.#lease(this.#renewal, ms) : RUN_OUT;
  }

  /** Shuts the ports. */
  drop(): Refusal | undefined {
    this.#until = 0;
    if (this.#isShut) return undefined;
    const refusal = this.#commit(batch((message) => putDeleteElement(message, LEASE, ACK)));
    if (refusal !== undefined && refusal.errno !== 'ENOENT') return refusal;
    this.#isShut = true;
    return undefined;
  }

  /** The table goes with the socket. */
  close(): void {
    this.#until = 0;
    this.#socket.close();
  }

  #lease(request: Uint8Array, ms: number): Refusal | undefined {
    const began = this.#now();
    const refusal = this.#commit(request);
    if (refusal !== undefined) return refusal;
    this.#until = began + ms;
    this.#isShut = false;
    return undefined;
  }

  #commit(request: Uint8Array): Refusal | undefined {
    const { refusal } = this.#socket.transact(request);
    if (refusal === undefined) this.#commits++;
    return refusal;
  }

  #prepare(ms: number): void {
    if (ms === this.#forMs) return;
    const lease = { table: LEASE_TABLE, set: LEASE.set, keys: [LEASE.key], timeoutMs: ms };
    this.#opening = batch((message) => putNewElements(message, lease, ACK | MessageFlag.Exclusive));
    // An element's end is not put off by adding it again (before Linux 6.12), so it is replaced.
    this.#renewal = batch((message) => {
      putDeleteElement(message, LEASE, 0);
      putNewElements(message, lease, ACK);
    });
    this.#forMs = ms;
  }
}

function putTable(message: MessageWriter, ports: readonly Uint8Array[]): void {
  putOwnedTable(message, LEASE_TABLE);
  putSet(message, LEASE_TABLE, { name: PORTS, id: PORTS_ID, keyLength: IFNAMSIZ, timeouts: false });
  putSet(message, LEASE_TABLE, { name: LEASE.set, id: LEASE_ID, keyLength: 4, timeouts: true });
  if (ports.length > 0) putNewElements(message, { table: LEASE_TABLE, set: PORTS, keys: ports }, 0);
  CHAINS.forEach(({ name, hook, priority, port }, i) => {
    const last = i === CHAINS.length - 1 ? ACK : 0;
    const ofPorts = metaIn(port, PORTS, PORTS_ID);
    const leased = constantIn(LEASE.key, LEASE.set, LEASE_ID);
    putChain(message, LEASE_TABLE, { name, hook, priority });
    putRule(message, LEASE_TABLE, name, [...ofPorts, ...leased, ...setMarkBits(FENCE_BIT), accept], 0);
    putRule(message, LEASE_TABLE, name, [...ofPorts, count, drop], last);
  });
}

const PORTS = 'ports';
const PORTS_ID = 1;
const LEASE_ID = 2;
/** The set's one element. Any key would do: the rules look for a constant. */
const LEASE: SetElement & { readonly table: string } = {
  table: LEASE_TABLE,
  set: 'lease',
  key: Uint8Array.of(1, 0, 0, 1),
};
/** Right before castgate's own chains (ruleset.ts). */
const CHAINS = [
  { name: 'before_bridge', hook: BridgeHook.Prerouting, priority: -201, port: Meta.InputName },
  { name: 'from_bridge', hook: BridgeHook.Output, priority: -201, port: Meta.OutputName },
  { name: 'after_bridge', hook: BridgeHook.Postrouting, priority: 299, port: Meta.OutputName },
] as const;
const RUN_OUT: Refusal = { errno: 'ENOENT', text: undefined };
const ACK = MessageFlag.Ack;
const NOTHING = new Uint8Array(0);
const IFNAMSIZ = 16;
