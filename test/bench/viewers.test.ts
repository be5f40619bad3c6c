import { describe, expect, it } from 'vitest';
import { channelFrame, groupAddress, groupOfFrame } from '../../bench/channels/channels.ts';
import { pairOf } from '../../bench/channels/viewers.ts';

describe('pairs of viewer and group', () => {
  const plan = { viewers: 128, groups: 256 };
  const all = Array.from({ length: plan.viewers * plan.groups }, (_, i) => pairOf(plan, i));

  it('are each there once', () => {
    expect(new Set(all.map(({ viewer, group }) => `${viewer}/${group}`)).size).toBe(all.length);
    expect(() => pairOf(plan, all.length)).toThrow(RangeError);
  });

  it('are of other groups and viewers among 64 neighbours, and give no port of 8 a group twice in 2,048', () => {
    for (let first = 0; first < all.length; first += 64) {
      const neighbours = all.slice(first, first + 64);
      expect(new Set(neighbours.map(({ group }) => group)).size).toBe(64);
      expect(new Set(neighbours.map(({ viewer }) => viewer)).size).toBe(64);
    }
    for (let first = 0; first < all.length; first += 2048) {
      const range = all.slice(first, first + 2048);
      expect(new Set(range.map(({ viewer, group }) => `${viewer % 8}/${group}`)).size).toBe(2048);
    }
  });
});

describe('the channels of the bench', () => {
  it('are known again by their frames', () => {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
    for (const group of [0, 255, 256, 0x8001]) {
      expect(groupAddress(group)).toBe(`239.7.${group >>> 8}.${group & 0xff}`);
      expect(groupOfFrame(channelFrame(mac, group))).toBe(group);
    }
    expect(groupOfFrame(new Uint8Array(60))).toBe(-1);
  });
});
