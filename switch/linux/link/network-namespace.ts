/**
 * A network namespace, to run something in. Sockets belong for good to the namespace in which they were
 * made, but a program that is started belongs to that of the thread at that moment.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { errnoName, loadNative } from '../../native.ts';

export class NetworkNamespace {
  readonly #fd: number;
  readonly #identity: string;

  private constructor(path: string) {
    this.#fd = openSync(path, 'r');
    this.#identity = identityOf(this.#fd);
  }

  /** That of the calling thread now. */
  static current(): NetworkNamespace {
    return new NetworkNamespace(OF_THREAD);
  }

  /** That of a file such as `/run/netns/blue`. Throws where there is none. */
  static at(path: string): NetworkNamespace {
    return new NetworkNamespace(path);
  }

  /** Calls `action`, which must be synchronous, with the thread in this namespace. To change needs CAP_SYS_ADMIN. */
  run<R>(action: () => R): R {
    const home = NetworkNamespace.current();
    if (home.#identity === this.#identity) {
      home.close();
      return action();
    }
    this.#enter();
    try {
      return action();
    } finally {
      home.#enter();
      home.close();
    }
  }

  #enter(): void {
    const failed = loadNative().enterNetwork(`/proc/self/fd/${this.#fd}`);
    if (failed < 0) throw new Error(`cannot enter ${this.#identity}: ${errnoName(failed)}`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Device and inode name a namespace; the text of a link to it does not always. */
function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd);
  return `${dev}:${ino}`;
}

const OF_THREAD = '/proc/thread-self/ns/net';
