import { describe, expect, it } from 'vitest';
import { Weight } from '../../../daemon/ha/keepalived.ts';
import { FAREWELL_MS, type Standing, weightOf } from '../../../daemon/ha/weighing.ts';

const NOW = 100_000;
/** In step with a node that is heard. */
const CALM: Standing = {
  now: NOW,
  leaseMs: 150,
  aloneAfterMs: 1_000,
  state: 'in-step',
  inStepUntil: Number.POSITIVE_INFINITY,
  otherIsOut: false,
  brokenAt: undefined,
  lastSign: NOW - 20,
  claimedAt: NOW - 20,
};
/** Its link broke so long ago, and nothing was heard since. */
const broken = (ago: number): Standing => ({
  ...CALM,
  state: 'stale',
  brokenAt: NOW - ago,
  inStepUntil: NOW - ago,
  lastSign: NOW - ago,
  claimedAt: NOW - ago,
});

describe('what a standby is worth to keepalived', () => {
  it('is nothing more than its priority while the other one serves', () => {
    expect(weightOf(CALM)).toBe(Weight.Able);
    expect(weightOf({ ...CALM, state: 'stale', inStepUntil: NOW - 5_000 })).toBe(Weight.Unable);
  });

  it("stays while a dead node's keepalived may say so itself: a change would start the timer again", () => {
    for (const otherIsOut of [false, true]) {
      expect(weightOf({ ...broken(3), otherIsOut })).toBe(undefined);
      expect(weightOf({ ...broken(FAREWELL_MS - 1), otherIsOut })).toBe(undefined);
    }
  });

  it('rises when that one has not said so', () => {
    expect(weightOf({ ...broken(FAREWELL_MS), otherIsOut: true })).toBe(Weight.HandOver);
    expect(weightOf(broken(FAREWELL_MS + 1))).toBe(Weight.HandOver);
    // Whose claims are heard lives.
    expect(weightOf({ ...broken(40), claimedAt: NOW - 10, lastSign: NOW - 10 })).toBe(Weight.Unable);
  });

  it('rises at once where the other one has handed over, or is silent with its link up', () => {
    expect(weightOf({ ...CALM, otherIsOut: true })).toBe(Weight.HandOver);
    expect(weightOf({ ...CALM, lastSign: NOW - 91, claimedAt: NOW - 91 })).toBe(Weight.HandOver);
    expect(weightOf({ ...CALM, lastSign: NOW - 89, claimedAt: NOW - 89 })).toBe(Weight.Able);
  });

  it('does not rise without records, or where those are old', () => {
    expect(weightOf({ ...broken(60), otherIsOut: true, state: 'empty', inStepUntil: undefined })).toBe(
      Weight.Unable,
    );
    expect(weightOf({ ...broken(60), inStepUntil: NOW - 1_001 })).toBe(Weight.Unable);
  });
});
