/**
 * The way to the page of a castgate in a network namespace: a port of the machine's own loopback address, handed
 * through a Unix socket to a small program inside, which connects to the page. Nothing else of the machine's network
 * is touched, and nobody but this machine gets in.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { LabProcess } from '../processes.ts';

/** The daemon's own default: where the page is inside, and where the door is, if that port is free. */
const PAGE_PORT = 8021;

export class PageDoor {
  /** Where a browser finds the page. */
  readonly url: string;
  readonly #server: Server;
  readonly #inside: LabProcess;
  readonly #open = new Set<Socket>();

  private constructor(server: Server, inside: LabProcess, path: string) {
    const address = server.address();
    this.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : PAGE_PORT}`;
    this.#server = server;
    this.#inside = inside;
    server.on('connection', (browser) => this.#join(browser, connect(path)));
  }

  /** Opens it; `folder` is the lab's. */
  static async open(namespace: string, folder: string): Promise<PageDoor> {
    const path = join(folder, 'page.sock');
    const inside = LabProcess.start('page door', [process.execPath, '-e', INSIDE, path], namespace);
    await inside.waitForLine(/^open$/, 10_000);
    const server = createServer();
    // Where something listens already, any other port will do.
    for (const port of [PAGE_PORT, 0]) if (await listens(server, port)) break;
    return new PageDoor(server, inside, path);
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    await this.#inside.stop();
  }

  #join(browser: Socket, page: Socket): void {
    for (const [one, other] of [
      [browser, page],
      [page, browser],
    ] as const) {
      this.#open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => {
      server.removeAllListeners('listening');
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.removeAllListeners('error');
      resolve(true);
    });
  });
}

const INSIDE = `
const { connect, createServer } = require('node:net');
createServer((socket) => {
  const page = connect(${PAGE_PORT}, '127.0.0.1');
  for (const [one, other] of [[socket, page], [page, socket]]) {
    one.on('error', () => {});
    one.on('close', () => other.destroy());
    one.pipe(other);
  }
}).listen(process.argv[1], () => console.log('open'));
`;
