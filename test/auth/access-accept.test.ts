import { describe, expect, it } from 'vitest';
import { readAccept } from '../../auth/access-accept.ts';
import { channelAttributes } from '../../auth/group-encoding.ts';
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import { toHex } from '../../wire/bytes.ts';

describe('terms of an Access-Accept', () => {
  it('conformance 29: Session-Timeout with Termination-Action RADIUS-Request is the period of re-authentication', () => {
    expect(
      readAccept([integer(AttributeType.SessionTimeout, 30), integer(AttributeType.TerminationAction, 1)]),
    ).toMatchObject({ reAuthPeriodMs: 30_000, endsAfterMs: undefined });
  });

  it('conformance 29: Session-Timeout with Default, or alone, ends the session', () => {
    const terms = { reAuthPeriodMs: undefined, endsAfterMs: 30_000 };
    expect(readAccept([integer(AttributeType.SessionTimeout, 30)])).toMatchObject(terms);
    expect(
      readAccept([integer(AttributeType.SessionTimeout, 30), integer(AttributeType.TerminationAction, 0)]),
    ).toMatchObject(terms);
  });

  it('conformance 32: every Class is kept, octet by octet, in order', () => {
    const classes = [Uint8Array.of(0, 255), Uint8Array.of(1)];
    const terms = readAccept(classes.map((value) => octets(AttributeType.Class, value)));
    expect(terms).toMatchObject({ classes });
  });

  it.each([
    ['accept-service-type', integer(AttributeType.ServiceType, 6)],
    ['accept-tunnel', integer(AttributeType.TunnelType, 13)],
    ['accept-malformed', octets(AttributeType.SessionTimeout, new Uint8Array(3))],
    ['accept-for-no-time', integer(AttributeType.SessionTimeout, 0)],
  ])('conformance 13: %s counts as a reject', (why, attribute) => {
    expect(readAccept([attribute])).toBe(why);
  });

  it('takes the account’s name from the server, and never lets interims come more often than once a minute', () => {
    const terms = readAccept([
      text(AttributeType.UserName, 'bob'),
      integer(AttributeType.AcctInterimInterval, 1),
      integer(AttributeType.ServiceType, 2),
    ]);
    expect(terms).toMatchObject({ userName: new TextEncoder().encode('bob'), interimMs: 60_000 });
  });
});

describe('groups in RADIUS', () => {
  const hex = (encoding: 'h3c' | 'huawei', group: string) =>
    channelAttributes({ encoding, nativeVendor: 32473 }, { group, source: undefined, vlan: 0 })?.map(
      (a) => `${a.type}:${toHex(a.value)}`,
    );
  it('h3c: 26/25506/98 for IPv4, /100 for IPv6', () => {
    expect(hex('h3c', '239.1.1.1')).toEqual(['26:000063a26206ef010101']);
    expect(hex('h3c', 'ff15::101')).toEqual(['26:000063a26412ff150000000000000000000000000101']);
  });
  it('huawei: 26/2011/98, IPv4 alone', () => {
    expect(hex('huawei', '239.1.1.1')).toEqual(['26:000007db6206ef010101']);
    expect(hex('huawei', 'ff15::101')).toBeUndefined();
  });
});
