import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPim, pimHelloHoldMs } from '../../igmp/pim.ts';
import { putU16 } from '../../wire/bytes.ts';
import { internetChecksum } from '../../wire/checksum.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../wire/ipv4.ts';
import { encodeIpv6 } from '../../wire/ipv6.ts';

const HOLDTIME_30 = [0, 1, 0, 2, 0, 30];
const OTHER_OPTION = [0, 20, 0, 4, 1, 2, 3, 4];

function hello(options: readonly number[], type = 0x20): Uint8Array {
  const pim = Uint8Array.from([type, 0, 0, 0, ...options]);
  putU16(pim, 2, internetChecksum(pim));
  return pim;
}

const v4 = (payload: Uint8Array, protocol: number = IpProtocol.Pim) =>
  encodeIpv4({ src: '10.0.0.1', dst: '224.0.0.13', ttl: 1, protocol, payload });
const v6 = (payload: Uint8Array) =>
  encodeIpv6({ src: 'fe80::1', dst: 'ff02::d', hopLimit: 1, nextHeader: IpProtocol.Pim, payload });

describe('PIM Hello', () => {
  it('says how long its router is there', () => {
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello(HOLDTIME_30)))).toBe(30_000);
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello([...OTHER_OPTION, ...HOLDTIME_30])))).toBe(30_000);
    expect(pimHelloHoldMs(EtherType.Ipv6, v6(hello(HOLDTIME_30)))).toBe(30_000);
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello([])))).toBe(105_000);
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello([0, 1, 0, 2, 0xff, 0xff])))).toBe(105_000);
  });

  it('is told from other PIM messages, other protocols and damage', () => {
    const damaged = hello(HOLDTIME_30);
    damaged[9] = 31;
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(damaged))).toBeUndefined();
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello(HOLDTIME_30, 0x23)))).toBeUndefined();
    expect(pimHelloHoldMs(EtherType.Ipv4, v4(hello(HOLDTIME_30), IpProtocol.Udp))).toBeUndefined();
    expect(isPim(EtherType.Ipv4, v4(hello([], 0x23)))).toBe(true);
    expect(isPim(EtherType.Ipv4, v4(hello([]), IpProtocol.Udp))).toBe(false);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom(EtherType.Ipv4, EtherType.Ipv6),
        (b, type) => {
          pimHelloHoldMs(type, b);
          pimHelloHoldMs(EtherType.Ipv4, v4(b));
        },
      ),
    );
  });
});
