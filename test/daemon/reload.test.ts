/** `castgate reload`: each key of the configuration while hosts log in, join, watch and wait for RADIUS. */
import { describe, expect, it } from 'vitest';
import type { Config } from '../../config/config.ts';
import { describeKeys } from '../../config/reference/reference.ts';
import { changesOf } from '../../config/reference/reload-needs.ts';
import { silentLog } from '../../daemon/log/log.ts';
import { Reload } from '../../daemon/reload.ts';
import { AttributeType, firstText } from '../../radius/attributes.ts';
import { RadiusCode } from '../../radius/packet.ts';
import { BASE, BASE_OF_A_PAIR, BASE_OF_A_STREAM, KEY_CHANGES, type KeyChange } from './reload-keys.ts';
import { configOf, type Host, SECOND_SECRET, World } from './world.ts';

const NEWS = '239.1.1.1';
const SPORT = '239.1.1.2';
const MOVIE = '239.1.1.3';

/** The file with one key changed: `NAME` is the first port or profile, `[]` the first entry that has such a key. */
function changed(base: object, key: string, to: unknown): Record<string, unknown> {
  const file = structuredClone(base) as Record<string, unknown>;
  const parts = key.replaceAll('[]', '.[]').split('.');
  const last = parts.pop() ?? '';
  let at = file;
  for (const part of parts) {
    let name: string | number = part;
    if (part === 'NAME') name = Object.keys(at)[0] ?? '';
    if (part === '[]') name = key.includes('.tls.') ? 1 : 0;
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[last] = to;
  // "hex" wants other digits than the text has.
  if (to === 'hex') at['value'] = 'a1';
  return file;
}

/** The keys that have a value of their own, or are a list of entries. */
const keys = describeKeys().filter(({ holds, required, path }) => {
  return holds !== 'one' || (required !== true && path === 'ha');
});

interface Load {
  readonly w: World;
  /** In, and watches. */
  readonly alice: Host;
  readonly bob: Host;
  /** In the middle of a login. */
  readonly carol: Host;
  /** In, and waits for the answer to a join. */
  readonly dave: Host;
}

function underLoad(): Load {
  const w = new World(BASE);
  for (const account of ['alice', 'bob', 'carol', 'dave']) w.server.users.set(account, []);
  w.server.permit('alice', NEWS);
  w.server.permit('bob', SPORT);
  w.server.permit('dave', MOVIE);
  const [alice, bob, carol, dave] = [
    w.host('alice'),
    w.host('bob', 'swp2'),
    w.host('carol', 'swp3'),
    w.host('dave', 'swp4'),
  ];
  for (const host of [alice, bob, dave]) host.login();
  alice.join(NEWS);
  bob.join(SPORT);
  w.pass(50);
  expect(w.session(dave)).toBeDefined();
  w.server.delayMs = 400;
  carol.start();
  const request = carol.heard().at(-1);
  carol.identity(request?.id ?? 0);
  dave.join(MOVIE);
  w.pass(100);
  w.switch.takeSent();
  return { w, alice, bob, carol, dave };
}

/** Acct-Session-Ids that were begun, each once. */
function starts(w: World): string[] {
  const began = w.server.accounting(1).filter(({ code }) => code === RadiusCode.AccountingRequest);
  return began.map(({ attributes }) => firstText(attributes, AttributeType.AcctSessionId) ?? '');
}

function reload(
  { w, alice, bob, carol, dave }: Load,
  file: Record<string, unknown>,
  change: KeyChange,
): void {
  const before = [alice, bob, dave].map((host) => w.session(host));
  if (change.secondSecret === true) w.server.secret = SECOND_SECRET;
  w.reconfigure(file);
  w.pass(50);
  // Nobody is asked who it is, and nobody's channel misses a packet.
  for (const host of [alice, bob, dave]) expect(host.heard()).toEqual([]);
  expect([alice, bob, dave].map((host) => w.session(host)?.acctSessionId)).toEqual(
    before.map((session) => session?.acctSessionId),
  );
  expect([alice, bob, dave].map((host) => w.session(host)?.authenticatedAt)).toEqual(
    before.map((session) => session?.authenticatedAt),
  );
  expect(w.switch.deliver(NEWS, '198.51.100.7', 100)).toEqual(['swp1']);
  expect(w.switch.deliver(SPORT, '198.51.100.7', 100)).toEqual(['swp2']);
  // What was waited for comes.
  w.server.delayMs = 1;
  if (change.loginBeginsAgain === true) {
    w.pass(61_000);
    carol.login();
  } else {
    w.pass(3_000);
    carol.answer();
  }
  expect(w.session(carol)).toBeDefined();
  w.pass(3_000);
  expect(w.switch.deliver(MOVIE, '198.51.100.7', 100)).toEqual(['swp4']);
}

describe('a reload', () => {
  it('has a row for every key of the schema, and for no other', () => {
    expect(Object.keys(KEY_CHANGES).sort()).toEqual(keys.map(({ path }) => path).sort());
  });

  for (const [key, change] of Object.entries(KEY_CHANGES)) {
    it(`${key}: ${change.needs}`, () => {
      const base = key.startsWith('ha.')
        ? BASE_OF_A_PAIR
        : key.endsWith('.connection_backup')
          ? BASE_OF_A_STREAM
          : BASE;
      const file = changed(base, key, change.to);
      const changes = changesOf(configOf(base), configOf(file));
      expect(changes.map(({ needs }) => needs)).toContain(change.needs);
      expect(changes.map((found) => found.key)).toContain(change.reported ?? key);
      if (change.needs !== 'live') return;
      expect(changes.every(({ needs }) => needs === 'live')).toBe(true);
      const load = underLoad();
      reload(load, file, change);
      const { w } = load;
      w.pass(5_000);
      expect(new Set(starts(w)).size).toBe(starts(w).length);
    });
  }

  it('holds channels to lists that have changed', () => {
    const load = underLoad();
    load.w.reconfigure({ ...BASE, channels: { never: [NEWS] } });
    expect(load.w.switch.deliver(NEWS, '198.51.100.7', 100)).toEqual([]);
    expect(load.w.session(load.alice)).toBeDefined();
    load.w.reconfigure(BASE);
    load.alice.join(NEWS);
    load.w.pass(2_000);
    expect(load.w.switch.deliver(NEWS, '198.51.100.7', 100)).toEqual(['swp1']);
  });

  it('asks another server for what the one that is gone had not answered', () => {
    const { w, dave } = underLoad();
    w.server.script = ({ server }) => (server === 'r1' ? undefined : 'policy');
    w.pass(500);
    dave.leave(MOVIE);
    dave.join(MOVIE);
    w.pass(10);
    const servers = [{ name: 'r7', address: '198.18.0.7', secret_file: 'secret' }];
    w.reconfigure({ ...BASE, radius: { servers } });
    w.pass(100);
    expect(w.switch.deliver(MOVIE, '198.51.100.7', 100)).toEqual(['swp4']);
  });

  it('goes on many times in a row', () => {
    const load = underLoad();
    for (let i = 0; i < 20; i++) {
      load.w.reconfigure({ ...BASE, authenticator: { tx_period: `${20 + i}s` } });
      load.w.pass(10);
    }
    reload(load, BASE, { to: undefined, needs: 'live' });
  });
});

describe('the verb', () => {
  function reloading(file: object | string) {
    const applied: Config[] = [];
    const config = configOf(BASE);
    const daemon = {
      config,
      load: () => {
        if (typeof file !== 'string')
          return { config: configOf(file as Record<string, unknown>), warnings: [] };
        const error = { file: 'test.yaml', line: 3, column: 5, path: 'bridge', message: file };
        return { errors: [error], warnings: [] };
      },
      apply: (to: Config) => {
        applied.push(to);
        return Promise.resolve(undefined);
      },
    };
    return { reload: new Reload(daemon, silentLog), applied };
  }

  it('refuses a wrong file with its places, and applies nothing', async () => {
    const { reload: verb, applied } = reloading('unknown key');
    expect(await verb.run()).toEqual({
      refused: 'test.yaml:3:5: bridge: unknown key; nothing was changed',
    });
    expect(applied).toEqual([]);
  });

  it('says of each key what it needs, and applies nothing, also not what is live', async () => {
    const { reload: verb, applied } = reloading({
      ...BASE,
      bridge: 'br1',
      uplinks: [],
      log: { level: 'warn' },
    });
    expect(await verb.run()).toEqual({
      refused:
        'bridge needs an end and another start of the daemon; uplinks needs another process: castgate upgrade; nothing was changed',
    });
    expect(applied).toEqual([]);
  });

  it('looks only, where it is to look only', async () => {
    const { reload: verb, applied } = reloading({ ...BASE, log: { level: 'warn' } });
    expect(await verb.run(true)).toMatchObject({
      applied: false,
      changed: [{ at: 'log.level', needs: 'live' }],
    });
    expect(applied).toEqual([]);
    expect(await verb.run()).toMatchObject({ applied: true });
    expect(applied).toHaveLength(1);
  });
});
