/** A dynamic authorization client for tests on virtual time: signs requests and reads the signed answers. */
import { expect } from 'vitest';
import type { DynamicPeer } from '../../../daemon/core/effects.ts';
import { AttributeType, firstInteger, integer } from '../../../radius/attributes.ts';
import { decodeRadius, type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { signDynamicRequest, verifyReply } from '../../../radius/sign.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import type { World } from '../world.ts';

export const CLIENT: DynamicPeer = { address: '198.18.0.2', port: 40_000 };
/** What parseConfig of world.ts gives for every secret file. */
export const CLIENT_SECRET = new TextEncoder().encode('the secret of the tests');

/** Sections of a configuration file: with one client. */
export function withClient(more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    radius: {
      servers: [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret' }],
      dynamic_authorization: {
        clients: [{ name: 'c1', address: CLIENT.address, secret_file: 'secret' }],
        ...more,
      },
    },
  };
}

/** What came of a request: `ack`, the number of an Error-Cause, or undefined for silence. */
export type Outcome = 'ack' | number | undefined;

export class DynamicClient {
  readonly #world: World;
  #id = 0;

  constructor(world: World) {
    this.#world = world;
  }

  disconnect(...attributes: readonly RadiusAttribute[]): Outcome {
    return this.#outcome(RadiusCode.DisconnectRequest, attributes);
  }

  coa(...attributes: readonly RadiusAttribute[]): Outcome {
    return this.#outcome(RadiusCode.CoaRequest, attributes);
  }

  /** A signed request, with Event-Timestamp of now unless it has one or `timestamp` is false. */
  request(
    code: typeof RadiusCode.CoaRequest | typeof RadiusCode.DisconnectRequest,
    attributes: readonly RadiusAttribute[],
    { timestamp = true, secret = CLIENT_SECRET } = {},
  ): Uint8Array {
    const eventTimestamp = integer(AttributeType.EventTimestamp, Math.floor(this.#world.now / 1000));
    const all = timestamp ? [...attributes, eventTimestamp] : attributes;
    this.#id = (this.#id + 1) & 0xff;
    return signDynamicRequest({ code, id: this.#id, attributes: all }, secret);
  }

  /** Sends octets; the answer, which must be signed as it should be, or undefined for silence. */
  send(bytes: Uint8Array, from: DynamicPeer = CLIENT, secret = CLIENT_SECRET): RadiusPacket | undefined {
    const before = this.#world.dynamicReplies.length;
    this.#world.turn(() => this.#world.core.dynamicRequest(this.#world.now, 0, from, bytes));
    const [reply, more] = this.#world.dynamicReplies.slice(before);
    if (reply === undefined) return undefined;
    expect(more).toBeUndefined();
    expect(reply.to).toEqual(from);
    const options = { requireMessageAuthenticator: true };
    expect(verifyReply(bytes.subarray(4, 20), reply.bytes, secret, options)).toBe('ok');
    const packet = decodeRadius(reply.bytes);
    if (isMalformed(packet)) throw new Error(packet.malformed);
    expect(packet.id).toBe(bytes[1]);
    return packet;
  }

  #outcome(
    code: typeof RadiusCode.CoaRequest | typeof RadiusCode.DisconnectRequest,
    attributes: readonly RadiusAttribute[],
  ): Outcome {
    const reply = this.send(this.request(code, attributes));
    if (reply === undefined) return undefined;
    const cause = firstInteger(reply.attributes, AttributeType.ErrorCause);
    const isAck = reply.code === RadiusCode.DisconnectAck || reply.code === RadiusCode.CoaAck;
    expect([RadiusCode.DisconnectAck, RadiusCode.DisconnectNak].includes(reply.code as 41 | 42)).toBe(
      code === RadiusCode.DisconnectRequest,
    );
    if (isAck && cause === undefined) return 'ack';
    // RFC 5176 §3.5: 201 is the one Error-Cause of an ACK.
    expect(isAck).toBe(cause === 201);
    return cause;
  }
}
