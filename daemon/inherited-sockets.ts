import type { LineState } from '../radius/stream/line.ts';

/** Sockets as one process hands them to the next: each with a name and with what it leads to. */
export interface InheritedSocket {
  /** `r1/auth/0`, `stream/r1/auth/0`, `dynamic/0`. */
  readonly name: string;
  /** From where to where: one that leads elsewhere in the new configuration is closed. */
  readonly way: string;
  readonly fd: number;
  /** Of a connection: what the process before this one knew of it. */
  readonly line?: LineState;
}
