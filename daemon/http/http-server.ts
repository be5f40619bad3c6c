/**
 * The control address: plain HTTP on a local address, for browsers and Prometheus. It never keeps the daemon
 * from serving: an address that cannot be had now is tried again, and what goes wrong in an answer is logged
 * and answered with 500.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HttpConfig } from '../../config/config.ts';
import type { Logger } from '../log/log.ts';
import { isOwnHost } from './host-header.ts';

/** Answers a request to one path. */
export type HttpRoute = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export class HttpServer {
  readonly #config: HttpConfig;
  readonly #routes: ReadonlyMap<string, HttpRoute>;
  readonly #log: Logger;
  #server: Server | undefined;
  #again: NodeJS.Timeout | undefined;
  #told = '';

  /** `routes` by path. */
  constructor(config: HttpConfig, routes: ReadonlyMap<string, HttpRoute>, log: Logger) {
    this.#config = config;
    this.#routes = routes;
    this.#log = log;
  }

  /** Begins to answer, now or as soon as the address can be had. */
  start(): void {
    if (!this.#config.enabled) return;
    const server = createServer({ requestTimeout: PATIENCE_MS }, (request, response) => {
      this.#answer(request, response).catch((cause) => {
        this.#log.error('http-request-failed', { path: request.url, cause });
        if (!response.headersSent) refuse(response, 500, 'internal error: see the log');
        else response.destroy();
      });
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', (cause) => this.#failed(cause));
    server.on('listening', () => {
      this.#told = '';
      const { address, port } = this.#config;
      this.#log.info('http-listening', { address, port });
    });
    // A daemon that is to end must not wait for who looks on.
    server.unref();
    this.#server = server;
    server.listen(this.#config.port, this.#config.address);
  }

  close(): void {
    clearTimeout(this.#again);
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }

  #failed(cause: Error): void {
    const { address, port } = this.#config;
    if (cause.message !== this.#told)
      this.#log.warn('http-not-listening', { address, port, why: cause.message });
    this.#told = cause.message;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      this.#server?.listen(this.#config.port, this.#config.address);
    }, AGAIN_MS).unref();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of SAFETY) response.setHeader(name, value);
    if (!isOwnHost(request.headers.host)) {
      refuse(response, 421, 'this name is not mine: ask by an address');
      return;
    }
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const route = this.#routes.get(path);
    if (route === undefined) refuse(response, 404, 'nothing is here');
    else await route(request, response);
  }
}

/** Ends with a status and one line. */
export function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${why}\n`);
}

/** For whatever is answered: nobody else's page may hold or read it, and browsers do not guess. */
const SAFETY: readonly (readonly [string, string])[] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Cache-Control', 'no-store'],
];
const MAX_CONNECTIONS = 64;
const PATIENCE_MS = 10_000;
const AGAIN_MS = 2_000;
