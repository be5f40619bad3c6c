/**
 * A process that holds a fenced switch, for fence.test.ts to kill and to freeze:
 *   node fence-holder.mjs STATE_DIRECTORY LEASE_MS
 * It opens a host and a channel on swp1, takes a lease and extends it; a lease that ran out it takes no more.
 * One line on standard output for each thing that happens: `open`, `stale`.
 */
import { LinuxSwitch } from '../../../dist/switch/linux/linux-switch.js';

const [stateDirectory, leaseMs] = process.argv.slice(2);
const options = { bridge: 'br0', ports: ['swp1', 'swp2'], uplinks: ['up0'], stateDirectory, fence: true };
const held = new LinuxSwitch(options, () => {});
const must = (failure) => {
  if (failure !== undefined) throw new Error(failure.failed);
};
held.start();
must(held.openHost({ port: 'swp1', vlan: 0, mac: '02:00:00:00:01:01' }));
must(held.setForwarding('swp1', 0, '239.1.1.1', { mode: 'exclude', sources: [] }));
must(held.renewLease(Number(leaseMs)));
process.stdout.write('open\n');
const timer = setInterval(() => {
  if (held.extendLease(Number(leaseMs)) === undefined) return;
  process.stdout.write('stale\n');
  clearInterval(timer);
  setInterval(() => {}, 1000);
}, 20);
