/**
 * What an operator may do to who is in: log in anew, out, take channels, forget decisions, shut a port. Each
 * order says whom it means; one that means nobody is refused, and so is one that would mean everybody without
 * saying so.
 */
import type { ControlHandler } from '../control-socket.ts';
import type { Core } from '../core/core.ts';
import type { Node } from '../node.ts';
import { readSelection, type Selection, selects } from './selection.ts';

/** What was done, or why nothing was. */
export type Obeyed = { readonly done: readonly string[] } | { readonly refused: string };

/** The verbs of the control socket that change something. */
export function orderHandlers(node: Node): Readonly<Record<string, ControlHandler>> {
  const ordered =
    (obey: (core: Core, now: number, selection: Selection, all: boolean) => Obeyed): ControlHandler =>
    (params) => {
      const selection = readSelection(params);
      if ('refused' in selection) return selection;
      const { serving, idle } = node;
      if (serving === undefined) return { refused: idle ?? 'not serving' };
      let obeyed: Obeyed = { refused: 'not carried out: the daemon is stopping' };
      serving.turn((now) => {
        obeyed = serving.core.operate(now, () => obey(serving.core, now, selection, params['all'] === true));
      });
      if ('refused' in obeyed) return obeyed;
      const known = serving.settled();
      return known === true ? obeyed : known.then((isKnown) => (isKnown ? obeyed : NOT_KNOWN));
    };
  return {
    reauth: ordered((core, now, selection, all) =>
      eachHost(core, selection, all, (host) => core.subscribers.reauthenticate(now, host)),
    ),
    disconnect: ordered((core, now, selection, all) =>
      eachHost(core, selection, all, (host) => {
        core.subscribers.disconnect(now, host);
        return true;
      }),
    ),
    revoke: ordered(revoke),
    clear: ordered(clear),
    'port-shut': ordered((core, now, { port }) =>
      setPort(core, port, () => core.links.shut(now, port ?? '', 'operator')),
    ),
    'port-open': ordered((core, _now, { port }) => setPort(core, port, () => core.links.open(port ?? ''))),
  };
}

function eachHost(core: Core, selection: Selection, all: boolean, act: (host: string) => boolean): Obeyed {
  if (selection.group !== undefined)
    return { refused: 'a group says nothing about hosts: name a port, MAC or account' };
  if (!all && isOpen(selection)) return { refused: NOBODY_NAMED };
  const { authenticators, sessions, conversations } = core.stores;
  const hosts = [...authenticators.values()].filter((record) => {
    const { account } = sessions.get(record.key) ?? { account: undefined };
    const name = conversations.get(record.key)?.userName;
    return selects(selection, { ...record, account: account ?? (name && new TextDecoder().decode(name)) });
  });
  const done = hosts.map(({ key }) => key).filter(act);
  if (done.length > 0) return { done };
  return { refused: hosts.length === 0 ? 'no host is meant by that' : 'none of these hosts is logged in' };
}

/** Takes from an account one channel, or all that it receives. */
function revoke(core: Core, now: number, { account, group, port, mac }: Selection): Obeyed {
  if (account === undefined) return { refused: 'channels belong to accounts: name one with --account' };
  if (port !== undefined || mac !== undefined)
    return { refused: 'a right is of the account, wherever it is: leave port and MAC out' };
  const taken = [...core.stores.grants.values()].filter(
    (grant) => grant.account === account && (group === undefined || grant.group === group),
  );
  core.channels.changeRights(now, account, {
    verb: 'revoke',
    groups: group === undefined ? undefined : [group],
  });
  if (taken.length > 0) return { done: taken.map(({ key }) => key) };
  return { refused: `${account} receives ${group ?? 'no channel'}${group === undefined ? '' : ' nowhere'}` };
}

/** Forgets what RADIUS has decided: the next join asks again. What is granted goes on. */
function clear(core: Core, _now: number, selection: Selection, all: boolean): Obeyed {
  const { account, group, port, mac } = selection;
  if (port !== undefined || mac !== undefined)
    return { refused: 'decisions are about accounts and groups: name these' };
  if (!all && isOpen(selection)) return { refused: NOBODY_NAMED };
  const { decisions } = core.stores;
  const done = [...decisions.entries()]
    .map(([key]) => key)
    .filter((key) => {
      // group/source/account: the account comes last and may hold any character.
      const [ofGroup, source] = key.split('/', 2);
      const ofAccount = key.slice(`${ofGroup}/${source}/`.length);
      return (group ?? ofGroup) === ofGroup && (account ?? ofAccount) === ofAccount;
    });
  for (const key of done) decisions.delete(key);
  return done.length > 0 ? { done } : { refused: 'no decision is remembered about that' };
}

function setPort(core: Core, port: string | undefined, act: () => void): Obeyed {
  const names = core.config.ports.map(({ name }) => name);
  if (port === undefined || !names.includes(port))
    return { refused: `'${port ?? ''}' is no subscriber port (there are: ${names.join(', ')})` };
  act();
  return { done: [port] };
}

function isOpen({ port, mac, account, group }: Selection): boolean {
  return port === undefined && mac === undefined && account === undefined && group === undefined;
}

/** Of two nodes: what is told as done is done on whichever serves from then on. */
const NOT_KNOWN: Obeyed = {
  refused: 'this node stopped serving before the other one had it for certain: look there whether it is done',
};
const NOBODY_NAMED = 'say whom: --port, --mac, --account, or --all for everybody';
