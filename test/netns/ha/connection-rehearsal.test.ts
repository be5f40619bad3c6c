/** What a standby rehearses of its connections, in a namespace whose only interface is the loopback. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Namespaces, whyNoNamespaces } from '../namespaces.ts';

const built = fileURLToPath(new URL('../../../dist/daemon/ha/connection-rehearsal.js', import.meta.url));
const why = whyNoNamespaces() ?? (existsSync(built) ? undefined : 'not built, npm run build');
let namespaces: Namespaces | undefined;

afterEach(async () => {
  await namespaces?.dispose();
});

it.skipIf(why !== undefined)(
  'continues connections over and over, and leaves nothing open',
  async () => {
    namespaces = await Namespaces.create('cgt-reh');
    await namespaces.add('node');
    const program = fileURLToPath(new URL('./connection-rehearsal.mjs', import.meta.url));
    const continued = await namespaces.exec('node', process.execPath, program);
    expect(Number(continued)).toBeGreaterThanOrEqual(20);
  },
  30_000,
);
