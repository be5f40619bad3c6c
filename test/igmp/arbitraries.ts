/** What fast-check makes of IGMP and MLD messages. */
import fc from 'fast-check';
import { decodeFloat8, decodeFloat16 } from '../../igmp/float-code.ts';
import type { QueryMessage } from '../../igmp/group-message.ts';
import type { GroupRecord } from '../../igmp/group-record.ts';
import { IGMPV1_MAX_RESP_MS, type IgmpMessage } from '../../igmp/igmp.ts';
import type { MldMessage } from '../../igmp/mld.ts';
import type { IpAddress } from '../../wire/address.ts';
import { arbitraryGroup4, arbitraryGroup6, arbitraryIpv4, arbitraryIpv6 } from '../arbitraries.ts';

const octet = fc.integer({ min: 0, max: 255 });
const word = fc.integer({ min: 0, max: 0xffff });

function records(group: fc.Arbitrary<IpAddress>, source: fc.Arbitrary<IpAddress>) {
  return fc.array<GroupRecord>(
    fc.record({
      type: fc.oneof(fc.integer({ min: 1, max: 6 }), octet),
      group,
      sources: fc.array(source, { maxLength: 5 }),
      auxWords: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 9 })),
    }),
    { maxLength: 6 },
  );
}

interface NewQuery {
  readonly group: IpAddress;
  readonly maxRespCode: number;
  readonly suppress: boolean;
  readonly qrv: number;
  readonly qqicCode: number;
  readonly sources: readonly IpAddress[];
}

function newQuery(
  group: fc.Arbitrary<IpAddress>,
  source: fc.Arbitrary<IpAddress>,
  code: fc.Arbitrary<number>,
) {
  return fc.record<NewQuery>({
    group,
    maxRespCode: code,
    suppress: fc.boolean(),
    qrv: fc.integer({ min: 0, max: 7 }),
    qqicCode: octet,
    sources: fc.array(source, { maxLength: 5 }),
  });
}

function oldQuery(version: 1 | 2, group: IpAddress, maxRespCode: number, maxRespMs: number): QueryMessage {
  const none = { suppress: false, qrv: 0, qqicCode: 0, qqicSeconds: 0, sources: [] };
  return { kind: 'query', version, group, maxRespCode, maxRespMs, ...none };
}

const queryGroup4 = fc.oneof(fc.constant('0.0.0.0'), arbitraryGroup4);
const queryGroup6 = fc.oneof(fc.constant('::'), arbitraryGroup6);

/** Any IGMP message that a decoder accepts, unknown types among them. */
export const arbitraryIgmp: fc.Arbitrary<IgmpMessage> = fc.oneof(
  queryGroup4.map((group) => oldQuery(1, group, 0, IGMPV1_MAX_RESP_MS)),
  fc
    .tuple(queryGroup4, fc.integer({ min: 1, max: 255 }))
    .map(([group, code]) => oldQuery(2, group, code, code * 100)),
  newQuery(queryGroup4, arbitraryIpv4, octet).map(
    (q): QueryMessage => ({
      kind: 'query',
      version: 3,
      ...q,
      maxRespMs: decodeFloat8(q.maxRespCode) * 100,
      qqicSeconds: decodeFloat8(q.qqicCode),
    }),
  ),
  fc.tuple(fc.constantFrom<1 | 2>(1, 2), arbitraryGroup4).map(
    ([version, group]): IgmpMessage => ({
      kind: 'report',
      version,
      group,
    }),
  ),
  arbitraryGroup4.map((group): IgmpMessage => ({ kind: 'leave', group })),
  records(arbitraryGroup4, arbitraryIpv4).map(
    (list): IgmpMessage => ({ kind: 'record-report', version: 3, records: list }),
  ),
);

/** Any MLD message that a decoder accepts. */
export const arbitraryMld: fc.Arbitrary<MldMessage> = fc.oneof(
  fc.tuple(queryGroup6, word).map(([group, code]) => oldQuery(1, group, code, code)),
  newQuery(queryGroup6, arbitraryIpv6, word).map(
    (q): QueryMessage => ({
      kind: 'query',
      version: 2,
      ...q,
      maxRespMs: decodeFloat16(q.maxRespCode),
      qqicSeconds: decodeFloat8(q.qqicCode),
    }),
  ),
  arbitraryGroup6.map((group): MldMessage => ({ kind: 'report', version: 1, group })),
  arbitraryGroup6.map((group): MldMessage => ({ kind: 'leave', group })),
  records(arbitraryGroup6, arbitraryIpv6).map(
    (list): MldMessage => ({ kind: 'record-report', version: 2, records: list }),
  ),
);
