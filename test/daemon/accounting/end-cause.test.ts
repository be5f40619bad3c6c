/** Acct-Terminate-Cause of each end: what the documents say is what servers are told. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  authorizationTerminateCause,
  channelTerminateCause,
  sessionTerminateCause,
} from '../../../daemon/accounting/end-cause.ts';
import { TerminateCause } from '../../../radius/values.ts';

it('conformance 40: every end has its Acct-Terminate-Cause, and docs/accounting.md says which', () => {
  const page = readFileSync(new URL('../../../docs/accounting.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| [^|]+ \| `([a-z-]+)` \| ([A-Za-z-]+) \((\d+)\) \|$/gm)];
  const names = new Map<number, string>(
    Object.entries(TerminateCause).map(([name, value]) => [value, name.toLowerCase()]),
  );
  for (const [, , name = '', number] of rows) {
    expect(name.replaceAll('-', '').toLowerCase()).toBe(names.get(Number(number)));
  }
  const documented = new Map(rows.map(([, cause = '', , number]) => [cause, Number(number)]));
  // What is told of an earlier run is no end that happens while castgate runs.
  const whole = {
    'authorization-changed': authorizationTerminateCause,
    ...channelTerminateCause,
    ...sessionTerminateCause,
    'state-lost': TerminateCause.NasReboot,
  };
  expect(Object.fromEntries(documented)).toEqual(whole);
});
