import { describe, expect, it } from 'vitest';
import { grantGrace } from '../../../daemon/core/grace.ts';
import { Stores } from '../../../daemon/core/stores.ts';
import type { GrantRecord } from '../../../session/records.ts';

const grant = (group: string, expiresAt: number, access: GrantRecord['access']): GrantRecord => ({
  ...{ v: 1, key: `swp1/0/a/${group}/*`, host: 'swp1/0/a', port: 'swp1', vlan: 0, mac: 'a', group },
  ...{ source: undefined, account: 'alice', grantedAt: 0, expiresAt, by: 'rights', access, classes: [] },
});

describe('the grace after a pause', () => {
  it('is for permissions that can be asked for again, not for previews', () => {
    const stores = new Stores(8);
    for (const record of [
      grant('239.1.1.1', 1000, 'watch'),
      grant('239.1.1.2', 1000, 'preview'),
      grant('239.1.1.3', 9000, 'watch'),
    ])
      stores.grants.put(record.key, record);
    grantGrace(stores, 2000, 5000);
    expect([...stores.grants.values()].map(({ expiresAt }) => expiresAt)).toEqual([7000, 2000, 9000]);
  });
});
