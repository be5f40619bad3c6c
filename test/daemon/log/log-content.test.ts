/** What the log says of a subscriber's life, and what it never says. */
import { describe, expect, it } from 'vitest';
import { openLog } from '../../../daemon/log/log.ts';
import { logLevels } from '../../../daemon/log/log-levels.ts';
import { SECRET } from '../radius-server.ts';
import { World } from '../world.ts';

describe('the log of a life', () => {
  it('has port, MAC, session, from, to and cause of each step', () => {
    const w = new World();
    w.server.users.set('alice', []);
    const alice = w.host('alice');
    alice.login();
    const session = w.session(alice)?.acctSessionId;
    alice.logoff();
    const steps = w.debugLog.filter(({ event }) => event === 'authenticator');
    const of = (to: string) => steps.find((step) => step['to'] === to);
    expect(of('AUTHENTICATING')).toMatchObject({ host: alice.key, cause: 'asked' });
    expect(of('AUTHENTICATED')).toMatchObject({ from: 'AUTHENTICATING', cause: 'radius-accept', session });
    expect(steps.at(-1)).toMatchObject({ from: 'AUTHENTICATED', to: 'DISCONNECTED', cause: 'eapol-logoff' });
    expect(w.logged('session-ended')).toMatchObject([{ host: alice.key, session, cause: 'logoff' }]);
  });

  it('never has a secret, at any level and in any form', () => {
    const w = new World();
    w.server.users.set('alice', []);
    w.server.permit('alice', '239.1.1.1');
    const [alice, bob] = [w.host('alice'), w.host('bob', 'swp2')];
    for (const host of [alice, bob]) host.login();
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    w.pass(100);
    w.server.alive = false;
    w.core.operate(w.now, () => w.core.subscribers.reauthenticate(w.now, alice.key));
    w.pass(120_000);
    const lines: string[] = [];
    const log = openLog('debug', (line) => lines.push(line));
    for (const { event, at: _at, ...fields } of [...w.log, ...w.debugLog]) log.debug(event, fields);
    // What somebody might come to log one day.
    log.error('config', { config: w.config });
    const text = lines.join('\n');
    expect(lines.length).toBeGreaterThan(20);
    for (const form of ['utf8', 'hex', 'base64'] as const)
      expect(text.includes(Buffer.from(SECRET).toString(form)), form).toBe(false);
  });
});

describe('castgate log at the daemon', () => {
  it('changes one part or all, and refuses what there is not', () => {
    const log = openLog('info', () => {});
    expect(logLevels(log, {})).toMatchObject({ channels: 'info', daemon: 'info' });
    expect(logLevels(log, { facility: 'channels', level: 'debug' })).toMatchObject({
      channels: 'debug',
      daemon: 'info',
    });
    expect(Object.values(logLevels(log, { facility: 'all', level: 'warn' }))).toEqual(
      Array.from({ length: 6 }, () => 'warn'),
    );
    expect(logLevels(log, { facility: 'channels', level: 'loud' })).toHaveProperty('refused');
    expect(logLevels(log, { facility: 'kitchen', level: 'warn' })).toHaveProperty('refused');
  });
});
