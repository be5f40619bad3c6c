/**
 * The npm package `radius` as a second opinion: what castgate signs it believes, what it signs castgate believes.
 * Where the package is known to be wrong (it believes forged digests, refuses CoA requests with a
 * Message-Authenticator, hands out values cut short) the test says so instead of agreeing with it.
 */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttributeType, integer, octets, splitEapMessage, text } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import {
  signAccessRequest,
  signAccountingRequest,
  signReply,
  verifyReply,
  verifyRequest,
} from '../../radius/sign.ts';
import { utf8 } from './arbitraries.ts';

interface DecodedByPackage {
  readonly code: string;
  readonly identifier: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly raw_attributes: readonly (readonly [number, Buffer])[];
}

interface RadiusPackage {
  decode(args: { packet: Buffer; secret: string }): DecodedByPackage;
  encode(args: { code: string; secret: string; identifier?: number; attributes: unknown[] }): Buffer;
  encode_response(args: {
    packet: DecodedByPackage;
    code: string;
    secret: string;
    attributes: unknown[];
  }): Buffer;
  verify_response(args: { request: Buffer; response: Buffer; secret: string }): boolean;
}

const other: RadiusPackage = createRequire(import.meta.url)('radius');
const secret = 'second-opinion';
const own = utf8(secret);

describe('the package believes castgate', () => {
  const attributes = [
    text(AttributeType.UserName, 'alice'),
    text(AttributeType.UserPassword, 'alice-pw'),
    text(AttributeType.CallingStationId, '02-00-00-00-0A-01'),
    integer(AttributeType.NasPortType, 15),
  ];

  it('an Access-Request with Message-Authenticator first and a hidden password', () => {
    const authenticator = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
    const bytes = signAccessRequest({ id: 200, authenticator, attributes }, own);
    const decoded = other.decode({ packet: Buffer.from(bytes), secret });
    expect(decoded).toMatchObject({
      code: 'Access-Request',
      identifier: 200,
      attributes: { 'User-Name': 'alice', 'User-Password': 'alice-pw', 'NAS-Port-Type': 'Ethernet' },
    });
    expect(() => other.decode({ packet: Buffer.from(bytes), secret: 'wrong' })).toThrow(
      /Message-Authenticator/,
    );
  });

  it('an EAP packet over several attributes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 1400 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (eap, authenticator) => {
          const bytes = signAccessRequest({ id: 1, authenticator, attributes: splitEapMessage(eap) }, own);
          const decoded = other.decode({ packet: Buffer.from(bytes), secret });
          const parts = decoded.raw_attributes.filter(([type]) => type === AttributeType.EapMessage);
          expect(Uint8Array.from(Buffer.concat(parts.map(([, value]) => value)))).toEqual(eap);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('an Accounting-Request, and replies', () => {
    const request = signAccountingRequest(
      {
        id: 3,
        attributes: [integer(AttributeType.AcctStatusType, 1), text(AttributeType.AcctSessionId, 'a')],
      },
      own,
    );
    expect(other.decode({ packet: Buffer.from(request), secret }).attributes).toEqual({
      'Acct-Status-Type': 'Start',
      'Acct-Session-Id': 'a',
    });
    const reply = signReply(
      { code: RadiusCode.AccountingResponse, id: 3, attributes: [] },
      request.subarray(4, 20),
      own,
      {
        messageAuthenticator: false,
      },
    );
    const verify = { request: Buffer.from(request), response: Buffer.from(reply), secret };
    expect(other.verify_response(verify)).toBe(true);
    expect(other.verify_response({ ...verify, secret: 'wrong' })).toBe(false);
  });
});

describe('castgate believes the package', () => {
  const encode = (attributes: unknown[]) =>
    other.encode({ code: 'Access-Request', secret, identifier: 9, attributes });

  it('an Access-Request, whose Message-Authenticator it puts last', () => {
    const bytes = encode([
      ['User-Name', 'alice'],
      ['EAP-Message', Buffer.from([2, 1, 0, 10, 1, 97, 108, 105, 99, 101])],
    ]);
    expect(verifyRequest(bytes, own, { requireMessageAuthenticator: true })).toBe('ok');
    expect(verifyRequest(bytes, utf8('wrong'), { requireMessageAuthenticator: true })).toBe(
      'message-authenticator',
    );
    const packet = decodeRadius(bytes);
    if ('malformed' in packet) throw new Error(packet.malformed);
    expect(packet.attributes.at(-1)?.type).toBe(AttributeType.MessageAuthenticator);
  });

  it('a reply, and not the forged digest that the package itself believes', () => {
    const lax = { requireMessageAuthenticator: false };
    let forgeries = 0;
    for (let i = 0; i < 50; i++) {
      const request = encode([['User-Name', `alice${i}`]]);
      const decoded = other.decode({ packet: request, secret });
      const attributes = [['Session-Timeout', i]];
      const response = other.encode_response({ packet: decoded, code: 'Access-Accept', secret, attributes });
      const authenticator = request.subarray(4, 20);
      expect(verifyReply(authenticator, response, own, lax)).toBe('ok');
      // It compares digests as UTF-8 text: an octet that is no UTF-8 may become another such one.
      const place = response.subarray(4, 20).findIndex((octet) => octet >= 0xf8);
      if (place < 0) continue;
      response[4 + place] = (response[4 + place] ?? 0) === 0xff ? 0xfe : 0xff;
      expect(other.verify_response({ request, response, secret })).toBe(true);
      expect(verifyReply(authenticator, response, own, lax)).toBe('response-authenticator');
      forgeries++;
    }
    expect(forgeries).toBeGreaterThan(0);
  });

  it('refuses what the package takes: an attribute past the end', () => {
    const bytes = signReply(
      { code: 2, id: 1, attributes: [octets(1, utf8('alice'))] },
      new Uint8Array(16),
      own,
      {
        messageAuthenticator: false,
      },
    );
    bytes[21] = 200;
    expect(decodeRadius(bytes)).toEqual({ malformed: 'radius-attribute-overruns-packet', offset: 20 });
  });
});
