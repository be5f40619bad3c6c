/**
 * What a rehearsal is played on and by: one port, hosts that there are not, and what a RADIUS server says that takes
 * everybody.
 */
import type { Config } from '../../config/config.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { eapMessage, splitEapMessage } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import type { MemorySwitch } from '../../switch/memory-switch.ts';
import { type IpAddress, type Mac, macAt } from '../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { Stores } from '../core/stores.ts';

/** One port, on which everybody may log in. */
export function stageOf(config: Config): Config {
  const [first] = config.ports;
  if (first === undefined) return config;
  const open = {
    mode: 'auto',
    maxHosts: STAGE_HOSTS,
    hostMode: 'multi-auth',
    methods: ['dot1x'],
    priority: 'dot1x',
  } as const;
  return { ...config, ports: [{ ...first, ...open }] };
}

/** Yes to everything. */
export function accepted(bytes: Uint8Array, secret: Uint8Array): Uint8Array | undefined {
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

/** A host on the stage's port. */
export class StageHost {
  readonly #number: number;
  readonly #port: string;
  readonly #bridge: MemorySwitch;
  readonly #mac: Mac;

  constructor(number: number, port: string, bridge: MemorySwitch) {
    this.#number = number;
    this.#port = port;
    this.#bridge = bridge;
    this.#mac = macAt(Uint8Array.of(0x02, 0xca, 0x57, 0xff, number >> 8, number & 0xff), 0);
  }

  /** Begins a login. */
  start(): void {
    this.#eapol(EapolType.Start, new Uint8Array(0));
  }

  /** Answers who it is. */
  tellName({ authenticators }: Pick<Stores, 'authenticators'>): void {
    const id = authenticators.get(`${this.#port}/0/${this.#mac}`)?.currentId ?? 0;
    const typeData = new TextEncoder().encode(`host-${this.#number}`);
    const answer = encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData });
    this.#eapol(EapolType.Packet, answer);
  }

  join(group: IpAddress): void {
    const record = { type: RecordType.ToExclude, group, sources: [], auxWords: 0 };
    const message = { kind: 'record-report', version: 3, records: [record] } as const;
    const packet = encodeIgmpPacket({ src: `10.255.255.${this.#number + 1}`, dst: REPORTS, message });
    this.#say(EtherType.Ipv4, groupMac(REPORTS), packet);
  }

  #eapol(type: number, body: Uint8Array): void {
    this.#say(EtherType.Eapol, PAE_GROUP, encodeEapol({ version: 2, type, body }));
  }

  #say(etherType: number, dst: Mac, payload: Uint8Array): void {
    this.#bridge.receive(this.#port, 0, encodeEthernet({ src: this.#mac, dst, etherType, payload }));
  }
}

/** At most so many hosts are let in. */
export const STAGE_HOSTS = 40;
const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const REPORTS = '224.0.0.22';
