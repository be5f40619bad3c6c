import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import { decodeRadius, encodeRadius, RadiusCode, radiusLength } from '../../radius/packet.ts';
import { hidePassword, revealPassword } from '../../radius/password.ts';
import {
  accessRequestLength,
  authenticity,
  signAccessRequest,
  signAccountingRequest,
  signDynamicRequest,
  signReply,
  verifyReply,
  verifyRequest,
} from '../../radius/sign.ts';
import { fromHex, toHex } from '../../wire/bytes.ts';
import { arbitraryAttributes, arbitraryAuthenticator, arbitraryOctets, SECRET, utf8 } from './arbitraries.ts';

const STRICT = { requireMessageAuthenticator: true };
const LAX = { requireMessageAuthenticator: false };
const REQUEST = Uint8Array.from({ length: 16 }, (_, i) => i);

interface SignatureVector {
  readonly name: string;
  readonly secret: Uint8Array;
  readonly packet: Uint8Array;
  readonly sign: boolean;
  readonly request: Uint8Array | undefined;
  readonly expected: { readonly authenticatorOk?: boolean; readonly messageAuthenticatorOk?: boolean };
}

function loadSignatures(): SignatureVector[] {
  const path = new URL('../../fixtures/vectors/radius-signatures.txt', import.meta.url);
  const vectors: SignatureVector[] = [];
  let name = '';
  let secret: Uint8Array = new Uint8Array();
  let packet: Uint8Array = new Uint8Array();
  let request: Uint8Array | undefined;
  let sign = false;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [word = '', ...rest] = line.split(' ');
    const value = rest.join(' ');
    if (word === '#') name = value;
    else if (word === 'secret') secret = utf8(value);
    else if (word === 'packet' || word === 'sign') {
      packet = fromHex(value) ?? new Uint8Array();
      sign = word === 'sign';
      request = undefined;
    } else if (word === 'request') request = fromHex(value);
    else if (word === 'expect')
      vectors.push({ name, secret, packet, sign, request, expected: JSON.parse(value) });
    else if (word === 'count') expect(vectors).toHaveLength(Number(value));
    else if (word !== '') throw new Error(`no such word: ${line}`);
  }
  return vectors;
}

/** Signs the attributes of a vector again, by its code. */
function signAgain(vector: SignatureVector): Uint8Array {
  const packet = decodeRadius(vector.packet);
  if ('malformed' in packet) throw new Error(packet.malformed);
  const { code, id, authenticator } = packet;
  const attributes = packet.attributes.filter((a) => a.type !== AttributeType.MessageAuthenticator);
  if (code === RadiusCode.AccessRequest || code === RadiusCode.StatusServer) {
    return signAccessRequest({ id, authenticator, attributes }, vector.secret, code);
  }
  if (code === RadiusCode.AccountingRequest) return signAccountingRequest({ id, attributes }, vector.secret);
  if (code === RadiusCode.CoaRequest || code === RadiusCode.DisconnectRequest) {
    return signDynamicRequest({ code, id, attributes }, vector.secret);
  }
  return signReply({ code, id, attributes }, vector.request ?? REQUEST, vector.secret);
}

describe('vectors of radius-signatures.txt', () => {
  for (const vector of loadSignatures()) {
    it(vector.name, () => {
      const found = authenticity(vector.packet, vector.secret, vector.request);
      expect(JSON.parse(JSON.stringify(found))).toEqual(vector.expected);
      if (vector.sign) expect(toHex(signAgain(vector))).toBe(toHex(vector.packet));
      // Padding behind the packet changes nothing, and the check leaves the packet as it was.
      const before = toHex(vector.packet);
      const padded = new Uint8Array(vector.packet.length + 7).fill(0xa5);
      padded.set(vector.packet);
      expect(authenticity(padded, vector.secret, vector.request)).toEqual(found);
      expect(toHex(vector.packet)).toBe(before);
    });
  }

  it('has vectors that are signed again', () => {
    expect(loadSignatures().filter((vector) => vector.sign).length).toBeGreaterThan(9);
  });
});

describe('requests', () => {
  it('conformance 17: Message-Authenticator is in every Access-Request, and first', () => {
    fc.assert(
      fc.property(arbitraryAttributes, arbitraryAuthenticator, (attributes, authenticator) => {
        const bytes = signAccessRequest({ id: 1, authenticator, attributes }, SECRET);
        expect(bytes.length).toBe(accessRequestLength(attributes));
        expect(bytes[20]).toBe(AttributeType.MessageAuthenticator);
        expect(verifyRequest(bytes, SECRET, STRICT)).toBe('ok');
        const packet = decodeRadius(bytes);
        if ('malformed' in packet) throw new Error(packet.malformed);
        expect(packet.attributes.slice(1)).toEqual(attributes);
      }),
    );
  });

  it('conformance 36: the Request Authenticator of accounting is MD5 over a zeroed field, not zeros', () => {
    fc.assert(
      fc.property(arbitraryAttributes, (attributes) => {
        const bytes = signAccountingRequest({ id: 9, attributes }, SECRET);
        expect(bytes.subarray(4, 20)).not.toEqual(new Uint8Array(16));
        expect(verifyRequest(bytes, SECRET, LAX)).not.toBe('request-authenticator');
        bytes[4] = (bytes[4] ?? 0) ^ 1;
        if (!attributes.some((a) => a.type === AttributeType.EapMessage)) {
          expect(verifyRequest(bytes, SECRET, LAX)).toBe('request-authenticator');
        }
      }),
    );
  });

  it('refuses a Message-Authenticator from the asker', () => {
    const attributes = [octets(AttributeType.MessageAuthenticator, new Uint8Array(16))];
    const authenticator = REQUEST;
    expect(() => signAccessRequest({ id: 1, authenticator, attributes }, SECRET)).toThrow(/while signing/);
    expect(() => signAccountingRequest({ id: 1, attributes }, SECRET)).toThrow(/while signing/);
    expect(() => signAccessRequest({ id: 1, authenticator: SECRET, attributes: [] }, SECRET)).toThrow(/16/);
  });

  it('dynamic authorization requests are believed with the right secret only', () => {
    const request = { id: 3, attributes: [text(AttributeType.UserName, 'alice')] };
    for (const code of [RadiusCode.CoaRequest, RadiusCode.DisconnectRequest] as const) {
      const bytes = signDynamicRequest({ code, ...request }, SECRET);
      expect(verifyRequest(bytes, SECRET, STRICT)).toBe('ok');
      expect(verifyRequest(bytes, utf8('another'), STRICT)).toBe('message-authenticator');
      const forged = Uint8Array.from(bytes);
      forged[7] = (forged[7] ?? 0) ^ 0x80;
      expect(verifyRequest(forged, SECRET, STRICT)).toBe('request-authenticator');
    }
  });

  it('conformance 34: a Status-Server without Message-Authenticator is not believed', () => {
    const packet = { code: RadiusCode.StatusServer, id: 1, authenticator: REQUEST, attributes: [] };
    expect(verifyRequest(encodeRadius(packet), SECRET, LAX)).toBe('message-authenticator-missing');
    const signed = signAccessRequest(packet, SECRET, RadiusCode.StatusServer);
    expect(signed[0]).toBe(12);
    expect(verifyRequest(signed, SECRET, LAX)).toBe('ok');
  });
});

describe('replies', () => {
  const accept = { code: RadiusCode.AccessAccept, id: 4, attributes: [integer(27, 300)] };

  it('conformance 18: an EAP-Message without Message-Authenticator is refused whatever the setting', () => {
    const eap = { ...accept, attributes: [octets(AttributeType.EapMessage, Uint8Array.of(3, 1, 0, 4))] };
    const bytes = signReply(eap, REQUEST, SECRET, { messageAuthenticator: false });
    expect(verifyReply(REQUEST, bytes, SECRET, LAX)).toBe('eap-without-message-authenticator');
    expect(verifyReply(REQUEST, bytes, SECRET, STRICT)).toBe('eap-without-message-authenticator');
    expect(verifyReply(REQUEST, signReply(eap, REQUEST, SECRET), SECRET, LAX)).toBe('ok');
  });

  it('conformance 18: a Message-Authenticator that is there is checked, also where none is required', () => {
    const bytes = signReply(accept, REQUEST, SECRET);
    bytes[22] = (bytes[22] ?? 0) ^ 1;
    expect(verifyReply(REQUEST, bytes, SECRET, LAX)).toBe('message-authenticator');
    const two = signReply(accept, REQUEST, SECRET);
    const doubled = new Uint8Array(two.length + 18);
    doubled.set(two);
    doubled.set(two.subarray(20, 38), two.length);
    doubled[3] = doubled.length;
    expect(verifyReply(REQUEST, doubled, SECRET, LAX)).toBe('message-authenticator');
    const short = encodeRadius({
      ...accept,
      authenticator: REQUEST,
      attributes: [octets(80, new Uint8Array(15))],
    });
    expect(verifyReply(REQUEST, short, SECRET, LAX)).toBe('message-authenticator');
  });

  it('conformance 19: the required Message-Authenticator is asked for before the Response Authenticator', () => {
    const bytes = signReply(accept, REQUEST, SECRET, { messageAuthenticator: false });
    expect(verifyReply(REQUEST, bytes, SECRET, LAX)).toBe('ok');
    expect(verifyReply(REQUEST, bytes, SECRET, STRICT)).toBe('message-authenticator-missing');
    bytes[4] = (bytes[4] ?? 0) ^ 1;
    expect(verifyReply(REQUEST, bytes, SECRET, STRICT)).toBe('message-authenticator-missing');
    expect(verifyReply(REQUEST, bytes, SECRET, LAX)).toBe('response-authenticator');
    const both = signReply(accept, REQUEST, SECRET);
    both[4] = (both[4] ?? 0) ^ 1;
    both[22] = (both[22] ?? 0) ^ 1;
    expect(verifyReply(REQUEST, both, SECRET, STRICT)).toBe('message-authenticator');
  });

  it('conformance 20: Message-Authenticator is believed at any place', () => {
    fc.assert(
      fc.property(arbitraryAttributes, fc.nat(), (attributes, place) => {
        const at = place % (attributes.length + 1);
        const signature = octets(AttributeType.MessageAuthenticator, new Uint8Array(16));
        const moved = [...attributes.slice(0, at), signature, ...attributes.slice(at)];
        const bytes = encodeRadius({ ...accept, authenticator: REQUEST, attributes: moved });
        const offset = radiusLength(attributes.slice(0, at)) + 2;
        bytes.set(createHmac('md5', SECRET).update(bytes).digest(), offset);
        bytes.set(createHash('md5').update(bytes).update(SECRET).digest(), 4);
        expect(verifyReply(REQUEST, bytes, SECRET, STRICT)).toBe('ok');
        bytes[offset] = (bytes[offset] ?? 0) ^ 1;
        expect(verifyReply(REQUEST, bytes, SECRET, STRICT)).toBe('message-authenticator');
      }),
    );
  });

  it('conformance 21: the Response Authenticator belongs to one request and one secret', () => {
    fc.assert(
      fc.property(arbitraryAttributes, arbitraryAuthenticator, (attributes, request) => {
        for (const messageAuthenticator of [true, false]) {
          const bytes = signReply({ ...accept, attributes }, request, SECRET, { messageAuthenticator });
          const eap = attributes.some((a) => a.type === AttributeType.EapMessage) && !messageAuthenticator;
          expect(verifyReply(request, bytes, SECRET, LAX)).toBe(
            eap ? 'eap-without-message-authenticator' : 'ok',
          );
          const other = Uint8Array.from(request);
          other[0] = (other[0] ?? 0) ^ 1;
          expect(verifyReply(other, bytes, SECRET, LAX)).not.toBe('ok');
          expect(verifyReply(request, bytes, utf8('another'), LAX)).not.toBe('ok');
        }
      }),
    );
  });

  it('any one changed bit is found', () => {
    const bytes = signReply({ ...accept, attributes: [text(18, 'hello'), integer(27, 5)] }, REQUEST, SECRET);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Uint8Array.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyReply(REQUEST, forged, SECRET, LAX), `bit ${bit}`).not.toBe('ok');
    }
  });

  it('never throws on any octets', () => {
    fc.assert(
      fc.property(arbitraryOctets, (bytes) => {
        expect(verifyReply(REQUEST, bytes, SECRET, LAX)).toBeTypeOf('string');
        expect(verifyRequest(bytes, SECRET, LAX)).toBeTypeOf('string');
        expect(authenticity(bytes, SECRET)).toBeTypeOf('object');
        expect(authenticity(bytes, SECRET, REQUEST)).toBeTypeOf('object');
      }),
      { numRuns: 2000 },
    );
    const whole = signReply(accept, REQUEST, SECRET);
    for (let length = 0; length < whole.length; length++) {
      expect(verifyReply(REQUEST, whole.subarray(0, length), SECRET, LAX)).toBe('malformed');
      expect(verifyRequest(whole.subarray(0, length), SECRET, LAX)).toBe('malformed');
    }
  });
});

describe('secrets', () => {
  it('conformance 33: any length works, and two secrets do not disturb each other', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 2, maxLength: 4 }), (secrets) => {
        const reply = { code: 2, id: 1, attributes: [integer(27, 5)] };
        const signed = secrets.map((secret) => signReply(reply, REQUEST, secret));
        secrets.forEach((secret, i) => {
          expect(verifyReply(REQUEST, signed[i] ?? new Uint8Array(), secret, STRICT)).toBe('ok');
        });
      }),
    );
  });

  it('a long packet before a short one leaves nothing behind', () => {
    const secret = utf8('s');
    const long = signReply({ code: 2, id: 1, attributes: [text(18, 'x'.repeat(253))] }, REQUEST, secret);
    const short = signReply({ code: 5, id: 1, attributes: [] }, REQUEST, secret, {
      messageAuthenticator: false,
    });
    for (let i = 0; i < 3; i++) {
      expect(verifyReply(REQUEST, long, secret, STRICT)).toBe('ok');
      expect(verifyReply(REQUEST, short, secret, LAX)).toBe('ok');
    }
  });
});

describe('User-Password', () => {
  it('is hidden as RFC 2865 §7.1 shows', () => {
    const authenticator = fromHex('0f403f9473978057bd83d5cb98f4227a') ?? REQUEST;
    const hidden = hidePassword(utf8('arctangent'), authenticator, utf8('xyzzy5461'));
    expect(toHex(hidden)).toBe('0dbe708d93d413ce3196e43f782a0aee');
  });

  it('comes back from every hidden form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), arbitraryAuthenticator, (password, authenticator) => {
        fc.pre(password.at(-1) !== 0);
        const hidden = hidePassword(password, authenticator, SECRET);
        expect(hidden.length % 16).toBe(0);
        expect(hidden.length).toBeGreaterThan(0);
        expect(revealPassword(hidden, authenticator, SECRET)).toEqual(password);
      }),
    );
    expect(() => hidePassword(new Uint8Array(129), REQUEST, SECRET)).toThrow(/129/);
    for (const length of [0, 15, 17, 144]) {
      expect(revealPassword(new Uint8Array(length), REQUEST, SECRET)).toBeUndefined();
    }
  });

  it('leaves an Access-Request hidden', () => {
    const attributes = [text(1, 'mab'), text(AttributeType.UserPassword, '0200000A01')];
    const bytes = signAccessRequest({ id: 1, authenticator: REQUEST, attributes }, SECRET);
    expect(bytes.length).toBe(accessRequestLength(attributes));
    const packet = decodeRadius(bytes);
    if ('malformed' in packet) throw new Error(packet.malformed);
    const hidden = packet.attributes.find((a) => a.type === AttributeType.UserPassword)?.value;
    expect(revealPassword(hidden ?? new Uint8Array(), REQUEST, SECRET)).toEqual(utf8('0200000A01'));
  });
});
