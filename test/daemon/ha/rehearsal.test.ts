import { expect, it } from 'vitest';
import { parseConfig } from '../../../config/load.ts';
import { rehearse } from '../../../daemon/ha/rehearsal.ts';

const SERVER = { name: 'r1', address: '198.18.0.2', source_address: '198.18.0.10', secret_file: 's' };

it.each([
  ['by EAP over UDP', {}, {}],
  ['by MAC address over TCP', { methods: 'mab' }, { transport: 'tcp' }],
  ['of one host a port', { host_mode: 'single-host' }, {}],
])('a rehearsal %s lets everybody in, and channels flow', (_, authenticator, server) => {
  const file = {
    bridge: 'br0',
    ports: { swp1: {} },
    uplinks: ['up0'],
    nas: { identifier: 'rehearsal' },
    state_directory: '/nonexistent',
    authenticator,
    radius: { servers: [{ ...SERVER, ...server }] },
  };
  const secret = { secret: new Uint8Array(16).fill(7), remarks: [] };
  const loaded = parseConfig(JSON.stringify(file), 'rehearsal.yaml', () => secret);
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded));
  const played = [...rehearse(loaded.config)].at(-1);
  expect(played).toEqual({ sessions: 40, channels: 240 });
});
