import { describe, expect, it } from 'vitest';
import { isOwnHost } from '../../../daemon/http/host-header.ts';

describe('Host of a request', () => {
  it.each([
    '127.0.0.1',
    '127.0.0.1:8021',
    '192.0.2.1:80',
    '[::1]:8021',
    '[2001:db8::1]',
    'localhost',
    'LocalHost:1',
  ])('is ours: %s', (host) => expect(isOwnHost(host)).toBe(true));

  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:8021',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '[evil.example]',
    '[127.0.0.1]',
    '127.0.0.1:8021:1',
    '::1',
    '127.1.evil@127.0.0.1',
  ])('is not ours: %s', (host) => expect(isOwnHost(host)).toBe(false));

  it('is ours by a name that was written down', () => {
    expect(isOwnHost('switch-1.example.net:8021', ['Switch-1.example.net'])).toBe(true);
    expect(isOwnHost('switch-2.example.net:8021', ['switch-1.example.net'])).toBe(false);
  });
});
