import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACCOUNTING_TOKEN, AccountingQueue, type QueueOptions } from '../../accounting/queue.ts';
import type { AccountingMessage } from '../../session/records.ts';
import { Store } from '../../session/store.ts';
import { sends } from './books.ts';

type Status = AccountingMessage['status'];

function makeQueue(options: Partial<QueueOptions> = {}) {
  const store = new Store<AccountingMessage>('queue');
  const all = { limit: 1_000, window: 64, perSecond: Number.POSITIVE_INFINITY, retryMs: 1_000, ...options };
  const queue = new AccountingQueue(store, all, () => false);
  const add = (status: Status, about: string) => queue.add({ status, about, eventAt: 0, attributes: [] });
  const drain = (now = 0) => sends(queue.drain(now)).map(({ token }) => token);
  const name = (token: string) => {
    const message = store.get(token.slice(ACCOUNTING_TOKEN.length));
    return `${message?.status} ${message?.about}`.trim();
  };
  return { store, queue, add, drain, name };
}

describe('order', () => {
  it('no Stop goes out before its Start was acknowledged; others do not wait for it', () => {
    const { queue, add, drain, name } = makeQueue();
    add('start', 'a');
    add('stop', 'a');
    add('start', 'b');
    const first = drain();
    expect(first.map(name)).toEqual(['start a', 'start b']);
    expect(drain()).toEqual([]);
    queue.acknowledged(first[1] ?? '');
    expect(drain()).toEqual([]);
    queue.acknowledged(first[0] ?? '');
    expect(drain().map(name)).toEqual(['stop a']);
  });

  it('a record that begins again waits for the end of the one before', () => {
    const { queue, add, drain, name } = makeQueue();
    for (const status of ['start', 'stop', 'start', 'interim'] as const) add(status, 'a');
    const seen: string[] = [];
    for (let batch = drain(); batch.length > 0; batch = drain()) {
      seen.push(...batch.map(name));
      for (const token of batch) queue.acknowledged(token);
    }
    expect(seen).toEqual(['start a', 'stop a', 'start a', 'interim a']);
  });

  it('no more than the window are with a server at a time', () => {
    const { queue, add, drain } = makeQueue({ window: 3 });
    for (let i = 0; i < 10; i++) add('start', `r${i}`);
    const batch = drain();
    expect(batch).toHaveLength(3);
    expect(drain()).toEqual([]);
    queue.acknowledged(batch[1] ?? '');
    expect(drain()).toHaveLength(1);
  });

  it('a backlog goes out at its pace, in no greater burst than a window', () => {
    const { queue, add, drain } = makeQueue({ limit: 10_000, window: 10, perSecond: 100 });
    for (let i = 0; i < 1_000; i++) add('start', `r${i}`);
    let sent = 0;
    const start = 1_000_000;
    for (let now = start; sent < 1_000; now = Math.max(now, queue.nextTimeout() ?? now)) {
      const batch = drain(now);
      sent += batch.length;
      expect(sent).toBeLessThanOrEqual(10 + (now - start) / 10 + 1);
      for (const token of batch) queue.acknowledged(token);
      if (batch.length === 0) expect(queue.nextTimeout()).toBeGreaterThan(now);
      if (sent === 1_000) expect(now - start).toBeCloseTo(9_900, -2);
    }
    expect(queue.nextTimeout()).toBeUndefined();
  });

  it('a number is greater than all before it, also after a start with nothing left', () => {
    const { store, queue, add, drain } = makeQueue();
    add('start', 'a');
    const [before = ''] = [...store.values()].map(({ key }) => key);
    for (const token of drain()) queue.acknowledged(token);
    const again = new AccountingQueue(store, queue.options, () => false);
    again.add({ status: 'start', about: 'b', eventAt: 1, attributes: [] });
    expect([...store.values()].map(({ key }) => key > before)).toEqual([true]);
  });

  it('what an earlier version left, with a list of attributes, is sent as it is', () => {
    const { store, queue } = makeQueue();
    const attributes = [{ type: 40, value: Uint8Array.of(0, 0, 0, 2) }];
    const left = {
      v: 1,
      key: '0000000000000007',
      status: 'stop',
      about: 'a',
      eventAt: 5,
      attributes,
    } as const;
    store.put(left.key, left);
    const [action] = sends(new AccountingQueue(store, queue.options, () => false).drain(0));
    expect(action).toMatchObject({ token: `${ACCOUNTING_TOKEN}${left.key}`, attributes, eventAt: 5 });
  });

  it('holds for a backlog of thousands', () => {
    const { queue, add, drain, name } = makeQueue({ limit: 10_000, window: 100 });
    for (let i = 0; i < 5_000; i++) add('start', `r${i}`);
    const seen: string[] = [];
    for (let batch = drain(); batch.length > 0; batch = drain()) {
      seen.push(...batch.map(name));
      for (const token of batch) queue.acknowledged(token);
    }
    expect(seen).toEqual(Array.from({ length: 5_000 }, (_, i) => `start r${i}`));
  });

  it('conformance 39: what the RADIUS client could not send comes again, first, after a while', () => {
    const { queue, add, drain, name } = makeQueue({ window: 2, retryMs: 500 });
    for (const about of ['a', 'b', 'c']) add('start', about);
    const [a = '', b = ''] = drain();
    queue.deferred(100, b);
    queue.deferred(100, b);
    queue.deferred(100, 'of someone else');
    expect(drain(200)).toEqual([]);
    expect(queue.nextTimeout()).toBe(600);
    expect(drain(600).map(name)).toEqual(['start b']);
    expect(queue.nextTimeout()).toBeUndefined();
    queue.acknowledged(a);
    expect(drain(600).map(name)).toEqual(['start c']);
  });

  it('what can never be sent is lost, and said to be', () => {
    const { queue, add, drain, name } = makeQueue();
    add('start', 'a');
    add('stop', 'a');
    queue.refused(drain()[0] ?? '');
    queue.refused('of someone else');
    expect(queue.drainLost()).toEqual([{ status: 'start', about: 'a', reason: 'radius-too-long' }]);
    expect(drain().map(name)).toEqual(['stop a']);
  });

  it('keys keep their order past a change of digits, and over a restart', () => {
    const { store, add } = makeQueue();
    for (let i = 0; i < 12; i++) add('start', `r${i}`);
    const again = new AccountingQueue(
      store,
      { limit: 100, window: 64, perSecond: Number.POSITIVE_INFINITY, retryMs: 1 },
      () => false,
    );
    again.add({ status: 'start', about: 'last', eventAt: 0, attributes: [] });
    const abouts = sends(again.drain(0)).map(
      ({ token }) => store.get(token.slice(ACCOUNTING_TOKEN.length))?.about,
    );
    expect(abouts).toEqual([...Array.from({ length: 12 }, (_, i) => `r${i}`), 'last']);
  });
});

describe('the bound', () => {
  it('is kept; unsent interim messages go first, then unsent Starts for a Stop, and each loss is told', () => {
    const { store, queue, add, drain, name } = makeQueue({ limit: 4, window: 2 });
    add('start', 'a');
    add('start', 'b');
    expect(drain()).toHaveLength(2);
    add('interim', 'a');
    add('start', 'c');
    add('start', 'd');
    expect(queue.drainLost()).toEqual([{ status: 'interim', about: 'a', reason: 'queue-full' }]);
    add('start', 'e');
    expect(queue.drainLost()).toEqual([{ status: 'start', about: 'e', reason: 'queue-full' }]);
    add('interim', 'b');
    expect(queue.drainLost()).toEqual([{ status: 'interim', about: 'b', reason: 'queue-full' }]);
    add('stop', 'a');
    expect(queue.drainLost()).toEqual([{ status: 'start', about: 'c', reason: 'queue-full' }]);
    add('stop', 'd');
    expect(queue.drainLost()).toEqual([{ status: 'start', about: 'd', reason: 'queue-full' }]);
    add('stop', 'b');
    expect(queue.drainLost()).toEqual([{ status: 'stop', about: 'b', reason: 'queue-full' }]);
    expect(store.size).toBe(4);
    expect([...store.values()].map((m) => name(ACCOUNTING_TOKEN + m.key))).toEqual([
      'start a',
      'start b',
      'stop a',
      'stop d',
    ]);
  });

  it('is no bound for an interim message that takes the place of an older one', () => {
    const { queue, add } = makeQueue({ limit: 2 });
    add('start', 'a');
    add('interim', 'a');
    for (let i = 0; i < 10; i++) add('interim', 'a');
    expect(queue.drainLost()).toEqual([]);
    expect(queue.size).toBe(2);
  });
});

describe('any sequence', () => {
  it('hands out each message once, keeps the order of each record and the barriers, and ends empty', () => {
    const step = fc.oneof(
      fc.tuple(fc.constantFrom('start', 'interim', 'stop', 'on', 'off'), fc.nat(4)),
      fc.tuple(fc.constant('ack'), fc.nat(63)),
      fc.tuple(fc.constant('defer'), fc.nat(63)),
      fc.tuple(fc.constant('restart'), fc.nat(0)),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { store, queue: first } = makeQueue({ window: 5 });
        let queue = first;
        const flying = new Set<string>();
        const done: string[] = [];
        let now = 0;
        const pump = () => {
          now += 2_000;
          for (const action of queue.drain(now)) {
            if (action.kind === 'cancel') {
              flying.delete(action.token);
              continue;
            }
            expect(flying.has(action.token)).toBe(false);
            const key = action.token.slice(ACCOUNTING_TOKEN.length);
            const message = store.get(key);
            const before = [...store.values()].filter((m) => m.key < key);
            const barrier = message?.status === 'on' || message?.status === 'off';
            expect(before.filter((m) => m.about === message?.about && !barrier)).toEqual([]);
            expect(before.filter((m) => barrier || m.status === 'on' || m.status === 'off')).toEqual([]);
            flying.add(action.token);
          }
          expect(flying.size).toBeLessThanOrEqual(5);
        };
        const acknowledge = (token: string) => {
          done.push(store.get(token.slice(ACCOUNTING_TOKEN.length))?.status ?? 'gone');
          queue.acknowledged(token);
          flying.delete(token);
        };
        let added = 0;
        for (const [what, which] of steps) {
          const token = [...flying][which % Math.max(flying.size, 1)];
          if (what === 'ack' && token !== undefined) acknowledge(token);
          else if (what === 'defer' && token !== undefined) {
            queue.deferred(now, token);
            flying.delete(token);
          } else if (what === 'restart') {
            for (const { token } of queue.drain(-1)) flying.delete(token);
            queue = new AccountingQueue(store, queue.options, (t) => flying.has(t));
          } else if (what !== 'ack' && what !== 'defer') {
            const about = what === 'on' || what === 'off' ? '' : `r${which}`;
            queue.add({ status: what as Status, about, eventAt: 0, attributes: [] });
            if (what !== 'interim') added++;
          }
          pump();
        }
        for (let i = 0; queue.size > 0 && i < 1_000; i++) {
          pump();
          for (const token of [...flying]) acknowledge(token);
        }
        expect(queue.size).toBe(0);
        expect(queue.drainLost()).toEqual([]);
        expect(done.filter((status) => status !== 'interim')).toHaveLength(added);
      }),
      { numRuns: 300 },
    );
  });
});
