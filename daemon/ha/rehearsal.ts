/**
 * A node that stands by has served nobody yet: the first time that a piece of code runs costs many times the next ones, and
 * would cost it when hosts and servers wait. So it plays logins and joins of hosts that there are not through a core with
 * records, a switch and a RADIUS server of its own, and has that core taken up again as in a takeover. Nothing of it leaves.
 */
import { randomFillSync } from 'node:crypto';
import type { Config } from '../../config/config.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { eapMessage, splitEapMessage } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { ChangeLog } from '../../replication/change-log.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { type Mac, macAt } from '../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { Core } from '../core/core.ts';
import { turnsOf } from '../core/event-turns.ts';
import { endTurn } from '../core/turn.ts';
import { emptyStores } from '../journal/saved-state.ts';
import { type Logger, silentLog } from '../log/log.ts';

/** What is there after a step. */
export interface Played {
  readonly sessions: number;
  readonly channels: number;
}

/** Once in the life of a process, a step at a time between other work. */
export class Rehearsal {
  readonly #log: Logger;
  readonly #mayPlay: () => boolean;
  #next: NodeJS.Timeout | undefined;

  /** It is over when this node may not play any more: it is to serve. */
  constructor(log: Logger, mayPlay: () => boolean) {
    this.#log = log;
    this.#mayPlay = mayPlay;
  }

  begin(config: Config): void {
    if (this.#next !== undefined) return;
    const play = rehearse(config);
    const step = () => {
      if (!this.#mayPlay()) return;
      try {
        if (play.next().done !== true) this.#next = setTimeout(step, PAUSE_MS);
      } catch (cause) {
        const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
        this.#log.error('internal-error', { error, means: 'a takeover is slower by some milliseconds' });
      }
    };
    this.#next = setTimeout(step, PAUSE_MS);
  }

  end(): void {
    clearTimeout(this.#next);
  }
}

/** Plays it; between two steps whoever calls does other work. A step takes a few milliseconds at most. */
export function* rehearse(of: Config): Generator<Played, void> {
  const config = stageOf(of);
  const [first] = config.ports;
  const secret = config.radius.servers[0]?.secret;
  if (first === undefined || secret === undefined) return;
  const fed = emptyStores(config);
  const log = new ChangeLog(0, 'none');
  fed.feed.follow(log);
  let at = wallClock();
  const events: SwitchEvent[] = [];
  const ports = config.ports.map(({ name }) => name);
  const bridge = new MemorySwitch({ ports, uplinks: config.uplinks }, (more) => events.push(...more));
  const parts = {
    readings: bridge,
    log: silentLog,
    random: (length: number) => randomFillSync(new Uint8Array(length)),
    stores: fed.stores,
  };
  const answers: ((core: Core) => void)[] = [];
  const datagrams = {
    send: (server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array) => {
      const answer = accepted(bytes, secret);
      if (answer !== undefined) answers.push((core) => core.datagram(at, server, port, socket, answer));
    },
  };
  const turn = (core: Core, think: (core: Core) => void) => {
    think(core);
    for (;;) {
      endTurn(core, bridge, datagrams, () => at, { before: () => log.seal() });
      const next = answers.shift();
      if (next === undefined) return;
      next(core);
    }
  };
  const settle = (core: Core) => {
    for (const together of turnsOf(events.splice(0)))
      turn(core, () => {
        for (const event of together) core.switchEvent(at, event);
      });
    bridge.takeSent();
  };
  let core = new Core(config, { ...parts, follows: true });
  core.takeUp();
  turn(core, () => core.start(at));
  bridge.start();
  settle(core);
  for (let number = 0; number < HOSTS; number++) {
    // Rates of logins are counted over time.
    at += 1_000;
    const mac = macAt(Uint8Array.of(0x02, 0xca, 0x57, 0xff, number >> 8, number & 0xff), 0);
    const hear = (etherType: number, dst: Mac, payload: Uint8Array) =>
      bridge.receive(first.name, 0, encodeEthernet({ src: mac, dst, etherType, payload }));
    const eapol = (type: number, body: Uint8Array) =>
      hear(EtherType.Eapol, PAE_GROUP, encodeEapol({ version: 2, type, body }));
    eapol(EapolType.Start, new Uint8Array(0));
    settle(core);
    const id = fed.stores.authenticators.get(`${first.name}/0/${mac}`)?.currentId ?? 0;
    const typeData = new TextEncoder().encode(`host-${number}`);
    eapol(EapolType.Packet, encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData }));
    settle(core);
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
    for (let channel = 1; channel <= CHANNELS; channel++) {
      const group = `239.255.${number}.${channel}`;
      const record = { type: RecordType.ToExclude, group, sources: [], auxWords: 0 };
      const message = { kind: 'record-report', version: 3, records: [record] } as const;
      hear(
        EtherType.Ipv4,
        groupMac(REPORTS),
        encodeIgmpPacket({ src: `10.255.255.${number + 1}`, dst: REPORTS, message }),
      );
      settle(core);
    }
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
    if (number % HOSTS_OF_A_CORE !== 0) continue;
    core = new Core(config, { ...parts, follows: true });
    core.takeUp();
    turn(core, () => core.resume(at, 'new', true));
    yield { sessions: fed.stores.sessions.size, channels: fed.stores.grants.size };
  }
}

/** One port of it, on which everybody may log in. */
function stageOf(config: Config): Config {
  const [first] = config.ports;
  if (first === undefined) return config;
  const open = {
    mode: 'auto',
    maxHosts: HOSTS,
    hostMode: 'multi-auth',
    methods: ['dot1x'],
    priority: 'dot1x',
  } as const;
  return { ...config, ports: [{ ...first, ...open }] };
}

/** Yes to everything. */
function accepted(bytes: Uint8Array, secret: Uint8Array): Uint8Array | undefined {
  const packet = decodeRadius(bytes);
  if (isMalformed(packet)) return undefined;
  const { id, authenticator } = packet;
  if (packet.code === RadiusCode.AccountingRequest) {
    const answer = { code: RadiusCode.AccountingResponse, id, attributes: [] };
    return signReply(answer, authenticator, secret, { messageAuthenticator: false });
  }
  const eap = eapMessage(packet.attributes);
  const success = encodeEap({ code: EapCode.Success, id: eap?.[1] ?? 0 });
  const attributes = eap === undefined ? [] : splitEapMessage(success);
  return signReply({ code: RadiusCode.AccessAccept, id, attributes }, authenticator, secret);
}

const PAUSE_MS = 20;
const HOSTS = 40;
const CHANNELS = 6;
/** So many logins after each other, then another core takes them up. */
const HOSTS_OF_A_CORE = 8;
const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const REPORTS = '224.0.0.22';
