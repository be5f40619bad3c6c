/** A node that begins to serve before keepalived has said so: when it may, and what becomes of it. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AddressLookout } from '../../../daemon/ha/address-lookout.ts';
import { mayGoAhead, type Outlook } from '../../../daemon/ha/going-ahead.ts';
import { Weight } from '../../../daemon/ha/keepalived.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import { DyingNode } from './dying-node.ts';
import { type TestNode, TestPair, until } from './pair.ts';

// What takes ten seconds is not to be waited for.
vi.mock('../../../daemon/ha/going-ahead.ts', async (original) => ({
  ...(await original<object>()),
  AHEAD_PATIENCE_MS: 400,
}));

const NOW = 100_000;
const DIED: Outlook = {
  now: NOW,
  leaseMs: 150,
  aloneAfterMs: 1_000,
  keepalivedDecides: true,
  vrrp: 'BACKUP',
  weight: Weight.Able,
  isBusy: false,
  isInDoubt: false,
  outSince: NOW - 2,
  inStepUntil: NOW - 20,
  claim: { heardAt: NOW - 15, alone: false },
};

describe('who begins ahead of keepalived', () => {
  it('is in step with a node that serves no more for certain', () => {
    expect(mayGoAhead(DIED)).toBe(true);
    expect(mayGoAhead({ ...DIED, claim: undefined })).toBe(true);
    expect(mayGoAhead({ ...DIED, inStepUntil: NOW, weight: Weight.HandOver })).toBe(true);
  });

  const not: readonly (readonly [string, Partial<Outlook>])[] = [
    ['where nobody but a person decides', { keepalivedDecides: false }],
    ['where keepalived has said nothing', { vrrp: undefined }],
    ['where keepalived has no use for its own interface', { vrrp: 'FAULT' }],
    ['where keepalived has ended', { vrrp: 'STOP' }],
    ['that was told to serve already', { isBusy: true }],
    ['that was frozen', { isInDoubt: true }],
    ['that has not all that the other one had', { weight: Weight.Unable }],
    ['where nobody knows since when the other one is out', { outSince: undefined }],
    ['long after', { outSince: NOW - 151 }],
    ['that never was in step', { inStepUntil: undefined }],
    [
      'that has not heard of the other one for so long that it may have gone on alone',
      { inStepUntil: NOW - 850 },
    ],
    ['where the other one went on alone', { claim: { heardAt: NOW - 15, alone: true } }],
    ['where the other one claims since', { claim: { heardAt: NOW - 1, alone: false } }],
  ];
  it.each(not)('is none %s', (_, outlook) => {
    expect(mayGoAhead({ ...DIED, ...outlook })).toBe(false);
  });
});

const ALICE = '06:00:00:00:00:01';
let pair: TestPair | undefined;
let dying: DyingNode | undefined;

// The servers' address is the loopback's, which is always here.
const isHere = vi.spyOn(AddressLookout.prototype, 'isHere');

afterEach(async () => {
  dying?.die();
  await pair?.close();
  [pair, dying] = [undefined, undefined];
});

/** Node b stands by, in step with a node that can be killed. `word`: what its keepalived has said. */
async function standingBy(word: string | undefined): Promise<{ pair: TestPair; node: TestNode }> {
  isHere.mockReturnValue(false);
  pair = await TestPair.open({}, (place) => ({ notify_fifo: join(place, 'fifo') }));
  pair.server.users.set('alice', []);
  dying = await DyingNode.serve(pair.a.config);
  const node = pair.b;
  expect(await node.node.start()).toBe(undefined);
  if (word !== undefined) say(node, word);
  await until(() => node.row.state === 'in-step' && node.weight === Weight.Able);
  if (word !== undefined) await until(() => node.log.some(({ event }) => event === 'vrrp'));
  return { pair, node };
}

function say(node: TestNode, word: string): void {
  appendFileSync(join(node.directory, 'fifo'), `INSTANCE "v" ${word} 250\n`);
}

describe('a node of two whose other one dies', () => {
  it('serves before keepalived says so, and asks the servers when it has said so', async () => {
    const { node, pair: on } = await standingBy('BACKUP');
    dying?.die();
    await until(() => node.row.role === 'active');
    expect(node.bridge.isUnfenced).toBe(true);
    expect(node.row.wanted).toBe('standby');
    // keepalived hears what this node is worth as of one that stands by.
    await until(() => node.weight === Weight.HandOver);
    on.eapol('swp1', ALICE, EapolType.Start);
    const asked = await on.heard(ALICE);
    on.respond('swp1', ALICE, asked[1] ?? 0, 1, 'alice');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(on.server.logins().length).toBe(0);
    say(node, 'MASTER');
    await until(() => on.server.logins().length > 0);
    expect(node.row.wanted).toBe('active');
    expect(node.weight).toBe(Weight.Able);
    // From here on it is as any other that serves.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(node.row.role).toBe('active');
  });

  it('asks the servers where the address is here already', async () => {
    const { node } = await standingBy('BACKUP');
    isHere.mockReturnValue(true);
    dying?.die();
    await until(() => node.row.role === 'active');
    expect(node.row.lastTakeover.map(({ step }) => step)).toContain('servers asked');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([node.row.role, node.weight]).toEqual(['active', Weight.Able]);
  });

  it('is confirmed by a person as well', async () => {
    const { node } = await standingBy('BACKUP');
    dying?.die();
    await until(() => node.row.role === 'active');
    expect(await node.promote()).toEqual({ role: 'active' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(node.row.role).toBe('active');
  });

  it('stands by again when keepalived never makes it the master, and serves when it does later', async () => {
    const { node } = await standingBy('BACKUP');
    dying?.die();
    await until(() => node.row.role === 'active');
    await until(() => node.row.role === 'standby');
    expect(node.bridge.isUnfenced).toBe(false);
    expect(node.log.some(({ event }) => event === 'not-confirmed')).toBe(true);
    say(node, 'MASTER');
    await until(() => node.row.role === 'active');
    expect(node.row.epoch).toBe(3);
  });

  it('stands by again at once when its interface is lost', async () => {
    const { node } = await standingBy('BACKUP');
    dying?.die();
    await until(() => node.row.role === 'active');
    say(node, 'FAULT');
    await until(() => node.row.role === 'standby');
    expect(node.bridge.isUnfenced).toBe(false);
  });

  it('hands over to the other one that is back and is told to serve', async () => {
    const { node, pair: on } = await standingBy('BACKUP');
    dying?.die();
    await until(() => node.row.role === 'active');
    expect(await on.a.node.start()).toBe(undefined);
    await until(() => on.a.row.state === 'in-step');
    expect(await on.a.promote()).toEqual({ role: 'active' });
    expect([on.a.row.role, node.row.role]).toEqual(['active', 'standby']);
    expect([on.a.bridge.isUnfenced, node.bridge.isUnfenced]).toEqual([true, false]);
    expect(on.a.row.epoch).toBe(3);
  });

  it('waits for keepalived where that has said nothing yet', async () => {
    const { node } = await standingBy(undefined);
    dying?.die();
    await until(() => node.weight === Weight.HandOver);
    expect(node.row.role).toBe('standby');
    say(node, 'MASTER');
    await until(() => node.row.role === 'active');
  });

  it('begins at once too when that one gives way with all that it had', async () => {
    const { node } = await standingBy('BACKUP');
    dying?.giveWay();
    await until(() => node.row.role === 'active');
    expect(node.row.wanted).toBe('standby');
    expect(node.row.lastTakeover[0]?.step).toBe('ahead of keepalived');
  });
});
