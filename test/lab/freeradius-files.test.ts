import { describe, expect, it } from 'vitest';
import { freeRadiusFiles, type RadiusPlan } from '../../lab/radius/freeradius-files.ts';

const PLAN: RadiusPlan = {
  secret: 'a "quoted" secret',
  client: '198.18.0.1',
  listen: '198.18.0.2',
  users: [
    { name: 'alice', password: 'pass"word', sessionTimeoutS: 60, whenOver: 'reauthenticate', class: 'gold' },
    { name: 'bob', password: 'b' },
  ],
  permissions: [{ account: 'alice', group: '239.1.1.1', holdsS: 30, class: 'news' }],
  recordRequests: false,
};

describe("FreeRADIUS's files", () => {
  const files = freeRadiusFiles(PLAN, '/tmp/x');

  it('writes passwords and the secret with their quotes escaped', () => {
    expect(files.get('logins')).toContain('alice\tCleartext-Password := "pass\\"word"');
    expect(files.get('radiusd.conf')).toContain('secret = "a \\"quoted\\" secret"');
  });

  it('keeps what belongs into the Accept out of the file that Challenges are made from', () => {
    expect(files.get('logins')).not.toContain('Session-Timeout');
    expect(files.get('login-replies')).toBe(
      'alice\n\tClass := 0x676f6c64,\n\tSession-Timeout := 60,\n\tTermination-Action := RADIUS-Request\n\nbob\n\n',
    );
  });

  it('has one entry an account and group', () => {
    expect(files.get('channels')).toBe(
      'alice/239.1.1.1\tAuth-Type := Accept\n\tSession-Timeout := 30,\n\tClass := 0x6e657773\n',
    );
  });

  it('records requests only where asked to', () => {
    const recording = freeRadiusFiles({ ...PLAN, recordRequests: true }, '/tmp/x');
    const authorize = /authorize \{\n\t\trequests\n/;
    expect(files.get('radiusd.conf')).not.toMatch(authorize);
    expect(recording.get('radiusd.conf')).toMatch(authorize);
  });

  it('names only files of its own folder', () => {
    const paths = files.get('radiusd.conf')?.match(/\/tmp\/[^\s]*/g) ?? [];
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect(path).toMatch(/^\/tmp\/x(\/[a-z.-]+)?$/);
  });
});
