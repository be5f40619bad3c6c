/**
 * Sessions of TLS that are resumed, or not, against Node's own TLS server: what OpenSSL's servers do. Its tickets are of
 * one key, so that a server that was started again, or another one of the pair's, takes them too.
 */
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RadiusServerConfig } from '../../../config/config.ts';
import { type Logger, silentLog } from '../../../daemon/log/log.ts';
import { RadiusStreams } from '../../../daemon/radius/radius-streams.ts';
import { tlsSettings } from '../../../daemon/radius/tls-attempt.ts';
import { makeAuthority, makeCertificate } from '../../../lab/radius/certificates.ts';
import type { TicketRecord } from '../../../radius/stream/tickets.ts';
import { Store } from '../../../session/store.ts';
import { configOf } from '../world.ts';

const NAME = 'radius.castgate.example';
const TICKET_KEYS = randomBytes(48);
const DAY_MS = 24 * 3_600_000;
const pem = new Map<string, string>();
const open: { close(): unknown }[] = [];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'castgate-tls-'));
  try {
    await makeAuthority(folder);
    await makeCertificate(folder, { name: 'server', use: 'serverAuth', names: [NAME] });
    await makeCertificate(folder, { name: 'another', use: 'serverAuth', names: ['another.example'] });
    await makeCertificate(folder, { name: 'castgate', use: 'clientAuth', names: [] });
    await makeCertificate(folder, { name: 'castgate-2', use: 'clientAuth', names: [] });
    for (const name of ['server', 'another', 'castgate', 'castgate-2', 'ca'])
      for (const kind of ['pem', 'key'])
        pem.set(`${name}.${kind}`, readFileSync(join(folder, `${name}.${kind}`), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** A server: how each session began that it accepted, its sockets, and how many TCP connections came. */
class Peer {
  readonly sessions: ('full' | 'resumed')[] = [];
  readonly sockets: TLSSocket[] = [];
  connections = 0;
  port = 0;
  readonly #server: Server;

  private constructor(more: TlsOptions, certificate: string) {
    this.#server = createServer({
      cert: text(`${certificate}.pem`),
      key: text(`${certificate}.key`),
      ca: text('ca.pem'),
      requestCert: true,
      ticketKeys: TICKET_KEYS,
      sessionIdContext: 'radius',
      sessionTimeout: 3600,
      ...more,
    });
    this.#server.on('connection', () => {
      this.connections++;
    });
    this.#server.on('secureConnection', (socket) => {
      this.sessions.push(socket.isSessionReused() ? 'resumed' : 'full');
      this.sockets.push(socket);
      socket.on('error', () => {});
      socket.resume();
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(more: TlsOptions = {}, certificate = 'server', port = 0): Promise<Peer> {
    const peer = new Peer(more, certificate);
    await new Promise<void>((resolve) => peer.#server.listen(port, '127.0.0.1', resolve));
    peer.port = (peer.#server.address() as AddressInfo).port;
    open.push(peer);
    return peer;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** In front of a server: looks at each ClientHello, and ends the connection where it shows a ticket, or lets it in. */
class Doorman {
  /** Of each connection: it showed a ticket. */
  readonly shown: boolean[] = [];
  port = 0;
  readonly #sockets: Socket[] = [];
  readonly #server: NetServer;

  private constructor(to: number, ticket: 'let in' | 'send away') {
    this.#server = createTcpServer((socket) => {
      this.#sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', (hello) => {
        this.shown.push(showsTicket(hello));
        if (this.shown.at(-1) === true && ticket === 'send away') {
          socket.destroy();
          return;
        }
        const onward = connectTcp(to, '127.0.0.1');
        onward.on('error', () => socket.destroy());
        onward.write(hello);
        socket.pipe(onward).pipe(socket);
        this.#sockets.push(onward);
      });
    });
  }

  static async start(to: number, ticket: 'let in' | 'send away' = 'send away'): Promise<Doorman> {
    const doorman = new Doorman(to, ticket);
    await new Promise<void>((resolve) => doorman.#server.listen(0, '127.0.0.1', resolve));
    doorman.port = (doorman.#server.address() as AddressInfo).port;
    open.push(doorman);
    return doorman;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** A ClientHello has the extension pre_shared_key, RFC 8446 §4.2.11. Early data would be another one (§4.2.10). */
function showsTicket(hello: Buffer): boolean {
  let at = 5 + 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const end = at + 2 + hello.readUInt16BE(at);
  const types: number[] = [];
  for (at += 2; at < end; at += 4 + hello.readUInt16BE(at + 2)) types.push(hello.readUInt16BE(at));
  expect(types).not.toContain(42);
  return types.includes(41);
}

/** castgate's side; `records` may be those of another node or process. */
class Node {
  readonly handshakes: string[] = [];
  readonly lost: string[] = [];
  readonly lines: string[] = [];
  connected = 0;
  /** What the pair's clock is ahead. */
  ahead = 0;
  readonly streams: RadiusStreams;

  readonly server: RadiusServerConfig;
  readonly records: Store<TicketRecord>;

  constructor(server: RadiusServerConfig, records = new Store<TicketRecord>('tls-tickets')) {
    this.server = server;
    this.records = records;
    const line = (level: string) => (event: string) => this.lines.push(`${level} ${event}`);
    const log: Logger = { ...silentLog, info: line('info'), warn: line('warn'), error: line('error') };
    this.streams = new RadiusStreams(
      [server],
      [],
      {
        packet: () => {},
        connected: () => {
          this.connected++;
        },
        lost: (_, __, ___, why) => this.lost.push(why),
        handshake: (_, how) => this.handshakes.push(how),
      },
      { records, now: () => Date.now() + this.ahead, turn: (change) => change() },
      log,
    );
    open.push(this.streams);
  }

  /** Connects; resolves when the connection is up and its ticket is there. */
  async connect(ticket: 'with a ticket' | 'without a ticket' = 'with a ticket'): Promise<void> {
    this.streams.open(() => ['auth']);
    const isThere = () => ticket === 'without a ticket' || this.records.get(KEY) !== undefined;
    await until(() => this.connected > 0 && isThere());
  }
}

function serverOf(peer: Peer, more: Readonly<Record<string, string | number>> = {}): RadiusServerConfig {
  const servers = [{ name: 'r1', address: '127.0.0.1', secret_file: 's' }];
  const [server] = configOf({ radius: { servers } }).radius.servers;
  if (server === undefined) throw new Error('no server');
  const tls = {
    port: peer.port,
    ca: text('ca.pem'),
    certificate: text('castgate.pem'),
    key: text('castgate.key'),
    name: NAME,
    ...more,
  };
  return { ...server, transport: 'tls', tls };
}

function text(name: string): string {
  return pem.get(name) ?? '';
}

async function until(come: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(come()).toBe(true);
}

/** The records of one node at another one. */
function copy(records: Store<TicketRecord>, change: Partial<TicketRecord> = {}): Store<TicketRecord> {
  const copied = new Store<TicketRecord>('tls-tickets');
  for (const [key, record] of records.entries()) copied.put(key, { ...record, ...change });
  return copied;
}

const KEY = 'r1/auth/0';

describe('a TLS connection', () => {
  it('conformance 35: goes to port 2083 where none is named, with the secret "radsec"', () => {
    const files = { ca_file: 'ca.pem', certificate_file: 'castgate.pem', key_file: 'castgate.pem' };
    const one = { name: 'r1', address: '198.18.0.2', transport: 'tls', tls: files };
    const [server] = configOf({ radius: { servers: [one] } }).radius.servers;
    expect(server?.tls?.port).toBe(2083);
    expect(server?.secret).toEqual(new TextEncoder().encode('radsec'));
  });

  it('conformance 35: has a certificate of each end, and says radius/1.0 by ALPN', async () => {
    const peer = await Peer.start({ ALPNProtocols: ['radius/1.0'] });
    const node = new Node(serverOf(peer));
    await node.connect();
    const [socket] = peer.sockets;
    expect(socket?.authorized).toBe(true);
    expect(socket?.getPeerCertificate().raw).toEqual(new X509Certificate(text('castgate.pem')).raw);
    expect(socket?.alpnProtocol).toBe('radius/1.0');
  });

  it.each([
    ['another certificate than the name asks for', 'radius/1.0', 'another'],
    ['no protocol of RADIUS with MD5', 'radius/1.1', 'server'],
  ])('conformance 35: is none with a server that has %s', async (_, protocol, certificate) => {
    const peer = await Peer.start({ ALPNProtocols: [protocol] }, certificate);
    const node = new Node(serverOf(peer));
    node.streams.open(() => ['auth']);
    await until(() => node.lost.length > 0);
    expect(node.lost).toEqual(['refused']);
    expect(node.connected).toBe(0);
  });

  it('conformance 35: sends nothing before the handshake is done, also where it resumes a session', async () => {
    const peer = await Peer.start();
    const doorman = await Doorman.start(peer.port, 'let in');
    const server = serverOf(peer, { port: doorman.port });
    const first = new Node(server);
    await first.connect();
    await new Node(server, copy(first.records)).connect('without a ticket');
    await until(() => peer.sessions.length === 2);
    // That there is no early data showsTicket() has looked at.
    expect(doorman.shown).toEqual([false, true]);
    expect(peer.sessions).toEqual(['full', 'resumed']);
  });
});

describe('conformance 35: a TLS session', () => {
  it('is resumed by a node that has the records of another one', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const second = new Node(serverOf(peer), copy(first.records));
    await second.connect('without a ticket');
    await until(() => peer.sessions.length === 2);
    expect(peer.sessions).toEqual(['full', 'resumed']);
    expect([first, second].map(({ handshakes }) => handshakes)).toEqual([['full'], ['resumed']]);
    // Shown once. Node's server gives no other one with it.
    expect(second.records.size).toBe(0);
  });

  it('is resumed where the server was started again, and its ticket is shown once', async () => {
    const peer = await Peer.start();
    const node = new Node(serverOf(peer));
    await node.connect();
    const shown = node.records.get(KEY)?.session;
    await peer.stop();
    await until(() => node.lost.length > 0);
    expect(node.records.get(KEY)?.session).toBe(shown);
    const again = await Peer.start({}, 'server', node.server.tls?.port);
    await until(() => node.handshakes.length === 2);
    await until(() => again.sessions.length === 1);
    expect(again.sessions).toEqual(['resumed']);
    expect(node.records.size).toBe(0);
  });

  it('is not used up by a server that does not listen', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    await peer.stop();
    const second = new Node(serverOf(peer), copy(first.records));
    second.streams.open(() => ['auth']);
    await until(() => second.lost.length > 0);
    expect(second.lost[0]).toBe('refused');
    expect(second.records.get(KEY)).toBeDefined();
    expect(second.handshakes).toEqual([]);
  });

  it('begins anew in the same handshake where the server does not know the ticket any more', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    await peer.stop();
    const other = await Peer.start({ ticketKeys: randomBytes(48) }, 'server', first.server.tls?.port);
    const second = new Node(serverOf(other), copy(first.records));
    await second.connect();
    expect(other.sessions).toEqual(['full']);
    expect(other.connections).toBe(1);
    expect(second.handshakes).toEqual(['ticket-unused', 'full']);
    expect(second.lost).toEqual([]);
  });

  it('begins anew at once where the server breaks off over the ticket, and shows that server none for a day', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const strict = await Doorman.start(peer.port);
    const wanted = serverOf(peer, { port: strict.port });
    const records = copy(first.records, { settings: tlsSettings(wanted) });
    const second = new Node(wanted, records);
    await second.connect('without a ticket');
    expect(strict.shown).toEqual([true, false]);
    expect(second.handshakes).toEqual(['ticket-unused', 'full']);
    expect(second.lost).toEqual([]);
    expect([...records.entries()].map(([key, { session }]) => [key, session.length])).toEqual([['r1', 0]]);
    // What the server gave with the full handshake was not kept, and is not shown the next time.
    await until(() => peer.sockets.length === 2);
    peer.sockets[1]?.end();
    await until(() => second.handshakes.length === 3);
    expect(strict.shown).toEqual([true, false, false]);
    expect([...records.keys()]).toEqual(['r1']);
  });

  it('begins anew where the ticket is older than the server allows, which is shown none', async () => {
    const peer = await Peer.start({ sessionTimeout: 1 });
    const first = new Node(serverOf(peer));
    await first.connect();
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const doorman = await Doorman.start(peer.port);
    const wanted = serverOf(peer, { port: doorman.port });
    const second = new Node(wanted, copy(first.records, { settings: tlsSettings(wanted) }));
    await second.connect('without a ticket');
    expect(doorman.shown).toEqual([false]);
    expect(second.handshakes).toEqual(['ticket-unused', 'full']);
  });

  it('begins anew under other settings: certificate, authority, name, port', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const certificate = { certificate: text('castgate-2.pem'), key: text('castgate-2.key') };
    for (const more of [certificate, { ca: `${text('ca.pem')}${text('ca.pem')}` }]) {
      const other = new Node(serverOf(peer, more), copy(first.records));
      await other.connect();
      expect(other.handshakes).toEqual(['full']);
    }
    const settings = (more: Readonly<Record<string, unknown>>) => {
      const server = serverOf(peer);
      if (server.tls === undefined) throw new Error('no TLS');
      return tlsSettings({ ...server, tls: { ...server.tls, ...more } });
    };
    const all = [{}, certificate, { ca: text('another.pem') }, { name: undefined }, { port: 1 }].map(
      settings,
    );
    expect(new Set(all).size).toBe(5);
    expect(settings({ key: 'never in a digest' })).toBe(settings({}));
  });

  it('begins anew once its day is over, and its ticket is forgotten', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const late = new Node(serverOf(peer), copy(first.records));
    late.ahead = DAY_MS + 1000;
    const old = late.records.get(KEY);
    late.streams.open(() => ['acct']);
    await until(() => late.connected === 1 && late.records.get('r1/acct/0') !== undefined);
    expect(old).toBeDefined();
    expect(late.records.get(KEY)).toBeUndefined();
    late.streams.open(() => ['auth']);
    await until(() => late.connected === 2);
    expect(late.handshakes).toEqual(['full', 'full']);
  });

  it('begins anew where a certificate has ended since, by the clock of who takes over', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const { validFrom = 0, validTo = 0 } = first.records.get(KEY) ?? {};
    const at = Date.now();
    expect(validFrom).toBeLessThanOrEqual(at);
    // The authority was made before the certificate below it, for as long.
    expect(validTo).toBeGreaterThan(at + 13 * DAY_MS);
    expect(validTo).toBeLessThanOrEqual(at + 14 * DAY_MS);
    for (const ended of [{ validTo: at }, { validFrom: at + DAY_MS }]) {
      const later = new Node(serverOf(peer), copy(first.records, ended));
      await later.connect('without a ticket');
      expect(later.handshakes).toEqual(['full']);
    }
  });

  it('begins anew where another name is wanted of the server, which then has to show its certificate', async () => {
    const peer = await Peer.start({}, 'another');
    const first = new Node(serverOf(peer, { name: 'another.example' }));
    await first.connect();
    const second = new Node(serverOf(peer), copy(first.records));
    second.streams.open(() => ['auth']);
    await until(() => second.lost.length > 0);
    expect(peer.sessions).not.toContain('resumed');
    expect([second.connected, second.handshakes, second.lost]).toEqual([0, [], ['refused']]);
    expect(second.records.size).toBe(0);
  });

  it('that failed at a certificate, ticket or not, is no reason to connect again at once', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    await peer.stop();
    const impostor = await Peer.start({ ticketKeys: randomBytes(48) }, 'another', peer.port);
    const second = new Node(serverOf(peer), copy(first.records));
    second.streams.open(() => ['auth']);
    await until(() => second.lost.length > 0);
    expect(impostor.connections).toBe(1);
    expect([second.connected, second.handshakes]).toEqual([0, []]);
    expect(second.records.size).toBe(0);
  });

  it('that is closed on this side in the middle of the handshake says nothing against the server', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const mute = createTcpServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    open.push(mute);
    const wanted = serverOf(peer, { port: (mute.address() as AddressInfo).port });
    const second = new Node(wanted, copy(first.records, { settings: tlsSettings(wanted) }));
    second.streams.open(() => ['auth']);
    await until(() => second.records.size === 0);
    second.streams.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(second.records.size).toBe(0);
    expect(second.handshakes).toEqual([]);
  });

  it('that the server ends before it says anything is made by a full handshake the next time', async () => {
    const peer = await Peer.start();
    const first = new Node(serverOf(peer));
    await first.connect();
    const second = new Node(serverOf(peer), copy(first.records));
    await second.connect('without a ticket');
    expect(second.handshakes).toEqual(['resumed']);
    await until(() => peer.sockets.length === 2);
    peer.sockets[1]?.end();
    await until(() => second.handshakes.length === 2);
    expect(second.handshakes).toEqual(['resumed', 'full']);
  });

  it('of TLS 1.2 is never resumed: no ticket of it is kept', async () => {
    const peer = await Peer.start({ maxVersion: 'TLSv1.2' });
    const node = new Node(serverOf(peer));
    node.streams.open(() => ['auth']);
    await until(() => node.connected === 1 && peer.sockets.length === 1);
    peer.sockets[0]?.write(Buffer.from([2, 1, 0, 20, ...new Uint8Array(16)]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(node.handshakes).toEqual(['full']);
    expect(node.records.size).toBe(0);
  });
});
