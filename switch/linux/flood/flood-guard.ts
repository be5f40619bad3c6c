/** Holds ports back that flood (flood-limit.ts): the socket's filter for a moment, and a word of it. */
import { EtherType } from '../../../wire/ethernet.ts';
import { now } from '../../clock.ts';
import type { FrameSocket } from '../frames.ts';
import type { PortState } from '../port/port-state.ts';
import { FLOOD_PAUSE_MS, FloodLimit } from './flood-limit.ts';

export class FloodGuard {
  readonly #limit: FloodLimit;
  readonly #tell: (port: string) => void;
  /** Ports that are held back, until their timer rings. */
  readonly #heldBack = new Map<string, NodeJS.Timeout>();

  /** `perSecond`: frames of a port, 0: no limit. `tell` is called each time that one is held back. */
  constructor(perSecond: number, tell: (port: string) => void) {
    this.#limit = new FloodLimit(perSecond);
    this.#tell = tell;
  }

  /** So many frames of the port were read that are not EAPOL: where that is too many, the kernel keeps the next. */
  count(frames: FrameSocket, port: PortState | undefined, count: number): void {
    if (count === 0 || port?.subscriber !== true || port.link === undefined) return;
    const { name, link } = port;
    if (!this.#limit.take(now(), name, count)) return;
    frames.holdBack(link.index);
    clearTimeout(this.#heldBack.get(name));
    const letIn = () => {
      this.#heldBack.delete(name);
      frames.letIn(link.index);
    };
    this.#heldBack.set(name, setTimeout(letIn, FLOOD_PAUSE_MS).unref());
    this.#tell(name);
  }

  /** Nobody is held back any more. */
  end(frames: FrameSocket | undefined): void {
    for (const timer of this.#heldBack.values()) clearTimeout(timer);
    this.#heldBack.clear();
    frames?.letAllIn();
  }
}

/** What is never held back. */
export function isEapol(frame: Uint8Array): boolean {
  return frame[12] === EtherType.Eapol >>> 8 && frame[13] === (EtherType.Eapol & 0xff);
}
