/**
 * Which frames of a capture a switch would have received, and on which of its configured ports. A capture
 * knows no port names: all hosts are on one port unless Linux cooked v2 tells interfaces apart; then recorded
 * NAS-Port-Id says which is which, and after that their order. What the recorded switch sent is no host's.
 */
import type { Config } from '../../config/config.ts';
import { closest } from '../../config/file/did-you-mean.ts';
import { AttributeType, firstText } from '../../radius/attributes.ts';
import type { Mac } from '../../wire/address.ts';
import { toHex } from '../../wire/bytes.ts';
import { encodeEthernet } from '../../wire/ethernet.ts';
import type { PortFrame, RadiusFrame, ReplayFrame } from './frames.ts';

/** What --port said: `all` is the port of every frame, `byInterface` that of one interface's. */
export interface PortChoice {
  readonly all: string | undefined;
  readonly byInterface: ReadonlyMap<number, string>;
}

/** One frame as the switch gives it to the core: outer VLAN tag taken off and named. */
export interface ReceivedFrame {
  readonly frame: PortFrame;
  readonly port: string;
  readonly vlan: number;
  readonly octets: Uint8Array;
}

/** Reads the values of --port, `NAME` or `IFINDEX=NAME`; text says what is wrong with one. */
export function portChoice(
  values: readonly string[],
  config: Pick<Config, 'ports' | 'uplinks'>,
): PortChoice | string {
  let all: string | undefined;
  const byInterface = new Map<number, string>();
  const subscribers = config.ports.map((port) => port.name);
  for (const value of values) {
    const match = /^(?:(\d+)=)?(.+)$/.exec(value);
    const name = match?.[2] ?? '';
    const known = match?.[1] === undefined ? subscribers : [...subscribers, ...config.uplinks];
    if (!known.includes(name)) {
      const near = closest(name, known);
      const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
      return `--port ${value}: no such port is configured (${hint})`;
    }
    if (match?.[1] === undefined) all = name;
    else byInterface.set(Number(match[1]), name);
  }
  return { all, byInterface };
}

/** Gives each frame its place; `notes` say how that was decided, where there was a choice. */
export class PortPlan {
  readonly notes: string[] = [];
  readonly #config: Pick<Config, 'ports' | 'uplinks'>;
  readonly #choice: PortChoice;
  readonly #switchMacs: ReadonlySet<Mac>;
  /** The capture was taken in the switch: what hosts say comes in. */
  readonly #inSwitch: boolean;
  readonly #byInterface: ReadonlyMap<number, string | undefined>;

  constructor(frames: readonly ReplayFrame[], config: Pick<Config, 'ports' | 'uplinks'>, choice: PortChoice) {
    this.#config = config;
    this.#choice = choice;
    const seen = frames.filter((frame) => frame.kind === 'port');
    this.#inSwitch = seen.some((frame) => frame.says === 'host' && frame.outgoing === false);
    this.#switchMacs = switchMacs(seen, this.notes);
    this.#byInterface = this.#assign(frames);
  }

  /** The port that the frame was seen on; undefined where none is configured for its interface. */
  portOf(frame: PortFrame): string | undefined {
    if (frame.ifindex === undefined) return this.#choice.all ?? this.#config.ports[0]?.name;
    return this.#byInterface.get(frame.ifindex);
  }

  /** The frame as the switch receives it there; undefined where the recorded switch itself sent it. */
  received(frame: PortFrame): ReceivedFrame | undefined {
    const port = this.portOf(frame);
    if (port === undefined || !this.#isIncoming(frame)) return undefined;
    const { link } = frame;
    if (link === undefined) return { frame, port, vlan: 0, octets: frame.octets };
    const [outer, ...vlans] = link.vlans;
    return { frame, port, vlan: outer?.id ?? 0, octets: encodeEthernet({ ...link, vlans }) };
  }

  #isIncoming(frame: PortFrame): boolean {
    if (this.#inSwitch) return frame.outgoing === false;
    return frame.link === undefined || !this.#switchMacs.has(frame.link.src);
  }

  #assign(frames: readonly ReplayFrame[]): ReadonlyMap<number, string | undefined> {
    const { all, byInterface } = this.#choice;
    const assigned = new Map<number, string | undefined>(byInterface);
    const said = [...byInterface].map(([ifindex, name]) => `${ifindex} is ${name} (by --port)`);
    const take = (ifindex: number, name: string | undefined, how: string) => {
      if (assigned.has(ifindex)) return;
      assigned.set(ifindex, name);
      said.push(name === undefined ? `${ifindex} is left out (${how})` : `${ifindex} is ${name} (${how})`);
    };
    const seen = frames.filter(
      (frame) => frame.kind === 'port' && frame.ifindex !== undefined,
    ) as PortFrame[];
    const masters = bridges(seen);
    const heard = seen.filter((frame) => this.#isIncoming(frame));
    const of = (wanted: (frame: PortFrame) => boolean) =>
      new Set(heard.filter(wanted).map((frame) => frame.ifindex ?? -1));
    const withEapol = of((frame) => frame.protocol === 'eapol');
    for (const ifindex of masters) take(ifindex, undefined, 'it repeats what other interfaces hear');
    for (const ifindex of of((frame) => frame.says === 'switch')) {
      if (!withEapol.has(ifindex)) take(ifindex, undefined, 'queries come in there');
    }
    const hosts = [...of(() => true)].sort((a, b) => a - b);
    if (all !== undefined) for (const ifindex of hosts) take(ifindex, all, 'by --port');
    const ports = this.#config.ports.map((port) => port.name);
    const recorded = recordedPorts(frames, heard, new Set(ports));
    for (const ifindex of hosts) {
      const name = recorded.get(ifindex);
      if (name !== undefined) take(ifindex, name, 'by recorded NAS-Port-Id');
    }
    const taken = new Set(assigned.values());
    const free = ports.filter((name) => !taken.has(name));
    for (const ifindex of hosts) {
      if (assigned.has(ifindex)) continue;
      const name = free.shift();
      take(ifindex, name, name === undefined ? 'no port is left for it' : 'by order');
    }
    const choice = assigned.size > 1 || [...assigned.values()].includes(undefined);
    if (choice) this.notes.push(`interface ${said.join(', ')}; --port IFINDEX=NAME says otherwise`);
    return assigned;
  }
}

/** MAC addresses that speak as a switch and never as a supplicant. */
function switchMacs(frames: readonly PortFrame[], notes: string[]): ReadonlySet<Mac> {
  const supplicants = new Set<Mac>();
  const reporters = new Set<Mac>();
  const speakers = new Map<Mac, PortFrame['protocol']>();
  for (const { link, says, protocol } of frames) {
    if (link === undefined) continue;
    if (says === 'switch') speakers.set(link.src, protocol);
    else if (says === 'host') (protocol === 'eapol' ? supplicants : reporters).add(link.src);
  }
  const macs = new Set([...speakers.keys()].filter((mac) => !supplicants.has(mac)));
  for (const mac of macs) {
    const told = frames.some((frame) => frame.outgoing !== undefined);
    if (reporters.has(mac) && !told) {
      notes.push(`${mac} sends queries as well as reports: it is taken for the recorded switch`);
    }
  }
  return macs;
}

/** Interfaces on which nothing is heard that another one did not just hear: bridges above their ports. */
function bridges(frames: readonly PortFrame[]): ReadonlySet<number> {
  const last = new Map<string, { ifindex: number; at: number }>();
  const counts = new Map<number, { all: number; repeated: number }>();
  for (const { link, ifindex = -1, outgoing, at, octets } of frames) {
    if (link === undefined || outgoing === true) continue;
    const key = `${link.src} ${toHex(link.payload.length > 0 ? link.payload : octets)}`;
    const before = last.get(key);
    const count = counts.get(ifindex) ?? { all: 0, repeated: 0 };
    count.all++;
    if (before !== undefined && before.ifindex !== ifindex && at - before.at <= PASSING_UP_MS)
      count.repeated++;
    else last.set(key, { ifindex, at });
    counts.set(ifindex, count);
  }
  return new Set([...counts].filter(([, { all, repeated }]) => all === repeated).map(([ifindex]) => ifindex));
}

/** Interface to configured port, where recorded requests name the port of a host that was heard there. */
function recordedPorts(
  frames: readonly ReplayFrame[],
  heard: readonly PortFrame[],
  names: ReadonlySet<string>,
): ReadonlyMap<number, string> {
  const nameOfMac = new Map<Mac, string>();
  for (const frame of frames) {
    const told = frame.kind === 'radius' ? recordedPlace(frame) : undefined;
    if (told !== undefined && names.has(told.port)) nameOfMac.set(told.mac, told.port);
  }
  const found = new Map<number, string>();
  for (const { link, ifindex } of heard) {
    const name = link === undefined ? undefined : nameOfMac.get(link.src);
    const fresh = name !== undefined && ifindex !== undefined && !found.has(ifindex);
    if (fresh && ![...found.values()].includes(name)) found.set(ifindex, name);
  }
  return found;
}

function recordedPlace({ packet }: RadiusFrame): { mac: Mac; port: string } | undefined {
  const port = firstText(packet.attributes, AttributeType.NasPortId);
  const mac = macOfStation(firstText(packet.attributes, AttributeType.CallingStationId));
  return port === undefined || mac === undefined ? undefined : { mac, port };
}

/** A Calling-Station-Id in whatever spelling as a MAC address; undefined where it is none. */
export function macOfStation(text: string | undefined): Mac | undefined {
  const digits = text?.replace(/[-:.]/g, '').toLowerCase() ?? '';
  if (!/^[0-9a-f]{12}$/.test(digits)) return undefined;
  return digits.replace(/(..)(?=.)/g, '$1:');
}

/** How soon after its port a bridge hears the same frame. */
const PASSING_UP_MS = 2;
