/** What fast-check makes of RADIUS packets, and the constants that the tests of radius/ share. */
import fc from 'fast-check';
import { AttributeType } from '../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';

export const utf8 = (value: string) => new TextEncoder().encode(value);

/** The secret of most tests. */
export const SECRET = utf8('a-secret-of-the-tests');

export const arbitraryAuthenticator = fc.uint8Array({ minLength: 16, maxLength: 16 });

export const arbitraryAttribute: fc.Arbitrary<RadiusAttribute> = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  value: fc.uint8Array({ maxLength: 253 }),
});

/** Attributes without Message-Authenticator and User-Password, which signing treats in its own way. */
export const arbitraryAttributes = fc.array(
  arbitraryAttribute.filter(
    ({ type }) => type !== AttributeType.MessageAuthenticator && type !== AttributeType.UserPassword,
  ),
  { maxLength: 12 },
);

export const arbitraryPacket: fc.Arbitrary<RadiusPacket> = fc.record({
  code: fc.constantFrom(...Object.values(RadiusCode)),
  id: fc.integer({ min: 0, max: 255 }),
  authenticator: arbitraryAuthenticator,
  attributes: fc.array(arbitraryAttribute, { maxLength: 15 }),
});

/** Octets that often look like a packet: right lengths in the header, attributes that nearly fit. */
export const arbitraryOctets = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(fc.constantFrom(...Object.values(RadiusCode)), fc.uint8Array({ maxLength: 120 }))
    .map(([code, rest]) => {
      const out = new Uint8Array(20 + rest.length);
      out[0] = code;
      out[3] = out.length;
      out.set(rest, 20);
      return out;
    }),
);
