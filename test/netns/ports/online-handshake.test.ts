/**
 * The online handshake between real parts: three hosts behind a hub log in by wpa_supplicant, one has its cable pulled,
 * which the switch cannot see; one never answers ARP and stays.
 */
import { existsSync } from 'node:fs';
import { describe, it } from 'vitest';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { attempt, pause, run, until } from '../../../lab/processes.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';
/**
 * In the order in which they log in: behind a hub wpa_supplicant hears what the others say to the PAE group address, and
 * begins anew half a minute later. The last one hears nobody.
 */
const NAMES = ['mute', 'leaves', 'stays'] as const;

/** The questions that were answered so far. */
async function answers(namespace: string): Promise<number> {
  const script = `fetch('http://127.0.0.1:8021/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))`;
  const { stdout } = await attempt([process.execPath, '-e', script], { namespace });
  return Number(/^castgate_handshakes_total\{.*"answered".*\} (\d+)$/m.exec(stdout)?.[1] ?? 0);
}

describe.skipIf(notRoot || notBuilt)(`the online handshake${why}`, { timeout: 120_000 }, () => {
  // They are silence for the most part: both at a time.
  it.concurrent.for([
    ['ARP', false],
    ['neighbour discovery', true],
  ] as const)(
    'by %s, finds the host whose cable behind a hub is pulled, and no other',
    async ([, ipv6], { expect, onTestFinished, onTestFailed }) => {
      const lab = await Lab.open({
        hosts: NAMES.map((name) => ({ name, port: 'swp1' })),
        users: NAMES.map((name) => ({ name, password: `${name}'s password` })),
        permissions: [],
        channels: [],
        ipv6,
      });
      onTestFinished(() => lab.close());
      const daemon = await lab.startCastgate({
        authenticator: { handshake_period: '5s', handshake_tries: 2 },
      });
      onTestFinished(() => daemon.stop());
      onTestFailed(() => console.error(`castgate's last lines:\n${daemon.tail(40).join('\n')}`));
      const { topology } = lab;
      const mute = topology.host('mute');
      const silence = 'echo 8 >/proc/sys/net/ipv4/conf/all/arp_ignore';
      await run(['sh', '-c', silence], { namespace: mute.namespace });
      if (ipv6) {
        // Its IPv4 is gone and neighbour discovery alone is left: for the mute one, nothing.
        const drop = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6';
        await run(['sh', '-c', drop], { namespace: mute.namespace });
        for (const name of ['stays', 'leaves'] as const) {
          const { namespace } = topology.host(name);
          await run(['sh', '-c', silence], { namespace });
        }
      }
      for (const name of NAMES) await topology.plugIn(topology.host(name));
      const supplicants = [];
      for (const name of NAMES) {
        const credentials = { method: 'md5', identity: name, password: `${name}'s password` } as const;
        const supplicant = await lab.startSupplicant(name, credentials);
        await supplicant.authenticated(30_000);
        supplicants.push(supplicant);
        // Whoever talks to the gateway has an address that castgate hears.
        const player = await lab.startReceiver(name);
        await player.ask(`echo ${LabAddress.upstream} 1`, 15_000);
      }
      const inside = async () =>
        (await daemon.sessions())
          .filter(({ authorized }) => authorized)
          .map(({ account }) => account)
          .sort();
      expect(await inside()).toEqual(['leaves', 'mute', 'stays']);
      // Rounds in which two hosts answer by their kernels, by turns, and nobody logs in again.
      await until('both to have answered', 60_000, async () => {
        await pause(500);
        return (await answers(topology.switchNamespace)) >= 4 ? (true as const) : undefined;
      });
      expect(await inside()).toEqual(['leaves', 'mute', 'stays']);
      await topology.unplug(topology.host('leaves'));
      await until('the host that is gone to be out', 40_000, async () =>
        (await inside()).includes('leaves') ? undefined : (true as const),
      );
      await pause(6_000);
      expect(await inside()).toEqual(['mute', 'stays']);
      // It was asked and has answered all the time, and that was no login.
      expect(supplicants.at(-1)?.conversations).toBe(1);
      const stops = () =>
        lab.radius
          .accountingRecords()
          .filter((record) => record.text('Acct-Status-Type') === 'Stop')
          .map((record) => [record.text('User-Name'), record.text('Acct-Terminate-Cause')]);
      await until('its Stop', 10_000, () => (stops().length > 0 ? (true as const) : undefined));
      expect(stops()).toEqual([['leaves', 'Lost-Carrier']]);
      const ports = await daemon.ports();
      expect(ports.find(({ port }) => port === 'swp1')).toMatchObject({ up: true });
    },
  );
});
