import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinkGroups } from '../../switch/linux/link/link-groups.ts';
import { ipBytes } from '../../wire/address.ts';
import { concatBytes } from '../../wire/bytes.ts';
import { HOST1, HOST2 } from '../netns/switch/switch-rig.ts';
import { igmp, ip, mld } from '../netns/switch/tap.ts';

const NODE = 'ff02::1:ff00:1';
const report = (group: string, mac = HOST1) => ip('fe80::1', mac, 'ff02::16', 58, mld('report', group), 1);
/** An MLDv2 report of records [type, group]. */
const records = (...list: [number, string][]) => {
  const body = list.map(([type, group]) =>
    concatBytes(Uint8Array.of(type, 0, 0, 0), ipBytes(group) ?? new Uint8Array(16)),
  );
  const head = Uint8Array.of(143, 0, 0, 0, 0, 0, 0, list.length);
  return ip('fe80::1', HOST1, 'ff02::16', 58, concatBytes(head, ...body), 1);
};

describe('LinkGroups', () => {
  it('makes an open host a member of what it reported before and reports later', () => {
    const groups = new LinkGroups();
    expect(groups.hear(0, report(NODE))).toBe(HOST1);
    expect(groups.inForce()).toEqual([]);
    expect(groups.update(0, HOST1, 0, true)).toEqual({ begin: [{ vlan: 0, group: NODE }], end: [] });
    expect(groups.update(0, HOST1, 0, true)).toEqual({ begin: [], end: [] });
    expect(groups.hear(0, report('ff02::fb'))).toBe(HOST1);
    expect(groups.hear(0, report('ff02::fb'))).toBeUndefined();
    expect(groups.update(0, HOST1, 0, true)).toEqual({ begin: [{ vlan: 0, group: 'ff02::fb' }], end: [] });
    expect(groups.hear(0, records([3, 'ff02::fb']))).toBe(HOST1);
    expect(groups.update(0, HOST1, 0, true)).toEqual({ begin: [], end: [{ vlan: 0, group: 'ff02::fb' }] });
    expect(groups.update(0, HOST1, 0, false)).toEqual({ begin: [], end: [{ vlan: 0, group: NODE }] });
    expect(groups.inForce()).toEqual([]);
    expect(groups.update(0, HOST1, 0, true).begin).toEqual([{ vlan: 0, group: NODE }]);
  });

  it('keeps a group while one of two hosts is a member', () => {
    const groups = new LinkGroups();
    for (const mac of [HOST1, HOST2]) groups.hear(0, report(NODE, mac));
    expect(groups.update(0, HOST1, 0, true).begin).toHaveLength(1);
    expect(groups.update(0, HOST2, 0, true).begin).toHaveLength(0);
    expect(groups.update(0, HOST1, 0, false).end).toHaveLength(0);
    expect(groups.has(0, NODE)).toBe(true);
    expect(groups.update(0, HOST2, 0, false).end).toHaveLength(1);
    expect(groups.has(0, NODE)).toBe(false);
  });

  it('tells VLANs and MAC addresses apart', () => {
    const groups = new LinkGroups();
    groups.hear(7, report(NODE));
    expect(groups.update(0, HOST1, 0, true).begin).toEqual([]);
    expect(groups.update(7, HOST2, 7, true).begin).toEqual([]);
    expect(groups.update(7, HOST1, 7, true).begin).toEqual([{ vlan: 7, group: NODE }]);
  });

  it('takes groups of the link only, and only joins for joins', () => {
    const groups = new LinkGroups();
    for (const group of ['ff02::1', 'ff05::1', 'ff15::1', 'ff3e::1', 'ff0e::1']) {
      expect(groups.hear(0, report(group))).toBeUndefined();
    }
    expect(
      groups.hear(0, ip('10.0.0.1', HOST1, '224.0.0.22', 2, igmp('v3', '239.1.1.1'), 1)),
    ).toBeUndefined();
    for (const type of [1, 3, 5, 6, 7, 255]) expect(groups.hear(0, records([type, NODE]))).toBeUndefined();
    expect(groups.hear(0, records([2, 'ff12::7'], [9, 'ff02::9'], [4, NODE]))).toBe(HOST1);
    expect(groups.update(0, HOST1, 0, true).begin.map(({ group }) => group)).toEqual(['ff12::7', NODE]);
  });

  it('remembers only so much of closed hosts, and nothing of an open one gives way', () => {
    const groups = new LinkGroups();
    groups.hear(0, report(NODE));
    groups.update(0, HOST1, 0, true);
    const mac = (i: number) =>
      `02:00:00:01:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
    for (let i = 0; i < 1000; i++) groups.hear(0, report('ff02::fb', mac(i)));
    expect(groups.update(0, mac(0), 0, true).begin).toEqual([]);
    expect(groups.update(0, mac(999), 0, true).begin).toHaveLength(1);
    expect(groups.update(0, HOST1, 0, false).end).toEqual([{ vlan: 0, group: NODE }]);
    for (let i = 0; i < 100; i++) groups.hear(0, report(`ff02::1:${i.toString(16)}`));
    expect(groups.update(0, HOST1, 0, true).begin.length).toBe(32);
  });

  it('counts right over any order of openings, closings and reports (property)', () => {
    const macs = [HOST1, HOST2, '02:00:00:00:03:01'];
    const step = fc.tuple(fc.constantFrom('open', 'close', 'join', 'leave'), fc.nat(2), fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const groups = new LinkGroups();
        const open = new Set<string>();
        const joined = new Map(macs.map((mac) => [mac, new Set<string>()]));
        const bridge = new Set<string>();
        for (const [what, who, which] of steps) {
          const mac = macs[who] ?? HOST1;
          const group = `ff02::${which + 2}`;
          if (what === 'open') open.add(mac);
          else if (what === 'close') open.delete(mac);
          else if (what === 'join') joined.get(mac)?.add(group);
          else joined.get(mac)?.delete(group);
          if (what === 'join') groups.remember(0, mac, [group], []);
          if (what === 'leave') groups.remember(0, mac, [], [group]);
          const { begin, end } = groups.update(0, mac, 0, open.has(mac));
          for (const at of end) expect(bridge.delete(at.group)).toBe(true);
          for (const at of begin) {
            expect(bridge.has(at.group)).toBe(false);
            bridge.add(at.group);
          }
          const wanted = new Set([...open].flatMap((each) => [...(joined.get(each) ?? [])]));
          expect(bridge).toEqual(wanted);
          expect(new Set(groups.inForce().map((at) => at.group))).toEqual(wanted);
        }
      }),
    );
  });
});
