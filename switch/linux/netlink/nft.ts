/**
 * Elements of nftables sets in nfnetlink (linux/netfilter/nf_tables.h): adding, removing and reading them
 * with the counter that each carries, and reading named counters. Changes go in batches, all or nothing.
 * Numbers of this subsystem are big-endian, unlike the rest of netlink.
 */
import { toHex } from '../../../wire/bytes.ts';
import type { Counter } from '../../switch.ts';
import {
  attributeList,
  attributes,
  type Message,
  MessageFlag,
  MessageWriter,
  textOf,
  viewOf,
} from './message.ts';

/** Messages of this subsystem (enum nf_tables_msg_types). */
export const NftMessage = {
  NewTable: 0,
  DeleteTable: 2,
  NewChain: 3,
  GetChain: 4,
  DeleteChain: 5,
  NewRule: 6,
  GetRules: 7,
  DeleteRule: 8,
  NewSet: 9,
  GetSet: 10,
  NewElement: 12,
  GetElement: 13,
  DeleteElement: 14,
  NewGeneration: 15,
  GetGeneration: 16,
  NewObject: 18,
  GetObject: 19,
} as const;

/** An element of a set, by the octets of its key. */
export interface SetElement {
  readonly set: string;
  readonly key: Uint8Array;
  /** The last key of a range, field by field, in a set of ranges. */
  readonly end?: Uint8Array | undefined;
  /** What the element means, in a map. */
  readonly data?: Uint8Array | undefined;
  /** Where packets go on, in a map of verdicts. */
  readonly chain?: string | undefined;
}

/** What is to be done in one batch. */
export type SetChange = SetElement & { readonly change: 'add' | 'remove' };

/** An element that was read; the counter is undefined where the set's elements have none. */
export interface SetElementRead {
  readonly key: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly data: Uint8Array | undefined;
  readonly chain: string | undefined;
  readonly counter: Counter | undefined;
}

/**
 * All changes, or none, in their order. Adding what is there is no error and keeps its counter; removing what
 * is not, is ENOENT. Neighbours of one kind in one set share a message.
 */
export function encodeSetChanges(table: string, changes: readonly SetChange[]): Uint8Array {
  return batch((message) => {
    for (let at = 0; at < changes.length; ) {
      const first = changes[at];
      if (first === undefined) break;
      const { set, change } = first;
      const elements: SetElement[] = [];
      for (let next = changes[at]; next !== undefined; next = changes[++at]) {
        if (next.set !== set || next.change !== change || elements.length === ELEMENTS_PER_MESSAGE) break;
        elements.push(next);
      }
      // One acknowledgement for the batch is enough: a refused change answers without being asked.
      const last = at === changes.length ? MessageFlag.Ack : 0;
      const adds = change === 'add';
      putHeader(
        message,
        adds ? NftMessage.NewElement : NftMessage.DeleteElement,
        MessageFlag.Request | last | (adds ? MessageFlag.Create : 0),
      );
      putElements(message, table, set, elements);
      message.end();
    }
  });
}

/** Asks for one element. */
export function encodeGetElement(table: string, set: string, key: Uint8Array): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetElement, MessageFlag.Request);
  putElements(message, table, set, [{ key }]);
  return message.end().bytes();
}

/** Asks for all elements of a set. */
export function encodeDumpElements(table: string, set: string): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetElement, MessageFlag.Request | MessageFlag.Dump);
  return message
    .attributeText(NFTA_SET_ELEM_LIST_TABLE, table)
    .attributeText(NFTA_SET_ELEM_LIST_SET, set)
    .end()
    .bytes();
}

/** Asks whether a chain is there. */
export function encodeGetChain(table: string, chain: string): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetChain, MessageFlag.Request);
  return message.attributeText(NFTA_CHAIN_TABLE, table).attributeText(NFTA_CHAIN_NAME, chain).end().bytes();
}

/** Asks for all sets and maps of a table. */
export function encodeDumpSets(table: string): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetSet, MessageFlag.Request | MessageFlag.Dump);
  return message.attributeText(NFTA_SET_TABLE, table).end().bytes();
}

/** The set in a message of the answer; undefined: one that has no name of its own, as it belongs to a rule. */
export function decodeSetName(message: Message): string | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewSet) return undefined;
  const fields = attributes(message.body, NFGENMSG);
  const flags = fields.get(NFTA_SET_FLAGS);
  const isAnonymous = flags?.length === 4 && (viewOf(flags).getUint32(0) & NFT_SET_ANONYMOUS) !== 0;
  return isAnonymous ? undefined : textOf(fields.get(NFTA_SET_NAME));
}

/** Asks for all rules of a table, or of one chain. */
export function encodeDumpRules(table: string, chain?: string): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetRules, MessageFlag.Request | MessageFlag.Dump);
  message.attributeText(NFTA_RULE_TABLE, table);
  if (chain !== undefined) message.attributeText(NFTA_RULE_CHAIN, chain);
  return message.end().bytes();
}

/** Asks for all chains of all tables of the family. */
export function encodeDumpChains(): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetChain, MessageFlag.Request | MessageFlag.Dump);
  return message.end().bytes();
}

/** The rule in a message of an answer: its chain, and its number, which no other rule gets. */
export function decodeRule(message: Message): string | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewRule) return undefined;
  const fields = attributes(message.body, NFGENMSG);
  const handle = fields.get(NFTA_RULE_HANDLE);
  return handle === undefined ? undefined : `${textOf(fields.get(NFTA_RULE_CHAIN))}/${toHex(handle)}`;
}

/** Asks for the number of the last commit: each one that changes anything in any table of the namespace gets the next. */
export function encodeGetGeneration(): Uint8Array {
  return putHeader(new MessageWriter(), NftMessage.GetGeneration, MessageFlag.Request).end().bytes();
}

/** The number in a message of the answer. */
export function decodeGeneration(message: Message): number | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewGeneration) return undefined;
  const id = attributes(message.body, NFGENMSG).get(NFTA_GEN_ID);
  return id?.length === 4 ? viewOf(id).getUint32(0) : undefined;
}

/** Removes a table with everything in it. */
export function encodeDeleteTable(table: string): Uint8Array {
  return batch((message) => {
    putHeader(message, NftMessage.DeleteTable, MessageFlag.Request | MessageFlag.Ack);
    message.attributeText(NFTA_TABLE_NAME, table).end();
  });
}

/** Asks for all named counters of a table. */
export function encodeDumpCounters(table: string): Uint8Array {
  const message = new MessageWriter();
  putHeader(message, NftMessage.GetObject, MessageFlag.Request | MessageFlag.Dump);
  const type = new Uint8Array([0, 0, 0, NFT_OBJECT_COUNTER]);
  return message.attributeText(NFTA_OBJ_TABLE, table).attribute(NFTA_OBJ_TYPE, type).end().bytes();
}

/** The elements in a message of an answer. */
export function* decodeElements(message: Message): Generator<SetElementRead> {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewElement) return;
  const list = attributes(message.body, NFGENMSG).get(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list === undefined) return;
  for (const [, item] of attributeList(list)) {
    const fields = attributes(item);
    const key = dataOf(fields.get(NFTA_SET_ELEM_KEY));
    if (key === undefined) continue;
    const end = dataOf(fields.get(NFTA_SET_ELEM_KEY_END));
    const data = dataOf(fields.get(NFTA_SET_ELEM_DATA));
    const chain = chainOf(fields.get(NFTA_SET_ELEM_DATA));
    yield { key, end, data, chain, counter: counterOf(fields.get(NFTA_SET_ELEM_EXPR)) };
  }
}

function dataOf(data: Uint8Array | undefined): Uint8Array | undefined {
  return data === undefined ? undefined : attributes(data).get(NFTA_DATA_VALUE);
}

function chainOf(data: Uint8Array | undefined): string | undefined {
  const verdict = data && attributes(data).get(NFTA_DATA_VERDICT);
  return verdict === undefined ? undefined : textOf(attributes(verdict).get(NFTA_VERDICT_CHAIN));
}

/** The named counter in a message of an answer. */
export function decodeNamedCounter(message: Message): { name: string; counter: Counter } | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewObject) return undefined;
  const fields = attributes(message.body, NFGENMSG);
  const name = textOf(fields.get(NFTA_OBJ_NAME));
  const data = fields.get(NFTA_OBJ_DATA);
  return name === undefined || data === undefined ? undefined : { name, counter: counts(data) };
}

function counterOf(expression: Uint8Array | undefined): Counter | undefined {
  if (expression === undefined) return undefined;
  const fields = attributes(expression);
  const data = fields.get(NFTA_EXPR_DATA);
  return textOf(fields.get(NFTA_EXPR_NAME)) === 'counter' && data !== undefined ? counts(data) : undefined;
}

function counts(data: Uint8Array): Counter {
  const fields = attributes(data);
  const big = (octets: Uint8Array | undefined) =>
    octets?.length === 8 ? Number(viewOf(octets).getBigUint64(0)) : 0;
  return { octets: big(fields.get(NFTA_COUNTER_BYTES)), packets: big(fields.get(NFTA_COUNTER_PACKETS)) };
}

/** Families of tables (NFPROTO_…). */
export const NftFamily = { Netdev: 5, Bridge: 7 } as const;
export type NftFamily = (typeof NftFamily)[keyof typeof NftFamily];

/** Begins a message of the subsystem: its header, and struct nfgenmsg behind it. */
export function putHeader(
  message: MessageWriter,
  type: number,
  flags: number,
  family: NftFamily = NftFamily.Bridge,
): MessageWriter {
  return message
    .begin((NFNL_SUBSYS_NFTABLES << 8) | type, flags)
    .u8(family)
    .u8(0)
    .u16(0);
}

/** A batch: what `inside` writes takes effect all at once, or not at all. */
export function batch(inside: (message: MessageWriter) => void): Uint8Array {
  const message = new MessageWriter();
  putBatchMark(message, NFNL_MSG_BATCH_BEGIN);
  inside(message);
  putBatchMark(message, NFNL_MSG_BATCH_END);
  return message.bytes();
}

function putBatchMark(message: MessageWriter, type: number): void {
  const subsystem = new Uint8Array([0, NFNL_SUBSYS_NFTABLES]);
  message.begin(type, MessageFlag.Request).u8(0).u8(0).raw(subsystem).end();
}

function putElements(
  message: MessageWriter,
  table: string,
  set: string,
  elements: readonly Omit<SetElement, 'set'>[],
): void {
  message.attributeText(NFTA_SET_ELEM_LIST_TABLE, table).attributeText(NFTA_SET_ELEM_LIST_SET, set);
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, () => {
    for (const { key, end, data, chain } of elements) {
      message.nest(NFTA_LIST_ELEM, () => {
        message.nest(NFTA_SET_ELEM_KEY, () => message.attribute(NFTA_DATA_VALUE, key));
        if (end !== undefined) {
          message.nest(NFTA_SET_ELEM_KEY_END, () => message.attribute(NFTA_DATA_VALUE, end));
        }
        if (data !== undefined) {
          message.nest(NFTA_SET_ELEM_DATA, () => message.attribute(NFTA_DATA_VALUE, data));
        }
        if (chain !== undefined) message.nest(NFTA_SET_ELEM_DATA, () => putJump(message, chain));
      });
    }
  });
}

/** The verdict that packets go on in a chain, and come back from there. */
export function putJump(message: MessageWriter, chain: string): void {
  const code = new Uint8Array(4);
  viewOf(code).setInt32(0, NFT_JUMP);
  message.nest(NFTA_DATA_VERDICT, () => {
    message.attribute(NFTA_VERDICT_CODE, code).attributeText(NFTA_VERDICT_CHAIN, chain);
  });
}

/** An attribute has room for 64 KiB, and the longest element (a range of two IPv6 addresses and a host) takes 132 octets. */
const ELEMENTS_PER_MESSAGE = 448;
export const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFGENMSG = 4;
const NFTA_TABLE_NAME = 1;
const NFTA_GEN_ID = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFT_SET_ANONYMOUS = 1;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_EXPR = 7;
const NFTA_SET_ELEM_KEY_END = 10;
const NFT_JUMP = -3;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
const NFTA_OBJ_TABLE = 1;
const NFTA_OBJ_NAME = 2;
const NFTA_OBJ_TYPE = 3;
const NFTA_OBJ_DATA = 4;
const NFT_OBJECT_COUNTER = 1;
