/** `castgate explain` and `castgate show drift`: what the daemon answers. */
import { isMulticastIp, type Mac, macAt, macBytes } from '../../wire/address.ts';
import type { Explanation } from '../channels/channels.ts';
import type { ControlHandler } from '../control-socket.ts';
import type { Core } from '../core/core.ts';
import type { DriftRow } from './show-rows.ts';

/** What is needed of a node that serves. */
export interface ServingCore {
  readonly core: Core;
  now(): number;
  turn(think: (at: number) => void): void;
}

type Params = Readonly<Record<string, unknown>>;

/** One host and channel: port, mac, group; vlan, source and `ask` may be left out. */
export async function explain(
  params: Params,
  serving: ServingCore,
): Promise<Explanation | { refused: string }> {
  const { port, group, source, vlan = 0, ask = false } = params;
  const { core } = serving;
  if (typeof port !== 'string' || !core.config.ports.some(({ name }) => name === port))
    return { refused: `no subscriber port '${String(port)}' in the configuration` };
  const mac = macOf(params['mac']);
  if (mac === undefined) return { refused: `'${String(params['mac'])}' is no MAC address` };
  if (typeof group !== 'string' || !isMulticastIp(group))
    return { refused: `'${String(group)}' is no group` };
  if (source !== undefined && typeof source !== 'string') return { refused: 'source is no address' };
  if (typeof vlan !== 'number') return { refused: 'vlan is no number' };
  const from = { port, vlan, mac };
  const judged = core.channels.explain(serving.now(), from, group, source);
  if (ask !== true || judged.verdict !== 'ask') return judged;
  let question: string | undefined;
  serving.turn((at) => {
    core.operate(at, () => {
      question = core.channels.askAbout(at, from, group, source);
    });
  });
  // It is answered, or given up, within its patience.
  while (question !== undefined && core.channels.isAsked(question))
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return core.channels.explain(serving.now(), from, group, source);
}

/** What was put right since the start, and what a look at the kernel's tables finds now. */
export async function drift(
  serving: ServingCore,
  inspect: () => Promise<readonly string[]>,
): Promise<DriftRow[]> {
  const at = serving.now();
  return [...serving.core.repairs(), ...(await inspect()).map((what) => ({ at, what }))];
}

/** Handlers that answer where this node serves. */
export function explainHandlers(
  serving: () => ServingCore | { refused: string },
  inspect: () => Promise<readonly string[]>,
): Readonly<Record<string, ControlHandler>> {
  const answer =
    (how: (params: Params, by: ServingCore) => unknown): ControlHandler =>
    (params) => {
      const by = serving();
      return 'refused' in by ? by : how(params, by);
    };
  return {
    explain: answer(explain),
    drift: answer((_params, by) => drift(by, inspect)),
  };
}

/** Any usual way to write one. */
function macOf(text: unknown): Mac | undefined {
  if (typeof text !== 'string') return undefined;
  const octets = macBytes(text.toLowerCase().replaceAll('-', ':'));
  return octets === undefined ? undefined : macAt(octets, 0);
}

const POLL_MS = 20;
