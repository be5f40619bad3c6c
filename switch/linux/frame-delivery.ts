/** From the packet sockets to events: whose port a frame came in by, what must not come there, and who sends too much. */
import { isClaim } from '../rules.ts';
import type { SwitchEvent } from '../switch.ts';
import { FloodGuard, isEapol } from './flood/flood-guard.ts';
import type { CapturedFrame, FrameSocket } from './frames.ts';
import { hearLinkGroups } from './link/link-membership.ts';
import type { PortState } from './port/port-state.ts';
import type { Running } from './repair/running.ts';

export interface DeliveryListener {
  /** Frames that were read together. */
  readonly frames: (events: readonly SwitchEvent[]) => void;
  /** Something beside them; told after the running operation. */
  readonly tell: (event: SwitchEvent) => void;
}

export class FrameDelivery {
  readonly #listener: DeliveryListener;
  #floods: FloodGuard;
  #strayClaims = 0;

  /** `framesPerPort`: how many of a subscriber port are read in a second, EAPOL apart; 0: all. */
  constructor(framesPerPort: number, listener: DeliveryListener) {
    this.#listener = listener;
    this.#floods = this.#guard(framesPerPort);
  }

  /** Claims that came in by subscriber ports. */
  get strayClaims(): number {
    return this.#strayClaims;
  }

  begin(running: Running): void {
    running.frames.watch(
      (batch) => this.#deliver(running, batch),
      (errno) => this.#listener.tell({ kind: 'repaired', what: `packet socket: ${errno}, reading on` }),
    );
  }

  /** Another limit. */
  limit(framesPerPort: number, frames: FrameSocket | undefined): void {
    this.end(frames);
    this.#floods = this.#guard(framesPerPort);
  }

  /** No port is held back any more. */
  end(frames: FrameSocket | undefined): void {
    this.#floods.end(frames);
  }

  #deliver(running: Running, frames: readonly CapturedFrame[]): void {
    const events: SwitchEvent[] = [];
    let last: PortState | undefined;
    let counted = 0;
    for (const { ifindex, vlan, frame } of frames) {
      const port = last?.link?.index === ifindex ? last : running.ports.numbered(ifindex);
      if (port === undefined) continue;
      if (port.subscriber && isClaim(frame)) {
        this.#strayClaims++;
        continue;
      }
      events.push({ kind: 'frame', port: port.name, vlan, frame });
      hearLinkGroups(running, port, vlan, frame);
      if (port !== last) {
        this.#floods.count(running.frames, last, counted);
        last = port;
        counted = 0;
      }
      if (!isEapol(frame)) counted++;
    }
    this.#floods.count(running.frames, last, counted);
    if (events.length > 0) this.#listener.frames(events);
  }

  #guard(framesPerPort: number): FloodGuard {
    return new FloodGuard(framesPerPort, (port) => this.#listener.tell({ kind: 'held-back', port }));
  }
}
