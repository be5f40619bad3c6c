/**
 * Many viewers in one process, each behind its port: IGMPv3 joins and leaves as frames, and the channels that
 * come in. Measured: from just before the join's frame leaves to the first datagram of the group on that
 * port, and from the leave's frame to the last one. The head-end sends a group before anybody joins it; a
 * datagram that comes without a join is an error of the measurement and ends it.
 */

import type { PacketPort } from '../../lab/hosts/packet-port.ts';
import { macOf, portOf } from '../auth/supplicants.ts';
import { changeFrame, groupOfFrame, reportFrame } from './channels.ts';
import { type HeadEnd, SLOTS } from './head-end.ts';

/** A range of (viewer, group) pairs, each of which is there once. */
export interface WatchPlan {
  /** Interfaces of the viewers' ports. */
  readonly ports: readonly string[];
  /** The head-end's interface: its index among those that it was started with. */
  readonly upstream: number;
  readonly viewers: number;
  /** Number of the first of them; 0 by default. */
  readonly firstViewer?: number;
  readonly groups: number;
  readonly first: number;
  readonly count: number;
}

export interface ZapOutcome {
  readonly joinMs: readonly number[];
  readonly leaveMs: readonly number[];
  /** Joins that brought nothing within the time limit. */
  readonly unanswered: number;
  /** Mean time between two datagrams of the group on the air. */
  readonly intervalMs: number;
}

export interface RevokeOutcome {
  /** From just before the CoA-Request leaves to the last datagram on that port. */
  readonly lastMs: readonly number[];
  /** From the same to the CoA-ACK. */
  readonly ackMs: readonly number[];
  /** Never played, or not acknowledged. */
  readonly failed: number;
  readonly intervalMs: number;
}

export interface RushOutcome {
  readonly seconds: number;
  readonly joinMs: readonly number[];
  readonly unanswered: number;
  readonly intervalMs: number;
}

interface Wish {
  readonly group: number;
  readonly mac: Uint8Array;
  readonly ifindex: number;
  readonly join: Uint8Array;
  readonly leave: Uint8Array;
}

/** Told of each datagram: the group's number and where it came in. */
type Watcher = (group: number, ifindex: number) => void;

export class Viewers {
  readonly #port: PacketPort;
  readonly #headEnd: HeadEnd;
  #watcher: Watcher = ignore;
  /** Datagrams that came of the group that nobody may have, on ports where somebody asked for it. */
  leaks = 0;
  #denied: ReadonlySet<number> = new Set();

  constructor(port: PacketPort, headEnd: HeadEnd) {
    this.#port = port;
    this.#headEnd = headEnd;
  }

  /** A frame that came in at the hosts. */
  receive(ifindex: number, frame: Uint8Array): void {
    const group = groupOfFrame(frame);
    if (group === DENIED && this.#denied.has(ifindex)) this.leaks++;
    if (group >= 0) this.#watcher(group, ifindex);
  }

  /** One viewer of each port asks for the group that nobody may have; it is on the air from the next joins on. */
  wantDenied(plan: WatchPlan): void {
    this.#denied = new Set(plan.ports.map((port) => this.#port.indexOf(port)));
    for (let i = 0; i < plan.ports.length; i++) {
      const viewer = (plan.firstViewer ?? 0) + i;
      const ifindex = this.#port.indexOf(portOf(plan.ports, viewer));
      this.#port.send(ifindex, reportFrame(macOf(viewer), DENIED, 'join'));
    }
  }

  /** Each viewer receives one group, and asks for the next one and leaves the first in one report. */
  async change(plan: WatchPlan): Promise<ZapOutcome> {
    const joinMs: number[] = [];
    const leaveMs: number[] = [];
    let unanswered = 0;
    this.#pace(plan.upstream, 1);
    const begin = performance.now();
    const sentBefore = this.#headEnd.sent;
    for (let i = plan.first; i < plan.first + plan.count; i++) {
      const before = this.#wish(plan, i);
      const after = this.#wish(plan, i, 1);
      this.#headEnd.set(0, before.group);
      this.#headEnd.set(1, after.group);
      await this.#quiet(before, SETTLE_MS);
      if ((await this.#join(before)) === undefined) unanswered++;
      const { joined, left } = await this.#swap(before, after);
      if (joined === undefined) unanswered++;
      else joinMs.push(joined);
      leaveMs.push(left);
      await this.#leave(after);
    }
    const intervalMs = (performance.now() - begin) / Math.max(1, (this.#headEnd.sent - sentBefore) / 2);
    this.#headEnd.silence();
    return { joinMs, leaveMs, unanswered, intervalMs };
  }

  /** One viewer after the other joins, sees the first datagram, leaves, sees the last one. */
  async zap(plan: WatchPlan): Promise<ZapOutcome> {
    const joinMs: number[] = [];
    const leaveMs: number[] = [];
    let unanswered = 0;
    this.#pace(plan.upstream, 1);
    const begin = performance.now();
    const sentBefore = this.#headEnd.sent;
    for (let i = plan.first; i < plan.first + plan.count; i++) {
      const wish = this.#wish(plan, i);
      this.#headEnd.set(0, wish.group);
      await this.#quiet(wish, SETTLE_MS);
      const joined = await this.#join(wish);
      if (joined === undefined) unanswered++;
      else joinMs.push(joined);
      leaveMs.push(await this.#leave(wish));
    }
    const intervalMs = (performance.now() - begin) / Math.max(1, this.#headEnd.sent - sentBefore);
    this.#headEnd.silence();
    return { joinMs, leaveMs, unanswered, intervalMs };
  }

  /** One viewer after the other watches, until `revoke` takes its channel; gives the time of the acknowledgement. */
  async revoke(
    plan: WatchPlan,
    revoke: (viewer: number, group: number) => Promise<boolean>,
  ): Promise<RevokeOutcome> {
    const lastMs: number[] = [];
    const ackMs: number[] = [];
    let failed = 0;
    this.#pace(plan.upstream, 1);
    const begin = performance.now();
    const sentBefore = this.#headEnd.sent;
    for (let i = plan.first; i < plan.first + plan.count; i++) {
      const { viewer, group } = pairOf(plan, i);
      const wish = this.#wish(plan, i);
      this.#headEnd.set(0, group);
      await this.#quiet(wish, SETTLE_MS);
      if ((await this.#join(wish)) === undefined) {
        failed++;
        continue;
      }
      await pause(PLAYS_MS);
      const seen = await this.#untilTaken(wish, () => revoke(viewer, group));
      if (seen === undefined) failed++;
      else {
        lastMs.push(seen.lastMs);
        ackMs.push(seen.ackMs);
      }
      this.#port.send(wish.ifindex, wish.leave);
    }
    const intervalMs = (performance.now() - begin) / Math.max(1, this.#headEnd.sent - sentBefore);
    this.#headEnd.silence();
    return { lastMs, ackMs, failed, intervalMs };
  }

  /** Joins with `inFlight` on their way at a time, none left before the end; then all leave, not measured. */
  async rush(plan: WatchPlan, inFlight: number): Promise<RushOutcome> {
    const outcome = await this.gather(plan, inFlight);
    await this.leaveAll(plan);
    return outcome;
  }

  /** The same, and everybody stays. */
  async gather(plan: WatchPlan, inFlight: number): Promise<RushOutcome> {
    this.#pace(plan.upstream, inFlight);
    const wishes = Array.from({ length: plan.count }, (_, i) => this.#wish(plan, plan.first + i));
    const sentBefore = this.#headEnd.sent;
    const outcome = await this.#rush(wishes, inFlight);
    const perGroup = (this.#headEnd.sent - sentBefore) / inFlight;
    this.#headEnd.silence();
    return { ...outcome, intervalMs: (outcome.seconds * 1000) / Math.max(1, perGroup) };
  }

  /** All of them leave; resolves when every group was on the air once more and none came through. */
  async leaveAll(plan: WatchPlan): Promise<void> {
    this.#pace(plan.upstream, 64);
    await this.#leaveAll(Array.from({ length: plan.count }, (_, i) => this.#wish(plan, plan.first + i)));
  }

  /** Does something while the head-end sends, as for `inFlight` joins, what nobody receives. */
  async whileOnAir<T>(upstream: number, inFlight: number, inside: () => Promise<T>): Promise<T> {
    this.#pace(upstream, inFlight);
    for (let slot = 0; slot < inFlight; slot++) this.#headEnd.set(slot, UNWANTED + slot);
    try {
      return await inside();
    } finally {
      this.#headEnd.silence();
    }
  }

  #pace(upstream: number, inFlight: number): void {
    if (this.#denied.size > 0) this.#headEnd.set(SLOTS - 1, DENIED);
    if (inFlight === 1) this.#headEnd.pace(upstream, ONE_PAUSE_MS, 1);
    else this.#headEnd.pace(upstream, RUSH_PAUSE_MS, RUSH_BURST);
  }

  #rush(wishes: readonly Wish[], inFlight: number): Promise<Omit<RushOutcome, 'intervalMs'>> {
    const joinMs: number[] = [];
    const open = new Map<number, { readonly wish: Wish; readonly slot: number; readonly at: number }>();
    const begin = performance.now();
    let next = 0;
    let unanswered = 0;
    return new Promise((resolve) => {
      const start = (slot: number) => {
        const wish = wishes[next];
        if (wish === undefined) {
          this.#headEnd.set(slot, undefined);
          if (open.size === 0) finish();
          return;
        }
        next++;
        this.#headEnd.set(slot, wish.group);
        open.set(wish.group, { wish, slot, at: performance.now() });
        this.#port.send(wish.ifindex, wish.join);
      };
      const overdue = setInterval(() => {
        for (const [group, { slot, at }] of [...open]) {
          if (performance.now() - at < GIVE_UP_MS) continue;
          unanswered++;
          open.delete(group);
          start(slot);
        }
      }, 100);
      const finish = () => {
        clearInterval(overdue);
        this.#watcher = ignore;
        resolve({ seconds: (performance.now() - begin) / 1000, joinMs, unanswered });
      };
      this.#watcher = (group, ifindex) => {
        const waiting = open.get(group);
        if (waiting === undefined || waiting.wish.ifindex !== ifindex) return;
        joinMs.push(performance.now() - waiting.at);
        open.delete(group);
        start(waiting.slot);
      };
      for (let slot = 0; slot < inFlight; slot++) start(slot);
    });
  }

  /** `beside`: the same viewer's wish for a group so many further on. */
  #wish(plan: WatchPlan, pair: number, beside = 0): Wish {
    const { viewer: number, group: own } = pairOf(plan, pair);
    const viewer = number + (plan.firstViewer ?? 0);
    const group = (own + beside) % plan.groups;
    const mac = macOf(viewer);
    return {
      group,
      mac,
      ifindex: this.#port.indexOf(portOf(plan.ports, viewer)),
      join: reportFrame(mac, group, 'join'),
      leave: reportFrame(mac, group, 'leave'),
    };
  }

  /** Waits while the group is on the air and nobody receives it. Throws where somebody does. */
  #quiet(wish: Wish, ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watcher = ignore;
        resolve();
      }, ms);
      this.#watcher = (group, ifindex) => {
        if (group !== wish.group || ifindex !== wish.ifindex) return;
        clearTimeout(timer);
        this.#watcher = ignore;
        reject(new Error(`group ${group} came to a port that had not joined it`));
      };
    });
  }

  #join(wish: Wish): Promise<number | undefined> {
    return new Promise((resolve) => {
      const end = (ms: number | undefined) => {
        clearTimeout(timer);
        this.#watcher = ignore;
        resolve(ms);
      };
      const timer = setTimeout(() => end(undefined), GIVE_UP_MS);
      const begin = performance.now();
      this.#watcher = (group, ifindex) => {
        if (group === wish.group && ifindex === wish.ifindex) end(performance.now() - begin);
      };
      this.#port.send(wish.ifindex, wish.join);
    });
  }

  /** Until the first datagram of the new one, and the last of the old one. */
  #swap(before: Wish, after: Wish): Promise<{ joined: number | undefined; left: number }> {
    return new Promise((resolve) => {
      const begin = performance.now();
      let last = begin;
      let joined: number | undefined;
      this.#watcher = (group, ifindex) => {
        if (ifindex !== after.ifindex) return;
        if (group === before.group) last = performance.now();
        else if (group === after.group) joined ??= performance.now() - begin;
      };
      this.#port.send(after.ifindex, changeFrame(after.mac, before.group, after.group));
      const look = () => {
        const now = performance.now();
        const isOver = joined !== undefined && now - last >= SILENCE_MS;
        if (!isOver && now - begin < GIVE_UP_MS) setTimeout(look, SILENCE_MS);
        else {
          this.#watcher = ignore;
          resolve({ joined, left: last - begin });
        }
      };
      setTimeout(look, SILENCE_MS);
    });
  }

  /** Until the last datagram: the group stays on the air until none has come for a while. */
  #leave(wish: Wish): Promise<number> {
    return new Promise((resolve) => {
      const begin = performance.now();
      let last = begin;
      this.#watcher = (group, ifindex) => {
        if (group === wish.group && ifindex === wish.ifindex) last = performance.now();
      };
      this.#port.send(wish.ifindex, wish.leave);
      const look = () => {
        const silentMs = performance.now() - last;
        if (silentMs < SILENCE_MS && performance.now() - begin < GIVE_UP_MS) {
          setTimeout(look, SILENCE_MS - silentMs);
          return;
        }
        this.#watcher = ignore;
        resolve(last - begin);
      };
      setTimeout(look, SILENCE_MS);
    });
  }

  /** Until the channel was taken and none of it has come for a while; undefined where that was not acknowledged. */
  async #untilTaken(
    wish: Wish,
    take: () => Promise<boolean>,
  ): Promise<{ readonly lastMs: number; readonly ackMs: number } | undefined> {
    const begin = performance.now();
    let last = begin;
    this.#watcher = (group, ifindex) => {
      if (group === wish.group && ifindex === wish.ifindex) last = performance.now();
    };
    const acknowledged = await take();
    const ackMs = performance.now() - begin;
    // A thread that stands still for a moment must not be taken for the end of the channel.
    while (performance.now() - last < LONG_SILENCE_MS && performance.now() - begin < GIVE_UP_MS)
      await pause(5);
    this.#watcher = ignore;
    return acknowledged ? { lastMs: last - begin, ackMs } : undefined;
  }

  /** Everybody leaves; resolves when every group was on the air once more and none came through. */
  async #leaveAll(wishes: readonly Wish[]): Promise<void> {
    for (let i = 0; i < wishes.length; i++) {
      const wish = wishes[i];
      if (wish !== undefined) this.#port.send(wish.ifindex, wish.leave);
      if (i % 64 === 63) await pause(1);
    }
    const groups = [...new Set(wishes.map((wish) => wish.group))];
    for (const end = performance.now() + LEAVE_ALL_MS; performance.now() < end; ) {
      let came = 0;
      this.#watcher = () => came++;
      for (let at = 0; at < groups.length; at += ON_AIR_AT_ONCE) {
        const some = groups.slice(at, at + ON_AIR_AT_ONCE);
        some.forEach((group, slot) => {
          this.#headEnd.set(slot, group);
        });
        const target = this.#headEnd.sent + 2 * some.length;
        while (this.#headEnd.sent < target) await pause(2);
        this.#headEnd.silence();
      }
      await pause(10);
      this.#watcher = ignore;
      if (came === 0) return;
    }
    throw new Error('groups that everybody left still came through');
  }
}

/**
 * The pair with that number, 0 to viewers × groups - 1. Neighbours differ in group and in viewer, and within
 * any ports × groups of them that begin at a multiple of `groups`, no port gets a group twice.
 */
export function pairOf(
  plan: Pick<WatchPlan, 'viewers' | 'groups'>,
  pair: number,
): { readonly viewer: number; readonly group: number } {
  const round = Math.floor(pair / plan.groups);
  if (round >= plan.viewers) throw new RangeError(`pair ${pair} of ${plan.viewers * plan.groups}`);
  return { viewer: (pair + round) % plan.viewers, group: pair % plan.groups };
}

function ignore(): void {}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** With the kernel's own slack of 0.05 ms, one datagram about every 0.1 ms. */
const ONE_PAUSE_MS = 0.04;
/** 32 datagrams a millisecond, each of 64 groups twice in three milliseconds. */
const RUSH_PAUSE_MS = 0.06;
const RUSH_BURST = 4;
/** Groups from here on are nobody's. */
const UNWANTED = 0x8000;
/** The one that is asked for all the same. */
const DENIED = 0xffff;
/** Fewer than the head-end has slots. */
const ON_AIR_AT_ONCE = 250;
const SETTLE_MS = 1;
const SILENCE_MS = 5;
const LONG_SILENCE_MS = 100;
const PLAYS_MS = 10;
const GIVE_UP_MS = 3000;
/** Thousands leave. */
const LEAVE_ALL_MS = 60_000;
