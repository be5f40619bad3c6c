/** Records beside sessions and channels: refused joins, and messages that no server is told. */
import { describe, expect, it } from 'vitest';
import { AttributeType, firstInteger, firstText } from '../../radius/attributes.ts';
import { AcctStatusType } from '../../radius/values.ts';
import { World } from './world.ts';

const told = (w: World) =>
  w.server.asked
    .filter(({ port }) => port === 'acct')
    .map(({ packet }) => {
      const status = firstInteger(packet.attributes, AttributeType.AcctStatusType);
      const note = firstText(packet.attributes, AttributeType.ConnectInfo) ?? '';
      const account = firstText(packet.attributes, AttributeType.UserName) ?? '';
      return `${status} ${account} ${note}`.trim();
    });

describe('refused joins', () => {
  const joined = (accounting: object) => {
    const w = new World({ accounting });
    w.server.users.set('alice', []);
    const alice = w.host('alice');
    alice.join('239.1.1.1');
    w.pass(5);
    alice.login();
    alice.join('239.1.1.1');
    w.pass(5);
    alice.join('239.1.1.1');
    w.pass(5);
    return told(w);
  };

  it('are records where that is wanted, each once, of hosts that are in', () => {
    const failed = joined({ refusals: true }).filter((one) => one.startsWith(`${AcctStatusType.Failed} `));
    expect(failed).toEqual([`${AcctStatusType.Failed} alice refused: radius-reject`]);
  });

  it('are none where it is not', () => {
    expect(joined({}).filter((one) => one.startsWith(`${AcctStatusType.Failed} `))).toEqual([]);
  });
});

describe('without accounting servers', () => {
  it('messages wait for the export file, and go when it has them', () => {
    const w = new World({ accounting: { to_servers: false, export_file: '/nowhere/accounting.json' } });
    w.server.users.set('alice', []);
    w.host('alice').login();
    w.pass(60_000);
    expect(told(w)).toEqual([]);
    const keys = () => [...w.core.stores.accountingQueue.values()].map(({ key }) => key);
    // Accounting-On first: nothing passes it.
    expect(keys()).toHaveLength(2);
    const [on = '', start = ''] = keys();
    w.turn(() => w.core.accountingExported(w.now, on));
    expect(keys()).toEqual([start]);
    w.turn(() => w.core.accountingExported(w.now, start));
    expect(keys()).toEqual([]);
    expect(w.core.books.waiting).toBe(0);
  });
});
