/** The verbs of the control socket that ask and change nothing: `castgate trace` and `castgate test`. */
import type { ControlHandler } from '../control-socket.ts';
import type { Node } from '../node.ts';
import type { Happenings } from './happenings.ts';
import { readSelection } from './selection.ts';
import type { TrialResult } from './trials.ts';

export function questionHandlers(
  node: Node,
  happenings: Happenings,
): Readonly<Record<string, ControlHandler>> {
  return {
    trace: (params) => trace(happenings, params),
    test: (params) => test(node, params),
  };
}

/** Begins to follow, or gives what has happened since the last time: `{ id, events, lost }`. */
async function trace(happenings: Happenings, params: Readonly<Record<string, unknown>>): Promise<unknown> {
  const { id } = params;
  if (typeof id === 'string') {
    const follower = happenings.find(id);
    if (follower === undefined) return { refused: 'not followed any more: begin anew' };
    return { id, ...(await follower.take(TRACE_PATIENCE_MS)) };
  }
  const interest = readSelection(params);
  if ('refused' in interest) return interest;
  const begun = happenings.follow(interest);
  return begun === undefined
    ? { refused: 'too many look on already: end one of them' }
    : { id: begun.id, events: [], lost: 0 };
}

function test(node: Node, params: Readonly<Record<string, unknown>>): unknown {
  const selection = readSelection(params);
  if ('refused' in selection) return selection;
  const { account, group } = selection;
  if (account === undefined || group === undefined) return { refused: 'name an account and a group' };
  const { serving, idle } = node;
  if (serving === undefined) return { refused: idle ?? 'not serving' };
  return new Promise((resolve) => {
    serving.turn((now) =>
      serving.core.operate(now, () => {
        const done = (result: TrialResult) => resolve(result);
        const refused = serving.core.trials.ask(now, account, group, done);
        if (refused !== undefined) resolve({ refused });
      }),
    );
  });
}

/** Shorter than anybody waits who has asked. */
const TRACE_PATIENCE_MS = 10_000;
