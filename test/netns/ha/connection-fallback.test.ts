/**
 * A node that takes over and cannot continue its connections, for each reason: what accounting sees of it. The server is
 * real TCP on the loopback; the guard answers for it when it is asked where a connection stands. Needs root for TCP_REPAIR.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../config/config.ts';
import { parseConfig } from '../../../config/load.ts';
import { FALL_BACKS, type FallBack } from '../../../connection-backup/continuation.ts';
import type { ConnectionGuard, Flow } from '../../../connection-backup/linux/connection-guard.ts';
import { type QuestionParts, type Segment, TcpFlag } from '../../../connection-backup/segment.ts';
import { Stores } from '../../../daemon/core/stores.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { Serving } from '../../../daemon/serving.ts';
import { AttributeType, firstValue } from '../../../radius/attributes.ts';
import { RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { PacketStream } from '../../../radius/stream/packet-stream.ts';
import { Feed } from '../../../session/feed.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { SECRET, TestServer } from '../../daemon/radius-server.ts';

const notRoot = process.getuid?.() !== 0;
const HOST = '06:00:00:00:00:01';
type Listeners = { readonly auth: number; readonly acct: number };

/** A RADIUS server whose answers to accounting can be withheld, and that can stop to read. */
class AccountingServer {
  readonly policy = new TestServer();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  silent = false;

  constructor() {
    this.policy.script = ({ packet }) => {
      if (packet.code === RadiusCode.AccessRequest) return { code: RadiusCode.AccessAccept, attributes: [] };
      return this.silent ? undefined : 'policy';
    };
  }

  async listen(): Promise<Listeners> {
    return { auth: await this.#listen('auth'), acct: await this.#listen('acct') };
  }

  /** Nothing more is read of the connections that there are. */
  deafen(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** The connections that there are are gone, with what came on them and was not read. */
  forget(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.forget();
    for (const server of this.#servers) server.close();
  }

  /**
   * What a server's own rule lets count once (RFC 2866 §3: the same record comes again, with another delay): Acct-Status-Type
   * of each Accounting-Request, by session. Throws where one that comes again says anything else.
   */
  counted(): string[] {
    const known = new Map<string, string>();
    for (const packet of this.policy.accounting()) {
      const text = (type: number) => Buffer.from(firstValue(packet.attributes, type) ?? []).toString('hex');
      const key = `${text(AttributeType.AcctSessionId)} ${Number(`0x${text(AttributeType.AcctStatusType)}`)}`;
      const said = sayingOf(packet);
      expect(known.get(key) ?? said).toBe(said);
      known.set(key, said);
    }
    return [...known.keys()].map((key) => key.split(' ')[1] ?? '').sort();
  }

  async #listen(port: 'auth' | 'acct'): Promise<number> {
    const server = createServer((socket) => {
      const stream = new PacketStream();
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      socket.on('data', (octets: Buffer) => {
        for (const bytes of stream.push(octets) ?? []) {
          const asked = { at: 0, server: 'r1', port, socket: 0, bytes: Uint8Array.from(bytes) };
          const answer = this.policy.receive(asked);
          if (answer !== undefined) socket.write(answer);
        }
      });
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
}

/** All that an Accounting-Request says but how late it is. */
function sayingOf({ attributes }: RadiusPacket): string {
  return attributes
    .filter(({ type }) => type !== AttributeType.AcctDelayTime && type !== AttributeType.MessageAuthenticator)
    .map(({ type, value }) => `${type} ${Buffer.from(value).toString('hex')}`)
    .join('\n');
}

/** A guard without rules in the kernel: all may leave. `answer`: what a peer says when it is asked where it stands. */
function guardThat(answer: (parts: QuestionParts) => Partial<Segment> | undefined) {
  const counts = {
    continued: 0,
    fellBack: {} as Partial<Record<FallBack, number>>,
    takenUp: 0,
    held: 0,
    dropped: 0,
  };
  const guard = {
    counts,
    obey: () => {},
    hold: () => undefined,
    add: (_local: unknown, _remote: unknown, hold: Flow['hold']) => ({ hold, waiting: [] }),
    remove: () => {},
    release: () => {},
    poll: () => {},
    seenOf: () => new Uint8Array(0),
    question: (parts: QuestionParts, answered: (segment: Segment) => void) => {
      const segment = answer(parts);
      const ask = () => {
        if (segment !== undefined) answered({ ...blankOf(parts), ...segment });
      };
      return { ask, poll: () => {}, end: () => {} };
    },
  };
  return { counts, guard: guard as unknown as ConnectionGuard };
}

/** Of a peer that has everything. */
function blankOf({ local, remote, awaited, unacknowledged }: QuestionParts): Segment {
  const whole = { sequence: awaited, acknowledgement: unacknowledged, flags: TcpFlag.Ack, window: 1000 };
  return { source: remote, destination: local, ...whole, length: 0, sack: [] };
}

function configFor({ auth, acct }: Listeners): Config {
  const file = {
    bridge: 'br0',
    ports: { swp1: {} },
    uplinks: ['up0'],
    nas: { identifier: 'fallback' },
    state_directory: '/nonexistent',
    authenticator: { methods: 'mab' },
    ha: { node: 'a', address: '127.0.0.11', peer: '127.0.0.12', key_file: 'key', vrrp_instance: 'v' },
    radius: {
      servers: [
        {
          name: 'r1',
          address: '127.0.0.1',
          source_address: '127.0.0.1',
          auth_port: auth,
          acct_port: acct,
          secret_file: 's',
          transport: 'tcp',
          connection_backup: true,
        },
      ],
    },
  };
  const loaded = parseConfig(JSON.stringify(file), 'fallback.yaml', (path) => ({
    secret: path.endsWith('key') ? new Uint8Array(32).fill(5) : SECRET,
    remarks: [],
  }));
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded));
  return loaded.config;
}

/** A node that serves with these records, and waits for no other one. */
function serve(config: Config, stores: Stores, guard: ConnectionGuard): Serving {
  let changes = 0;
  const bridge = new MemorySwitch({ ports: ['swp1'], uplinks: ['up0'] }, () => {});
  const commit = { seal: () => ++changes, mayAct: true, turned: () => {} };
  const serving = new Serving({
    config,
    log: silentLog,
    bridge,
    stores,
    guard,
    saved: () => {},
    commit: Object.defineProperty(commit, 'committed', { get: () => changes }) as typeof commit & {
      committed: number;
    },
  });
  return serving;
}

function copyOf(from: Stores): Stores {
  const to = new Stores(100, new Feed());
  for (const store of from.all())
    for (const [key, record] of store.entries()) to.store(store.name).apply(key, structuredClone(record));
  return to;
}

async function until(what: string, come: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!come()) throw new Error(`waited in vain for ${what}`);
}

/** What the peer answers so that it comes to this. */
const ANSWERS: Readonly<Record<FallBack, (parts: QuestionParts) => Partial<Segment> | undefined>> = {
  refused: () => ({ flags: TcpFlag.Rst }),
  ended: () => ({ flags: TcpFlag.Ack | TcpFlag.Fin }),
  behind: ({ unacknowledged }) => ({ acknowledgement: (unacknowledged + 100_000) >>> 0 }),
  ahead: ({ unacknowledged }) => ({ acknowledgement: (unacknowledged - 100) >>> 0 }),
  silent: () => undefined,
  failed: () => {
    throw new Error('no socket is to be had');
  },
  changed: () => undefined,
  damaged: () => ({ flags: TcpFlag.Rst }),
};

describe.skipIf(notRoot)('connections that the node that takes over cannot continue', () => {
  it.concurrent.for(FALL_BACKS)(
    '%s: accounting loses nothing and counts nothing twice',
    async (why, test) => {
      const server = new AccountingServer();
      test.onTestFinished(() => server.close());
      const before = configFor(await server.listen());
      const first = serve(before, new Stores(100, new Feed()), guardThat(() => undefined).guard);
      test.onTestFinished(() => first.close());
      first.open();
      first.turn((at) => first.core.start(at));
      first.switchEvents([{ kind: 'link', port: 'swp1', up: true }]);
      await until('Accounting-On', () => server.counted().includes('7') && first.core.books.waiting === 0);
      // The Start comes and is not answered, the Stop is never read.
      server.silent = true;
      const payload = new Uint8Array(46);
      const frame = encodeEthernet({
        src: HOST,
        dst: 'ff:ff:ff:ff:ff:ff',
        etherType: EtherType.Arp,
        payload,
      });
      first.switchEvents([{ kind: 'frame', port: 'swp1', vlan: 0, frame }]);
      await until('a Start', () => server.counted().includes('1'));
      server.deafen();
      first.switchEvents([{ kind: 'link', port: 'swp1', up: false }]);
      const stores = copyOf(first.core.stores);
      expect(stores.accountingQueue.size).toBe(2);
      expect(stores.connections.size).toBe(2);
      first.close();
      server.forget();
      expect(server.counted()).toEqual(['1', '7']);

      server.silent = false;
      if (why === 'damaged')
        for (const [key, record] of [...stores.connectionMessages.entries()])
          stores.connectionMessages.put(key, { ...record, begin: record.begin + 7, end: record.end + 7 });
      const { counts, guard } = guardThat(ANSWERS[why]);
      const second = serve(why === 'changed' ? configFor(await server.listen()) : before, stores, guard);
      test.onTestFinished(() => second.close());
      second.open();
      second.turn((at) => second.core.resume(at, 'new'));
      await until('accounting to be taken', () => second.core.books.waiting === 0);
      expect(server.counted()).toEqual(['1', '2', '7']);
      expect(counts.continued).toBe(0);
      // What the damaged one told of itself is its own connection's; the other one's records were none.
      expect(counts.fellBack).toEqual(why === 'damaged' ? { damaged: 1, refused: 1 } : { [why]: 2 });
      await until('both connections made anew', () => second.core.stores.connections.size === 2);
    },
  );
});
