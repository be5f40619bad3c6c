/**
 * Chains of packet filters in nfnetlink: made, filled anew and removed as a whole, and the expressions of their
 * rules. `nft --debug=netlink` shows the same. What a register holds of a packet is in network order.
 */
import { concatBytes } from '../../../wire/bytes.ts';
import { attributes, type Message, MessageFlag, type MessageWriter, textOf } from './message.ts';
import { NFNL_SUBSYS_NFTABLES, NftMessage, putHeader, putJump } from './nft.ts';
import { big32, type Expression, expression } from './nft-table.ts';

/** A chain as it is to be: its rules in their order. */
export interface FilterChain {
  readonly name: string;
  readonly rules: readonly (readonly Expression[])[];
}

/** Writes a chain that no hook calls, with these rules and no others, also where it is there already. */
export function putFilterChain(message: MessageWriter, table: string, { name, rules }: FilterChain): void {
  putHeader(message, NftMessage.NewChain, MessageFlag.Request | MessageFlag.Create)
    .attributeText(NFTA_CHAIN_TABLE, table)
    .attributeText(NFTA_CHAIN_NAME, name)
    .end();
  putFlush(message, table, name);
  for (const [place, expressions] of rules.entries()) {
    const last = place === rules.length - 1 ? MessageFlag.Ack : 0;
    putHeader(
      message,
      NftMessage.NewRule,
      MessageFlag.Request | MessageFlag.Create | MessageFlag.Append | last,
    )
      .attributeText(NFTA_RULE_TABLE, table)
      .attributeText(NFTA_RULE_CHAIN, name)
      .nest(NFTA_RULE_EXPRESSIONS, () => {
        for (const put of expressions) put(message);
      })
      .attribute(NFTA_RULE_USERDATA, markOf(place))
      .end();
  }
}

/** Removes a chain with its rules; EBUSY while something leads to it. */
export function putDeleteChain(message: MessageWriter, table: string, name: string): void {
  putFlush(message, table, name);
  putHeader(message, NftMessage.DeleteChain, MessageFlag.Request | MessageFlag.Ack)
    .attributeText(NFTA_CHAIN_TABLE, table)
    .attributeText(NFTA_CHAIN_NAME, name)
    .end();
}

function putFlush(message: MessageWriter, table: string, name: string): void {
  putHeader(message, NftMessage.DeleteRule, MessageFlag.Request)
    .attributeText(NFTA_RULE_TABLE, table)
    .attributeText(NFTA_RULE_CHAIN, name)
    .end();
}

/** The chain in a message of an answer; undefined for those of other tables. */
export function decodeChainName(message: Message, table: string): string | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewChain) return undefined;
  const fields = attributes(message.body, NFGENMSG);
  return textOf(fields.get(NFTA_CHAIN_TABLE)) === table ? textOf(fields.get(NFTA_CHAIN_NAME)) : undefined;
}

/** The chain of a rule in a message of an answer, and whether it is the one that was put at this place. */
export function decodeFilterRule(
  message: Message,
): { readonly chain: string; readonly isAt: (place: number) => boolean } | undefined {
  if (message.type !== (NFNL_SUBSYS_NFTABLES << 8) + NftMessage.NewRule) return undefined;
  const fields = attributes(message.body, NFGENMSG);
  const chain = textOf(fields.get(NFTA_RULE_CHAIN));
  const mark = fields.get(NFTA_RULE_USERDATA);
  if (chain === undefined) return undefined;
  const isAt = (place: number) => {
    const wanted = markOf(place);
    return mark?.length === wanted.length && mark.every((octet, i) => octet === wanted[i]);
  };
  return { chain, isAt };
}

/** What castgate writes beside its rules, which no rule of others has: a chain's name stands for all of them. */
function markOf(place: number): Uint8Array {
  return concatBytes(MARK, big32(place));
}

/** Loads `length` octets of the packet's network or transport header. */
export function loadHeader(base: 'network' | 'transport', offset: number, length: number): Expression {
  return expression('payload', (message) => {
    message
      .attribute(NFTA_PAYLOAD_DREG, big32(NFT_REG_1))
      .attribute(NFTA_PAYLOAD_BASE, big32(base === 'network' ? 1 : 2))
      .attribute(NFTA_PAYLOAD_OFFSET, big32(offset))
      .attribute(NFTA_PAYLOAD_LEN, big32(length));
  });
}

/** Loads `length` octets of an IPv6 packet's fragment header; goes on only where there is one. */
export function loadFragmentHeader(offset: number, length: number): Expression {
  return expression('exthdr', (message) => {
    message
      .attribute(NFTA_EXTHDR_DREG, big32(NFT_REG_1))
      .attributeU8(NFTA_EXTHDR_TYPE, IPPROTO_FRAGMENT)
      .attribute(NFTA_EXTHDR_OFFSET, big32(offset))
      .attribute(NFTA_EXTHDR_LEN, big32(length));
  });
}

/** Loads the EtherType (2 octets) or the protocol above IP (1 octet). */
export function loadMetaOf(what: 'protocol' | 'l4proto'): Expression {
  return expression('meta', (message) => {
    message
      .attribute(NFTA_META_KEY, big32(what === 'protocol' ? NFT_META_PROTOCOL : NFT_META_L4PROTO))
      .attribute(NFTA_META_DREG, big32(NFT_REG_1));
  });
}

/** Keeps these bits of what was loaded. */
export function mask(bits: Uint8Array): Expression {
  return expression('bitwise', (message) => {
    message
      .attribute(NFTA_BITWISE_SREG, big32(NFT_REG_1))
      .attribute(NFTA_BITWISE_DREG, big32(NFT_REG_1))
      .attribute(NFTA_BITWISE_LEN, big32(bits.length))
      .nest(NFTA_BITWISE_MASK, () => message.attribute(NFTA_DATA_VALUE, bits))
      .nest(NFTA_BITWISE_XOR, () => message.attribute(NFTA_DATA_VALUE, new Uint8Array(bits.length)));
  });
}

/** Goes on where what was loaded is, or is not, the value. */
export function compare(how: 'is' | 'is-not', value: Uint8Array): Expression {
  return expression('cmp', (message) => {
    message
      .attribute(NFTA_CMP_SREG, big32(NFT_REG_1))
      .attribute(NFTA_CMP_OP, big32(how === 'is' ? 0 : 1))
      .nest(NFTA_CMP_DATA, () => message.attribute(NFTA_DATA_VALUE, value));
  });
}

/** Goes on where what was loaded is between the two, both included. */
export function within(first: Uint8Array, last: Uint8Array): Expression {
  return expression('range', (message) => {
    message
      .attribute(NFTA_RANGE_SREG, big32(NFT_REG_1))
      .attribute(NFTA_RANGE_OP, big32(0))
      .nest(NFTA_RANGE_FROM_DATA, () => message.attribute(NFTA_DATA_VALUE, first))
      .nest(NFTA_RANGE_TO_DATA, () => message.attribute(NFTA_DATA_VALUE, last));
  });
}

/** Counts in a named counter of the table. */
export function countIn(counter: string): Expression {
  return expression('objref', (message) => {
    message
      .attribute(NFTA_OBJREF_IMM_TYPE, big32(NFT_OBJECT_COUNTER))
      .attributeText(NFTA_OBJREF_IMM_NAME, counter);
  });
}

/** Ends the chain: `back` goes on where it was called from. With a chain, goes on there and comes back. */
export function verdictOf(verdict: 'drop' | 'back' | { readonly jump: string }): Expression {
  return expression('immediate', (message) => {
    message.attribute(NFTA_IMMEDIATE_DREG, big32(NFT_REG_VERDICT)).nest(NFTA_IMMEDIATE_DATA, () => {
      if (typeof verdict !== 'string') {
        putJump(message, verdict.jump);
        return;
      }
      const code = verdict === 'drop' ? NF_DROP : NFT_RETURN;
      message.nest(NFTA_DATA_VERDICT, () => message.attribute(NFTA_VERDICT_CODE, big32(code)));
    });
  });
}

const MARK = new TextEncoder().encode('castgate/');
const NFGENMSG = 4;
const NF_DROP = 0;
const NFT_RETURN = -5;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;
const NFT_META_PROTOCOL = 1;
const NFT_META_L4PROTO = 16;
const NFT_OBJECT_COUNTER = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_RULE_USERDATA = 7;
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const IPPROTO_FRAGMENT = 44;
const NFTA_EXTHDR_DREG = 1;
const NFTA_EXTHDR_TYPE = 2;
const NFTA_EXTHDR_OFFSET = 3;
const NFTA_EXTHDR_LEN = 4;
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFTA_RANGE_SREG = 1;
const NFTA_RANGE_OP = 2;
const NFTA_RANGE_FROM_DATA = 3;
const NFTA_RANGE_TO_DATA = 4;
const NFTA_OBJREF_IMM_TYPE = 1;
const NFTA_OBJREF_IMM_NAME = 2;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
