import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer } from '../../../daemon/http/http-server.ts';
import { metricsRoute } from '../../../daemon/http/metrics-route.ts';
import type { Logger } from '../../../daemon/log/log.ts';
import { metricsOf } from '../metrics/fixture.ts';

let server: HttpServer | undefined;
let events: string[] = [];
const say = (event: string) => events.push(event);
const log: Logger = { debug: say, info: say, warn: say, error: say };

afterEach(() => {
  server?.close();
  server = undefined;
  events = [];
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function heard(event: string): Promise<void> {
  while (!events.includes(event)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function ask(
  port: number,
  options: { path?: string; method?: string; host?: string } = {},
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const { path = '/metrics', method = 'GET', host } = options;
    const headers = host === undefined ? {} : { host };
    request({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    })
      .on('error', reject)
      .end();
  });
}

async function start(enabled = true): Promise<number> {
  const port = await freePort();
  const routes = new Map([
    ['/metrics', metricsRoute(metricsOf(undefined).metrics)],
    [
      '/bug',
      () => {
        throw new Error('a bug of the test');
      },
    ],
  ]);
  server = new HttpServer({ enabled, address: '127.0.0.1', port, token: undefined }, routes, log);
  server.start();
  if (enabled) await heard('http-listening');
  return port;
}

describe('control address', () => {
  it('answers /metrics in the text format', async () => {
    const port = await start();
    const { status, headers, text } = await ask(port);
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(text).toMatch(/^castgate_build_info\{version="0\.0\.0"\} 1$/m);
  });

  it('refuses names of others, other paths and other methods', async () => {
    const port = await start();
    expect((await ask(port, { host: 'evil.example' })).status).toBe(421);
    expect((await ask(port, { path: '/etc/passwd' })).status).toBe(404);
    expect((await ask(port, { method: 'POST' })).status).toBe(405);
  });

  it('says of a bug only that there was one', async () => {
    const port = await start();
    const { status, text } = await ask(port, { path: '/bug' });
    expect([status, text]).toEqual([500, 'internal error: see the log\n']);
    expect(events).toContain('http-request-failed');
  });

  it('is not there where it is switched off', async () => {
    const port = await start(false);
    await expect(ask(port)).rejects.toThrow('ECONNREFUSED');
  });

  it('waits for an address that somebody else has', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    server = new HttpServer(
      { enabled: true, address: '127.0.0.1', port, token: undefined },
      new Map([['/metrics', metricsRoute(metricsOf(undefined).metrics)]]),
      log,
    );
    server.start();
    await heard('http-not-listening');
    await new Promise((resolve) => other.close(resolve));
    await heard('http-listening');
    expect((await ask(port)).status).toBe(200);
  });
});
