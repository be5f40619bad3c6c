/** The section http. */
import { expect, it } from 'vitest';
import { parseConfig } from '../../config/load.ts';

function load(http: object, token = 'a-token-of-16-or-more') {
  const file = {
    bridge: 'br0',
    ports: { swp1: {} },
    uplinks: ['up0'],
    nas: { identifier: 'x' },
    radius: { servers: [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret' }] },
    http,
  };
  return parseConfig(JSON.stringify(file), 'test.yaml', (path) => ({
    secret: new TextEncoder().encode(path.endsWith('token') ? token : 'a secret of the tests, long'),
    remarks: [],
  }));
}

it('answers on loopback, for reading alone, where nothing else is said', () => {
  expect(load({})).toMatchObject({
    config: { http: { enabled: true, address: '127.0.0.1', port: 8021, token: undefined } },
  });
});

it('takes a token out of a file, and refuses one that could be guessed', () => {
  expect(load({ token_file: 'token' })).toMatchObject({
    config: { http: { token: new TextEncoder().encode('a-token-of-16-or-more') } },
  });
  expect(load({ token_file: 'token' }, 'short')).toMatchObject({
    errors: [{ path: 'http.token_file', message: 'holds 5 octets: at least 16 are needed' }],
  });
});
