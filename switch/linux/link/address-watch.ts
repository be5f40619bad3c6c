/** News of addresses that this machine gets, as the kernel's multicast groups tell them. */
import { errnoName, loadNative, type Watch } from '../../native.ts';
import { messages, NetlinkProtocol } from '../netlink/message.ts';

export class AddressWatch {
  readonly #watch: Watch;

  /** `got` is called when there is a new address, or may be as news were lost. Throws the errno's name. */
  constructor(got: () => void) {
    const native = loadNative();
    const fd = native.netlinkOpen(
      NetlinkProtocol.Route,
      IPV4_ADDRESS_GROUP | IPV6_ADDRESS_GROUP,
      RECEIVE_BUFFER,
    );
    if (fd < 0) throw new Error(`netlink socket: ${errnoName(fd)}`);
    const watch = native.netlinkWatch(fd, (octets) => {
      if (typeof octets === 'number' || [...messages(octets)].some(({ type }) => type === NEW_ADDRESS)) got();
    });
    if (typeof watch === 'number') {
      native.close(fd);
      throw new Error(`netlink socket: ${errnoName(watch)}`);
    }
    this.#watch = watch;
  }

  close(): void {
    loadNative().unwatch(this.#watch);
  }
}

const IPV4_ADDRESS_GROUP = 0x10;
const IPV6_ADDRESS_GROUP = 0x100;
const NEW_ADDRESS = 20;
const RECEIVE_BUFFER = 1 << 16;
