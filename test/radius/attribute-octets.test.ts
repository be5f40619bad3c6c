/** Attributes as records keep them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attributeOctets, attributesOf } from '../../radius/attribute-octets.ts';
import { AttributeType, octets, text } from '../../radius/attributes.ts';
import { arbitraryAttribute, utf8 } from './arbitraries.ts';

describe('attributes in a record', () => {
  it('are octet by octet those of the packet', () => {
    const kept = attributeOctets([text(AttributeType.UserName, 'al'), octets(AttributeType.Class, utf8(''))]);
    expect([...kept]).toEqual([1, 4, 0x61, 0x6c, 25, 2]);
  });

  it('come back as they were, all of them, in their order', () => {
    fc.assert(
      fc.property(fc.array(arbitraryAttribute, { maxLength: 15 }), (attributes) => {
        expect(attributesOf(attributeOctets(attributes))).toEqual(attributes);
      }),
    );
  });

  it('are read from any octets without a throw, up to what is no attribute', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (kept) => {
        const again = attributeOctets(attributesOf(kept));
        expect(kept.subarray(0, again.length)).toEqual(again);
      }),
    );
    expect(attributesOf(Uint8Array.of(1, 3, 9, 2, 1))).toEqual([{ type: 1, value: Uint8Array.of(9) }]);
  });

  it('that an earlier version kept as a list are taken as they are', () => {
    const list = [{ type: 1, value: utf8('alice') }];
    expect(attributesOf(list)).toBe(list);
  });
});
