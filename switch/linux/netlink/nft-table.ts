/**
 * Tables, sets, chains and rules of nftables in nfnetlink, as far as those need them that belong to this process:
 * the fence (fence.ts), and the way of connections (connection-backup/linux/way-table.ts). Expressions work on registers, as `nft --debug=netlink` shows them.
 */
import { littleEndian, MessageFlag, type MessageWriter, viewOf } from './message.ts';
import { type NftFamily, NftMessage, putHeader } from './nft.ts';

/** Hooks of the family `bridge` (linux/netfilter_bridge.h). */
export const BridgeHook = { Prerouting: 0, Output: 3, Postrouting: 4 } as const;

/** Hooks of the family `netdev` (linux/netfilter_netdev.h). */
export const NetdevHook = { Ingress: 0, Egress: 1 } as const;

/** Headers that a payload is read from: NFT_PAYLOAD_…. */
export const Header = { Link: 0, Network: 1 } as const;

/** What a packet can be asked for: NFT_META_…. */
export const Meta = { Protocol: 1, Mark: 3, InputName: 6, OutputName: 7 } as const;

/** A table that goes when the socket that makes it is closed (NFT_TABLE_F_OWNER), and that no other may change. */
export function putOwnedTable(message: MessageWriter, table: string, family?: NftFamily): void {
  putHeader(message, NftMessage.NewTable, CREATE | MessageFlag.Exclusive, family)
    .attributeText(NFTA_TABLE_NAME, table)
    .attribute(NFTA_TABLE_FLAGS, big32(NFT_TABLE_F_OWNER))
    .end();
}

/** A set of keys of `keyLength` octets. With `timeouts` each element ends by itself. */
export function putSet(
  message: MessageWriter,
  table: string,
  { name, id, keyLength, timeouts }: { name: string; id: number; keyLength: number; timeouts: boolean },
  family?: NftFamily,
): void {
  putHeader(message, NftMessage.NewSet, CREATE, family)
    .attributeText(NFTA_SET_TABLE, table)
    .attributeText(NFTA_SET_NAME, name)
    .attribute(NFTA_SET_FLAGS, big32(timeouts ? NFT_SET_TIMEOUT : 0))
    .attribute(NFTA_SET_KEY_LEN, big32(keyLength))
    .attribute(NFTA_SET_ID, big32(id))
    .end();
}

/** Elements of a set; with `timeoutMs` they are there for so long. */
export function putNewElements(
  message: MessageWriter,
  {
    table,
    set,
    keys,
    timeoutMs,
  }: { table: string; set: string; keys: readonly Uint8Array[]; timeoutMs?: number },
  flags: number,
  family?: NftFamily,
): void {
  putHeader(message, NftMessage.NewElement, CREATE | flags, family)
    .attributeText(NFTA_SET_ELEM_LIST_TABLE, table)
    .attributeText(NFTA_SET_ELEM_LIST_SET, set)
    .nest(NFTA_SET_ELEM_LIST_ELEMENTS, () => {
      for (const key of keys) {
        message.nest(NFTA_LIST_ELEM, () => {
          message.nest(NFTA_SET_ELEM_KEY, () => message.attribute(NFTA_DATA_VALUE, key));
          if (timeoutMs !== undefined) message.attribute(NFTA_SET_ELEM_TIMEOUT, big64(timeoutMs));
        });
      }
    })
    .end();
}

/** Removes an element; ENOENT where it is not there, or has run out. */
export function putDeleteElement(
  message: MessageWriter,
  { table, set, key }: { table: string; set: string; key: Uint8Array },
  flags: number,
  family?: NftFamily,
): void {
  putHeader(message, NftMessage.DeleteElement, MessageFlag.Request | flags, family)
    .attributeText(NFTA_SET_ELEM_LIST_TABLE, table)
    .attributeText(NFTA_SET_ELEM_LIST_SET, set)
    .nest(NFTA_SET_ELEM_LIST_ELEMENTS, () => {
      message.nest(NFTA_LIST_ELEM, () => {
        message.nest(NFTA_SET_ELEM_KEY, () => message.attribute(NFTA_DATA_VALUE, key));
      });
    })
    .end();
}

/** A chain that a hook calls, and that accepts what its rules do not judge. `device`: in the family `netdev`. */
export function putChain(
  message: MessageWriter,
  table: string,
  { name, hook, priority, device }: { name: string; hook: number; priority: number; device?: string },
  family?: NftFamily,
): void {
  putHeader(message, NftMessage.NewChain, CREATE, family)
    .attributeText(NFTA_CHAIN_TABLE, table)
    .attributeText(NFTA_CHAIN_NAME, name)
    .nest(NFTA_CHAIN_HOOK, () => {
      message.attribute(NFTA_HOOK_HOOKNUM, big32(hook)).attribute(NFTA_HOOK_PRIORITY, big32(priority));
      if (device !== undefined) message.attributeText(NFTA_HOOK_DEV, device);
    })
    .attribute(NFTA_CHAIN_POLICY, big32(NF_ACCEPT))
    .attributeText(NFTA_CHAIN_TYPE, 'filter')
    .end();
}

/** Writes one expression of a rule. */
export type Expression = (message: MessageWriter) => void;

/** A rule at the end of its chain. */
export function putRule(
  message: MessageWriter,
  table: string,
  chain: string,
  expressions: readonly Expression[],
  flags: number,
  family?: NftFamily,
): void {
  putHeader(message, NftMessage.NewRule, CREATE | MessageFlag.Append | flags, family)
    .attributeText(NFTA_RULE_TABLE, table)
    .attributeText(NFTA_RULE_CHAIN, chain)
    .nest(NFTA_RULE_EXPRESSIONS, () => {
      for (const expression of expressions) expression(message);
    })
    .end();
}

/** Goes on only where the packet's property is in the set. */
export function metaIn(key: number, set: string, setId: number): Expression[] {
  return [loadMeta(key), inSet(set, setId)];
}

/** Goes on only while the set has the constant as an element. */
export function constantIn(constant: Uint8Array, set: string, setId: number): Expression[] {
  return [immediate(constant), inSet(set, setId)];
}

/** Goes on only where the packet's property is this. */
export function metaIs(key: number, octets: Uint8Array): Expression[] {
  return [loadMeta(key), compare(octets)];
}

/** Goes on only where these octets are at an offset of a header; with `isNot`, where others are. */
export function payloadIs(
  header: number,
  offset: number,
  octets: Uint8Array,
  { isNot = false } = {},
): Expression[] {
  const load = expression('payload', (message) => {
    message
      .attribute(NFTA_PAYLOAD_DREG, big32(NFT_REG_1))
      .attribute(NFTA_PAYLOAD_BASE, big32(header))
      .attribute(NFTA_PAYLOAD_OFFSET, big32(offset))
      .attribute(NFTA_PAYLOAD_LEN, big32(octets.length));
  });
  return [load, compare(octets, isNot ? NFT_CMP_NEQ : NFT_CMP_EQ)];
}

/** Writes these octets at an offset of a header; `checksumAt`: the Internet checksum there goes with them. */
export function setPayload(
  header: number,
  offset: number,
  octets: Uint8Array,
  checksumAt?: number,
): Expression[] {
  const write = expression('payload', (message) => {
    message
      .attribute(NFTA_PAYLOAD_SREG, big32(NFT_REG_1))
      .attribute(NFTA_PAYLOAD_BASE, big32(header))
      .attribute(NFTA_PAYLOAD_OFFSET, big32(offset))
      .attribute(NFTA_PAYLOAD_LEN, big32(octets.length));
    if (checksumAt === undefined) return;
    message
      .attribute(NFTA_PAYLOAD_CSUM_TYPE, big32(NFT_PAYLOAD_CSUM_INET))
      .attribute(NFTA_PAYLOAD_CSUM_OFFSET, big32(checksumAt));
  });
  return [immediate(octets), write];
}

/** Sends the frame, as it is, out of an interface (family `netdev`). */
export function forwardTo(ifindex: number): Expression[] {
  return [
    immediate(host32(ifindex)),
    expression('fwd', (message) => {
      message.attribute(NFTA_FWD_SREG_DEV, big32(NFT_REG_1));
    }),
  ];
}

/** Sets bits of the packet's mark. */
export function setMarkBits(bits: number): Expression[] {
  const or = expression('bitwise', (message) => {
    message
      .attribute(NFTA_BITWISE_SREG, big32(NFT_REG_1))
      .attribute(NFTA_BITWISE_DREG, big32(NFT_REG_1))
      .attribute(NFTA_BITWISE_LEN, big32(4))
      .nest(NFTA_BITWISE_MASK, () => message.attribute(NFTA_DATA_VALUE, host32(~bits)))
      .nest(NFTA_BITWISE_XOR, () => message.attribute(NFTA_DATA_VALUE, host32(bits)));
  });
  const store = expression('meta', (message) => {
    message.attribute(NFTA_META_KEY, big32(Meta.Mark)).attribute(NFTA_META_SREG, big32(NFT_REG_1));
  });
  return [loadMeta(Meta.Mark), or, store];
}

/** Counts, for whoever lists the rules. */
export const count: Expression = expression('counter', () => {});

export const accept: Expression = verdict(1);
export const drop: Expression = verdict(0);

function verdict(code: number): Expression {
  return expression('immediate', (message) => {
    message.attribute(NFTA_IMMEDIATE_DREG, big32(NFT_REG_VERDICT)).nest(NFTA_IMMEDIATE_DATA, () => {
      message.nest(NFTA_DATA_VERDICT, () => message.attribute(NFTA_VERDICT_CODE, big32(code)));
    });
  });
}

function loadMeta(key: number): Expression {
  return expression('meta', (message) => {
    message.attribute(NFTA_META_KEY, big32(key)).attribute(NFTA_META_DREG, big32(NFT_REG_1));
  });
}

function immediate(octets: Uint8Array): Expression {
  return expression('immediate', (message) => {
    message
      .attribute(NFTA_IMMEDIATE_DREG, big32(NFT_REG_1))
      .nest(NFTA_IMMEDIATE_DATA, () => message.attribute(NFTA_DATA_VALUE, octets));
  });
}

function compare(octets: Uint8Array, how = NFT_CMP_EQ): Expression {
  return expression('cmp', (message) => {
    message
      .attribute(NFTA_CMP_SREG, big32(NFT_REG_1))
      .attribute(NFTA_CMP_OP, big32(how))
      .nest(NFTA_CMP_DATA, () => message.attribute(NFTA_DATA_VALUE, octets));
  });
}

function inSet(set: string, id: number): Expression {
  return expression('lookup', (message) => {
    message
      .attributeText(NFTA_LOOKUP_SET, set)
      .attribute(NFTA_LOOKUP_SREG, big32(NFT_REG_1))
      .attribute(NFTA_LOOKUP_SET_ID, big32(id));
  });
}

/** An expression of this name, with its data. */
export function expression(name: string, data: (message: MessageWriter) => void): Expression {
  return (message) => {
    message.nest(NFTA_LIST_ELEM, () => {
      message.attributeText(NFTA_EXPR_NAME, name).nest(NFTA_EXPR_DATA, () => data(message));
    });
  };
}

/** A number of this subsystem. */
export function big32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  viewOf(octets).setInt32(0, value);
  return octets;
}

function big64(value: number): Uint8Array {
  const octets = new Uint8Array(8);
  viewOf(octets).setBigUint64(0, BigInt(value));
  return octets;
}

/** What a register holds is in the machine's order. */
function host32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  viewOf(octets).setInt32(0, value, littleEndian);
  return octets;
}

const CREATE = MessageFlag.Request | MessageFlag.Create;
const NFT_TABLE_F_OWNER = 2;
const NFT_SET_TIMEOUT = 0x10;
const NFT_REG_VERDICT = 0;
const NFT_REG_1 = 1;
const NF_ACCEPT = 1;
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_LEN = 5;
const NFTA_SET_ID = 10;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_LIST_ELEM = 1;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_HOOK_DEV = 3;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const NFTA_META_SREG = 3;
const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SREG = 2;
const NFTA_LOOKUP_SET_ID = 4;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFT_CMP_EQ = 0;
const NFT_CMP_NEQ = 1;
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFTA_PAYLOAD_SREG = 5;
const NFTA_PAYLOAD_CSUM_TYPE = 6;
const NFTA_PAYLOAD_CSUM_OFFSET = 7;
const NFT_PAYLOAD_CSUM_INET = 1;
const NFTA_FWD_SREG_DEV = 1;
