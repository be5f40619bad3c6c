import { describe, expect, it } from 'vitest';
import { Untouched } from '../../switch/linux/repair/untouched.ts';

describe('whether sets can have changed since they were looked at', () => {
  it('they cannot where nobody else has committed since they were right', () => {
    const sets = new Untouched(100);
    expect(sets.isRight(7)).toBe(false);
    sets.foundRight(7);
    expect([sets.isRight(7), sets.isRight(7)]).toEqual([true, true]);
    expect(sets.isRight(8)).toBe(false);
    // That look has not ended yet, or has found something.
    expect([sets.isRight(8), sets.isRight(7)]).toEqual([false, false]);
    sets.foundRight(8);
    expect(sets.isRight(8)).toBe(true);
  });

  it('they can where commits cannot be told', () => {
    const sets = new Untouched(100);
    sets.foundRight(undefined);
    expect(sets.isRight(undefined)).toBe(false);
  });

  it('they are looked at once in a while all the same', () => {
    const sets = new Untouched(2);
    sets.foundRight(1);
    expect([sets.isRight(1), sets.isRight(1), sets.isRight(1)]).toEqual([true, true, false]);
    sets.foundRight(1);
    expect([sets.isRight(1), sets.isRight(1), sets.isRight(1)]).toEqual([true, true, false]);
  });
});
