/**
 * A node under test: the core, its journal, its accounting queue on a disk in memory, and, in a pair, the log
 * towards a standby; turns end as the daemon's do. Between any two things that it does it may die.
 */
import type { Config } from '../../config/config.ts';
import { Core } from '../../daemon/core/core.ts';
import { EffectGate } from '../../daemon/core/effect-gate.ts';
import type { DatagramSender } from '../../daemon/core/effects.ts';
import { grantGrace } from '../../daemon/core/grace.ts';
import { endTurn } from '../../daemon/core/turn.ts';
import { type Logger, silentLog } from '../../daemon/log/log.ts';
import { AccountingDisk } from '../../daemon/spool/accounting-disk.ts';
import { ChangeLog } from '../../replication/change-log.ts';
import { journalEntry, journalSnapshot, readJournal } from '../../replication/journal.ts';
import { ReplicationSource } from '../../replication/source.ts';
import type { StateDigest } from '../../replication/state-digest.ts';
import { Feed } from '../../session/feed.ts';
import type { Change } from '../../session/store.ts';
import type { MemorySwitch, SentFrame } from '../../switch/memory-switch.ts';
import type { Switch, SwitchEvent } from '../../switch/switch.ts';
import type { Random } from '../random.ts';
import { NodeStores } from '../simulation/nodes/node-stores.ts';
import type { Agenda } from '../simulation/outside/agenda.ts';
import type { FaultPoints } from './faults.ts';
import type { MemorySegments } from './memory-segments.ts';

/** What outlives a process: the files of a machine. */
export interface Machine {
  readonly name: string;
  readonly segments: MemorySegments;
  /** Undefined: there is none. */
  journal: Uint8Array[] | undefined;
}

export interface NodeWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly config: Config;
  readonly log: Logger;
  readonly faults: FaultPoints;
  readonly datagrams: DatagramSender;
  changed(change: Change): void;
  sent(frames: readonly SentFrame[]): void;
  /** A turn's changes are where the next process of this machine finds them: in its journal, on its disk. */
  journaled(): void;
  queued(): void;
  saved(): void;
  turned(): void;
}

export interface LedgerStores {
  readonly stores: NodeStores;
  readonly feed: Feed;
}

export function ledgerStores(config: Config): LedgerStores {
  const stores = new NodeStores(config.groups.cacheSize);
  const feed = new Feed();
  stores.feed.follower = feed;
  return { stores, feed };
}

export class LedgerNode {
  readonly machine: Machine;
  readonly fed: LedgerStores;
  readonly core: Core;
  readonly disk: AccountingDisk;
  readonly gate = new EffectGate();
  /** Undefined: a node alone. */
  readonly source: ReplicationSource | undefined;
  readonly #world: NodeWorld;
  readonly #bridge: MemorySwitch;
  readonly #watched: Switch;
  readonly #changes = new ChangeLog(0, 'none');
  readonly #datagrams: DatagramSender;
  #journaling = false;
  readonly #watch = { changed: (change: Change) => this.#world.changed(change) };

  constructor(
    world: NodeWorld,
    machine: Machine,
    bridge: MemorySwitch,
    fed: LedgerStores,
    disk: AccountingDisk,
    pair: { readonly epoch: number; readonly digest: StateDigest | undefined } | undefined,
  ) {
    this.#world = world;
    this.machine = machine;
    this.fed = fed;
    this.disk = disk;
    this.#bridge = bridge;
    this.#watched = this.#faulty(bridge);
    const { stores, feed } = fed;
    if (pair !== undefined) {
      const options = { logId: `${pair.epoch}`, mode: 'sync', patienceMs: 200, keepOctets: 20_000 } as const;
      this.source = new ReplicationSource(stores, { ...options, digestIntervalMs: 60_000 }, pair.digest);
      feed.follow(this.source);
    }
    feed.follow(this.#watch);
    const sender = disk.gate(world.datagrams);
    this.#datagrams = {
      send: (server, port, socket, bytes) => sender.send(server, port, socket, bytes),
    };
    this.core = new Core(world.config, {
      readings: pair === undefined ? bridge : this.gate.readings(bridge),
      log: world.log,
      random: (length) => world.random.octets(length),
      stores,
    });
  }

  /** What an earlier process of this machine left in its journal. */
  static journalOf(machine: Machine, config: Config): LedgerStores | undefined {
    if (machine.journal === undefined) return undefined;
    const fed = ledgerStores(config);
    const end = readJournal(Buffer.concat(machine.journal), HEAD, fed.stores);
    return typeof end === 'object' ? fed : undefined;
  }

  /** Serves with what there is: `cold` with nothing but what the disk knows, else with all records. */
  begin(how: 'cold' | 'kept' | 'new'): void {
    const { agenda } = this.#world;
    if (how === 'cold') this.turn((at) => this.core.start(at, this.disk.aliveAt));
    else {
      grantGrace(this.fed.stores, agenda.now, GRACE_MS);
      if (how === 'kept') {
        this.turn((at) => this.core.dropChangedPorts(at));
        this.#prune();
      }
      this.turn((at) => this.core.resume(at, how));
    }
    this.#keepJournal();
    this.#bridge.start();
  }

  turn(think: (now: number) => void): void {
    const { agenda, faults } = this.#world;
    faults.pass('before a turn');
    think(agenda.now);
    endTurn(this.core, this.#watched, this.#datagrams, () => agenda.now, {
      before: () => this.#save(),
      pass: (effects) => {
        if (this.source === undefined) return effects;
        this.gate.hold(effects, this.source.seal(agenda.now));
        return this.gate.release(this.source.committed);
      },
    });
    this.#world.sent(this.#bridge.takeSent());
    this.#world.turned();
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    for (const event of events) this.turn((at) => this.core.switchEvent(at, event));
  }

  nextTimeout(): number {
    return Math.min(this.core.nextTimeout() ?? Infinity, this.source?.nextTimeout() ?? Infinity);
  }

  handleTimeout(): void {
    this.source?.handleTimeout(this.#world.agenda.now);
    this.turn((at) => this.core.handleTimeout(at));
  }

  /** This process is no more. */
  end(): void {
    this.fed.feed.unfollow(this.#watch);
    if (this.source !== undefined) this.fed.feed.unfollow(this.source);
    this.fed.feed.unfollow(this.#changes);
  }

  #keepJournal(): void {
    const { machine, fed } = this;
    this.fed.feed.follow(this.#changes);
    this.#changes.seal();
    machine.journal = [...journalSnapshot(HEAD, fed.stores)];
    this.#journaling = true;
    this.#world.journaled();
  }

  #save(): void {
    const { faults, random, agenda } = this.#world;
    const { machine } = this;
    faults.pass('before the journal');
    const batch = this.#changes.seal();
    if (this.#journaling && batch !== undefined && machine.journal !== undefined) {
      const entry = journalEntry(batch);
      if (faults.isDue()) {
        machine.journal.push(entry.subarray(0, random.whole(0, entry.length - 1)));
        faults.pass('in the journal');
      }
      machine.journal.push(entry);
      if (machine.journal.length > JOURNAL_ENTRIES) {
        machine.journal = [...journalSnapshot(HEAD, this.fed.stores)];
      }
    }
    if (this.#journaling) this.#world.journaled();
    faults.pass('between journal and queue');
    const before = machine.segments.end;
    this.disk.endTurn(agenda.now);
    const after = machine.segments.end;
    const written = after.segment === before.segment ? after.octets - before.octets : after.octets;
    if (written > 0 && faults.isDue()) {
      machine.segments.tear(random.whole(1, written));
      faults.pass('in the queue');
    }
    this.#world.queued();
    faults.pass('behind the queue');
    this.#world.saved();
  }

  /** What the kernel has and the records do not goes, as the daemon's switch does at its start. */
  #prune(): void {
    const { sessions, forwardings } = this.fed.stores;
    for (const host of this.#bridge.openHosts()) {
      const key = `${host.port}/${host.vlan}/${host.mac}`;
      if (!sessions.has(key)) this.#bridge.closeHost(host);
    }
    for (const { port, vlan, group } of this.#bridge.forwardings()) {
      if (!forwardings.has(`${port}/${vlan}/${group}`)) this.#bridge.clearForwarding(port, vlan, group);
    }
  }

  /** The switch, with a fault point before each thing that is done to it. */
  #faulty(bridge: MemorySwitch): Switch {
    const { faults } = this.#world;
    return new Proxy(bridge, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (OPERATIONS.has(String(name))) faults.pass(`before ${String(name)}`);
          return Reflect.apply(value, target, args);
        };
      },
    });
  }
}

/** A disk for a process of this machine; it may be left half-way like anything else. */
export function diskOf({ segments }: Machine): AccountingDisk {
  return new AccountingDisk(segments, DISK_LIMIT, silentLog);
}

const HEAD = { bootId: 'the same', bridge: 'br0' };
const OPERATIONS: ReadonlySet<string> = new Set([
  'openHost',
  'closeHost',
  'setForwarding',
  'clearForwarding',
  'sendFrame',
  'setPortService',
]);
const GRACE_MS = 20_000;
const JOURNAL_ENTRIES = 200;
const DISK_LIMIT = 1 << 26;
