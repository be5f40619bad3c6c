import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alarm, now } from '../../switch/clock.ts';

describe('now', () => {
  it('is the wall clock in milliseconds and never goes back', () => {
    expect(Math.abs(now() - Date.now())).toBeLessThan(2000);
    let last = now();
    for (let i = 0; i < 10_000; i++) {
      const next = now();
      expect(next).toBeGreaterThanOrEqual(last);
      last = next;
    }
  });
});

describe('Alarm', () => {
  let rung: number[];
  let alarm: Alarm;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    rung = [];
    alarm = new Alarm(() => rung.push(now()));
  });
  afterEach(() => vi.useRealTimers());

  it('rings once, at its time and not before', () => {
    const at = now() + 100;
    alarm.set(at);
    vi.advanceTimersByTime(99);
    expect(rung).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(rung).toHaveLength(1);
    expect(rung[0]).toBeGreaterThanOrEqual(at);
    vi.advanceTimersByTime(10_000);
    expect(rung).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('moves earlier and later', () => {
    const start = now();
    alarm.set(start + 1000);
    alarm.set(start + 200);
    vi.advanceTimersByTime(200);
    expect(rung).toHaveLength(1);
    alarm.set(start + 300);
    alarm.set(start + 700);
    vi.advanceTimersByTime(400);
    expect(rung).toHaveLength(1);
    vi.advanceTimersByTime(100);
    expect(rung).toHaveLength(2);
  });

  it('is taken back by undefined', () => {
    alarm.set(now() + 10);
    alarm.set(undefined);
    vi.advanceTimersByTime(1000);
    expect(rung).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('rings soon for a time that has passed', () => {
    alarm.set(now() - 5000);
    vi.advanceTimersByTime(1);
    expect(rung).toHaveLength(1);
  });

  it('keeps a time farther away than a timer can be set', () => {
    const at = now() + 60 * 86_400_000;
    alarm.set(at);
    vi.advanceTimersByTime(59 * 86_400_000);
    expect(rung).toEqual([]);
    vi.advanceTimersByTime(86_400_000);
    expect(rung).toHaveLength(1);
    expect(rung[0]).toBeGreaterThanOrEqual(at);
  });

  it('may be set again while it rings', () => {
    const again: Alarm = new Alarm(() => {
      rung.push(now());
      if (rung.length < 3) again.set(now() + 10);
    });
    again.set(now() + 10);
    vi.advanceTimersByTime(100);
    expect(rung).toHaveLength(3);
  });
});
