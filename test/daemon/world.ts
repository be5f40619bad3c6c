/**
 * The whole core on virtual time: a switch in memory, a RADIUS server that signs, hosts that speak EAPOL
 * and IGMP. Turns end as the daemon's do. What left the core is kept in one list, in order.
 */
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import { Core } from '../../daemon/core/core.ts';
import type { DatagramSender, DynamicPeer } from '../../daemon/core/effects.ts';
import { Stores } from '../../daemon/core/stores.ts';
import { successor } from '../../daemon/core/successor.ts';
import { endTurn } from '../../daemon/core/turn.ts';
import { type Logger, silentLog } from '../../daemon/log/log.ts';
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import { decodeEapol, EapolType, encodeEapol } from '../../eapol/eapol.ts';
import type { GroupMessage } from '../../igmp/group-message.ts';
import {
  decodeGroupPacket,
  encodeIgmpPacket,
  encodeMldPacket,
  type GroupPacket,
} from '../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../igmp/group-record.ts';
import type { IgmpMessage } from '../../igmp/igmp.ts';
import type { MldMessage } from '../../igmp/mld.ts';
import type { RadiusPacket } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { hostKey, type SessionRecord } from '../../session/records.ts';
import type { Change } from '../../session/store.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import type { HostPlace, SourceFilter, SwitchFailure } from '../../switch/switch.ts';
import { type IpAddress, ipFamily, linkLocalAddress, type Mac } from '../../wire/address.ts';
import { decodeEthernet, EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { type Answer, SECRET, signed, TestServer } from './radius-server.ts';

/** A line of the core's log. */
export interface Logged {
  readonly at: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** The same for every test, with sections of a configuration file added to it. */
export function configOf(more: Readonly<Record<string, unknown>> = {}): Config {
  const file = {
    bridge: 'br0',
    ports: { swp1: {}, swp2: {}, swp3: {} },
    uplinks: ['up0'],
    nas: { identifier: 'test-switch', address: '198.18.0.1' },
    radius: { servers: [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret' }] },
    ...more,
  };
  const secretIn = (path: string) => ({
    secret: path.endsWith('second') || path.endsWith('.key') ? SECOND_SECRET : SECRET,
    remarks: [],
  });
  const pemIn = (path: string) => ({ pem: new TextEncoder().encode(path) });
  const loaded = parseConfig(JSON.stringify(file), 'test.yaml', secretIn, pemIn);
  if ('config' in loaded) return loaded.config;
  throw new Error(loaded.errors.map((error) => `${error.path}: ${error.message}`).join('; '));
}

/** A switch that also writes down what was done to it. */
class WatchedSwitch extends MemorySwitch {
  done: string[] = [];

  override openHost(host: HostPlace): SwitchFailure | undefined {
    return this.#say(`open ${host.mac}`, super.openHost(host));
  }

  override closeHost(host: HostPlace): SwitchFailure | undefined {
    return this.#say(`close ${host.mac}`, super.closeHost(host));
  }

  override setForwarding(port: string, vlan: number, group: IpAddress, filter: SourceFilter) {
    return this.#say(`forward ${group} to ${port}`, super.setForwarding(port, vlan, group, filter));
  }

  override clearForwarding(port: string, vlan: number, group: IpAddress) {
    return this.#say(`stop ${group} on ${port}`, super.clearForwarding(port, vlan, group));
  }

  override sendFrame(port: string, vlan: number, frame: Uint8Array): SwitchFailure | undefined {
    const what = nameOf(frame);
    return this.#say(`send ${what} on ${port}`, super.sendFrame(port, vlan, frame));
  }

  #say(what: string, failure: SwitchFailure | undefined): SwitchFailure | undefined {
    this.done.push(failure === undefined ? what : `${what}: ${failure.errno}`);
    return failure;
  }
}

export class World {
  now = 1_700_000_000_000;
  config: Config;
  readonly server = new TestServer();
  readonly switch: WatchedSwitch;
  readonly log: Logged[] = [];
  /** What only `debug` says. */
  readonly debugLog: Logged[] = [];
  /** Answers to dynamic authorization clients. */
  readonly dynamicReplies: { readonly to: DynamicPeer; readonly bytes: Uint8Array }[] = [];
  /** What the change feed said, each record as it was then. */
  changes: Change[] = [];
  core: Core;
  /** Datagrams that are on their way to the core. */
  #coming: { at: number; deliver: () => void }[] = [];
  #seed: number;

  constructor(more: Readonly<Record<string, unknown>> = {}, seed = 1, bridge: { vlans?: boolean } = {}) {
    this.config = configOf(more);
    this.#seed = seed;
    const ports = this.config.ports.map((port) => port.name);
    const otherBridges = [...this.config.vlanBridges.values()];
    const options = { ports, uplinks: this.config.uplinks, otherBridges, ...bridge };
    this.switch = new WatchedSwitch(options, (events) => {
      for (const event of events) this.turn(() => this.core.switchEvent(this.now, event));
    });
    this.core = this.#newCore(this.#newStores());
    this.turn(() => this.core.start(this.now));
    this.switch.start();
    // Accounting-On is answered.
    this.pass(5);
    this.switch.done = [];
  }

  /** One turn of the core, with its end. */
  turn(think: () => void): void {
    think();
    const datagrams: DatagramSender = {
      send: (...datagram) => this.#send(...datagram),
      reply: (_from, to, bytes) => this.dynamicReplies.push({ to, bytes }),
    };
    endTurn(this.core, this.switch, datagrams, () => this.now);
  }

  /** Lets time pass: answers arrive, timers end. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let turns = 0; turns < 1_000_000; turns++) {
      const [next] = this.#coming;
      const timer = this.core.nextTimeout() ?? Number.POSITIVE_INFINITY;
      if (next !== undefined && next.at <= Math.min(timer, until)) {
        this.#coming.shift();
        this.now = Math.max(this.now, next.at);
        this.turn(next.deliver);
      } else if (timer <= until) {
        this.now = Math.max(this.now, timer);
        this.turn(() => this.core.handleTimeout(this.now));
      } else {
        this.now = until;
        return;
      }
    }
    throw new Error('the core does not come to rest');
  }

  /** A datagram from the server's address, now. */
  datagram(bytes: Uint8Array, socket = 0, port: 'auth' | 'acct' = 'auth', server = 'r1'): void {
    this.turn(() => this.core.datagram(this.now, server, port, socket, bytes));
  }

  /** New stores that hold what the change feed has said so far. */
  replayed(): Stores {
    const stores = new Stores(this.config.groups.cacheSize);
    for (const { store, key, record } of this.changes)
      stores.store(store).apply(key, structuredClone(record));
    return stores;
  }

  /**
   * Another core goes on with what the change feed has said, as after a takeover; under another file, maybe. `unsaid`:
   * the only hosts that may not have heard what they were told last, as after a restart with a journal.
   */
  takeOver(more?: Readonly<Record<string, unknown>>, unsaid?: ReadonlySet<string>): void {
    if (more !== undefined) this.config = configOf(more);
    const told = this.changes;
    this.changes = [];
    const stores = this.#newStores();
    for (const { store, key, record } of told) stores.store(store).apply(key, structuredClone(record));
    this.core = this.#newCore(stores);
    this.turn(() => this.core.resume(this.now, 'kept', false, unsaid));
  }

  /**
   * Another core goes on that has followed the change feed from its beginning, as the process of an upgrade does. Gives
   * what it found in the stores when it took them up, as a core finds it that is built from the same records then.
   */
  takeOverFollowing(): { readonly followed: object; readonly built: object } {
    const told = this.changes;
    this.changes = [];
    const stores = this.#newStores();
    const core = new Core(this.config, { ...this.#coreOptions(), stores, follows: true });
    for (const { store, key, record } of told) stores.store(store).apply(key, structuredClone(record));
    core.takeUp();
    const copy = new Stores(this.config.groups.cacheSize);
    for (const { store, key, record } of told) copy.store(store).apply(key, structuredClone(record));
    const options = { readings: this.switch, log: silentLog, random: (n: number) => new Uint8Array(n) };
    const built = new Core(this.config, { ...options, stores: copy });
    const found = { followed: derivedBy(core), built: derivedBy(built) };
    this.core = core;
    this.turn(() => this.core.resume(this.now, 'kept'));
    return found;
  }

  /** The daemon goes on under another file, as after `castgate reload`. */
  reconfigure(more: Readonly<Record<string, unknown>>): void {
    this.config = configOf(more);
    const before = this.core;
    this.core = successor(before, this.config, this.#coreOptions());
    this.turn(() => this.core.reconfigured(this.now, before));
  }

  host(name: string, port = 'swp1', vlan = 0, mac?: Mac): Host {
    return new Host(this, name, port, vlan, mac ?? macOf(name));
  }

  /** An answer to a packet of the core, signed with the server's or with another secret. */
  sign(request: RadiusPacket, answer: Answer, secret = SECRET): Uint8Array {
    return signed(request, answer, secret);
  }

  /** An answer with a right Response Authenticator and no Message-Authenticator. */
  unsigned(request: RadiusPacket, answer: Answer): Uint8Array {
    const options = { messageAuthenticator: false };
    return signReply({ ...answer, id: request.id }, request.authenticator, SECRET, options);
  }

  session(host: Host): SessionRecord | undefined {
    return this.core.stores.sessions.get(host.key);
  }

  /** Lines of the log with this event. */
  logged(event: string): Logged[] {
    return this.log.filter((line) => line.event === event);
  }

  /** What was done to the switch since the last call. */
  takeDone(): string[] {
    const { done } = this.switch;
    this.switch.done = [];
    return done;
  }

  #newStores(): Stores {
    return new Stores(this.config.groups.cacheSize, {
      changed: (change) => this.changes.push(structuredClone(change)),
    });
  }

  #newCore(stores: Stores): Core {
    return new Core(this.config, { ...this.#coreOptions(), stores });
  }

  #coreOptions() {
    const random = (length: number) => Uint8Array.from({ length }, () => this.#octet());
    return { readings: this.switch, log: this.#logger(), random };
  }

  #send(server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array): void {
    const answer = this.server.receive({ at: this.now, server, port, socket, bytes: bytes.slice() });
    if (answer === undefined) return;
    const deliver = () => this.core.datagram(this.now, server, port, socket, answer);
    this.#coming.push({ at: this.now + this.server.delayMs, deliver });
    this.#coming.sort((a, b) => a.at - b.at);
  }

  #logger(): Logger {
    const say = (event: string, fields?: object) => this.log.push({ at: this.now, event, ...fields });
    const debug = (event: string, fields?: object) => this.debugLog.push({ at: this.now, event, ...fields });
    return { debug, info: say, warn: say, error: say };
  }

  /** xorshift32. */
  #octet(): number {
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    return this.#seed & 0xff;
  }
}

/** What a core answers out of what it has derived from its records. */
function derivedBy(core: Core): object {
  const { subscribers, channels, radius, books, dynamic, stores } = core;
  return {
    timeouts: [subscribers, channels, radius, books, dynamic].map((part) => part.nextTimeout()),
    hosts: ['swp1', 'swp2', 'swp3'].map((port) => subscribers.hostsOfPort(port)),
    sessions: ['swp1', 'swp2', 'swp3'].map((port) =>
      subscribers
        .sessionsOfPort(port)
        .map(({ key }) => key)
        .sort(),
    ),
    vlans: ['swp1', 'swp2', 'swp3'].map((port) => subscribers.vlansOfPort(port)),
    channels: [...stores.authenticators.values()].map(({ key }) => channels.channelsOfHost(key)),
    elsewhere: [...stores.authenticators.values()].map((host) => subscribers.placeElsewhere(host)),
    waiting: books.waiting,
  };
}

/** A host on a port: its supplicant and its IGMP. */
export class Host {
  readonly name: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly #world: World;

  constructor(world: World, name: string, port: string, vlan: number, mac: Mac) {
    this.#world = world;
    this.name = name;
    this.port = port;
    this.vlan = vlan;
    this.mac = mac;
  }

  get key(): string {
    return hostKey(this.port, this.vlan, this.mac);
  }

  get place(): HostPlace {
    return { port: this.port, vlan: this.vlan, mac: this.mac };
  }

  /** Sends a frame of any kind. */
  send(etherType: number, payload: Uint8Array, dst: Mac = PAE_GROUP): void {
    this.#world.switch.receive(
      this.port,
      this.vlan,
      encodeEthernet({ src: this.mac, dst, etherType, payload }),
    );
  }

  eapol(type: number, body: Uint8Array = new Uint8Array(0)): void {
    this.send(EtherType.Eapol, encodeEapol({ version: 2, type, body }));
  }

  start(): void {
    this.eapol(EapolType.Start);
  }

  logoff(): void {
    this.eapol(EapolType.Logoff);
  }

  /** An EAP-Response. */
  respond(id: number, type: number, typeData: Uint8Array): void {
    this.eapol(EapolType.Packet, encodeEap({ code: EapCode.Response, id, type, typeData }));
  }

  identity(id: number, name = this.name): void {
    this.respond(id, EapType.Identity, new TextEncoder().encode(name));
  }

  /** Answers every request that it hears until nothing more comes; gives the last EAP packet. */
  answer(name = this.name): EapPacket | undefined {
    let last: EapPacket | undefined;
    for (let rounds = 0; rounds < 50; rounds++) {
      const heard = this.heard();
      const request = heard.at(-1);
      if (request === undefined) return last;
      last = request;
      if (request.code !== EapCode.Request) return last;
      if (request.type === EapType.Identity) this.identity(request.id, name);
      else this.respond(request.id, request.type ?? EapType.Nak, Uint8Array.of(1, 0x55));
      this.#world.pass(this.#world.server.delayMs + 1);
    }
    throw new Error('the conversation does not end');
  }

  /** Start, and all that follows. */
  login(name = this.name): EapPacket | undefined {
    this.heard();
    this.start();
    return this.answer(name);
  }

  /** EAP packets that reached the host since the last call by anybody. */
  heard(): EapPacket[] {
    return framesTo(this.#world, this).flatMap((payload) => eapIn(payload) ?? []);
  }

  /** IPv4, by its MAC address. */
  get address(): IpAddress {
    const [, , ...last] = this.mac.split(':').map((octet) => Number.parseInt(octet, 16));
    return `10.${last.slice(-3).join('.')}`;
  }

  igmp(message: IgmpMessage, to: IpAddress = '224.0.0.22'): void {
    const payload = encodeIgmpPacket({ src: this.address, dst: to, message });
    this.send(EtherType.Ipv4, payload, groupMac(to));
  }

  mld(message: MldMessage, to: IpAddress = 'ff02::16'): void {
    const payload = encodeMldPacket({ src: linkLocalAddress(this.mac), dst: to, message });
    this.send(EtherType.Ipv6, payload, groupMac(to));
  }

  /** IGMPv3, or MLDv2 where the groups are of IPv6. */
  report(...records: readonly GroupRecord[]): void {
    if (ipFamily(records[0]?.group ?? '') === 6) this.mld({ kind: 'record-report', version: 2, records });
    else this.igmp({ kind: 'record-report', version: 3, records });
  }

  /** IGMPv3: any source, or these. */
  join(group: IpAddress, ...sources: readonly IpAddress[]): void {
    this.report(wish(group, ...sources));
  }

  leave(group: IpAddress): void {
    this.report(noWish(group));
  }
}

/** The record of a join. */
export function wish(group: IpAddress, ...sources: readonly IpAddress[]): GroupRecord {
  const type = sources.length === 0 ? RecordType.ToExclude : RecordType.Allow;
  return { type, group, sources, auxWords: 0 };
}

/** The record of a leave. */
export function noWish(group: IpAddress): GroupRecord {
  return { type: RecordType.ToInclude, group, sources: [], auxWords: 0 };
}

/** IGMP messages that were sent out of a port since the last call by anybody; MLD ones for family 6. */
export function groupMessages(world: World, port: string, family: 4 | 6 = 4): GroupMessage[] {
  return groupPackets(world)
    .filter((packet) => packet.port === port && packet.family === family)
    .map(({ message }) => message);
}

/** All IGMP and MLD packets that were sent since the last call by anybody. */
export function groupPackets(world: World): (GroupPacket & { port: string; vlan: number })[] {
  return world.switch.takeSent().flatMap(({ port, vlan, frame }) => {
    const eth = decodeEthernet(frame);
    if (isMalformed(eth)) return [];
    const packet = decodeGroupPacket(eth.etherType, eth.payload);
    return packet === undefined || isMalformed(packet) ? [] : [{ ...packet, port, vlan }];
  });
}

function framesTo(world: World, host: Host): Uint8Array[] {
  return world.switch.takeSent().flatMap(({ port, vlan, frame }) => {
    const eth = decodeEthernet(frame);
    if (isMalformed(eth) || port !== host.port || vlan !== host.vlan) return [];
    return eth.dst === host.mac || eth.dst === PAE_GROUP ? [eth.payload] : [];
  });
}

function eapIn(payload: Uint8Array): EapPacket | undefined {
  const pdu = decodeEapol(payload);
  if (isMalformed(pdu) || pdu.type !== EapolType.Packet) return undefined;
  const eap = decodeEap(pdu.body);
  return isMalformed(eap) ? undefined : eap;
}

/** What a frame is, in a word. */
function nameOf(frame: Uint8Array): string {
  const eth = decodeEthernet(frame);
  if (isMalformed(eth)) return 'garbage';
  if (eth.etherType !== EtherType.Eapol) {
    const packet = decodeGroupPacket(eth.etherType, eth.payload);
    return packet === undefined || isMalformed(packet) ? 'a frame' : packet.message.kind;
  }
  const eap = eapIn(eth.payload);
  return ['', 'request', 'response', 'success', 'failure'][eap?.code ?? 0] ?? 'eapol';
}

/** A MAC address for a name: the same in every run. */
export function macOf(name: string): Mac {
  let hash = 0x811c9dc5;
  for (const octet of new TextEncoder().encode(name)) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  const hex = hash.toString(16).padStart(8, '0');
  return `06:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}

/** Of files whose name ends in `second` or `.key`. */
export const SECOND_SECRET = new TextEncoder().encode(
  'the second secret of the tests, which is a longer one',
);
const PAE_GROUP: Mac = '01:80:c2:00:00:03';
