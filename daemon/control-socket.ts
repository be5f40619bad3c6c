/**
 * The Unix socket on which a running daemon answers: one JSON object a line, `{"verb":"sessions","params":{}}`,
 * answered in order by `{"ok":true,"result":…}` or `{"ok":false,"error":"…"}`. Only its owner may connect.
 * Whatever comes in is answered with an error at worst; nothing is thrown into the daemon.
 */
import { lstatSync, mkdirSync, rmSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { errnoName, loadNative } from '../switch/native.ts';
import { type Logger, silentLog } from './log/log.ts';

/** Answers a verb with anything that JSON can hold; `{ refused }` tells the asker why there is no answer. */
export type ControlHandler = (params: Readonly<Record<string, unknown>>) => unknown | Promise<unknown>;

/** Why the socket cannot be had. */
export interface ControlSocketRefused {
  readonly refused: string;
}

export interface ControlSocketOptions {
  readonly log?: Logger;
  /** Octets of one request; default 64 KiB. */
  readonly maxRequestOctets?: number;
  /** Connections at one time; default 16. */
  readonly maxConnections?: number;
  /** A connection that says nothing for this long is closed; default 60 s. */
  readonly idleMs?: number;
}

/** The daemon's end. */
export class ControlSocket {
  readonly #path: string;
  readonly #handlers: Readonly<Record<string, ControlHandler>>;
  readonly #log: Logger;
  readonly #maxRequestOctets: number;
  readonly #maxConnections: number;
  readonly #idleMs: number;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;
  #fd = -1;

  constructor(
    path: string,
    handlers: Readonly<Record<string, ControlHandler>>,
    options: ControlSocketOptions = {},
  ) {
    this.#path = path;
    this.#handlers = handlers;
    this.#log = options.log ?? silentLog;
    this.#maxRequestOctets = options.maxRequestOctets ?? 64 << 10;
    this.#maxConnections = options.maxConnections ?? 16;
    this.#idleMs = options.idleMs ?? 60_000;
  }

  /** Goes on with the listening socket of the process before this one. */
  inherit(fd: number): void {
    this.#listenOn(fd);
  }

  /** Accepts nobody more: who connects waits. Connections that are there are answered on. */
  rest(): void {
    if (this.#server === undefined) return;
    const kept = loadNative().duplicate(this.#fd);
    this.#server.close();
    this.#server = undefined;
    this.#fd = kept;
  }

  /** Accepts again. */
  goOn(): void {
    if (this.#server === undefined && this.#fd >= 0) this.#listenOn(this.#fd);
  }

  /** The listening socket, for another process. */
  get descriptor(): number {
    return this.#fd;
  }

  /** Begins to answer. A socket that a dead daemon left is replaced; one where somebody answers is refused. */
  async listen(): Promise<ControlSocketRefused | undefined> {
    if (Buffer.byteLength(this.#path) > MAX_PATH_OCTETS) {
      return { refused: `the control socket's path has over ${MAX_PATH_OCTETS} octets: ${this.#path}` };
    }
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
    } catch (cause) {
      return { refused: `cannot make the folder of the control socket ${this.#path}: ${messageOf(cause)}` };
    }
    const occupied = await this.#makeRoom();
    if (occupied !== undefined) return { refused: occupied };
    // The socket is there from bind on: a chmod afterwards would leave it open to others for a moment.
    const umask = process.umask(0o177);
    const fd = loadNative().unixListen(this.#path);
    process.umask(umask);
    if (fd < 0) return { refused: `cannot open the control socket ${this.#path}: ${errnoName(fd)}` };
    this.#listenOn(fd);
    return undefined;
  }

  #listenOn(fd: number): void {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    server.on('error', (cause) => this.#log.error('control-socket-failed', { cause }));
    server.listen({ fd });
    this.#server = server;
    this.#fd = fd;
  }

  /** Takes no connection more and removes the socket; those that are there are answered to their end. */
  retire(): void {
    this.#server?.close();
    this.#server = undefined;
    this.#unlink();
  }

  /** Ends all connections and removes the socket. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    this.#unlink();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  #unlink(): void {
    this.#fd = -1;
    rmSync(this.#path, { force: true });
  }

  /** What is in the way, if it cannot be moved. */
  async #makeRoom(): Promise<string | undefined> {
    try {
      if (!lstatSync(this.#path).isSocket())
        return `${this.#path} is there and is no socket: remove it, or set control_socket`;
    } catch (cause) {
      return codeOf(cause) === 'ENOENT' ? undefined : `cannot look at ${this.#path}: ${messageOf(cause)}`;
    }
    const answer = await probe(this.#path);
    if (answer === undefined)
      return `another castgate answers on ${this.#path}: stop it first, or set control_socket`;
    if (answer === 'ENOENT') return undefined;
    if (answer !== 'ECONNREFUSED')
      return `cannot tell whether a castgate answers on ${this.#path}: ${answer}`;
    try {
      unlinkSync(this.#path);
    } catch (cause) {
      return `cannot remove the old socket ${this.#path}: ${messageOf(cause)}`;
    }
    return undefined;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#connections.size >= this.#maxConnections) {
      part(socket, `too many connections (${this.#maxConnections}): try again later`);
      return;
    }
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    this.#serve(socket);
  }

  /** Takes lines as they come and answers them one at a time; nothing is read while an answer is on its way. */
  #serve(socket: Socket): void {
    let pending: Buffer[] = [];
    let pendingOctets = 0;
    let answering = false;
    let ended = false;
    // Who waits for an answer is not idle.
    socket.setTimeout(this.#idleMs, () => {
      if (!answering) socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => {
      const requests: Buffer[] = [];
      let rest = chunk;
      for (let end = rest.indexOf(LF); end >= 0; end = rest.indexOf(LF)) {
        pending.push(rest.subarray(0, end));
        requests.push(Buffer.concat(pending));
        rest = rest.subarray(end + 1);
        pending = [];
        pendingOctets = 0;
      }
      if (rest.length > 0) pending.push(rest);
      pendingOctets += rest.length;
      if (pendingOctets > this.#maxRequestOctets || requests.some((r) => r.length > this.#maxRequestOctets)) {
        part(socket, `a request has at most ${this.#maxRequestOctets} octets`);
        return;
      }
      if (requests.length === 0) return;
      answering = true;
      socket.pause();
      this.#answerAll(socket, requests).then(
        () => {
          answering = false;
          if (ended) socket.end();
          else socket.resume();
        },
        (cause) => {
          this.#log.error('control-connection-failed', { cause });
          socket.destroy();
        },
      );
    });
    // Who has no more questions still wants the answers.
    socket.once('end', () => {
      ended = true;
      if (!answering) socket.end();
    });
  }

  async #answerAll(socket: Socket, requests: readonly Buffer[]): Promise<void> {
    for (const request of requests) {
      if (request.length === 0) continue;
      const answer = await this.#answer(request);
      if (!(await say(socket, answer))) return;
    }
  }

  async #answer(request: Buffer): Promise<string | LongAnswer> {
    const asked = parseRequest(request);
    if ('refused' in asked) return line({ ok: false, error: asked.refused });
    const handler = Object.hasOwn(this.#handlers, asked.verb) ? this.#handlers[asked.verb] : undefined;
    if (handler === undefined) {
      const verbs = Object.keys(this.#handlers).join(', ');
      return line({ ok: false, error: `unknown verb '${asked.verb.slice(0, 40)}' (there are: ${verbs})` });
    }
    try {
      const result = await handler(asked.params);
      if (typeof result === 'object' && result !== null && 'refused' in result) {
        return line({ ok: false, error: String(result.refused) });
      }
      if (Array.isArray(result) && result.length > ROWS_AT_ONCE) return { rows: result };
      return line({ ok: true, result: result ?? null });
    } catch (cause) {
      this.#log.error('control-request-failed', { verb: asked.verb, cause });
      return line({ ok: false, error: 'internal error: see the log' });
    }
  }
}

function parseRequest(
  octets: Buffer,
): { verb: string; params: Readonly<Record<string, unknown>> } | ControlSocketRefused {
  let request: unknown;
  try {
    request = JSON.parse(octets.toString('utf8'));
  } catch {
    return { refused: 'a request is one line of JSON' };
  }
  if (!isObject(request) || typeof request['verb'] !== 'string') {
    return { refused: 'a request is an object with a verb' };
  }
  const params = request['params'] ?? {};
  return isObject(params) ? { verb: request['verb'], params } : { refused: 'params is an object' };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function line(answer: object): string {
  return `${JSON.stringify(answer)}\n`;
}

/** False: nobody is there any more to hear it. */
async function say(socket: Socket, answer: string | LongAnswer): Promise<boolean> {
  const write = async (text: string) => {
    if (!socket.destroyed && !socket.write(text)) await drained(socket);
  };
  if (typeof answer === 'string') {
    await write(answer);
    return !socket.destroyed;
  }
  const { rows } = answer;
  for (let at = 0; at < rows.length && !socket.destroyed; at += ROWS_AT_ONCE) {
    const part = rows.slice(at, at + ROWS_AT_ONCE).map((row) => JSON.stringify(row ?? null));
    await write(`${at === 0 ? '{"ok":true,"result":[' : ','}${part.join(',')}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await write(']}\n');
  return !socket.destroyed;
}

/** Says why, and ends the connection without reading on. */
function part(socket: Socket, error: string): void {
  socket.pause();
  socket.removeAllListeners('data');
  socket.end(line({ ok: false, error }), () => socket.destroy());
}

/** Undefined where somebody accepts a connection, else the error's code. */
function probe(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (cause) => resolve(codeOf(cause) ?? messageOf(cause)));
  });
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', resolve);
  });
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** A list that is written a part at a time. */
interface LongAnswer {
  readonly rows: readonly unknown[];
}

const LF = 0x0a;
/** A millisecond's work or two. */
const ROWS_AT_ONCE = 256;
/** sun_path of unix(7) without the closing zero; libuv cuts longer ones without a word. */
const MAX_PATH_OCTETS = 107;
