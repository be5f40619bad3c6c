/**
 * The filter in an Access-Accept or CoA-Request: Filter-Id (RFC 2865 §5.11), which names rules of the configuration,
 * or the rules themselves in NAS-Filter-Rule (RFC 4849 §2). Where both are there, Filter-Id counts (RFC 4849 §2).
 * What cannot be read or carried out as a whole is no filter: the caller refuses.
 */
import { AttributeType, allValues, textOf } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import type { FilterRule, SessionFilter } from '../../session/filter-rule.ts';
import { parseFilterRule } from './ip-filter-rule.ts';

/** What the switch knows of filters. */
export interface FilterForm {
  /** By Filter-Id. */
  readonly named: ReadonlyMap<string, readonly FilterRule[]>;
  /** What a Filter-Id that is not there means: a refusal, or nothing. */
  readonly unknown: 'refuse' | 'ignore';
}

export type FilterRefusal =
  /** A Filter-Id that the configuration does not have. */
  | 'accept-filter-unknown'
  /** A rule that cannot be read or carried out. */
  | 'accept-filter-rule'
  /** More rules than the switch takes for one host. */
  | 'accept-filter-too-long';

/** The filter; 'none' where the server says that there is none; undefined where it says nothing of filters. */
export function readFilter(
  attributes: readonly RadiusAttribute[],
  form: FilterForm,
): SessionFilter | 'none' | undefined | FilterRefusal {
  const ids = allValues(attributes, AttributeType.FilterId).map(textOf);
  if (ids.length > 0) return namedFilter(ids, form);
  const values = allValues(attributes, AttributeType.NasFilterRule);
  return values.length === 0 ? undefined : literalFilter(values);
}

/** True for the reasons of a refusal. */
export function isFilterRefusal(read: SessionFilter | string | undefined): read is FilterRefusal {
  return typeof read === 'string' && read !== 'none';
}

function namedFilter(ids: readonly string[], { named, unknown }: FilterForm) {
  const known: string[] = [];
  const rules: FilterRule[] = [];
  for (const id of ids) {
    const found = named.get(id);
    if (found === undefined && unknown === 'refuse') return 'accept-filter-unknown';
    if (found === undefined) continue;
    known.push(id);
    rules.push(...found);
  }
  if (known.length === 0) return undefined;
  return isTooLong(rules) ? 'accept-filter-too-long' : { ids: known, rules };
}

/** The attributes' octets are one text, in which a NUL ends a rule. A NUL or a space alone: no rules. */
function literalFilter(values: readonly Uint8Array[]) {
  const texts = textOfAll(values)
    .split('\0')
    .filter((text) => text.trim() !== '');
  if (texts.length === 0) return 'none';
  if (texts.length > MAX_RULES) return 'accept-filter-too-long';
  const rules: FilterRule[] = [];
  for (const text of texts) {
    const rule = parseFilterRule(text);
    if ('problem' in rule) return 'accept-filter-rule';
    rules.push(rule);
  }
  return isTooLong(rules) ? 'accept-filter-too-long' : { ids: [], rules };
}

/** Lists of ports and types are compared one by one, for either family. */
export function isTooLong(rules: readonly FilterRule[]): boolean {
  let comparisons = 0;
  for (const { from, to, icmpTypes } of rules) {
    const lists = [from.ports, to.ports, icmpTypes ?? []];
    comparisons += lists.reduce((product, list) => product * Math.max(1, list.length), 1);
  }
  return rules.length > MAX_RULES || comparisons > MAX_COMPARISONS;
}

/** Servers also put a rule into each attribute and no NUL behind it: one that is not full has no more to come. */
function textOfAll(values: readonly Uint8Array[]): string {
  let all = '';
  values.forEach((value, i) => {
    const text = textOf(value);
    const isFull = (values[i - 1]?.length ?? 0) === FULL;
    all += !isFull && /^\s*(permit|deny)\s/.test(text) ? `\0${text}` : text;
  });
  return all;
}

const FULL = 253;
/** Each packet of a host is compared with them one after the other. */
export const MAX_RULES = 128;
const MAX_COMPARISONS = 512;
