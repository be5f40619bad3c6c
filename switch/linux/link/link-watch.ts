/**
 * News of interfaces and of their IPv6 addresses, as the kernel's multicast groups tell them. The news say
 * where to look, not what is: the kernel tells some changes twice and late, and a burst may be lost.
 */
import { errnoName, loadNative, type Watch } from '../../native.ts';
import { decodeLink, type Link, LinkMessage } from '../netlink/link.ts';
import { littleEndian, messages, NetlinkProtocol, viewOf } from '../netlink/message.ts';

export interface LinkNews {
  /** An interface appeared, changed or (`deleted`) went. */
  link(link: Link, deleted: boolean): void;
  /** An interface got an IPv6 address. */
  address(ifindex: number): void;
  /** Some news were lost: everything has to be looked at. */
  lost(): void;
}

export class LinkWatch {
  readonly #watch: Watch;

  /** Throws the errno's name where the socket cannot be made. */
  constructor(news: LinkNews) {
    const native = loadNative();
    const fd = native.netlinkOpen(NetlinkProtocol.Route, LINK_GROUP | IPV6_ADDRESS_GROUP, RECEIVE_BUFFER);
    if (fd < 0) throw new Error(`netlink socket: ${errnoName(fd)}`);
    const watch = native.netlinkWatch(fd, (octets) => {
      if (typeof octets === 'number') news.lost();
      else read(octets, news);
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

function read(octets: Uint8Array, news: LinkNews): void {
  for (const message of messages(octets)) {
    if (message.type === NEW_ADDRESS && message.body.length >= ADDRESS_HEADER) {
      news.address(viewOf(message.body).getUint32(4, littleEndian));
      continue;
    }
    const link = decodeLink(message);
    if (link !== undefined) news.link(link, message.type === LinkMessage.Delete);
  }
}

const LINK_GROUP = 1;
const IPV6_ADDRESS_GROUP = 0x100;
const NEW_ADDRESS = 20;
const ADDRESS_HEADER = 8;
const RECEIVE_BUFFER = 1 << 20;
