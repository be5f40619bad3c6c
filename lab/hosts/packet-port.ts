/**
 * A packet socket for players: frames of all interfaces of one network namespace, sent and received as they
 * are. Only what is asked about comes up: EAPOL, and the first octets of a channel's datagrams.
 */
import { littleEndian, viewOf } from '../../switch/linux/netlink/message.ts';
import { errnoName, loadNative, type Native, type Watch } from '../../switch/native.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

/** Called for each frame; `frame` is a view that stays valid. */
export type FrameListener = (ifindex: number, frame: Uint8Array) => void;

export class PacketPort {
  readonly #native: Native = loadNative();
  readonly #fd: number;
  readonly #indexes = new Map<string, number>();
  #watch: Watch | undefined;

  /** Opens it in the calling thread's namespace, for the named interfaces. Throws where that fails. */
  constructor(interfaces: readonly string[], kinds: 'all' | 'none') {
    this.#fd = checked(this.#native.packetOpen(kinds === 'all' ? FILTER : NOTHING, RECEIVE_BUFFER), 'socket');
    for (const name of interfaces) {
      this.#indexes.set(name, checked(this.#native.interfaceIndex(name), name));
    }
  }

  /** The interface's number; throws on a name that was not given at the beginning. */
  indexOf(name: string): number {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`no interface ${name} on this packet socket`);
    return index;
  }

  watch(listener: FrameListener): void {
    const watch = this.#native.packetWatch(this.#fd, (octets, meta, count) => {
      if (typeof octets === 'number') throw new Error(`packet socket: ${errnoName(octets)}`);
      for (let i = 0; i < count; i++) {
        const offset = meta[META * i + 2] ?? 0;
        listener(meta[META * i] ?? 0, octets.subarray(offset, offset + (meta[META * i + 3] ?? 0)));
      }
    });
    if (typeof watch === 'number') throw new Error(`packet socket: ${errnoName(watch)}`);
    this.#watch = watch;
  }

  /** Sends one frame; false where the interface's queue had no room for it. */
  send(ifindex: number, frame: Uint8Array): boolean {
    const sent = this.#native.packetSend(this.#fd, ifindex, frame);
    if (sent >= 0) return true;
    const errno = errnoName(sent);
    if (errno === 'ENOBUFS' || errno === 'EAGAIN') return false;
    throw new Error(`send a frame: ${errno}`);
  }

  close(): void {
    if (this.#watch === undefined) this.#native.close(this.#fd);
    else this.#native.unwatch(this.#watch);
  }
}

/** Runs `inside` with this thread in another network namespace, then comes back to `home`. */
export async function inNamespace<T>(name: string, home: string, inside: () => Promise<T> | T): Promise<T> {
  enterNamespace(name);
  try {
    return await inside();
  } finally {
    enterNamespace(home);
  }
}

/** Moves the calling thread into a namespace of `ip netns`. Throws where that fails. */
export function enterNamespace(name: string): void {
  checked(loadNative().enterNetwork(`/run/netns/${name}`), name);
}

function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: ${errnoName(result)}`);
  return result;
}

/** struct sock_filter, one after the other. */
function program(instructions: readonly (readonly [number, number, number, number])[]): Uint8Array {
  const octets = new Uint8Array(8 * instructions.length);
  const view = viewOf(octets);
  instructions.forEach(([code, yes, no, k], i) => {
    view.setUint16(8 * i, code, littleEndian);
    view.setUint8(8 * i + 2, yes);
    view.setUint8(8 * i + 3, no);
    view.setUint32(8 * i + 4, k, littleEndian);
  });
  return octets;
}

const LOAD_16 = 0x28;
const LOAD_8 = 0x30;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
const META = 5;
const RECEIVE_BUFFER = 16 << 20;
/** Ethernet, IPv4 and UDP headers: all that is looked at of a datagram. */
const HEADERS = 64;
const FILTER = program([
  [LOAD_16, 0, 0, 12],
  [JUMP_EQUAL, 4, 0, EtherType.Eapol],
  [JUMP_EQUAL, 0, 2, EtherType.Ipv4],
  [LOAD_8, 0, 0, 14 + 9],
  [JUMP_EQUAL, 2, 0, IpProtocol.Udp],
  [RETURN, 0, 0, 0],
  [RETURN, 0, 0, 0x40000],
  [RETURN, 0, 0, HEADERS],
]);
const NOTHING = program([[RETURN, 0, 0, 0]]);
