/**
 * A host that speaks no 802.1X, between real parts: its own ARP is what is seen of it, FreeRADIUS knows its MAC
 * address, and the bridge lets it through then. In a lab of its own in network namespaces.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';
/** The first host of a lab has this address. */
const PRINTER = '02:ca:57:00:01:01';

let lab: Lab | undefined;
let castgate: Castgate | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined)
    console.error(`castgate's last lines:\n${castgate.tail(40).join('\n')}`);
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

describe.skipIf(notRoot || notBuilt)(`MAC authentication${why}`, { timeout: 60_000 }, () => {
  it.each(['pap', 'chap', 'eap-md5'])(
    '%s: a silent host is in by its MAC address, a stranger is not',
    async (method) => {
      const name = PRINTER.replaceAll(':', '');
      lab = await Lab.open({
        hosts: [
          { name: 'printer', port: 'swp1' },
          { name: 'stranger', port: 'swp2' },
        ],
        users: [{ name, password: name }],
        permissions: [],
        channels: [],
      });
      castgate = await lab.startCastgate({ authenticator: { methods: 'mab-dot1x', mab: { method } } });
      const [printer, stranger] = [lab.topology.host('printer'), lab.topology.host('stranger')];
      expect(printer.mac).toBe(PRINTER);
      for (const host of [printer, stranger]) await lab.topology.plugIn(host);
      const players = new Map([
        [printer.namespace, await lab.startReceiver('printer')],
        [stranger.namespace, await lab.startReceiver('stranger')],
      ]);
      // The host has to ask for the address first: that is what castgate sees of it.
      const ping = async (namespace: string) => {
        const answer = await players.get(namespace)?.ask(`echo ${LabAddress.upstream} 5`, 15_000);
        return Number(answer?.['returned'] ?? 0) > 0;
      };
      const daemon = castgate;
      await until('the printer is in', 20_000, async () => {
        await ping(printer.namespace);
        const [session] = (await daemon.sessions()).filter(({ mac }) => mac === PRINTER);
        return session?.authorized === true ? (true as const) : undefined;
      });
      await until('the printer is answered', 10_000, async () =>
        (await ping(printer.namespace)) ? true : undefined,
      );
      expect(await ping(stranger.namespace)).toBe(false);
      const sessions = await daemon.sessions();
      expect(sessions.filter(({ authorized }) => authorized).map(({ mac }) => mac)).toEqual([PRINTER]);
    },
  );
});
