import { describe, expect, it } from 'vitest';
import type { NodeStanding } from '../../../daemon/ha/standing.ts';
import { standAside } from '../../../daemon/upgrade/stand-aside.ts';

const ACTIVE: NodeStanding = {
  role: 'active',
  wanted: 'active',
  otherServes: false,
  isInStep: true,
  hasKeepalived: true,
  mismatch: undefined,
  otherRecords: undefined,
  otherNode: undefined,
};
const STANDBY: NodeStanding = { ...ACTIVE, role: 'standby', wanted: 'standby', otherServes: true };

/** A node at which `demote` leads to `after`. */
function node(standing: NodeStanding, after: Partial<NodeStanding> = {}, promoted = true) {
  const orders: string[] = [];
  const obeyed = (role: string) => Promise.resolve({ role });
  const one = {
    standing,
    orders,
    demote: (by: string) => {
      orders.push(`demote by ${by}`);
      one.standing = { ...STANDBY, ...after };
      return obeyed('standby');
    },
    promote: () => {
      orders.push('promote');
      return promoted ? obeyed('active') : Promise.resolve({ refused: 'not so' });
    },
  };
  return one;
}

describe('a node whose process is to be replaced', () => {
  it('hands over to the other one where it serves, and does nothing where that one does', async () => {
    const active = node(ACTIVE);
    expect(await standAside(active)).toBe(undefined);
    expect(active.orders).toEqual(['demote by castgate upgrade']);
    const standby = node(STANDBY);
    expect(await standAside(standby)).toBe(undefined);
    expect(await standAside(node({ ...STANDBY, isInStep: false }))).toBe(undefined);
    expect(standby.orders).toEqual([]);
  });

  it.each([
    ['no standby is in step', { ...ACTIVE, isInStep: false }, /no standby is in step.*show ha/],
    [
      'its standby cannot read its records',
      { ...ACTIVE, isInStep: false, mismatch: { isOneWay: false, why: 'of version 9' } },
      /of version 9/,
    ],
    ['nobody would have the other one serve', { ...ACTIVE, hasKeepalived: false }, /castgate promote/],
    ['no other node serves', { ...STANDBY, otherServes: false }, /no node that serves/],
    ['it is to serve', { ...STANDBY, wanted: 'active' as const }, /try again/],
    ['it is taking over', { ...STANDBY, role: 'taking-over' as const }, /taking-over/],
  ])('changes nothing where %s', async (_, standing, why) => {
    const one = node(standing);
    expect(await standAside(one)).toMatch(why);
    expect(one.orders).toEqual([]);
  });

  it('serves again where the other one does not begin', async () => {
    const one = node(ACTIVE, { otherServes: false });
    expect(await standAside(one, 30)).toMatch(/did not begin; this one serves again/);
    expect(one.orders).toEqual(['demote by castgate upgrade', 'promote']);
    expect(await standAside(node(ACTIVE, { otherServes: false }, false), 30)).toMatch(
      /cannot either: not so/,
    );
    // keepalived has asked this one again meanwhile.
    expect(await standAside(node(ACTIVE, { role: 'active', otherServes: false }))).toMatch(/serves again/);
  });
});
