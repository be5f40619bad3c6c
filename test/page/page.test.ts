/** The page in a real browser, over a core on virtual time; and what its address refuses. */
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpServer } from '../../daemon/http/http-server.ts';
import { pageRoutes } from '../../daemon/http/page-routes.ts';
import { pageState } from '../../daemon/http/page-state.ts';
import { silentLog } from '../../daemon/log/log.ts';
import type { Node } from '../../daemon/node.ts';
import { orderHandlers } from '../../daemon/operator/orders.ts';
import type { HaRow } from '../../daemon/show/show-rows.ts';
import { STANDBY } from '../daemon/metrics/fixture.ts';
import { nodeOf } from '../daemon/operator/node.ts';
import { World } from '../daemon/world.ts';

const CHROMIUM = '/usr/bin/chromium';
const noBrowser = !existsSync(CHROMIUM);
/** Where screenshots go that somebody wants to look at. */
const SCREENSHOTS = process.env['CASTGATE_SCREENSHOTS'];
const TOKEN = 'a-token-of-the-test-only';
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

let w: World;
let server: HttpServer;
let url = '';
let ha: HaRow | undefined;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function serve(token: string | null = TOKEN, standby = false): Promise<void> {
  const octets = token === null ? undefined : new TextEncoder().encode(token);
  const serving = { ...nodeOf(w).serving, now: () => w.now };
  const node = {
    serving: standby ? undefined : serving,
    idle: standby ? 'this node is standby' : undefined,
    get ha() {
      return ha;
    },
  } as unknown as Node;
  const port = await freePort();
  const routes = pageRoutes({
    state: () =>
      pageState({ node, readings: w.switch, name: 'switch-1', version: '1.2.3', actions: token !== null }),
    orders: orderHandlers(node),
    token: octets,
  });
  server = new HttpServer({ enabled: true, address: '127.0.0.1', port, token: octets }, routes, silentLog);
  server.start();
  url = `http://127.0.0.1:${port}`;
  for (;;) {
    const answer = await fetch(`${url}/api/state`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

beforeEach(() => {
  ha = undefined;
  w = new World({
    ports: { swp1: {}, swp2: {}, swp3: {}, swp4: {}, swp5: { mode: 'force-authorized' }, swp6: {} },
  });
  for (const name of ['alice', 'dave', '<img src=x onerror="document.title=1">'])
    w.server.users.set(name, []);
  w.server.permit('alice', NEWS);
  w.server.permit('dave', NEWS, FILM);
  const alice = w.host('alice', 'swp1');
  alice.login();
  alice.join(NEWS);
  alice.join(FILM);
  w.host('bob', 'swp2').login();
  w.host('carol', 'swp3').start();
  w.pass(100);
});

afterEach(() => server.close());

describe('the address of the page', () => {
  const order = (
    headers: Record<string, string>,
    content: unknown = { verb: 'disconnect', params: { account: 'alice' } },
  ) =>
    fetch(`${url}/api/order`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof content === 'string' ? content : JSON.stringify(content),
    });
  const bearer = { authorization: `Bearer ${TOKEN}` };

  it('shows without a token, and orders nothing', async () => {
    await serve();
    expect((await fetch(`${url}/api/state`)).status).toBe(200);
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: `Bearer ${'x'.repeat(TOKEN.length)}` },
    ])
      expect((await order(headers as Record<string, string>)).status).toBe(401);
    expect(w.core.stores.sessions.size).toBe(1);
    const answer = await order(bearer);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { ok: true, result: { done: [w.host('alice').key] } },
    ]);
    expect(w.core.stores.sessions.size).toBe(0);
  });

  it('orders nothing where there is no token to be had', async () => {
    await serve(null);
    expect(await (await fetch(`${url}/api/state`)).json()).toMatchObject({ actions: false });
    expect((await order(bearer)).status).toBe(403);
    expect((await order({ authorization: 'Bearer ' })).status).toBe(403);
    expect(w.core.stores.sessions.size).toBe(1);
  });

  it('refuses other pages, other forms and what is no order', async () => {
    await serve();
    expect((await order({ ...bearer, origin: 'http://evil.example' })).status).toBe(403);
    expect((await order({ ...bearer, origin: 'null' })).status).toBe(403);
    expect((await order({ ...bearer, 'content-type': 'text/plain' })).status).toBe(415);
    expect((await order(bearer, '{')).status).toBe(400);
    expect((await order(bearer, { verb: 'toString' })).status).toBe(404);
    expect((await order(bearer, { verb: 'promote' })).status).toBe(404);
    expect((await order(bearer, 'x'.repeat(70_000))).status).toBe(400);
    expect((await order(bearer, { verb: 'disconnect', params: {} })).status).toBe(409);
    expect((await fetch(`${url}/api/order`)).status).toBe(405);
    expect((await fetch(`${url}/../package.json`)).status).toBe(404);
    expect(w.core.stores.sessions.size).toBe(1);
  });

  it('lets no other page hold or read it', async () => {
    await serve();
    const { headers } = await fetch(`${url}/`);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe.skipIf(noBrowser)(
  `the page${noBrowser ? ' (skipped: no chromium)' : ''}`,
  { timeout: 60_000 },
  () => {
    let browser: Browser;
    const troubles: string[] = [];

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    }, 60_000);
    afterEach(async () => {
      for (const context of browser.contexts()) await context.close();
    });
    afterAll(() => browser?.close());

    async function open(options: BrowserContextOptions = {}): Promise<Page> {
      troubles.length = 0;
      const page = await (
        await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
      ).newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') troubles.push(message.text());
      });
      page.on('pageerror', (error) => troubles.push(String(error)));
      page.on('request', (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
          troubles.push(request.url());
      });
      await page.goto(url);
      await page.getByText('live', { exact: true }).waitFor();
      return page;
    }

    async function shoot(page: Page, name: string): Promise<void> {
      if (SCREENSHOTS === undefined) return;
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
    }

    /** The text as it is rendered. */
    const seen = async (place: Locator) => (await place.allInnerTexts()).join('\n');
    const jack = (page: Page, port: string) => page.locator('.jack', { hasText: port });

    it('has the front panel in colours and words, and says who is on a port and why not', async () => {
      await serve();
      const page = await open();
      for (const [port, look, words] of [
        ['swp1', 'in', '1 in · 1 ch'],
        ['swp2', 'held', 'refused'],
        ['swp3', 'asking', 'logging in'],
        ['swp4', 'up', 'nobody in'],
        ['swp5', 'open', 'always open'],
      ] as const) {
        expect(await jack(page, port).getAttribute('class')).toBe(`jack ${look}`);
        expect(await seen(jack(page, port))).toBe(`${port}\n${words}`);
      }
      const colours = (await page.evaluate(
        "[...document.querySelectorAll('.jack')].map((jack) => getComputedStyle(jack).borderTopColor)",
      )) as string[];
      expect(new Set(colours.slice(0, 5)).size).toBe(5);
      await jack(page, 'swp1').click();
      await page.locator('#port').getByText('alice', { exact: true }).waitFor();
      const told = await seen(page.locator('#port'));
      expect(told).toContain(w.host('alice').mac);
      expect(told).toMatch(/239\.1\.1\.1\s+watches/);
      expect(told).toMatch(/239\.1\.1\.2\s+refused: radius-reject/);
      expect(await seen(page.locator('#channels'))).toContain('watched by alice (swp1)');
      expect(await seen(page.locator('#radius'))).toMatch(/r1 alive/);
      await shoot(page, 'light');
      expect(troubles).toEqual([]);
    });

    it('changes as things happen, without being asked', async () => {
      await serve();
      const page = await open();
      await jack(page, 'swp4').click();
      const dave = w.host('dave', 'swp4');
      dave.login();
      dave.join(FILM);
      w.pass(100);
      await page.locator('.jack.in', { hasText: 'swp4' }).waitFor();
      await page.locator('#port').getByText('dave', { exact: true }).waitFor();
      await page.locator('#channels').getByText('watched by dave (swp4)').waitFor();
      dave.logoff();
      await page.locator('.jack.up', { hasText: 'swp4' }).waitFor();
      expect(troubles).toEqual([]);
    });

    it('takes no name for markup', async () => {
      await serve();
      const name = '<img src=x onerror="document.title=1">';
      w.host(name, 'swp6').login();
      const page = await open();
      await jack(page, 'swp6').click();
      await page.locator('#port').getByText(name, { exact: true }).waitFor();
      expect(await page.locator('img').count()).toBe(0);
      expect(await page.title()).toContain('switch-1');
      expect(troubles).toEqual([]);
    });

    it('acts with the token, and only with it', async () => {
      await serve();
      const page = await open();
      await jack(page, 'swp1').click();
      await page.locator('#port').getByText('alice', { exact: true }).waitFor();
      expect(await page.getByRole('button', { name: 'Disconnect' }).count()).toBe(0);
      const unlock = async (token: string) => {
        await page.getByLabel('Token for actions').fill(token);
        await page.getByRole('button', { name: 'Unlock' }).click();
      };
      await unlock('a-wrong-token');
      await page.getByRole('button', { name: 'Disconnect' }).click();
      await page.getByText('a wrong token, or none').waitFor();
      expect(w.core.stores.sessions.size).toBe(1);
      await unlock(TOKEN);
      await shoot(page, 'actions');
      await page.getByRole('button', { name: 'Revoke' }).click();
      await page.getByText(/^done: /).waitFor();
      expect(w.core.stores.grants.size).toBe(0);
      await page.getByRole('button', { name: 'Disconnect' }).click();
      await page.locator('.jack:not(.in)', { hasText: 'swp1' }).waitFor();
      expect(w.core.stores.sessions.size).toBe(0);
      await page.getByRole('button', { name: 'Shut port' }).click();
      await page.locator('.jack.down', { hasText: 'swp1' }).waitFor();
      await page.getByRole('button', { name: 'Open port' }).click();
      await page.locator('.jack:not(.down)', { hasText: 'swp1' }).waitFor();
    });

    it('fits a phone, and a dark room', async () => {
      ha = { ...STANDBY, role: 'active', state: 'in-step', lagRecords: 2, lagMs: 0.8, roundTripMs: 0.4 };
      await serve();
      const page = await open({
        viewport: { width: 360, height: 740 },
        colorScheme: 'dark',
        isMobile: true,
        hasTouch: true,
      });
      await jack(page, 'swp1').tap();
      await page.locator('#port').getByText('alice', { exact: true }).waitFor();
      const wide = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
      expect(wide).toBeLessThanOrEqual(0);
      const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(ground).toBe('rgb(20, 23, 28)');
      expect(await seen(page.locator('#node'))).toMatch(
        /node b: active[\s\S]*in-step[\s\S]*0\.8 ms, 2 records/,
      );
      await shoot(page, 'phone-dark');
      expect(troubles).toEqual([]);
    });

    it('tells of a standby what it is, and that it is not in step', async () => {
      ha = STANDBY;
      await serve(TOKEN, true);
      const page = await open();
      expect(await seen(page.locator('#panel'))).toBe('this node is standby');
      expect(await seen(page.locator('#node'))).toMatch(/node b: standby/);
      expect(await seen(page.locator('#alarms'))).toBe('This standby is not in step.');
      await shoot(page, 'standby');
      expect(troubles).toEqual([]);
    });

    it('says when the connection is lost, and comes back by itself', async () => {
      await serve();
      const page = await open();
      server.close();
      await page.getByText('connection lost, trying again …').waitFor();
    });
  },
);
