/** `castgate test` and `castgate trace` at the daemon's end. */
import { describe, expect, it } from 'vitest';
import { Happenings } from '../../../daemon/operator/happenings.ts';
import { questionHandlers } from '../../../daemon/operator/questions.ts';
import { World } from '../world.ts';
import { nodeOf } from './node.ts';

const NEWS = '239.1.1.1';

describe('test', () => {
  it('asks as a join would, and opens, remembers and accounts for nothing', async () => {
    const w = new World();
    w.server.users.set('alice', []);
    w.server.permit('alice', NEWS);
    const alice = w.host('alice');
    alice.login();
    w.takeDone();
    const accounted = w.server.accounting().length;
    const ask = (account: string, group: string) => {
      const result = questionHandlers(nodeOf(w), new Happenings())['test']?.({ account, group });
      w.pass(100);
      return result;
    };
    expect(await ask('alice', NEWS)).toEqual({
      permit: true,
      reason: null,
      holdsMs: w.config.groups.defaultPermitMs,
      server: 'r1',
      tookMs: 1,
      session: alice.key,
    });
    expect(await ask('alice', '239.1.1.2')).toMatchObject({ permit: false, reason: 'radius-reject' });
    expect(await ask('nobody', NEWS)).toMatchObject({ permit: false, session: null });
    expect(w.server.questions()).toEqual([`alice ${NEWS}`, 'alice 239.1.1.2', `nobody ${NEWS}`]);
    expect(w.takeDone()).toEqual([]);
    expect(w.core.stores.decisions.size()).toBe(0);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.server.accounting().length).toBe(accounted);
  });

  it('says that nobody answered', async () => {
    const w = new World();
    w.server.alive = false;
    const result = questionHandlers(nodeOf(w), new Happenings())['test']?.({ account: 'a', group: NEWS });
    w.pass(60_000);
    expect(await result).toMatchObject({ permit: false, reason: 'radius-timeout', server: null });
  });

  it('refuses what is no question', async () => {
    const handlers = questionHandlers(nodeOf(new World()), new Happenings());
    expect(await handlers['test']?.({ account: 'alice' })).toEqual({
      refused: 'name an account and a group',
    });
    expect(await handlers['test']?.({ account: 'alice', group: '10.0.0.1' })).toHaveProperty('refused');
  });
});

describe('trace', () => {
  const idOf = (answer: unknown) => (answer as { id: string }).id;
  const events = (answer: unknown) => (answer as { events: { event: string }[] }).events;

  it('has the steps of one subscriber, what is asked about its account too, and no others', async () => {
    const happenings = new Happenings();
    const { trace } = questionHandlers(nodeOf(new World()), happenings);
    const id = idOf(await trace?.({ mac: '02:00:00:00:00:0A' }));
    const host = 'swp1/0/02:00:00:00:00:0a';
    happenings.happened('authenticator', { host, from: 'CONNECTING', to: 'AUTHENTICATING' });
    happenings.happened('authenticator', { host: 'swp1/0/02:00:00:00:00:0b', from: 'A', to: 'B' });
    happenings.happened('radius-request', { about: `login/${host}/1` });
    happenings.happened('radius-request', { about: `group/${NEWS}/*/alice` });
    happenings.happened('session-started', { host, account: 'alice' });
    happenings.happened('radius-request', { about: `group/${NEWS}/*/alice` });
    happenings.happened('radius-request', { about: `group/${NEWS}/*/bob` });
    happenings.happened('join-refused', { port: 'swp1', mac: '02:00:00:00:00:0a', reason: 'radius-reject' });
    happenings.happened('port-down', { port: 'swp1' });
    expect(events(await trace?.({ id })).map(({ event }) => event)).toEqual([
      'authenticator',
      'radius-request',
      'session-started',
      'radius-request',
      'join-refused',
    ]);
  });

  it('waits for something to happen, and hides secrets', async () => {
    const happenings = new Happenings();
    const { trace } = questionHandlers(nodeOf(new World()), happenings);
    const id = idOf(await trace?.({}));
    const next = trace?.({ id });
    happenings.happened('something', { secret: 'xyzzy', octets: Uint8Array.of(1, 255) });
    expect(events(await next)).toMatchObject([{ event: 'something', secret: '[hidden]', octets: '01ff' }]);
  });

  it('keeps a limit, and says what was too much', async () => {
    const happenings = new Happenings();
    const { trace } = questionHandlers(nodeOf(new World()), happenings);
    const id = idOf(await trace?.({}));
    for (let i = 0; i < 2005; i++) happenings.happened('again', { i });
    const answer = (await trace?.({ id })) as { lost: number; events: { i: number }[] };
    expect([answer.lost, answer.events.length, answer.events[0]?.i]).toEqual([5, 2000, 5]);
  });

  it('refuses followers without end', async () => {
    const { trace } = questionHandlers(nodeOf(new World()), new Happenings());
    for (let i = 0; i < 16; i++) expect(await trace?.({})).toHaveProperty('id');
    expect(await trace?.({})).toHaveProperty('refused');
    expect(await trace?.({ id: 'nobody' })).toHaveProperty('refused');
  });

  it('hears of a whole login, join and refusal from a core', async () => {
    const w = new World();
    const happenings = new Happenings();
    const { trace } = questionHandlers(nodeOf(w), happenings);
    const id = idOf(await trace?.({ account: 'alice' }));
    for (const { event, at: _at, ...fields } of w.log) happenings.happened(event, fields);
    w.server.users.set('alice', []);
    w.server.permit('alice', NEWS);
    w.log.length = 0;
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    alice.join('239.1.1.2');
    w.pass(100);
    alice.logoff();
    for (const { event, at: _at, ...fields } of w.log) happenings.happened(event, fields);
    expect(events(await trace?.({ id })).map(({ event }) => event)).toEqual([
      'session-started',
      'join-granted',
      'join-refused',
      'channel-ended',
      'session-ended',
    ]);
  });
});
