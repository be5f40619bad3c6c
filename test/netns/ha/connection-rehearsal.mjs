/**
 * Plays the rehearsal of connections as a node that stands by does, for connection-rehearsal.test.ts. Prints how often one
 * was continued.
 */
import { parseConfig } from '../../../dist/config/load.js';
import { ConnectionGuard } from '../../../dist/connection-backup/linux/connection-guard.js';
import { rehearseConnections } from '../../../dist/daemon/ha/connection-rehearsal.js';
import { loadNative } from '../../../dist/switch/native.js';

const server = { name: 'r1', address: '198.18.0.2', source_address: '198.18.0.10', secret_file: 's' };
const file = {
  bridge: 'br0',
  ports: { swp1: {} },
  uplinks: ['up0'],
  nas: { identifier: 'rehearsal' },
  state_directory: '/nonexistent',
  ha: { node: 'a', address: '198.18.1.1', peer: '198.18.1.2', key_file: 'k', vrrp_instance: 'v' },
  radius: { servers: [{ ...server, transport: 'tcp', connection_backup: true }] },
};
const secret = { secret: new Uint8Array(32).fill(7), remarks: [] };
const { config } = parseConfig(JSON.stringify(file), 'rehearsal.yaml', () => secret);
const guard = ConnectionGuard.open(loadNative(), []);
let continued = 0;
for (const done of rehearseConnections(config, guard)) {
  continued = done;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
guard.close(true);
// The process ends by itself: nothing that was opened is left.
process.stdout.write(`${continued}\n`);
