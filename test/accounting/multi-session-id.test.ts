import { expect, it } from 'vitest';
import { multiSessionId } from '../../accounting/multi-session-id.ts';

it('conformance 43: bridge MAC, host MAC and NTP time in upper case hex with hyphens', () => {
  // 1970-01-01 00:00:00 is 0x83AA7E80 in NTP; half a second is 0x80000000 of its fraction.
  expect(multiSessionId('02:00:00:00:0a:fe', '02:00:00:00:0a:01', 500)).toBe(
    '02-00-00-00-0A-FE-02-00-00-00-0A-01-83-AA-7E-80-80-00-00-00',
  );
});

it('tells two sessions of a host apart that begin within a millisecond', () => {
  const id = (now: number) => multiSessionId('02:00:00:00:0a:fe', '02:00:00:00:0a:01', now);
  expect(id(1_700_000_000_000.25)).not.toBe(id(1_700_000_000_000.5));
});
