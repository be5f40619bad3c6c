import { describe, expect, it } from 'vitest';
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { mdbWayOf } from '../../switch/linux/bridge/mdb-way.ts';
import { displacingQueries } from '../../switch/linux/bridge/querier.ts';
import { NetworkNamespace } from '../../switch/linux/link/network-namespace.ts';
import { PortFlag } from '../../switch/linux/netlink/link.ts';
import { atLeast, missingPrivileges } from '../../switch/linux/preflight.ts';
import { lockedSettings } from '../../switch/linux/settings.ts';
import { decodeEthernet } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';

describe('preflight', () => {
  it('reads the effective capabilities', () => {
    const status = (mask: string) => `Name:\tnode\nCapInh:\t0000000000000000\nCapEff:\t${mask}\nCapBnd:\t0\n`;
    expect(missingPrivileges(status('000001ffffffffff'))).toEqual([]);
    expect(missingPrivileges(status('0000000000003000'))).toEqual([]);
    expect(missingPrivileges(status('0000000000001000'))).toEqual(['CAP_NET_RAW']);
    expect(missingPrivileges(status('0000000000000000'))).toEqual(['CAP_NET_ADMIN', 'CAP_NET_RAW']);
    expect(missingPrivileges('')).toEqual(['CAP_NET_ADMIN', 'CAP_NET_RAW']);
  });

  it('compares kernel releases', () => {
    for (const release of ['6.3.0', '6.18.44-fc', '7.0', '10.1-rc1'])
      expect(atLeast(release, [6, 3])).toBe(true);
    for (const release of ['6.2.99', '6.1.0-28-amd64', '5.15.0', 'unknown'])
      expect(atLeast(release, [6, 3])).toBe(false);
  });

  it("tells sources apart in the bridge's database from Linux 6.3 on, else in the nftables table", () => {
    for (const release of ['6.3.0', '6.18.44-fc']) expect(mdbWayOf(release).sourcesIn).toBe('database');
    for (const release of ['5.18.0', '6.1.0-28-amd64', '6.2.99']) {
      expect(mdbWayOf(release)).toMatchObject({ sourcesIn: 'table', limitsPorts: false });
    }
    const limit = (maxGroups: number | undefined) =>
      lockedSettings(maxGroups).some(([option]) => option === PortFlag.MulticastMaxGroups);
    expect([limit(9), limit(undefined)]).toEqual([true, false]);
  });
});

describe('the queries that displace another querier', () => {
  it('are general, from the lowest address of each family, answered at once', () => {
    const found = displacingQueries('02:00:00:00:00:09').map((octets) => {
      const frame = decodeEthernet(octets);
      if (isMalformed(frame)) return frame;
      const packet = decodeGroupPacket(frame.etherType, frame.payload);
      return packet === undefined || isMalformed(packet)
        ? packet
        : { dst: frame.dst, src: packet.src, message: packet.message };
    });
    expect(found).toEqual([
      {
        dst: '01:00:5e:00:00:01',
        src: '0.0.0.0',
        message: expect.objectContaining({ kind: 'query', version: 2, group: '0.0.0.0', maxRespMs: 100 }),
      },
      {
        dst: '33:33:00:00:00:01',
        src: 'fe80::',
        message: expect.objectContaining({ kind: 'query', version: 1, group: '::', maxRespMs: 100 }),
      },
    ]);
  });
});

describe('NetworkNamespace', () => {
  it('runs in its own namespace without changing, and says which file is none', () => {
    const here = NetworkNamespace.current();
    expect(here.run(() => 7)).toBe(7);
    here.close();
    expect(() => NetworkNamespace.at('/run/netns/there-is-none')).toThrow(/ENOENT/);
  });
});
