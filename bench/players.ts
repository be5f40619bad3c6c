/**
 * The players' program: supplicants, viewers, head-end and the bare RADIUS client in one process, so that all
 * times are of one clock. It lives in the hosts' namespace.
 *
 *   node dist/bench/players.js SETUP      (JSON, see PlayersSetup)
 *
 * On standard input: login PLAN, logoff PORTS FIRST COUNT, zap PLAN, rush PLAN IN_FLIGHT, gather PLAN IN_FLIGHT,
 * leave-all PLAN, change PLAN, want-denied PLAN, leaks, flood PLAN, ask PLAN, revoke PLAN ACCOUNTS.
 */
import { readFileSync } from 'node:fs';
import { inNamespace, PacketPort } from '../lab/hosts/packet-port.ts';
import { emit, type Json, serveCommands } from '../lab/line-program.ts';
import { accountOf, type LoginPlan, Supplicants } from './auth/supplicants.ts';
import { Asker, type AskPlan } from './channels/asker.ts';
import { Flood, type FloodPlan } from './channels/flood.ts';
import { HeadEnd } from './channels/head-end.ts';
import { Revoker } from './channels/revoker.ts';
import { Viewers, type WatchPlan } from './channels/viewers.ts';

/** What the program has to know of the bench's network. */
export interface PlayersSetup {
  readonly hostsNamespace: string;
  readonly hostInterfaces: readonly string[];
  readonly upstreamNamespace: string;
  readonly upstreamInterfaces: readonly string[];
  readonly switchNamespace: string;
  readonly switchAddress: string;
  readonly radiusNamespace: string;
  readonly radiusAddress: string;
  readonly radiusSecretFile: string;
}

async function main(setup: PlayersSetup): Promise<void> {
  const port = new PacketPort(setup.hostInterfaces, 'all');
  const headEnd = await HeadEnd.start(setup.upstreamNamespace, setup.upstreamInterfaces);
  const asker = await inNamespace(setup.switchNamespace, setup.hostsNamespace, () =>
    Asker.connect(setup.radiusAddress, 1812, readFileSync(setup.radiusSecretFile)),
  );
  const revoker = await inNamespace(setup.radiusNamespace, setup.hostsNamespace, () =>
    Revoker.connect(setup.switchAddress, readFileSync(setup.radiusSecretFile)),
  );
  const supplicants = new Supplicants(port);
  const viewers = new Viewers(port, headEnd);
  port.watch((ifindex, frame) => {
    supplicants.receive(ifindex, frame);
    viewers.receive(ifindex, frame);
  });
  let flood: Flood | undefined;
  // The head-end's load on the machine is the same as while viewers join.
  const ask = (plan: AskPlan) => viewers.whileOnAir(plan.upstream, plan.inFlight, () => asker.ask(plan));
  serveCommands(
    async (verb, [plan = '', second = '', third = '']): Promise<Json> => {
      switch (verb) {
        case 'login':
          return { ...(await supplicants.login(JSON.parse(plan) as LoginPlan)) };
        case 'logoff':
          supplicants.logoff(JSON.parse(plan) as string[], Number(second), Number(third));
          return {};
        case 'zap':
          return { ...(await viewers.zap(JSON.parse(plan) as WatchPlan)) };
        case 'rush':
          return { ...(await viewers.rush(JSON.parse(plan) as WatchPlan, Number(second))) };
        case 'gather':
          return { ...(await viewers.gather(JSON.parse(plan) as WatchPlan, Number(second))) };
        case 'leave-all':
          await viewers.leaveAll(JSON.parse(plan) as WatchPlan);
          return {};
        case 'change':
          return { ...(await viewers.change(JSON.parse(plan) as WatchPlan)) };
        case 'want-denied':
          viewers.wantDenied(JSON.parse(plan) as WatchPlan);
          return {};
        case 'leaks':
          return { leaks: viewers.leaks };
        case 'flood':
          flood ??= await Flood.start(setup.hostsNamespace, setup.hostInterfaces);
          return { sent: flood.set(JSON.parse(plan) as Partial<FloodPlan>) };
        case 'ask':
          return { ...(await ask(JSON.parse(plan) as AskPlan)) };
        case 'revoke': {
          const revoke = (viewer: number, group: number) =>
            revoker.revoke(accountOf(viewer, Number(second)), group);
          return { ...(await viewers.revoke(JSON.parse(plan) as WatchPlan, revoke)) };
        }
        default:
          throw new Error('no such command');
      }
    },
    () => process.exit(0),
  );
  emit({ event: 'ready' });
}

await main(JSON.parse(process.argv[2] ?? '') as PlayersSetup);
