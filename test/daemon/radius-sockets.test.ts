import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../../daemon/log.ts';
import { silentLog } from '../../daemon/log.ts';
import { RadiusSockets } from '../../daemon/radius-sockets.ts';
import { configOf } from './world.ts';

function server(more: Readonly<Record<string, unknown>>) {
  return configOf({ radius: { servers: [{ name: 'r1', address: '127.0.0.1', secret_file: 's', ...more }] } })
    .radius.servers;
}

/** Resolves when something has come about. */
async function until(come: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(come()).toBe(true);
}

describe('sockets towards RADIUS servers', () => {
  it('carry packets there and answers back', async () => {
    const remote = createSocket('udp4', (bytes, from) => remote.send(bytes.reverse(), from.port));
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const heard: number[][] = [];
    const servers = server({ auth_port: remote.address().port });
    const sockets = new RadiusSockets(servers, (...[, , , bytes]) => heard.push([...bytes]), silentLog);
    sockets.send('r1', 'auth', 3, Uint8Array.of(1, 2, 3));
    await until(() => heard.length > 0);
    expect(heard).toEqual([[3, 2, 1]]);
    sockets.close();
    remote.close();
  });

  it('that cannot be bound say so each time, and keep nothing', async () => {
    const warnings: string[] = [];
    const log: Logger = { ...silentLog, warn: (event) => warnings.push(event) };
    // An address for documentation, which no machine has.
    const sockets = new RadiusSockets(server({ source_address: '192.0.2.77' }), () => {}, log);
    sockets.send('r1', 'auth', 0, Uint8Array.of(1));
    sockets.send('r1', 'auth', 0, Uint8Array.of(2));
    await until(() => warnings.length === 1);
    sockets.send('r1', 'auth', 0, Uint8Array.of(3));
    await until(() => warnings.length === 2);
    expect(warnings).toEqual(['radius-socket-failed', 'radius-socket-failed']);
    sockets.close();
  });
});
