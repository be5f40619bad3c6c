/**
 * RADIUS on virtual time: a client, servers that answer by a policy, and a network that loses, repeats, delays
 * and forges packets by a seed. Nothing sleeps; the same seed gives the same run.
 */

import { RadiusClient } from '../../radius/client/client.ts';
import type { RadiusClientOptions, RadiusEvent } from '../../radius/client/client-types.ts';
import { radiusClientDefaults } from '../../radius/client/client-types.ts';
import type {
  RadiusPort,
  RadiusRequestRecord,
  RadiusServerRecord,
} from '../../radius/client/request-record.ts';
import { decodeRadius, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { signReply, verifyRequest } from '../../radius/sign.ts';
import { Store } from '../../session/store.ts';
import { utf8 } from './arbitraries.ts';

/** A generator of numbers in [0, 1) by a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A packet on its way to a server. */
export interface Sent {
  readonly at: number;
  readonly server: string;
  readonly port: RadiusPort;
  readonly socket: number;
  readonly bytes: Uint8Array;
  readonly packet: RadiusPacket;
}

/** What the network does to packets, each way. */
export interface Faults {
  readonly loss: number;
  readonly repeat: number;
  /** Milliseconds there and back, at least and at most. */
  readonly delay: readonly [number, number];
  /** A packet that someone else made comes before the true reply, so often. */
  readonly forge: number;
}

export const NO_FAULTS: Faults = { loss: 0, repeat: 0, delay: [1, 1], forge: 0 };

/** A server's answer: a code with attributes, or silence. */
export type Policy = (sent: Sent) => { code: number; attributes?: RadiusPacket['attributes'] } | undefined;

/** Accepts logins, acknowledges accounting, says that it lives. */
export const accepting: Policy = ({ packet, port }) =>
  packet.code === RadiusCode.AccountingRequest || port === 'acct'
    ? { code: RadiusCode.AccountingResponse }
    : { code: RadiusCode.AccessAccept };

export const silent: Policy = () => undefined;

export const secretOf = (server: string) => utf8(`secret of ${server}`);

export class World {
  now = 1_000_000;
  readonly requests = new Store<RadiusRequestRecord>('radius');
  readonly servers = new Store<RadiusServerRecord>('servers');
  readonly policies = new Map<string, Policy>();
  readonly sent: Sent[] = [];
  readonly events: Exclude<RadiusEvent, { kind: 'send' }>[] = [];
  readonly discards: string[] = [];
  readonly options: RadiusClientOptions;
  readonly draw: () => number;
  faults: Faults;
  client: RadiusClient;
  /** In order of arrival; those before `#landed` have arrived. */
  readonly #air: { readonly at: number; readonly deliver: () => void }[] = [];
  #landed = 0;

  constructor(options: Partial<RadiusClientOptions> = {}, faults: Faults = NO_FAULTS, seed = 1) {
    const names = options.auth ?? ['a', 'b'];
    this.options = {
      ...radiusClientDefaults,
      auth: names,
      acct: names,
      servers: names.map((name) => ({ name, secret: secretOf(name), requireMessageAuthenticator: true })),
      ...options,
    };
    this.faults = faults;
    this.draw = seeded(seed);
    this.client = this.makeClient();
  }

  /** A client over the same records, as after a restart or a takeover. */
  makeClient(): RadiusClient {
    return new RadiusClient(this.options, this.requests, this.servers, (octets) =>
      Uint8Array.from({ length: octets }, () => Math.floor(this.draw() * 256)),
    );
  }

  access(token: string, more: Partial<Parameters<RadiusClient['request']>[1]> = {}): void {
    this.client.request(this.now, {
      list: 'auth',
      token,
      code: RadiusCode.AccessRequest,
      attributes: [{ type: 1, value: utf8(token) }],
      ...more,
    });
    this.#flush();
  }

  accounting(token: string, more: Partial<Parameters<RadiusClient['request']>[1]> = {}): void {
    const code = RadiusCode.AccountingRequest;
    this.access(token, { list: 'acct', code, ...more });
  }

  /** Runs until nothing is left to happen, or until `end`. */
  run(end = Number.POSITIVE_INFINITY): void {
    this.#flush();
    for (;;) {
      const next = Math.min(
        this.#air[this.#landed]?.at ?? Number.POSITIVE_INFINITY,
        this.client.nextTimeout() ?? Infinity,
      );
      if (next > end || next === Number.POSITIVE_INFINITY) break;
      this.now = Math.max(this.now, next);
      while ((this.#air[this.#landed]?.at ?? Number.POSITIVE_INFINITY) <= this.now) this.#land();
      this.client.handleTimeout(this.now);
      this.#flush();
    }
    if (end !== Number.POSITIVE_INFINITY) this.now = end;
  }

  /** Hands the client a packet as if it came from the network. */
  receive(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): string | undefined {
    const reason = this.client.receive(this.now, server, port, socket, bytes);
    if (reason !== undefined) this.discards.push(reason);
    this.#flush();
    return reason;
  }

  /** The signed reply of a server to what it was sent. */
  reply(sent: Sent, code: number, attributes: RadiusPacket['attributes'] = []): Uint8Array {
    const { id, authenticator } = sent.packet;
    return signReply({ code, id, attributes }, authenticator, secretOf(sent.server));
  }

  #flush(): void {
    for (const event of this.client.drainEvents()) {
      if (event.kind === 'send') this.#transmit(event);
      else this.events.push(event);
    }
  }

  #transmit({ server, port, socket, bytes }: Extract<RadiusEvent, { kind: 'send' }>): void {
    const packet = decodeRadius(bytes);
    if ('malformed' in packet) throw new Error(`the client sent a malformed packet: ${packet.malformed}`);
    const verdict = verifyRequest(bytes, secretOf(server), {
      requireMessageAuthenticator: packet.code !== RadiusCode.AccountingRequest,
    });
    if (verdict !== 'ok') throw new Error(`the client sent a badly signed packet: ${verdict}`);
    const sent = { at: this.now, server, port, socket, bytes, packet };
    this.sent.push(sent);
    const copies = this.draw() < this.faults.repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.draw() < this.faults.loss) continue;
      this.#later(() => this.#arrive(sent));
    }
  }

  #arrive(sent: Sent): void {
    const { server, port, socket } = sent;
    const answer = (this.policies.get(server) ?? accepting)(sent);
    if (answer === undefined) return;
    const bytes = this.reply(sent, answer.code, answer.attributes);
    if (this.draw() < this.faults.forge) {
      const forged = Uint8Array.from(bytes);
      const bit = Math.floor(this.draw() * forged.length * 8);
      // The identifier stays, so that it meets a request.
      if (bit >> 3 !== 1) forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      else forged[4] = (forged[4] ?? 0) ^ 1;
      this.#later(() => this.receive(server, port, socket, forged));
    }
    const copies = this.draw() < this.faults.repeat ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.draw() < this.faults.loss) continue;
      this.#later(() => this.receive(server, port, socket, Uint8Array.from(bytes)));
    }
  }

  #land(): void {
    this.#air[this.#landed++]?.deliver();
    // A shift for each would move all the others each time.
    if (this.#landed < 4096) return;
    this.#air.splice(0, this.#landed);
    this.#landed = 0;
  }

  #later(deliver: () => void): void {
    const [least, most] = this.faults.delay;
    const at = this.now + least + this.draw() * (most - least);
    let [low, high] = [this.#landed, this.#air.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#air[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    this.#air.splice(low, 0, { at, deliver });
  }
}
