/** Records beside sessions and channels: refused joins, and messages that no server is told. */
import { describe, expect, it } from 'vitest';
import { RecordType } from '../../../igmp/group-record.ts';
import {
  AttributeType,
  firstInteger,
  firstText,
  integerOf,
  textOf,
  vendorAttributes,
  vendorSpecific,
} from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import {
  AcctStatusType,
  CastgateAttribute,
  H3cAttribute,
  HuaweiAttribute,
  Vendor,
} from '../../../radius/values.ts';
import { toHex } from '../../../wire/bytes.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { groupOf } from '../radius-server.ts';
import { type Host, noWish, World, wish } from '../world.ts';

const { Start, InterimUpdate, Stop } = AcctStatusType;
const NATIVE = 32473;
const SOURCE = '198.51.100.7';
const NEWS = '239.1.1.1';
const right = (words: string) =>
  vendorSpecific(NATIVE, CastgateAttribute.Right, new TextEncoder().encode(words));

/** Status, account and note of each message; `group`: of those about a channel in H3C's encoding. */
const told = (w: World, group?: string) =>
  w.server.asked
    .filter(({ port }) => port === 'acct')
    .filter(({ packet }) => group === undefined || groupOf(packet) === group)
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

/** Messages about the channels of a host that is in, in their order. */
const ofChannels = (w: World, host: Host) =>
  w.server.asked
    .filter(({ port }) => port === 'acct')
    .map(({ packet }) => packet.attributes)
    .filter((attributes) => firstText(attributes, AttributeType.AcctMultiSessionId) !== undefined)
    .filter(
      (attributes) => firstText(attributes, AttributeType.AcctSessionId) !== w.session(host)?.acctSessionId,
    );
const nameOf = (attributes: readonly RadiusAttribute[]) =>
  `${firstText(attributes, AttributeType.AcctSessionId)} ${status(attributes)}`;
const status = (attributes: readonly RadiusAttribute[]) =>
  firstInteger(attributes, AttributeType.AcctStatusType);

describe('a channel in Start, Interim-Update and Stop', () => {
  /** What the messages about one channel say of it, by a vendor's attributes. */
  const said = (encoding: string, vendor: number, group: string, source?: string) => {
    const w = new World({ groups: { encoding }, accounting: { interim_interval: '60s' } });
    w.server.users.set('alice', [right(`watch ${group}${source === undefined ? '' : ` from ${source}`}`)]);
    const alice = w.host('alice');
    alice.login();
    w.pass(5);
    if (source === undefined) alice.join(group);
    else alice.join(group, source);
    w.pass(5);
    expect(w.switch.deliver(group, source ?? SOURCE, 100)).toEqual(['swp1']);
    w.pass(67_000);
    if (source === undefined) alice.leave(group);
    else alice.report({ type: RecordType.Block, group, sources: [source], auxWords: 0 });
    w.pass(20_000);
    const messages = ofChannels(w, alice);
    expect(messages.map(status)).toEqual([Start, InterimUpdate, Stop]);
    return messages.map((attributes) => {
      const own = vendorAttributes(attributes, vendor);
      if (isMalformed(own)) throw new Error(own.malformed);
      return own;
    });
  };
  const value = (own: readonly RadiusAttribute[], type: number) =>
    own.find((attribute) => attribute.type === type)?.value;

  it.each([
    ['239.1.1.1', undefined, 4],
    ['232.1.1.1', SOURCE, 4],
    ['ff15::101', undefined, 6],
    ['ff3e::101', '2001:db8::7', 6],
  ] as const)('native: %s from %s', (group, source, family) => {
    for (const own of said('native', NATIVE, group, source)) {
      const word = (type: number) => {
        const octets = value(own, type);
        return octets && textOf(octets);
      };
      const number = (type: number) => integerOf(value(own, type) ?? new Uint8Array());
      expect(word(CastgateAttribute.Group)).toBe(group);
      expect(word(CastgateAttribute.Source)).toBe(source);
      expect(number(CastgateAttribute.Family)).toBe(family);
      expect(number(CastgateAttribute.Vlan)).toBe(0);
    }
  });

  it.each([
    ['h3c', '239.1.1.1', H3cAttribute.Ipv4MulticastReceiveGroup, 'ef010101'],
    ['h3c', 'ff15::101', H3cAttribute.Ipv6MulticastReceiveGroup, `ff15${'00'.repeat(12)}0101`],
    // D-Link's Framed-IP-Address would be the host's own in accounting.
    ['dlink', '239.1.1.1', H3cAttribute.Ipv4MulticastReceiveGroup, 'ef010101'],
    ['dlink', 'ff15::101', H3cAttribute.Ipv6MulticastReceiveGroup, `ff15${'00'.repeat(12)}0101`],
  ] as const)('%s: %s', (encoding, group, type, hex) => {
    for (const own of said(encoding, Vendor.H3c, group))
      expect(toHex(value(own, type) ?? new Uint8Array())).toBe(hex);
  });

  it('huawei: group, and the source with it', () => {
    for (const own of said('huawei', Vendor.Huawei, '232.1.1.1', SOURCE)) {
      expect(toHex(value(own, HuaweiAttribute.MulticastReceiveGroup) ?? new Uint8Array())).toBe('e8010101');
      const pair = value(own, HuaweiAttribute.MulticastSourceGroup);
      expect(pair && textOf(pair)).toBe(`${SOURCE} 232.1.1.1`);
    }
  });

  it('is marked as a preview where it is one, in each of them, and else not', () => {
    const w = new World({ accounting: { interim_interval: '60s' }, previews: { length: '90s' } });
    w.server.users.set('alice', [right(`preview ${NEWS}`), right('watch 239.1.1.2')]);
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    alice.join('239.1.1.2');
    w.pass(120_000);
    const notes = (group: string) =>
      told(w, group).filter((one) => [Start, InterimUpdate, Stop].some((kind) => one.startsWith(`${kind} `)));
    expect(notes(NEWS)).toEqual([
      `${Start} alice preview`,
      `${InterimUpdate} alice preview`,
      `${Stop} alice preview`,
    ]);
    expect(notes('239.1.1.2')).toEqual([`${Start} alice`, `${InterimUpdate} alice`]);
  });
});

describe('a channel that ends and begins in one turn', () => {
  it.each([
    ['', (_w: World) => {}],
    [', also over a takeover right after it', (w: World) => w.takeOver()],
  ])('is two records, and nothing that was delivered is in both%s', (_, afterwards) => {
    const w = new World();
    w.server.users.set('alice', [right(`watch ${NEWS}`)]);
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(5);
    for (let i = 0; i < 5; i++) w.switch.deliver(NEWS, SOURCE, 100);
    alice.report(noWish(NEWS), wish(NEWS));
    afterwards(w);
    for (let i = 0; i < 3; i++) w.switch.deliver(NEWS, SOURCE, 100);
    w.pass(1_000);
    alice.leave(NEWS);
    w.pass(60_000);
    // What a takeover sends once more is the same message.
    const names = new Map(ofChannels(w, alice).map((attributes) => [nameOf(attributes), attributes]));
    const messages = [...names.values()];
    const ids = messages.map((attributes) => firstText(attributes, AttributeType.AcctSessionId));
    const packets = messages.map((attributes) => firstInteger(attributes, AttributeType.AcctOutputPackets));
    // Of one record Start goes before Stop; the two records go their own ways.
    const records = [...new Set(ids)].map((id) =>
      messages.flatMap((attributes, i) => (ids[i] === id ? [[status(attributes), packets[i]]] : [])),
    );
    expect(records).toEqual([
      [
        [Start, undefined],
        [Stop, 5],
      ],
      [
        [Start, undefined],
        [Stop, 3],
      ],
    ]);
  });
});
