/**
 * The page and what it asks: its files, the state once and as server-sent events, and orders. Reading needs
 * nothing; an order needs the token. A page of somebody else cannot order anything: it has no token, may not
 * send one from elsewhere, and is refused by its Origin before that.
 */
import { timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ControlHandler } from '../control-socket.ts';
import { type HttpRoute, refuse } from './http-server.ts';
import type { PageState } from './page-state.ts';

export interface PageOptions {
  readonly state: () => PageState;
  /** Verbs that the page may order. */
  readonly orders: Readonly<Record<string, ControlHandler>>;
  /** Undefined: nobody may order anything. */
  readonly token: Uint8Array | undefined;
}

export function pageRoutes(options: PageOptions): Map<string, HttpRoute> {
  const streams = new StateStreams(options.state);
  return new Map<string, HttpRoute>([
    ['/', file('index.html', 'text/html; charset=utf-8')],
    ['/page.css', file('page.css', 'text/css; charset=utf-8')],
    ['/page.js', file('page.js', 'text/javascript; charset=utf-8')],
    ['/api/state', reading((_request, response) => json(response, 200, options.state()))],
    ['/api/events', reading((request, response) => streams.add(request, response))],
    ['/api/order', (request, response) => order(request, response, options)],
  ]);
}

function reading(route: HttpRoute): HttpRoute {
  return (request, response) => {
    if (request.method === 'GET' || request.method === 'HEAD') return route(request, response);
    refuse(response, 405, 'GET it');
  };
}

function file(name: string, type: string): HttpRoute {
  return reading((_request, response) => {
    const octets = packageFile(name);
    if (octets === undefined) return refuse(response, 404, 'the package has no page');
    response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': CONTENT_SECURITY_POLICY });
    response.end(octets);
  });
}

/** Sends the state when it has changed, at most once a second, to all who look on. */
class StateStreams {
  readonly #state: () => PageState;
  readonly #open = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #sent = '';

  constructor(state: () => PageState) {
    this.#state = state;
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    if (this.#open.size >= MAX_STREAMS) {
      refuse(response, 503, 'too many look on: try again later');
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`retry: 2000\n\n${this.#event(this.#state())}`);
    this.#open.add(response);
    request.once('close', () => this.#remove(response));
    this.#timer ??= setInterval(() => this.#tell(), INTERVAL_MS).unref();
  }

  #tell(): void {
    const state = this.#state();
    // The time alone is no news; every now and then it is said to keep the connection.
    const essence = JSON.stringify({ ...state, at: Math.floor(state.at / QUIET_MS) });
    if (essence === this.#sent) return;
    this.#sent = essence;
    const event = this.#event(state);
    for (const response of this.#open) {
      // Who does not keep up hears the next one.
      if (response.writableLength < MAX_BACKLOG) response.write(event);
    }
  }

  #event(state: PageState): string {
    return `event: state\ndata: ${JSON.stringify(state)}\n\n`;
  }

  #remove(response: ServerResponse): void {
    this.#open.delete(response);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

async function order(
  request: IncomingMessage,
  response: ServerResponse,
  { orders, token }: PageOptions,
): Promise<void> {
  const error = (status: number, why: string) => json(response, status, { ok: false, error: why });
  if (request.method !== 'POST') return error(405, 'POST it');
  const { origin, host, authorization } = request.headers;
  if (origin !== undefined && origin !== `http://${host}`) return error(403, 'not from another page');
  if (request.headers['content-type'] !== 'application/json') return error(415, 'application/json');
  if (token === undefined) return error(403, 'no actions here: set http.token_file');
  if (!isToken(authorization, token)) return error(401, 'a wrong token, or none');
  const asked = await body(request);
  if (asked === undefined) return error(400, 'an order is an object with a verb and params');
  const handler = Object.hasOwn(orders, asked.verb) ? orders[asked.verb] : undefined;
  if (handler === undefined) return error(404, `there is no order '${asked.verb.slice(0, 40)}'`);
  const result = (await handler(asked.params)) as { refused?: string };
  if (result.refused !== undefined) return error(409, result.refused);
  json(response, 200, { ok: true, result });
}

/** In constant time for tokens of the right length. */
function isToken(authorization: string | undefined, token: Uint8Array): boolean {
  const given = Buffer.from(authorization?.replace(/^Bearer /, '') ?? '');
  return given.length === token.length && timingSafeEqual(given, token);
}

async function body(
  request: IncomingMessage,
): Promise<{ verb: string; params: Readonly<Record<string, unknown>> } | undefined> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    octets += chunk.length;
    if (octets > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  try {
    const asked: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof asked !== 'object' || asked === null || !('verb' in asked) || typeof asked.verb !== 'string')
      return undefined;
    const params = 'params' in asked ? asked.params : {};
    if (typeof params !== 'object' || params === null || Array.isArray(params)) return undefined;
    return { verb: asked.verb, params: { ...params } };
  } catch {
    return undefined;
  }
}

function json(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(content));
}

/** Two folders up from daemon/http, three from dist/daemon/http. */
function packageFile(name: string): Buffer | undefined {
  for (const folder of ['../../page/', '../../../page/']) {
    try {
      return readFileSync(new URL(folder + name, import.meta.url));
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MAX_STREAMS = 16;
const MAX_BACKLOG = 1 << 20;
const MAX_BODY = 64 << 10;
const INTERVAL_MS = 1000;
/** As long as nothing happens. */
const QUIET_MS = 10_000;
