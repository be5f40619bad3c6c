/**
 * Attributes as they stand in a packet (RFC 2865 §5), for records that wait in great numbers: one piece of octets
 * takes a tenth of the memory of a list of objects.
 */
import { u8 } from '../wire/bytes.ts';
import { putAttributes, RADIUS_HEADER_LENGTH, type RadiusAttribute, radiusLength } from './packet.ts';

/** Attributes in a record: their octets, or the list that earlier versions kept. */
export type KeptAttributes = Uint8Array | readonly RadiusAttribute[];

/** Octets of attributes in their order. A value over 253 octets is the caller's bug and throws. */
export function attributeOctets(attributes: readonly RadiusAttribute[]): Uint8Array {
  const out = new Uint8Array(radiusLength(attributes) - RADIUS_HEADER_LENGTH);
  putAttributes(out, 0, attributes);
  return out;
}

/** The attributes; their values are views of the octets. What is no attribute ends them: nothing throws. */
export function attributesOf(kept: KeptAttributes): readonly RadiusAttribute[] {
  if (!(kept instanceof Uint8Array)) return kept;
  const attributes: RadiusAttribute[] = [];
  for (let at = 0; at + 2 <= kept.length; ) {
    const end = at + u8(kept, at + 1);
    if (end < at + 2 || end > kept.length) break;
    attributes.push({ type: u8(kept, at), value: kept.subarray(at + 2, end) });
    at = end;
  }
  return attributes;
}
