import { describe, expect, it } from 'vitest';
import { planRounds } from '../../lab/takeover/plan.ts';
import { endOfLongestPause } from '../../lab/takeover/round.ts';
import { TAKEOVER_SETS } from '../../lab/takeover/scenario.ts';

describe('the rounds of ha:takeover', () => {
  it('are the same for the same seed, and others for another one', () => {
    const plan = planRounds(TAKEOVER_SETS.kill, 40, 7);
    expect(planRounds(TAKEOVER_SETS.kill, 40, 7)).toEqual(plan);
    const moments = (seed: number) =>
      planRounds(TAKEOVER_SETS.kill, 40, seed).flatMap((lab) => lab.map(({ moment }) => moment));
    expect(moments(8)).not.toEqual(moments(7));
  });

  it('are half with FreeRADIUS and half with the counting server, every situation among them', () => {
    const rounds = planRounds(TAKEOVER_SETS.kill, 200, 1).flat();
    expect(rounds.map(({ number }) => number)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(rounds.filter(({ scenario }) => scenario.server === 'freeradius')).toHaveLength(100);
    expect(new Set(rounds.map(({ scenario }) => scenario))).toEqual(new Set(TAKEOVER_SETS.kill));
    for (const { moment } of rounds) {
      expect(moment).toBeGreaterThanOrEqual(0.1);
      expect(moment).toBeLessThan(0.8);
    }
  });

  it('share a lab only where the server, its messages and the address family are the same', () => {
    for (const lab of planRounds(TAKEOVER_SETS.others, 60, 1)) {
      const kinds = lab.map(
        ({ scenario: { server, messages, family } }) => `${server} ${messages} ${family}`,
      );
      expect(new Set(kinds).size).toBe(1);
    }
  });
});

describe('the pause at a takeover', () => {
  it('ends where nothing came for the longest, not where what was on its way arrives', () => {
    expect(endOfLongestPause([1, 5, 11, 14, 90, 95, 99], 10)).toBe(90);
    expect(endOfLongestPause([1, 5, 60, 63], 10)).toBe(60);
    expect(endOfLongestPause([1, 5], 10)).toBeUndefined();
    // What pauses long after is not the takeover.
    expect(endOfLongestPause([11, 60, 130, 400], 10)).toBe(130);
  });
});
