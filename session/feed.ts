/** A change feed whose followers come and go: a journal, the log of a standby, the switch of one. */
import type { Change, ChangeFeed } from './store.ts';

export class Feed implements ChangeFeed {
  readonly #followers: ChangeFeed[] = [];

  /** From the next change on. A second time is no error. */
  follow(follower: ChangeFeed): void {
    if (!this.#followers.includes(follower)) this.#followers.push(follower);
  }

  /** No change more. One that does not follow is no error. */
  unfollow(follower: ChangeFeed): void {
    const place = this.#followers.indexOf(follower);
    if (place >= 0) this.#followers.splice(place, 1);
  }

  changed(change: Change): void {
    for (const follower of this.#followers) follower.changed(change);
  }
}
