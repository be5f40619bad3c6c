/** A connection that is made anew: from a port that this node chooses, and read right after the handshake. */
import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Hold } from '../hold.ts';
import type { Connection, ConnectionContext } from './connection.ts';
import { guardAgainstDeath, snapshot } from './repair.ts';
import { messageOf } from './socket-option.ts';

/** Makes it; its owner is told whether that was so. */
export function makeConnection(context: ConnectionContext, connection: Connection, tries = 0): void {
  const { guard } = context;
  const { remote } = connection;
  connection.local = { ...connection.local, port: randomInt(FIRST_PORT, LAST_PORT + 1) };
  connection.flow = guard.add(connection.local, remote, new Hold());
  const socket = connect({
    host: remote.address,
    port: remote.port,
    localAddress: connection.local.address,
    localPort: connection.local.port,
  });
  connection.socket = socket;
  socket.setNoDelay(true);
  const isCurrent = () => connection.socket === socket && !connection.over;
  socket.once('error', (error) => {
    if (!isCurrent() || connection.record !== undefined) return;
    guard.remove(connection.local, remote, connection.flow);
    connection.socket = undefined;
    // The address may come a moment later than the word that this node serves; a port may be in use.
    const code = 'code' in error ? error.code : undefined;
    if ((code === 'EADDRNOTAVAIL' || code === 'EADDRINUSE') && tries < MOST_TRIES) {
      connection.timer = setTimeout(() => makeConnection(context, connection, tries + 1), RETRY_MS);
      return;
    }
    connection.turn(() => {
      connection.forget();
      connection.owner.lost('refused');
    });
  });
  socket.once('connect', () => {
    if (!isCurrent()) return;
    connection.turn(() => made(context, connection, socket));
  });
}

/** The handshake is over, and nothing was said yet. */
function made(
  { native, now, stores, count }: ConnectionContext,
  connection: Connection,
  socket: Socket,
): void {
  const { key, local, remote, owner } = connection;
  const fd = descriptorOf(socket);
  let taken: ReturnType<typeof snapshot>;
  try {
    guardAgainstDeath(native, fd);
    taken = snapshot(native, fd);
  } catch (cause) {
    count({ kind: 'fell-back', key, why: 'failed', error: messageOf(cause) });
    connection.end();
    owner.lost('refused');
    return;
  }
  const { timestamp, ...agreed } = taken;
  connection.adopt(socket, fd, 0);
  connection.record = {
    v: 1,
    key,
    local,
    remote,
    ...agreed,
    timestamp: { ...clockOf(timestamp), at: now() },
  };
  connection.flow.hold.raise(agreed.receivedFrom);
  connection.flow.receivedFrom = agreed.receivedFrom;
  stores.connections.put(key, connection.record);
  connection.putPlace();
  connection.listen(socket);
  owner.opened();
}

/** Linux tells by the lowest bit of its timestamp clock whether it counts microseconds, and keeps that bit. */
function clockOf(value: number): { value: number; perMs: 1 | 1000 } {
  return { value, perMs: (value & 1) === 0 ? 1 : 1000 };
}

/** The descriptor under a socket of node: there is no other way to it. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  return handle?.fd ?? -1;
}

/** The kernel's own range by default (net.ipv4.ip_local_port_range). */
const FIRST_PORT = 32_768;
const LAST_PORT = 60_999;
const RETRY_MS = 10;
const MOST_TRIES = 200;
