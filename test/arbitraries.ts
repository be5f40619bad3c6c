/** What fast-check makes of addresses, for the property tests of the codecs. */
import fc from 'fast-check';
import { ipv4At, ipv6At, macAt } from '../wire/address.ts';

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

/** Any MAC address. */
export const arbitraryMac = octets(6).map((b) => macAt(b, 0));

/** Any IPv4 address. */
export const arbitraryIpv4 = octets(4).map((b) => ipv4At(b, 0));

/** IPv6 addresses, many of them with runs of zeros. */
export const arbitraryIpv6 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((words) => ipv6At(Uint8Array.from(words.flatMap((word) => [word >>> 8, word & 0xff])), 0));

/** 224.0.0.0/4. */
export const arbitraryGroup4 = octets(4).map((b) => {
  b[0] = 0xe0 | ((b[0] ?? 0) & 0x0f);
  return ipv4At(b, 0);
});

/** ff00::/8. */
export const arbitraryGroup6 = octets(16).map((b) => {
  b[0] = 0xff;
  return ipv6At(b, 0);
});

/** fe80::/64. */
export const arbitraryLinkLocal = octets(8).map((b) =>
  ipv6At(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...b), 0),
);
