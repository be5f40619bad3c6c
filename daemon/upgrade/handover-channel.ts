/** The two sockets between the process that serves and the one that is to go on: one for frames, one for descriptors. */
import { Socket } from 'node:net';
import { encodeFrame, type Frame, FrameReader, FrameType } from '../../replication/frame.ts';
import { errnoName, loadNative } from '../../switch/native.ts';
import { encodeHandover, type HandoverMessage, readHandover, type Say } from './handover-message.ts';

export interface HandoverListener {
  readonly message: (message: HandoverMessage) => void;
  /** Records or changes. */
  readonly frame: (frame: Frame) => void;
  /** Nothing more will come. */
  readonly ended: () => void;
}

export class HandoverChannel {
  readonly #socket: Socket;
  readonly #descriptors: number;
  readonly #reader = new FrameReader();

  /** Both descriptors belong to it from now on. */
  constructor(frames: number, descriptors: number, listener: HandoverListener) {
    this.#descriptors = descriptors;
    this.#socket = new Socket({ fd: frames, readable: true, writable: true });
    this.#socket.on('data', (octets) => {
      for (const frame of this.#reader.push(octets)) {
        if (frame.type !== FrameType.Message) listener.frame(frame);
        else {
          const message = readHandover(frame.payload);
          if (message !== undefined) listener.message(message);
        }
      }
      if (this.#reader.fault !== undefined) this.#socket.destroy();
    });
    // What is wrong with it shows as its end.
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => listener.ended());
  }

  say(message: { readonly say: Say; readonly [field: string]: unknown }): void {
    this.#socket.write(encodeFrame(FrameType.Message, encodeHandover(message)));
  }

  /** False where it is better to wait for `drained` before more is sent. */
  send(type: number, payload: Uint8Array): boolean {
    return this.#socket.write(encodeFrame(type, payload));
  }

  /** Resolves when there is room again, or none ever will be. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      const socket = this.#socket;
      if (socket.destroyed || !socket.writableNeedDrain) return resolve();
      const done = () => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }

  /** Gives the other process copies. Throws the errno's name. */
  give(descriptors: readonly number[]): void {
    const given = loadNative().descriptorsSend(this.#descriptors, Int32Array.from(descriptors));
    if (given < 0) throw new Error(`descriptors cannot be given: ${errnoName(given)}`);
  }

  /** Takes so many that were given ahead of the message that told of them. Throws where they are not there. */
  take(count: number): number[] {
    const out = new Int32Array(count);
    const got = loadNative().descriptorsReceive(this.#descriptors, out);
    if (got !== count) throw new Error(`${count} descriptors were told of, ${got} came`);
    return [...out];
  }

  /** Closes it when what was said last has left. */
  finish(): void {
    this.#socket.once('close', () => loadNative().close(this.#descriptors));
    this.#socket.destroySoon();
  }

  close(): void {
    this.#socket.destroy();
    loadNative().close(this.#descriptors);
  }
}
