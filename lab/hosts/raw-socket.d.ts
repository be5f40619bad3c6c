/** What the lab uses of raw-socket 1.8.1, which has no types of its own. */
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events';

  interface RawSocket extends EventEmitter {
    /** Throws where the kernel refuses. `length` is that of the value in octets. */
    setOption(level: number, option: number, value: Buffer | number, length?: number): RawSocket;
    /** `sent` gets the error, if any, and how many octets went out. */
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      sent: (error: Error | null, octets: number) => void,
    ): RawSocket;
    close(): RawSocket;
    /** `buffer` begins at the IP header and is reused for the next message: copy what is kept. */
    on(event: 'message', listener: (buffer: Buffer, source: string) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'close', listener: () => void): this;
  }

  interface RawSocketModule {
    createSocket(options: { protocol: number; addressFamily?: number; bufferSize?: number }): RawSocket;
    readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  }

  const raw: RawSocketModule;
  export default raw;
}
