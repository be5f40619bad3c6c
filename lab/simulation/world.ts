/**
 * The world of one run: subscribers on their cables, RADIUS servers, a router, and the pair of nodes between
 * them, on one virtual clock and one seed. After every single thing that happens everything that must always
 * hold is looked at.
 */
import type { Config } from '../../config/config.ts';
import type { DynamicPeer } from '../../daemon/core/effects.ts';
import type { Stores } from '../../daemon/core/stores.ts';
import type { Logger } from '../../daemon/log/log.ts';
import { membershipKey } from '../../igmp/membership.ts';
import { stationText } from '../../radius/attributes.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import { channelKey, hostKey } from '../../session/records.ts';
import type { Change } from '../../session/store.ts';
import type { MemorySwitch, SentFrame } from '../../switch/memory-switch.ts';
import { type IpAddress, ipFamily, type Mac } from '../../wire/address.ts';
import { Random } from '../random.ts';
import { checkCause } from './checks/excuses.ts';
import { ExpectedBooks } from './checks/expected-books.ts';
import { Ledger } from './checks/ledger.ts';
import type { Mark } from './checks/marks.ts';
import { checkRecords, checkSwitch } from './checks/state-checks.ts';
import { probeTakeover } from './checks/takeover-probe.ts';
import { must } from './checks/violation.ts';
import { type ActiveNode, type Doom, PATIENCE_MS } from './nodes/active-node.ts';
import { type Fate, Pair, type PairWorld } from './nodes/pair.ts';
import { AccessPolicy, SENT_GROUPS } from './outside/access-policy.ts';
import { Agenda } from './outside/agenda.ts';
import { NETWORK_SOURCES } from './outside/channels.ts';
import {
  type ChannelOrder,
  DYNAMIC_CLIENT,
  DynamicClient,
  type DynamicWorld,
} from './outside/dynamic-client.ts';
import { openAccounts, settle } from './outside/people.ts';
import { RadiusService, type ServiceWorld } from './outside/radius-service.ts';
import { ShutPorts } from './outside/shut-ports.ts';
import type { HostWorld, LoginTimes, Subscriber } from './outside/subscriber.ts';
import { UpstreamRouter } from './outside/upstream-router.ts';
import { drawPlan, type Plan, simulatedConfig, UPLINK } from './plan.ts';

export interface WorldOptions {
  /** Of people and faults, before everything is wound up. */
  readonly actions: number;
  /** Takes the story of the run, line by line. */
  readonly trace?: ((line: string) => void) | undefined;
  /** The active dies once, at this event, and not where and how often the seed says. */
  readonly dieAt?: number | undefined;
}

export class World implements HostWorld, ServiceWorld, PairWorld, DynamicWorld {
  readonly agenda = new Agenda();
  readonly random: Random;
  readonly plan: Plan;
  readonly config: Config;
  readonly policy: AccessPolicy;
  readonly ledger = new Ledger();
  readonly books = new ExpectedBooks();
  readonly router = new UpstreamRouter();
  readonly radius: RadiusService;
  readonly dynamic: DynamicClient;
  readonly subscribers: readonly Subscriber[];
  readonly pair: Pair;
  readonly log: Logger;
  readonly datagrams = {
    send: (server: string, port: RadiusPort, socket: number, bytes: Uint8Array) =>
      this.radius.send(server, port, socket, bytes),
    reply: (_from: number, _to: DynamicPeer, bytes: Uint8Array) => this.dynamic.answered(bytes),
  };
  /** Turns of the active so far. */
  turns = 0;
  /** Events so far. */
  steps = 0;
  /** Takeovers that were tried out. */
  probes = 0;
  crashesLeft: number;
  /** The run is about one death: at this event, or as soon after it as it costs nothing. */
  readonly #dieAt: number | undefined;
  /** How often castgate has begun with nothing. */
  coldStarts = 1;
  /** The router has just begun anew: it cannot know yet what is received. */
  isRouterNew = false;
  /** Everybody leaves: no cable comes back. */
  closing = false;
  readonly #trace: ((line: string) => void) | undefined;
  /** Ports without a cable. */
  readonly #darkPorts = new Set<string>();
  readonly #shut: ShutPorts;
  /** Places that a host has left without a word. */
  readonly #abandoned = new Set<string>();
  /** Accounts that somebody behind the port has used. */
  readonly #usedAt = new Map<string, Set<string>>();
  #toCheck = false;
  /** What comes of the death that the active is doomed to. */
  #doomedTo: Fate | undefined;
  #hasDied = false;
  /** The standby's state that was tried out last. */
  #probedAt = '';
  /** When nobody served. */
  /** When the last of the frames that are on their way out of a port arrives. */
  readonly #lastHeardAt = new Map<string, number>();
  readonly #idle: [number, number][] = [];
  #idleSince = 0;
  /** What a CoA-Request has changed in the turn that runs. */
  #ordered: ChannelOrder | undefined;
  /** When the switch last refused a frame: it may have been a report, which is said again. */
  #frameRefusedAt = Number.NEGATIVE_INFINITY;

  constructor(seed: number, { actions, trace, dieAt }: WorldOptions) {
    this.#trace = trace;
    this.random = new Random(seed);
    this.plan = drawPlan(this.random, actions);
    this.#dieAt = dieAt;
    this.crashesLeft = dieAt === undefined ? this.plan.crashes : 0;
    this.config = simulatedConfig(this.plan.ports);
    this.policy = new AccessPolicy(this.random, (station) => this.#otherRights(station));
    openAccounts(this.policy, this.random, this.plan.rights);
    this.radius = new RadiusService(this, this.plan.radius);
    this.dynamic = new DynamicClient(this, this.plan.radius);
    this.subscribers = settle(this.plan, this.random, this.policy, this);
    this.log = this.#logger();
    this.pair = new Pair(this);
    this.#shut = new ShutPorts(this);
    this.say(`plan: ${JSON.stringify(this.plan)}`);
  }

  /** Lets the next thing happen, whoever's it is, and looks at everything. False: nothing will ever happen. */
  step(): boolean {
    const { agenda, pair } = this;
    const timer = pair.nextTimeout();
    const next = agenda.next();
    if (Math.min(timer, next) === Infinity) return false;
    if (timer < next) {
      agenda.now = Math.max(agenda.now, timer);
      pair.handleTimeout();
    } else {
      const what = agenda.runNext();
      if (this.#trace !== undefined) this.say(`- ${what}`);
    }
    this.#check();
    this.steps++;
    this.#maybeKill();
    return true;
  }

  /** Between two actions: looks at records anew, and at what a takeover would cost now. */
  lookClosely(): void {
    const { pair, agenda } = this;
    pair.lookClosely();
    const covered = pair.coveredStores;
    // What was tried out with these very records needs no second look.
    if (covered === undefined || pair.standbyAt === this.#probedAt) return;
    this.#probedAt = pair.standbyAt;
    this.probes++;
    probeTakeover(this, covered, agenda.now);
  }

  /** Nobody dies for a while. */
  spare<T>(run: () => T): T {
    const before = this.crashesLeft;
    this.crashesLeft = 0;
    if (this.pair.active !== undefined) this.pair.active.doom = undefined;
    const result = run();
    this.crashesLeft = before;
    return result;
  }

  // ---- what people and faults do

  setCarrier(port: string, carrier: boolean): void {
    if (this.hasCable(port) === carrier || (carrier && this.closing)) return;
    this.say(`${port}: ${carrier ? 'cable in' : 'cable out'}`);
    if (carrier) this.#darkPorts.delete(port);
    else this.#darkPorts.add(port);
    if (this.#shut.isDown(port)) return;
    this.carrierChanged(port, carrier);
    this.pair.bridge?.setLink(port, carrier);
  }

  /** Hosts see that their link is there, or not. */
  carrierChanged(port: string, carrier: boolean): void {
    for (const who of this.subscribers) {
      if (who.port !== port) continue;
      if (carrier) who.foundCarrier();
      else who.lostCarrier();
    }
  }

  shutPort(port: string): void {
    this.#shut.shut(port);
  }

  openPorts(): void {
    for (const port of this.plan.ports) this.#shut.open(port);
  }

  /** The host leaves its port for another one. */
  moved(who: Subscriber): void {
    this.#abandoned.add(hostKey(who.port, who.identity.vlan, who.mac));
  }

  /** A packet of a channel comes down from the router, if it sends it. */
  sendChannel(group: IpAddress, source: IpAddress): void {
    const { active, bridge } = this.pair;
    if (bridge === undefined) return;
    for (const vlan of [0, 7]) {
      if (!this.router.passes(vlan, group, source)) continue;
      const octets = this.random.whole(100, 1400);
      for (const port of bridge.deliver(group, source, octets, vlan)) {
        if (active !== undefined && isAhead(active.stores, port, vlan, group)) {
          this.books.delivered(port, vlan, group, octets, active.gate.waiting.length === 0);
          continue;
        }
        const accounts = [...(this.#usedAt.get(port) ?? [])];
        const since = this.agenda.now - PERMISSION_MS - this.idleMs;
        must(
          accounts.some(
            (account) =>
              this.policy.wasPermitted(account, group, since) ||
              this.policy.hadRight(account, group, since - LONG_AGO_MS),
          ),
          () => `${port} receives ${group}, which nobody behind it may`,
        );
        this.books.delivered(port, vlan, group, octets, active?.gate.waiting.length === 0);
      }
    }
  }

  /** A packet from one of the hosts that are in, or to it. */
  sendUnicast(): void {
    const { active, bridge } = this.pair;
    const hosts = bridge?.openHosts() ?? [];
    if (bridge === undefined || hosts.length === 0) return;
    const { port, vlan, mac } = this.random.pick(hosts);
    const octets = this.random.whole(64, 1500);
    const key = `session/${hostKey(port, vlan, mac)}`;
    const sure = active?.gate.waiting.length === 0;
    if (this.random.chance(0.5)) {
      if (bridge.transmit({ port, vlan, mac }, octets)) this.books.passed(key, octets, 0, sure);
      for (const group of SENT_GROUPS) {
        must(
          !bridge.passesGroup({ port, vlan, mac }, group, ANY_SOURCE) ||
            this.policy.everSent.get(stationText(mac))?.has(group) === true,
          () => `${key} may send to ${group}, which no login of it was allowed`,
        );
      }
    } else if (bridge.transmitTo(vlan, mac, octets)) this.books.passed(key, 0, octets, sure);
  }

  queryUpstream(version: 2 | 3): void {
    for (const frame of this.router.query(version)) {
      for (const vlan of [0, 7]) this.pair.bridge?.receive(UPLINK, vlan, frame);
    }
  }

  passwordOf(account: string): string {
    return this.policy.accounts.get(account)?.password ?? '';
  }

  // ---- HostWorld

  transmit(from: Subscriber, frame: Uint8Array): void {
    const { port } = from;
    const { vlan } = from.identity;
    if (!this.hasCarrier(port)) return;
    const used = this.#usedAt.get(port) ?? new Set();
    this.#usedAt.set(port, used.add(from.account));
    const arrive = () => this.pair.bridge?.receive(port, vlan, frame);
    this.agenda.after(this.random.between(0, 2), `a frame of ${from.name} arrives`, arrive);
  }

  loginTimes(mac: Mac): LoginTimes {
    return this.policy.timesOf(stationText(mac));
  }

  isIn(who: Subscriber): boolean {
    const key = hostKey(who.port, who.identity.vlan, who.mac);
    return this.pair.active?.stores.sessions.has(key) === true;
  }

  // ---- ServiceWorld

  deliver(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const { active } = this.pair;
    active?.turn((now) => active.core.datagram(now, server, port, socket, bytes));
  }

  deliverDynamic(bytes: Uint8Array, about: 'sessions' | 'channels'): void {
    for (const who of this.subscribers) who.mark(about === 'sessions' ? 'disconnected' : 'withdrawn');
    const { active } = this.pair;
    active?.turn((now) => {
      active.core.dynamicRequest(now, 0, DYNAMIC_CLIENT, bytes);
    });
  }

  trouble(): void {
    for (const who of this.subscribers) who.mark('radius-trouble');
  }

  // ---- PairWorld

  hasCable(port: string): boolean {
    return !this.#darkPorts.has(port);
  }

  hasCarrier(port: string): boolean {
    return this.hasCable(port) && !this.#shut.isDown(port);
  }

  linkSet(bridge: MemorySwitch, port: string, up: boolean): void {
    this.#shut.linkSet(bridge, port, up);
  }

  changed(change: Change): void {
    this.books.changed(change);
  }

  sent(frames: readonly SentFrame[]): void {
    for (const { port, vlan, frame } of frames) {
      if (port === UPLINK) {
        this.router.receive(vlan, frame);
        continue;
      }
      const hear = () => {
        if (!this.hasCarrier(port)) return;
        for (const who of this.subscribers) {
          if (who.port === port && who.identity.vlan === vlan) who.receive(frame);
        }
      };
      // No frame of a cable overtakes another one.
      const { now } = this.agenda;
      const afterMs = Math.max(this.random.between(0, 2), (this.#lastHeardAt.get(port) ?? 0) - now + 0.001);
      this.#lastHeardAt.set(port, now + afterMs);
      this.agenda.after(afterMs, `a frame leaves ${port}`, hear);
    }
  }

  sealed(node: ActiveNode): void {
    this.books.sealed(node.source.last);
    this.pair.sealed(node);
  }

  turned(node: ActiveNode): void {
    this.turns++;
    this.#toCheck = true;
    this.pair.turned(node);
  }

  fell(node: ActiveNode, has: number): void {
    this.#dies(this.#doomedTo ?? 'takeover', has, node.doom);
  }

  died(fate: Fate, have: number): void {
    this.#ordered = undefined;
    this.#idleSince = this.agenda.now;
    this.#shut.died(fate);
    if (fate === 'restart') {
      this.books.tookOver(have, 'kept');
      return;
    }
    this.radius.loseSome();
    if (fate === 'takeover') {
      this.books.tookOver(have, 'new');
      return;
    }
    this.dynamic.forget();
    if (fate === 'stale') this.books.lost(have, this.ledger);
    else this.books.forgotten(this.ledger);
    for (const who of this.subscribers) {
      who.doubt();
      who.mark('state-lost');
    }
  }

  /** Its switch may refuse some of what it is told at first. */
  begins({ bridge }: ActiveNode): void {
    const { random, plan, agenda } = this;
    this.#idle.push([this.#idleSince, agenda.now]);
    if (random.chance(plan.refusals) && !this.radius.healed) this.#refuse(bridge, random.whole(1, 3));
  }

  tookOver(node: ActiveNode, fate: Fate): void {
    this.say(`${node.name} goes on (${fate})`);
    this.#shut.tookOver(node.stores, fate);
    if (fate === 'cold') this.coldStarts++;
    // An older node has no answers of its own to take back: those of the newer one are as they were.
    if (this.plan.skewed) this.dynamic.taken.clear();
    // What it knows of who is under way is old, or nothing.
    if (fate === 'takeover' || fate === 'restart') this.#expectConversations();
    this.#toCheck = true;
    this.#check();
  }

  /** How long nobody served lately. */
  get idleMs(): number {
    const since = this.agenda.now - LONG_AGO_MS;
    let idle = 0;
    for (const [from, until] of this.#idle) if (until > since) idle += until - from;
    return idle;
  }

  /** When it was that castgate has served for so long since. */
  servedSince(ms: number): number {
    let since = this.agenda.now - ms;
    for (const [from, until] of this.#idle.toReversed()) if (until > since) since -= until - from;
    return since;
  }

  /** How long nobody served, in all. */
  get idleTotalMs(): number {
    return this.#idle.reduce((total, [from, until]) => total + until - from, 0);
  }

  /** The switch refuses something, as often as that. */
  refuse(times: number): void {
    const { bridge } = this.pair;
    if (bridge !== undefined) this.#refuse(bridge, times);
  }

  say(line: string): void {
    this.#trace?.(`${this.agenda.clock} ${line}`);
  }

  // ---- how the active dies

  #maybeKill(): void {
    const { pair, plan, random } = this;
    const { active } = pair;
    if (this.#dieAt !== undefined) {
      if (!this.#hasDied && this.steps >= this.#dieAt && pair.isCovered) {
        this.#hasDied = true;
        this.#dies('takeover');
      }
      return;
    }
    if (this.crashesLeft <= 0 || active === undefined || active.doom !== undefined) return;
    if (!random.chance(1 / plan.crashEvery)) return;
    const wantsRestart = random.chance(plan.restarts);
    // In the time of calm nobody is told any more that he is to log in again.
    const fate = () => pair.fateOf(wantsRestart, plan.careless && !this.radius.healed);
    if (!random.chance(plan.midTurn)) {
      const now = fate();
      if (now !== undefined) this.#dies(now);
      return;
    }
    active.doom = random.pick(['written', 'torn', 'among-effects'] as const);
    active.mayDie = () => {
      this.#doomedTo = this.crashesLeft > 0 ? fate() : undefined;
      return this.#doomedTo !== undefined;
    };
  }

  #dies(fate: Fate, has?: number, doom?: Doom): void {
    this.crashesLeft--;
    this.pair.die(fate, has, doom);
  }

  #refuse(bridge: MemorySwitch, times: number): void {
    bridge.fail(this.random.pick(['openHost', 'setForwarding', 'sendFrame'] as const), 'ENOMEM', times);
    for (const who of this.subscribers) who.mark('switch-trouble');
  }

  // ---- what always holds

  #check(): void {
    const { active } = this.pair;
    if (active === undefined || !this.#toCheck) return;
    this.#toCheck = false;
    const { now } = this.agenda;
    const { stores, gate, bridge } = active;
    checkRecords(stores, now);
    checkSwitch(stores, bridge, gate.waiting);
    this.#checkOrdered(stores);
    for (const { key, acctSessionId } of stores.sessions.values()) {
      must(!this.dynamic.gone.has(acctSessionId), () => `${key} is in, and its end was acknowledged`);
    }
    for (const { key, account, group, by } of stores.grants.values()) {
      // What is open before it is asked for is no answer.
      if (by === 'optimistic') continue;
      must(
        !this.dynamic.taken.has(`${account} ${group}`),
        () => `${key} is received, and its end was acknowledged`,
      );
    }
    for (const who of this.subscribers) {
      const key = hostKey(who.port, who.identity.vlan, who.mac);
      must(
        !who.isSurelyIn(now) || stores.sessions.get(key)?.account === who.account,
        () => `${who.name} heard EAP-Success ${now - who.heardAt} ms ago and is not in`,
      );
    }
    const reportLost = now - this.#frameRefusedAt < REPETITION_MS;
    if (gate.waiting.length > 0 || this.isRouterNew || reportLost) return;
    for (const { vlan, group, mode, sources, told } of stores.forwardings.values()) {
      // Of what RADIUS is still being asked about no router hears.
      if (told !== undefined) continue;
      for (const source of NETWORK_SOURCES[ipFamily(group)]) {
        const wanted = sources.includes(source) === (mode === 'include');
        must(
          !wanted || this.router.passes(vlan, group, source),
          () => `the router does not send ${group} from ${source}, which is forwarded`,
        );
      }
    }
  }

  /** Who has lost a channel by a CoA-Request receives it no more, and who was given one and wants it does. */
  #checkOrdered(stores: Stores): void {
    const order = this.#ordered;
    this.#ordered = undefined;
    if (order === undefined) return;
    const { verb, account, group } = order;
    const isMeant = (record: { readonly account: string; readonly group: IpAddress | undefined }) =>
      record.account === account && record.group === group;
    must(
      ![...stores.pending.values()].some(isMeant),
      () => `${account} still waits for ${group} after a ${verb}`,
    );
    if (verb === 'revoke') {
      must(![...stores.grants.values()].some(isMeant), () => `${account} receives ${group} after a revoke`);
      return;
    }
    for (const { key, host, mode, sources } of stores.memberships.values()) {
      const session = stores.sessions.get(host);
      if (session?.account !== account || key !== membershipKey(host, group)) continue;
      for (const source of mode === 'exclude' ? [undefined] : sources) {
        must(
          stores.grants.has(channelKey(host, group, source)) ||
            session.rights?.maxGroups !== undefined ||
            this.#mayRefuse(),
          () => `${host} wants ${group} and does not receive it after a grant`,
        );
      }
    }
  }

  /** A login of the station brings other rights than the last one. */
  #otherRights(station: string): void {
    for (const who of this.subscribers) if (stationText(who.mac) === station) who.mark('withdrawn');
  }

  /** The switch has refused something lately, or may still. */
  #mayRefuse(): boolean {
    return this.subscribers.some((who) => who.marks.any(this.agenda.now - LONG_AGO_MS, ['switch-trouble']));
  }

  /** Who is in the middle of a login when a node takes over goes on with it, and comes to its end in time. */
  #expectConversations(): void {
    const { agenda, plan, pair } = this;
    const since = agenda.now;
    const { active } = pair;
    const longest = ROUNDS * (2 * plan.radius.delayMs[1] + THINKING_MS) + 1000;
    for (const who of this.subscribers.filter((one) => one.conversing && one.askedAlone)) {
      agenda.after(longest, `${who.name} should be through`, () => {
        must(
          who.concludedAt > since ||
            pair.active !== active ||
            who.marks.any(since, DISTURBING) ||
            who.marks.any(since - TROUBLE_MS, ['radius-trouble', 'state-lost']) ||
            // A host that the switch could not open is told nothing.
            who.marks.any(since - LONG_AGO_MS, ['switch-trouble']),
          () =>
            `${who.name}, in the middle of a login when a node took over, is not through in ${longest} ms`,
        );
      });
    }
  }

  #logger(): Logger {
    const take = (event: string, fields: object = {}) => {
      if (this.#trace !== undefined) this.say(`  ${event} ${JSON.stringify(fields)}`);
      const said = fields as Readonly<Record<string, string | undefined>>;
      const { host = '', cause = '', group = '', source } = said;
      if (event === 'session-ended') {
        if (cause === 'admin-reset') this.dynamic.checkCarriedOut(host);
        this.books.said(`session/${host}`, cause);
        this.#explain(host, 'the session', cause);
      } else if (event === 'channel-ended') {
        this.books.said(`channel/${channelKey(host, group, source)}`, cause);
        const looked =
          cause === 'preview-ended' && this.policy.rights.get(`${said['account']} ${group}`) === 'preview';
        if (!looked) this.#explain(host, `channel ${group}`, cause);
      }
      if (said['reason'] === 'radius-timeout' && event.endsWith('-refused')) {
        must(
          this.subscribers.every((who) =>
            who.marks.any(this.agenda.now - TROUBLE_MS - this.idleMs, ['radius-trouble']),
          ),
          () => `${event} for a time-out, and RADIUS was well: ${JSON.stringify(fields)}`,
        );
      }
      if (event === 'authorization-changed') this.books.said(`session/${host}`, event);
      if (event === 'coa-ack') this.#ordered = this.dynamic.acknowledged();
      if (event === 'switch-refused' && said['operation'] === 'frame') this.#frameRefusedAt = this.agenda.now;
      must(event !== 'accounting-lost', () => `accounting was lost: ${JSON.stringify(fields)}`);
    };
    return { debug: () => {}, info: take, warn: take, error: take };
  }

  #explain(host: string, what: string, cause: string): void {
    const who = this.subscribers.find((one) => hostKey(one.port, one.identity.vlan, one.mac) === host);
    if (who === undefined) {
      must(this.#abandoned.has(host), () => `${what} of ${host}, where nobody ever was, ended by ${cause}`);
      return;
    }
    if (who.password !== this.passwordOf(who.account)) who.mark('rejected');
    // The server says it to the switch; the host may not hear of it.
    if (this.policy.mayEnd(stationText(who.mac))) who.mark('session-timeout');
    // Back at a place that it had left: what ends there may be of its first stay.
    if (this.#abandoned.has(host)) return;
    // A node that has died had seen it maybe, and held back for a silent standby what came of that.
    const lateMs = this.idleMs === 0 ? 0 : PATIENCE_MS;
    checkCause(who, (ms) => this.servedSince(ms + lateMs), what, cause);
    if (what === 'the session') {
      who.doubt();
      who.mark('ended');
    }
  }
}

/** Whether somebody behind the port is let have the group before RADIUS has answered. */
function isAhead(stores: Stores, port: string, vlan: number, group: IpAddress): boolean {
  return [...stores.grants.values()].some(
    (grant) =>
      grant.by === 'optimistic' && grant.port === port && grant.vlan === vlan && grant.group === group,
  );
}

/** How long a permission may go on after it was withdrawn: as long as the longest answer holds, and is asked for again. */
const PERMISSION_MS = 60_000;
/** A report that was lost is repeated within this time (unsolicited_report_interval). */
const REPETITION_MS = 1_100;
/** Trouble has consequences for so long. */
const TROUBLE_MS = 60_000;
/** A host that moved is in trouble until its old place is given up. */
const LONG_AGO_MS = 200_000;
/** Requests to the server in the longest login, and how long a server may take for one. */
const ROUNDS = 5;
const THINKING_MS = 400;
const ANY_SOURCE = '10.0.0.1';
const DISTURBING: readonly Mark[] = [
  'start',
  'logoff',
  'carrier',
  'silent',
  'unplugged',
  'other-account',
  'ended',
];
