/**
 * An hour of one switch, or of a pair of them: subscribers with channels, RADIUS servers with outages, and
 * nodes that die between any two things that they do. At its end the servers' books must say what was true.
 */
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import type { Logger } from '../../daemon/log/log.ts';
import type { AccountingDisk } from '../../daemon/spool/accounting-disk.ts';
import { stationText } from '../../radius/attributes.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import { ReplicationTarget } from '../../replication/target.ts';
import { channelKey, hostKey } from '../../session/records.ts';
import type { Change } from '../../session/store.ts';
import { MemorySwitch, type SentFrame } from '../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { ipFamily, type Mac } from '../../wire/address.ts';
import { Random } from '../random.ts';
import { must } from '../simulation/checks/violation.ts';
import type { NodeStores } from '../simulation/nodes/node-stores.ts';
import { ReplicationLink } from '../simulation/nodes/replication-link.ts';
import { AccessPolicy } from '../simulation/outside/access-policy.ts';
import { Agenda } from '../simulation/outside/agenda.ts';
import { ANY_SOURCE_GROUPS, GROUPS, NETWORK_SOURCES, SOURCE_GROUPS } from '../simulation/outside/channels.ts';
import { addressIn, openAccounts } from '../simulation/outside/people.ts';
import { RadiusService, type ServiceWorld } from '../simulation/outside/radius-service.ts';
import { type HostWorld, type LoginTimes, Subscriber } from '../simulation/outside/subscriber.ts';
import { SECRET, UPLINK } from '../simulation/plan.ts';
import { Books } from './books.ts';
import { Died, FaultPoints } from './faults.ts';
import { MemorySegments } from './memory-segments.ts';
import { diskOf, LedgerNode, type LedgerStores, ledgerStores, type Machine, type NodeWorld } from './node.ts';
import { Truth } from './truth.ts';

/** Where a turn is on its way to safety. */
interface Mark {
  readonly turn: number;
  readonly segment: number;
  readonly octets: number;
}

interface Standby {
  readonly machine: Machine;
  readonly target: ReplicationTarget<NodeStores>;
  readonly disk: AccountingDisk;
  readonly link: ReplicationLink;
  readonly feds: Map<NodeStores, LedgerStores>;
}

export class LedgerWorld implements HostWorld, ServiceWorld, NodeWorld {
  readonly agenda = new Agenda();
  readonly random: Random;
  readonly config: Config;
  readonly policy: AccessPolicy;
  readonly ledger = new Books();
  readonly truth = new Truth();
  readonly radius: RadiusService;
  readonly subscribers: readonly Subscriber[];
  readonly faults: FaultPoints;
  readonly ports: readonly string[];
  readonly log: Logger;
  readonly datagrams = {
    send: (server: string, port: RadiusPort, socket: number, bytes: Uint8Array) => {
      this.faults.pass('before a datagram');
      this.radius.send(server, port, socket, bytes);
    },
  };
  deaths = 0;
  powerCuts = 0;
  takeovers = 0;
  outages = 0;
  node: LedgerNode | undefined;
  standby: Standby | undefined;
  bridge: MemorySwitch;
  /** Nobody comes in any more. */
  closing = false;
  readonly isPair: boolean;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #dark = new Set<string>();
  #machines = 0;
  #epoch = 0;
  #journaledTurn = 0;
  #queuedTurn = 0;
  #marks: Mark[] = [];
  /** Number of the last change in each turn, in a pair. */
  #changes: { readonly turn: number; readonly change: number }[] = [];

  constructor(seed: number, trace: ((line: string) => void) | undefined) {
    this.#trace = trace;
    this.random = new Random(seed);
    const { random } = this;
    this.isPair = random.chance(0.35);
    this.ports = ['swp1', 'swp2', 'swp3'].slice(0, random.whole(1, 3));
    this.config = configOf(this.ports);
    this.policy = new AccessPolicy(random);
    openAccounts(this.policy, random);
    this.radius = new RadiusService(this, {
      delayMs: random.pick([
        [0.2, 2],
        [1, 30],
        [5, 300],
      ] as const),
      loss: random.pick([0, 0, 0.02, 0.1]),
      repeat: random.pick([0, 0.1]),
      silence: true,
    });
    const accounts = [...this.policy.accounts.values()];
    this.subscribers = Array.from({ length: random.whole(1, 5) }, (_, i) => {
      const account = random.pick(accounts);
      const identity = {
        mac: `02:00:00:00:01:${(i + 1).toString(16).padStart(2, '0')}`,
        ...addressIn(random.chance(0.3) ? 6 : 4, i + 1),
        vlan: random.chance(0.15) ? 7 : 0,
        version: random.chance(0.3) ? (2 as const) : (3 as const),
      };
      return new Subscriber(identity, random.pick(this.ports), account.name, account.password, this);
    });
    this.faults = new FaultPoints(random, random.whole(0, 12), random.pick([30, 200, 1500]));
    this.log = this.#logger();
    this.bridge = this.#newBridge();
  }

  /** The first start. */
  begin(): void {
    const machine = this.#newMachine();
    this.#boot(machine);
  }

  /** Lets the next thing happen. False: nothing ever will. */
  step(): boolean {
    const { agenda } = this;
    const timer = this.node?.nextTimeout() ?? Infinity;
    if (Math.min(timer, agenda.next()) === Infinity) return false;
    this.#alive(() => {
      if (timer < agenda.next()) {
        agenda.now = Math.max(agenda.now, timer);
        this.node?.handleTimeout();
        this.standby?.link.pump();
      } else {
        const what = agenda.runNext();
        this.say(`- ${what}`);
      }
    });
    return true;
  }

  /** Something that the node may not outlive. */
  #alive(run: () => void): void {
    try {
      run();
    } catch (cause) {
      if (!(cause instanceof Died)) throw cause;
      this.#died(cause.point);
    }
  }

  // ---- life and death

  #boot(machine: Machine): void {
    const disk = diskOf(machine);
    const journal = LedgerNode.journalOf(machine, this.config);
    const fed = journal ?? ledgerStores(this.config);
    if (journal !== undefined) disk.follow(fed);
    else {
      machine.journal = undefined;
      disk.load(fed);
      this.truth.endedByLoss();
      this.#compareDisk(fed);
      this.bridge = this.#newBridge();
    }
    this.#serve(machine, fed, disk, journal === undefined ? 'cold' : 'kept', undefined);
  }

  /** What the disk knows to be running is what was, up to what could not be on it yet. */
  #compareDisk({ stores }: LedgerStores): void {
    const there = new Set([...stores.accountingRecords.values()].map(({ acctSessionId }) => acctSessionId));
    const running = this.truth.running();
    for (const id of there) must(running.has(id), () => `the disk has ${id} running, which is not`);
    for (const id of running) must(there.has(id), () => `the disk has lost ${id}, which was written`);
  }

  #serve(
    machine: Machine,
    fed: LedgerStores,
    disk: AccountingDisk,
    how: 'cold' | 'kept' | 'new',
    digest: ReplicationTarget<NodeStores>['digest'],
  ): void {
    this.#changes = [];
    const pair = this.isPair ? { epoch: ++this.#epoch, digest } : undefined;
    const node = new LedgerNode(this, machine, this.bridge, fed, disk, pair);
    this.node = node;
    this.say(`${machine.name} serves: ${how}`);
    node.begin(how);
    if (this.isPair) this.#await(node);
  }

  #died(point: string): void {
    const { node, random, agenda } = this;
    if (node === undefined) return;
    this.deaths++;
    const how = this.faults.take();
    const { machine } = node;
    this.say(`### ${machine.name} dies ${point}: ${how}`);
    node.end();
    this.node = undefined;
    this.radius.loseSome();
    for (const who of this.subscribers) who.doubt();
    const standby = this.standby;
    this.standby = undefined;
    standby?.link.die();
    machine.segments.kill();
    const stores = standby?.target.stores;
    if (standby !== undefined && stores !== undefined && node.source !== undefined) {
      const isCovered = node.gate.released <= standby.target.have;
      if (isCovered) {
        this.#takeOver(standby, stores);
        return;
      }
    }
    if (how === 'power') this.#cutPower(machine);
    else if (how === 'cold' || machine.journal === undefined) {
      machine.journal = undefined;
      this.#goBack(this.#queuedTurn, 'lost');
    } else this.#goBack(this.#journaledTurn, 'kept');
    const pause = how === 'power' ? random.whole(2_000, 120_000) : random.pick([5, 300, 4_000, 20_000]);
    agenda.after(pause, `${machine.name} starts again`, () => {
      if (how === 'power') for (const port of this.ports) this.#setLink(port, true);
      this.#boot(machine);
    });
  }

  #cutPower(machine: Machine): void {
    this.powerCuts++;
    machine.journal = undefined;
    machine.segments.cutPower(this.random);
    const { segment, octets } = machine.segments.survived;
    const safe = this.#marks.filter(
      (mark) => mark.segment < segment || (mark.segment === segment && mark.octets <= octets),
    );
    const have = safe.at(-1)?.turn ?? 0;
    this.#goBack(have, 'lost');
    // What outlived this power cut outlives the next one too.
    this.#marks = [{ turn: have, segment: 0, octets: 0 }];
    for (const port of this.ports) this.#setLink(port, false);
    this.bridge = this.#newBridge();
  }

  /** What was written up to this turn is what goes on. */
  #goBack(have: number, counters: 'kept' | 'lost'): void {
    this.truth.wentBack(have, counters);
    this.#marks = this.#marks.filter(({ turn }) => turn <= have);
  }

  #takeOver(standby: Standby, stores: NodeStores): void {
    const { target, machine, disk } = standby;
    this.takeovers++;
    this.say(`${machine.name} takes over with change ${target.have}`);
    const have = this.#changes.filter(({ change }) => change <= target.have).at(-1)?.turn ?? 0;
    this.truth.wentBack(have, 'lost');
    this.bridge = this.#newBridge();
    this.#marks = [{ turn: have, segment: 0, octets: 0 }];
    const fed = standby.feds.get(stores) ?? { stores, feed: ledgerStores(this.config).feed };
    disk.follow(fed);
    disk.endTurn(this.agenda.now);
    // Its own disk is never far behind; that it dies in that moment too is left out.
    for (const segment of machine.segments.list()) machine.segments.settle(segment);
    this.agenda.after(this.random.pick([1, 60, 400]), `${machine.name} takes over`, () => {
      this.#serve(machine, fed, disk, 'new', target.digest);
    });
  }

  /** Another machine, which begins with nothing, stands by after a while. */
  #await(node: LedgerNode): void {
    const { agenda, random } = this;
    agenda.after(random.pick([0, 5, 300, 5_000]), 'a standby connects', () => {
      const { source } = node;
      if (this.node !== node || source === undefined) return;
      const machine = this.#newMachine();
      const disk = diskOf(machine);
      const feds = new Map<NodeStores, LedgerStores>();
      const target = new ReplicationTarget<NodeStores>(() => {
        const fed = ledgerStores(this.config);
        feds.set(fed.stores, fed);
        return fed.stores;
      });
      const link = new ReplicationLink(
        this,
        { delayMs: [0.1, 5], damage: 0, cut: 0, sliceOctets: 3_000, keepOctets: 20_000 },
        {
          source,
          target,
          arrived: () => {
            const fed = target.stores === undefined ? undefined : feds.get(target.stores);
            if (fed !== undefined) disk.follow(fed);
            disk.endTurn(agenda.now);
            if (this.node === node) node.turn(() => {});
          },
        },
      );
      this.standby = { machine, target, disk, link, feds };
      link.connect();
    });
  }

  #newMachine(): Machine {
    const name = `machine ${++this.#machines}`;
    const segments = new MemorySegments((run) => {
      this.agenda.after(this.random.pick([0.3, 2, 15, 80]), `the disk of ${name} has synced`, () => {
        if (this.node?.machine.name === name) this.faults.pass('before a sync is done');
        run();
      });
    });
    return { name, segments, journal: undefined };
  }

  #newBridge(): MemorySwitch {
    const bridge: MemorySwitch = new MemorySwitch({ ports: this.ports, uplinks: [UPLINK] }, (events) => {
      if (bridge === this.bridge) this.#events(events);
    });
    for (const port of this.#dark) bridge.setLink(port, false);
    return bridge;
  }

  #events(events: readonly SwitchEvent[]): void {
    this.node?.switchEvents(events);
  }

  // ---- people

  act(): string {
    const { random } = this;
    const who = random.pick(this.subscribers);
    const dice = random.fraction();
    who.mark('silent', 'radius-trouble', 'switch-trouble');
    if (dice < 0.2) {
      who.start();
      return 'somebody logs in';
    }
    if (dice < 0.24) {
      if (who.state === 'in') who.logoff();
      return 'somebody logs off';
    }
    if (dice < 0.45) {
      const { version, family } = who.identity;
      const isSsm = version === 3 && random.chance(0.3);
      const sources = NETWORK_SOURCES[family].filter(() => random.chance(0.6));
      if (isSsm && sources.length > 0) who.want(random.pick(SOURCE_GROUPS[family]), sources);
      else if (who.wishes.size < 4) who.want(random.pick(ANY_SOURCE_GROUPS[family]), undefined);
      return 'somebody joins';
    }
    if (dice < 0.55) {
      const groups = [...who.wishes.keys()];
      if (groups.length > 0) who.want(random.pick(groups), 'nothing');
      return 'somebody leaves';
    }
    if (dice < 0.58) {
      this.#flap(random.pick(this.ports));
      return 'a port flaps';
    }
    if (dice < 0.61) {
      const account = random.pick([...this.policy.accounts.values()]);
      who.account = account.name;
      who.password = account.password;
      who.start();
      return 'somebody is somebody else';
    }
    if (dice < 0.65) {
      this.#outage();
      return 'servers fall silent';
    }
    if (dice < 0.68) {
      const account = random.pick([...this.policy.accounts.keys()]);
      const group = random.pick(GROUPS);
      if (this.policy.permits.has(`${account} ${group}`))
        this.policy.withdraw(this.agenda.now, account, group);
      else this.policy.permit(account, group, random.pick([undefined, 40]));
      return 'a permission changes';
    }
    this.#traffic();
    return 'traffic';
  }

  #flap(port: string): void {
    this.#setLink(port, false);
    this.agenda.after(this.random.pick([5, 500, 8_000]), `${port} is back`, () => this.#setLink(port, true));
  }

  #outage(): void {
    this.outages++;
    const ms = this.random.pick([2_000, 30_000, 300_000, 900_000]);
    for (const server of ['r1', 'r2']) if (this.random.chance(0.8)) this.radius.silence(server, ms);
  }

  #traffic(): void {
    const { random, bridge, truth } = this;
    // What passes while effects wait for the standby is passed by a switch that does not know yet what is true.
    const sure = this.node === undefined || this.node.gate.waiting.length === 0;
    for (let i = 0; i < 5; i++) {
      const octets = random.whole(64, 100_000);
      const hosts = bridge.openHosts();
      if (random.chance(0.6) || hosts.length === 0) {
        const group = random.pick(GROUPS);
        const source = random.pick(NETWORK_SOURCES[ipFamily(group)]);
        for (const vlan of [0, 7]) {
          for (const port of bridge.deliver(group, source, octets, vlan))
            truth.delivered(port, vlan, group, octets, sure);
        }
        continue;
      }
      const { port, vlan, mac } = random.pick(hosts);
      const key = `session/${hostKey(port, vlan, mac)}`;
      if (random.chance(0.5)) {
        if (bridge.transmit({ port, vlan, mac }, octets)) truth.passed(key, octets, 0, sure);
      } else if (bridge.transmitTo(vlan, mac, octets)) truth.passed(key, 0, octets, sure);
    }
  }

  #setLink(port: string, up: boolean): void {
    if (this.#dark.has(port) !== up || (up && this.closing)) return;
    if (up) this.#dark.delete(port);
    else this.#dark.add(port);
    for (const who of this.subscribers) {
      if (who.port !== port) continue;
      if (up) who.foundCarrier();
      else who.lostCarrier();
    }
    this.bridge.setLink(port, up);
  }

  /** Everybody goes. */
  leave(): void {
    this.closing = true;
    this.radius.heal();
    this.faults.disarm();
    for (const who of this.subscribers) who.logoff();
    for (const port of this.ports) {
      this.agenda.after(this.random.between(3_000, 5_000), `${port} goes dark`, () => {
        this.#dark.delete(port);
        this.#setLink(port, false);
      });
    }
  }

  // ---- HostWorld, ServiceWorld, NodeWorld

  transmit(from: Subscriber, frame: Uint8Array): void {
    if (this.#dark.has(from.port)) return;
    this.agenda.after(this.random.between(0, 2), `a frame of ${from.name} arrives`, () => {
      this.bridge.receive(from.port, from.identity.vlan, frame);
    });
  }

  loginTimes(mac: Mac): LoginTimes {
    return this.policy.timesOf(stationText(mac));
  }

  deliver(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    this.node?.turn((at) => this.node?.core.datagram(at, server, port, socket, bytes));
  }

  trouble(): void {}

  changed(change: Change): void {
    this.truth.changed(change);
  }

  sent(frames: readonly SentFrame[]): void {
    for (const { port, vlan, frame } of frames) {
      if (port === UPLINK) continue;
      this.agenda.after(this.random.between(0, 2), `a frame leaves ${port}`, () => {
        if (this.#dark.has(port)) return;
        for (const who of this.subscribers) {
          who.mark('silent', 'radius-trouble', 'switch-trouble');
          if (who.port === port && who.identity.vlan === vlan) who.receive(frame);
        }
      });
    }
  }

  journaled(): void {
    this.#journaledTurn = this.truth.turn;
  }

  queued(): void {
    const { truth, node } = this;
    this.#queuedTurn = truth.turn;
    const end = node?.machine.segments.end;
    if (end !== undefined) this.#marks.push({ turn: truth.turn, ...end });
  }

  saved(): void {
    const { truth, node } = this;
    if (node?.source !== undefined) this.#changes.push({ turn: truth.turn, change: node.source.last });
    truth.turned();
  }

  turned(): void {
    this.standby?.link.pump();
  }

  say(line: string): void {
    this.#trace?.(`${this.agenda.clock} ${line}`);
  }

  #logger(): Logger {
    const take = (event: string, fields: object = {}) => {
      this.say(`  ${event} ${JSON.stringify(fields)}`);
      const {
        host = '',
        cause = '',
        group = '',
        source,
      } = fields as Readonly<Record<string, string | undefined>>;
      if (event === 'session-ended') this.truth.said(`session/${host}`, cause);
      else if (event === 'authorization-changed') this.truth.said(`session/${host}`, event);
      else if (event === 'channel-ended')
        this.truth.said(`channel/${channelKey(host, group, source)}`, cause);
      must(event !== 'accounting-lost', () => `accounting was lost: ${JSON.stringify(fields)}`);
    };
    return { debug: () => {}, info: take, warn: take, error: take };
  }
}

function configOf(ports: readonly string[]): Config {
  const file = {
    bridge: 'br0',
    ports: Object.fromEntries(ports.map((port) => [port, {}])),
    uplinks: [UPLINK],
    nas: { identifier: 'simulated-switch', address: '198.18.0.1' },
    authenticator: { quiet_period: '5s', tx_period: '10s', reauth_period: '600s' },
    radius: {
      servers: ['r1', 'r2'].map((name, i) => ({ name, address: `198.18.1.${i + 1}`, secret_file: 'secret' })),
    },
    groups: { default_permit: '120s', deny: '3s', timeout_hold: '2s', cache_size: 16 },
    multicast: { query_interval: '60s', query_response_interval: '5s' },
    accounting: { interim_interval: '120s', note_interval: '30s' },
  };
  const loaded = parseConfig(JSON.stringify(file), 'simulated', () => ({ secret: SECRET, remarks: [] }));
  if ('config' in loaded) return loaded.config;
  throw new Error(loaded.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
}
