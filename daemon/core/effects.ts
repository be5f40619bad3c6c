/**
 * What a turn of the machines does to the world, as data, in order. Effects are carried out at the end of
 * the turn in one place, so that whatever others would believe (an opened port, a forwarded channel, an
 * EAP-Success, a request) can be held there until its records are safe.
 */
import type { HostFilter } from '../../igmp/membership.ts';
import type {
  HostOpening,
  HostPlace,
  PortService,
  Switch,
  SwitchFailure,
  SwitchOperation,
} from '../../switch/switch.ts';
import type { IpAddress } from '../../wire/address.ts';

export type Effect =
  | { readonly kind: 'open-host'; readonly key: string; readonly host: HostOpening }
  | { readonly kind: 'close-host'; readonly host: HostPlace }
  /** `about` names the host for whom the port is served so: it stays out where that failed. */
  | {
      readonly kind: 'serve-port';
      readonly port: string;
      readonly service: PortService;
      readonly about?: string;
    }
  | {
      readonly kind: 'forward';
      readonly port: string;
      readonly vlan: number;
      readonly group: IpAddress;
      readonly filter: HostFilter | undefined;
    }
  /** `about` names the host to which the frame says something: it stays unsaid where opening it failed. */
  | {
      readonly kind: 'frame';
      readonly port: string;
      readonly vlan: number;
      readonly frame: Uint8Array;
      readonly about?: string;
    }
  | {
      readonly kind: 'datagram';
      readonly server: string;
      readonly port: 'auth' | 'acct';
      readonly socket: number;
      readonly bytes: Uint8Array;
    }
  /** What came on a connection to a server was not what a server sends: it is closed. */
  | {
      readonly kind: 'drop-connection';
      readonly server: string;
      readonly port: 'auth' | 'acct';
      readonly socket: number;
    }
  /** An answer to a dynamic authorization client (RFC 5176), from the socket that the request came to. */
  | {
      readonly kind: 'dynamic-reply';
      readonly from: number;
      readonly to: DynamicPeer;
      readonly bytes: Uint8Array;
    }
  /** Takes the link of a subscriber port down, or sets it up. */
  | { readonly kind: 'port-link'; readonly port: string; readonly up: boolean };

/** Where a request of a dynamic authorization client came from. */
export interface DynamicPeer {
  readonly address: IpAddress;
  readonly port: number;
}

/** Sends RADIUS datagrams; `socket` counts the source ports towards one server and port. */
export interface DatagramSender {
  send(server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array): void;
  /** Closes a connection; not there where there are none. */
  drop?(server: string, port: 'auth' | 'acct', socket: number): void;
  /** Answers a dynamic authorization client; `from` counts the listening sockets. Not there where none listens. */
  reply?(from: number, to: DynamicPeer, bytes: Uint8Array): void;
}

/** An effect that the switch refused. */
export interface FailedEffect {
  readonly effect: Effect;
  readonly failure: SwitchFailure;
}

/** Carries effects out, and gives back those that failed. */
export function carryOut(all: readonly Effect[], target: Switch, datagrams: DatagramSender): FailedEffect[] {
  const effects = operationsFirst(all);
  const failed: FailedEffect[] = [];
  const shut = new Set<string>();
  for (let at = 0; at < effects.length; ) {
    const run = operationsFrom(effects, at);
    const refused = run.length > 1 ? carryOutRun(run, target, shut) : [];
    if (run.length > 1) at += run.length;
    else {
      const effect = effects[at++];
      const failure = effect === undefined ? undefined : carryOutOne(effect, target, datagrams, shut);
      if (effect !== undefined && failure !== undefined) refused.push({ effect, failure });
    }
    for (const { effect } of refused) {
      const host = hostOf(effect);
      if (host !== undefined) shut.add(host);
    }
    failed.push(...refused);
  }
  return failed;
}

type Operation = Extract<Effect, SwitchOperation>;
type SentFrame = Extract<Effect, { kind: 'frame' }>;
type Telling = SentFrame | Extract<Effect, { kind: 'datagram' }>;

function isOperation(effect: Effect): effect is Operation {
  return effect.kind === 'open-host' || effect.kind === 'close-host' || effect.kind === 'forward';
}

/**
 * What the switch does before the frames and datagrams around it, which only tell others: so the logins and joins of a
 * turn are neighbours, and a port is open before anybody hears of it. Their own order stays, and nothing overtakes what
 * is about links, connections and how a port is served.
 */
function operationsFirst(effects: readonly Effect[]): readonly Effect[] {
  if (effects.length < 2) return effects;
  const ordered: Effect[] = [];
  let telling: Telling[] = [];
  for (const effect of effects) {
    if (effect.kind === 'datagram' || effect.kind === 'frame') telling.push(effect);
    else if (isOperation(effect)) ordered.push(effect);
    else {
      ordered.push(...onceEach(telling), effect);
      telling = [];
    }
  }
  ordered.push(...onceEach(telling));
  return ordered;
}

/** Of a frame that is to leave several times (a query for each of the hosts that came in) the last stays. */
function onceEach(telling: readonly Telling[]): readonly Telling[] {
  const later = new Map<Uint8Array, SentFrame[]>();
  const once: Telling[] = [];
  for (let at = telling.length - 1; at >= 0; at--) {
    const effect = telling[at];
    if (effect === undefined) continue;
    if (effect.kind === 'frame' && effect.about === undefined) {
      const same = later.get(effect.frame);
      if (same?.some(({ port, vlan }) => port === effect.port && vlan === effect.vlan) === true) continue;
      if (same === undefined) later.set(effect.frame, [effect]);
      else same.push(effect);
    }
    once.push(effect);
  }
  return once.length === telling.length ? telling : once.reverse();
}

/** Neighbours that the switch takes together. */
function operationsFrom(effects: readonly Effect[], at: number): Operation[] {
  const run: Operation[] = [];
  for (let i = at; i < effects.length; i++) {
    const effect = effects[i];
    if (effect === undefined || !isOperation(effect)) break;
    run.push(effect);
  }
  return run;
}

function carryOutRun(run: readonly Operation[], target: Switch, shut: ReadonlySet<string>): FailedEffect[] {
  const allowed = run.filter((effect) => effect.kind !== 'open-host' || !shut.has(effect.key));
  const effects = new Map<SwitchOperation, Operation>(allowed.map((effect) => [effect, effect]));
  return target.applyAll(allowed).flatMap(({ operation, failure }) => {
    const effect = effects.get(operation);
    return effect === undefined ? [] : [{ effect, failure }];
  });
}

/** The host that is not in where the effect failed. */
export function hostOf(effect: Effect): string | undefined {
  if (effect.kind === 'open-host') return effect.key;
  return effect.kind === 'serve-port' ? effect.about : undefined;
}

function carryOutOne(
  effect: Effect,
  target: Switch,
  datagrams: DatagramSender,
  shut: ReadonlySet<string>,
): SwitchFailure | undefined {
  switch (effect.kind) {
    case 'open-host':
      if (shut.has(effect.key)) return undefined;
      return target.openHost(effect.host);
    case 'close-host':
      return target.closeHost(effect.host);
    case 'serve-port':
      return target.setPortService(effect.port, effect.service);
    case 'forward':
      if (effect.filter === undefined) return target.clearForwarding(effect.port, effect.vlan, effect.group);
      return target.setForwarding(effect.port, effect.vlan, effect.group, effect.filter);
    case 'frame':
      if (effect.about !== undefined && shut.has(effect.about)) return undefined;
      return target.sendFrame(effect.port, effect.vlan, effect.frame);
    case 'datagram':
      datagrams.send(effect.server, effect.port, effect.socket, effect.bytes);
      return undefined;
    case 'drop-connection':
      datagrams.drop?.(effect.server, effect.port, effect.socket);
      return undefined;
    case 'dynamic-reply':
      datagrams.reply?.(effect.from, effect.to, effect.bytes);
      return undefined;
    case 'port-link':
      return target.setPortLink(effect.port, effect.up);
  }
}
