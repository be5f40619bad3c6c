import { describe, expect, it } from 'vitest';
import { readAccept as readWith } from '../../auth/access-accept.ts';
import { channelAttributes } from '../../auth/admission/group-encoding.ts';
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import { toHex } from '../../wire/bytes.ts';

const readAccept = (attributes: Parameters<typeof readWith>[0]) =>
  readWith(attributes, { vlanIsThere: (vlan) => vlan < 100 });
/** A tunnel's number behind its tag. */
const tagged = (type: number, tag: number, value: number) => octets(type, Uint8Array.of(tag, 0, 0, value));
const vlan = (group: Uint8Array | string, tag = 0, type = 13, medium = 6) => [
  tagged(AttributeType.TunnelType, tag, type),
  tagged(AttributeType.TunnelMediumType, tag, medium),
  typeof group === 'string'
    ? text(AttributeType.TunnelPrivateGroupId, group)
    : octets(AttributeType.TunnelPrivateGroupId, group),
];

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

  it('conformance 29: Session-Timeout 0 with RADIUS-Request is re-authentication at once, a second later', () => {
    expect(
      readAccept([integer(AttributeType.SessionTimeout, 0), integer(AttributeType.TerminationAction, 1)]),
    ).toMatchObject({ reAuthPeriodMs: 1_000, endsAfterMs: undefined });
  });

  it('conformance 30: a VLAN is a whole tunnel of type 13 over medium 6, with a number from 1 to 4094', () => {
    expect(readAccept(vlan('42'))).toMatchObject({ vlan: 42 });
    expect(readAccept([])).toMatchObject({ vlan: undefined });
    for (const group of ['0', '4095', '042', '42x', ' 42', '-1', '1e1', 'office', '99999']) {
      expect(readAccept(vlan(group))).toBe('accept-tunnel');
    }
    expect(readAccept(vlan('42', 0, 3))).toBe('accept-tunnel');
    expect(readAccept(vlan('42', 0, 13, 1))).toBe('accept-tunnel');
    for (const missing of [0, 1, 2]) {
      expect(readAccept(vlan('42').filter((_, i) => i !== missing))).toBe('accept-tunnel');
    }
  });

  it('conformance 30: the tag ties a tunnel together; above 0x1f the first octet is part of the text', () => {
    expect(readAccept(vlan(Uint8Array.of(1, 0x34, 0x32), 1))).toMatchObject({ vlan: 42 });
    expect(readAccept(vlan(Uint8Array.of(0x1f, 0x34), 0x1f))).toMatchObject({ vlan: 4 });
    expect(readAccept(vlan(Uint8Array.of(0, 0x34, 0x32)))).toMatchObject({ vlan: 42 });
    expect(readAccept(vlan(Uint8Array.of(0x20, 0x34, 0x32)))).toBe('accept-tunnel');
    expect(readAccept(vlan(Uint8Array.of(2, 0x34, 0x32), 1))).toBe('accept-tunnel');
    expect(readAccept(vlan('42', 1))).toBe('accept-tunnel');
    expect(readAccept([...vlan('42'), ...vlan(Uint8Array.of(1, 0x34, 0x33), 1)])).toBe('accept-tunnel');
    expect(readAccept([...vlan('42'), ...vlan('42')])).toBe('accept-tunnel');
  });

  it('conformance 13, 30: a VLAN that is not there counts as a reject', () => {
    expect(readAccept(vlan('99'))).toMatchObject({ vlan: 99 });
    expect(readAccept(vlan('100'))).toBe('accept-vlan');
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
