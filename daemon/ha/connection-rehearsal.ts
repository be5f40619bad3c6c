/**
 * The rest of a rehearsal (rehearsal.ts), where connections to RADIUS servers are backed up: one to a server of its own
 * on the loopback is made, falls silent and is continued, over and over, with records and a switch of its own. Nothing of
 * it leaves this machine. As nothing holds back what the kernel says there, its RST ends each in the moment in which the peer
 * has answered the question; the next round begins with a new one.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Config, RadiusServerConfig } from '../../config/config.ts';
import type { ConnectionGuard, Guarding } from '../../connection-backup/linux/connection-guard.ts';
import { PacketStream } from '../../radius/stream/packet-stream.ts';
import { ReplicationSource } from '../../replication/source.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import { emptyStores, type FedStores } from '../journal/saved-state.ts';
import { silentLog } from '../log/log.ts';
import { backedUpServers } from '../radius/backed-up-streams.ts';
import { Serving } from '../serving.ts';
import { accepted, StageHost, stageOf } from './stage.ts';

/**
 * Plays it; `guard` asks the peer. Gives after each step how often a connection went on. The first round takes some 20 ms, as it would
 * in a takeover, later ones 5 to 10.
 */
export function* rehearseConnections(
  of: Config,
  guard: Pick<ConnectionGuard, 'question'>,
): Generator<number, void> {
  const [model] = backedUpServers(of.radius.servers);
  const [port] = of.ports;
  if (model === undefined || port === undefined) return;
  const sockets = new Set<Socket>();
  const server = serverOf(model.secret, sockets);
  let serving: Serving | undefined;
  try {
    // Until it listens.
    yield 0;
    const address = server.address();
    if (address === null || typeof address === 'string') return;
    const config = stageWith(of, { ...model, ...LOOPBACK, authPort: address.port, acctPort: address.port });
    const fed = emptyStores(config);
    const { uplinks } = config;
    const bridge = new MemorySwitch({ ports: [port.name], uplinks }, (events) =>
      serving?.switchEvents(events),
    );
    const counted = stageGuard(guard);
    serving = servingOn(config, fed, bridge, counted);
    serving.open();
    serving.turn((at) => serving?.core.start(at));
    bridge.start();
    yield 0;
    const host = new StageHost(0, port.name, bridge);
    host.start();
    yield 0;
    host.tellName(fed.stores);
    yield 0;
    for (let round = 1; round <= ROUNDS; round++) {
      // Asked, and not answered before the node is gone.
      host.join(`239.254.0.${round}`);
      serving.close();
      serving = servingOn(config, fed, bridge, counted);
      serving.open(false);
      serving.turn((at) => serving?.core.resume(at, 'new', true));
      host.join(`239.253.0.${round}`);
      serving.reach();
      bridge.takeSent();
      yield counted.counts.continued;
    }
  } finally {
    serving?.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  }
}

/** A node that takes up what is in the records, and that nobody stands by. */
function servingOn(config: Config, fed: FedStores, bridge: MemorySwitch, guard: Guarding): Serving {
  const source = new ReplicationSource(fed.stores, {
    logId: 'rehearsal',
    mode: 'sync',
    patienceMs: 1_000,
    keepOctets: 0,
    digestIntervalMs: 1_000,
  });
  fed.feed.follow(source);
  const serving = new Serving({
    config,
    log: silentLog,
    bridge,
    stores: fed.stores,
    saved: () => {},
    guard,
    follows: true,
    commit: {
      seal: (now) => source.seal(now),
      get committed() {
        return source.committed;
      },
      mayAct: true,
      turned: () => {},
    },
  });
  serving.takeUp();
  return serving;
}

/** Nothing of the loopback waits in a queue, and the real guard is not to hear of it. */
function stageGuard(guard: Pick<ConnectionGuard, 'question'>): Guarding {
  return {
    counts: { continued: 0, fellBack: {}, takenUp: 0, held: 0, dropped: 0 },
    hold: () => undefined,
    obey: () => {},
    add: (_local, _remote, hold, receivedFrom) => ({ hold, receivedFrom, waiting: [] }),
    seenOf: () => NOTHING,
    remove: () => {},
    release: () => {},
    poll: () => {},
    question: (parts, answered) => guard.question(parts, answered),
  };
}

/** Takes everybody. */
function serverOf(secret: Uint8Array, sockets: Set<Socket>): Server {
  const server = createServer((socket) => {
    sockets.add(socket);
    const stream = new PacketStream();
    socket.on('error', () => {});
    socket.on('data', (octets: Buffer) => {
      for (const packet of stream.push(octets) ?? []) {
        const answer = accepted(packet, secret);
        if (answer !== undefined) socket.write(answer);
      }
    });
  });
  server.on('error', () => {});
  return server.listen({ host: LOOPBACK.address, port: 0 });
}

function stageWith(of: Config, server: RadiusServerConfig): Config {
  const stage = stageOf(of);
  const servers = [server];
  const dynamicAuthorization = { ...stage.radius.dynamicAuthorization, clients: [] };
  const asked = { servers, authentication: servers, authorization: servers, accounting: servers };
  return { ...stage, radius: { ...stage.radius, ...asked, dynamicAuthorization } };
}

const LOOPBACK = { address: '127.0.0.1', sourceAddress: '127.0.0.1' } as const;
const NOTHING = new Uint8Array(0);
const ROUNDS = 24;
