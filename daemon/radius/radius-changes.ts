/** What another configuration changes about the ways to RADIUS servers. */
import { createHash } from 'node:crypto';
import type { Config, RadiusConfig, RadiusServerConfig } from '../../config/config.ts';
import { laneKey, type RadiusPort } from '../../radius/client/request-record.ts';

type RadiusSection = Pick<Config, 'radius' | 'nas'>;

/** Ports of servers of both configurations that are reached otherwise in the second one, or have another secret. */
export function* changedPorts(
  before: RadiusSection,
  after: RadiusSection,
): Generator<{ readonly name: string; readonly port: RadiusPort }> {
  const servers = new Map(before.radius.servers.map((server) => [server.name, server]));
  const newStreams = streamsOf(before) !== streamsOf(after);
  for (const server of after.radius.servers) {
    const old = servers.get(server.name);
    if (old === undefined) continue;
    const isNew = newStreams && server.transport !== 'udp';
    for (const port of ['auth', 'acct'] as const) {
      if (isNew || wayTo(old, port) !== wayTo(server, port)) yield { name: server.name, port };
    }
  }
}

/** Each port of each server, with a digest of how it is reached: for comparing with another process. */
export function radiusWays({ radius }: RadiusSection): Record<string, string> {
  const ways: Record<string, string> = {};
  for (const server of radius.servers) {
    for (const port of ['auth', 'acct'] as const) {
      ways[laneKey(server.name, port)] = wayDigest(server, port);
    }
  }
  return ways;
}

/** Of all that the way to a server's port depends on, its secret included. */
export function wayDigest(server: RadiusServerConfig, port: RadiusPort): string {
  return createHash('sha256').update(wayTo(server, port)).digest('hex');
}

/** All that connections depend on: where it is another text, they are made anew. */
export function streamsOf({ radius, nas }: RadiusSection): string {
  const reached = radius.servers.filter(({ transport }) => transport !== 'udp');
  return reached.length === 0 ? '' : JSON.stringify([reached, nas], octetsAsText);
}

/** All that the listening sockets depend on. */
export function listensOn({ clients, listen, port }: RadiusConfig['dynamicAuthorization']): string {
  return clients.length === 0 ? '' : JSON.stringify([listen, port]);
}

function wayTo(server: RadiusServerConfig, port: RadiusPort): string {
  const { address, transport, sourceAddress, secret, tls, authPort, acctPort } = server;
  const remote = port === 'auth' ? authPort : acctPort;
  return JSON.stringify([address, transport, sourceAddress, secret, tls, remote], octetsAsText);
}

function octetsAsText(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? [...value] : value;
}
