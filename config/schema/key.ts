/**
 * The kinds of values that a configuration key can have. Each makes a zod schema that takes what YAML gives,
 * applies default and range, and refuses in words that say what to write; and it remembers what it is
 * (`keyInfo`), so that the reference of all keys is made from the schema and not kept beside it.
 */
import { z } from 'zod';
import { isTooLong, MAX_RULES } from '../../auth/filter/filter-attributes.ts';
import { parseFilterRule } from '../../auth/filter/ip-filter-rule.ts';
import { parseChannelRange } from '../../auth/rights/channel-range.ts';
import type { FilterRule } from '../../session/filter-rule.ts';
import type { ChannelRange } from '../../session/records.ts';
import { type IpAddress, ipBytes, ipFamily, ipv4At, ipv6At } from '../../wire/address.ts';
import { closest } from '../file/did-you-mean.ts';
import { formatDuration, nounOf, parseDuration } from './duration.ts';

/** What the reference says of a key. */
export interface KeyInfo {
  readonly about: string;
  /** `duration`, `whole number`, `one of a | b`, … */
  readonly form: string;
  /** As it is written in the file; undefined where the key has no default. */
  readonly fallback?: string | undefined;
  /** The key must be in the file. */
  readonly required?: boolean;
  /** `1s to 18h` */
  readonly range?: string;
  /** Keys of the mapping, or of each of its entries. */
  readonly keys?: Readonly<Record<string, z.ZodType>>;
  /** What the keys are entries of: one mapping, named entries, or list items. */
  readonly holds?: 'one' | 'named' | 'list';
}

/** What a schema made here was made as. */
export function keyInfo(schema: z.ZodType): KeyInfo {
  const info = INFO.get(schema);
  if (info === undefined) throw new Error('a schema that key.ts did not make');
  return info;
}

interface Range<T> {
  readonly about: string;
  readonly min: T;
  readonly max: T;
}

/** A duration with a default; in milliseconds when parsed. `zero` also admits 0s, and says what it means. */
export function duration(k: Range<string> & { fallback: string; zero?: string }) {
  return remember(durationType(k).prefault(k.fallback), { ...durationInfo(k), fallback: k.fallback });
}

/** A duration that may be left out. */
export function optionalDuration(k: Range<string> & { zero?: string }) {
  return remember(durationType(k).optional(), durationInfo(k));
}

/** A whole number with a default. */
export function whole(k: Range<number> & { fallback: number }) {
  return remember(wholeType(k).prefault(k.fallback), {
    about: k.about,
    form: 'whole number',
    range: `${k.min} to ${k.max}`,
    fallback: String(k.fallback),
  });
}

/** A whole number that may be left out. */
export function optionalWhole(k: Range<number>) {
  return remember(wholeType(k).optional(), {
    about: k.about,
    form: 'whole number',
    range: `${k.min} to ${k.max}`,
  });
}

/** `true` or `false`, with a default. */
export function flag(k: { about: string; fallback: boolean }) {
  return remember(flagType().prefault(k.fallback), {
    about: k.about,
    form: 'true or false',
    fallback: String(k.fallback),
  });
}

/** `true` or `false`, may be left out. */
export function optionalFlag(k: { about: string }) {
  return remember(flagType().optional(), { about: k.about, form: 'true or false' });
}

/** One word out of some, with a default. */
export function choice<const T extends string>(k: { about: string; of: readonly T[]; fallback: NoInfer<T> }) {
  return remember(choiceType(k.of).prefault(k.fallback), {
    about: k.about,
    form: `one of ${k.of.join(' | ')}`,
    fallback: k.fallback,
  });
}

/** One word out of some, may be left out. */
export function optionalChoice<const T extends string>(k: { about: string; of: readonly T[] }) {
  return remember(choiceType(k.of).optional(), { about: k.about, form: `one of ${k.of.join(' | ')}` });
}

/** A text of 1 to `max` octets that must be in the file. */
export function text(k: { about: string; max: number }) {
  return remember(textType(k.max), {
    about: k.about,
    form: 'text',
    required: true,
    range: `1 to ${k.max} octets`,
  });
}

/** A text of 1 to `max` octets, may be left out. */
export function optionalText(k: { about: string; max: number }) {
  return remember(textType(k.max).optional(), {
    about: k.about,
    form: 'text',
    range: `1 to ${k.max} octets`,
  });
}

/** The name of a network interface. */
export function interfaceName(k: { about: string }) {
  return remember(interfaceNameType(), { about: k.about, form: 'interface name', required: true });
}

/** Names of network interfaces; none by default. */
export function interfaceNames(k: { about: string }) {
  return remember(z.array(interfaceNameType()).prefault([]), {
    about: k.about,
    form: 'list of interface names',
    fallback: '[]',
  });
}

/** Names of servers in order of use, may be left out. */
export function serverNames(k: { about: string }) {
  const list = z.array(textType(64)).min(1, 'an empty list: name at least one server, or leave the key out');
  return remember(list.optional(), { about: k.about, form: 'list of server names' });
}

/** An absolute path with a default. `max` in octets. */
export function absolutePath(k: { about: string; max: number; fallback: string }) {
  const type = z.unknown().transform((value, ctx): string => {
    if (typeof value !== 'string' || !value.startsWith('/'))
      return refuse(ctx, `expected an absolute path, not ${nounOf(value)}`);
    if (Buffer.byteLength(value) > k.max)
      return refuse(ctx, `the path is longer than the ${k.max} octets that the system allows`);
    return value;
  });
  return remember(type.prefault(k.fallback), { about: k.about, form: 'absolute path', fallback: k.fallback });
}

/** An absolute path that may be left out. */
export function optionalPath(k: { about: string }) {
  const type = z.unknown().transform((value, ctx): string => {
    if (typeof value === 'string' && value.startsWith('/')) return value;
    return refuse(ctx, `expected an absolute path, not ${nounOf(value)}`);
  });
  return remember(type.optional(), { about: k.about, form: 'absolute path' });
}

/** A path that may be left out; relative ones start at the configuration file's folder. */
export function optionalFilePath(k: { about: string }) {
  return remember(textType(4095).optional(), { about: k.about, form: 'path' });
}

/** A path that must be in the file; relative ones start at the configuration file's folder. */
export function filePath(k: { about: string }) {
  return remember(textType(4095), { about: k.about, form: 'path', required: true });
}

/** An IP address, must be in the file. */
export function address(k: { about: string; family?: 4 | 6 }) {
  return remember(addressType(k.family), { about: k.about, form: addressForm(k.family), required: true });
}

/** An IP address with a default. */
export function addressOr(k: { about: string; fallback: IpAddress }) {
  return remember(addressType(undefined).prefault(k.fallback), {
    about: k.about,
    form: addressForm(undefined),
    fallback: k.fallback,
  });
}

/** An IP address, may be left out. */
export function optionalAddress(k: { about: string; family?: 4 | 6 }) {
  return remember(addressType(k.family).optional(), { about: k.about, form: addressForm(k.family) });
}

/** IP addresses; none by default. */
export function addresses(k: { about: string }) {
  return remember(z.array(addressType(undefined)).prefault([]), {
    about: k.about,
    form: 'list of IPv4 or IPv6 addresses',
    fallback: '[]',
  });
}

/** A mapping of keys; a heading with nothing under it is the same as one left out. */
export function section<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  return remember(mapping(keys).prefault({}), { about, form: 'mapping', keys, holds: 'one' });
}

/** A mapping that must be in the file. */
export function requiredSection<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  return remember(mapping(keys), { about, form: 'mapping', keys, holds: 'one', required: true });
}

/** A mapping of keys that may be left out as a whole; a heading with nothing under it is left out too. */
export function optionalSection<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  const type = z.preprocess((value) => value ?? undefined, z.strictObject(keys).optional());
  return remember(type, { about, form: 'mapping', keys, holds: 'one' });
}

/** Entries by interface name, at least one. */
export function byInterface<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  const entries = z.record(interfaceNameType(), mapping(keys)).check((ctx) => {
    if (Object.keys(ctx.value).length > 0) return;
    ctx.issues.push({ code: 'custom', message: 'no subscriber port: name at least one', input: ctx.value });
  });
  return remember(entries, {
    about,
    form: 'mapping by interface name',
    keys,
    holds: 'named',
    required: true,
  });
}

/** Bridges by the number of the VLAN that they stand for; none by default. */
export function bridgeByVlan(k: { about: string }) {
  const type = z.unknown().transform((value, ctx): ReadonlyMap<number, string> => {
    if (value === null) return new Map();
    if (typeof value !== 'object' || Array.isArray(value))
      return refuse(ctx, `expected a mapping from VLAN to bridge, not ${nounOf(value)}`);
    const bridges = new Map<number, string>();
    for (const [key, bridge] of Object.entries(value)) {
      if (!/^[1-9]\d{0,3}$/.test(key) || Number(key) > 4094)
        return refuse(ctx, `'${key}' is no VLAN: a whole number from 1 to 4094`);
      const name = interfaceNameType().safeParse(bridge);
      if (!name.success) return refuse(ctx, `VLAN ${key}: ${name.error.issues[0]?.message}`);
      bridges.set(Number(key), name.data);
    }
    return bridges;
  });
  return remember(type.prefault({}), {
    about: k.about,
    form: 'mapping from VLAN to bridge',
  });
}

/** A list of mappings, at least one. */
export function listOf<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  const list = z.array(mapping(keys)).min(1, 'an empty list: describe at least one');
  return remember(list, { about, form: 'list of mappings', keys, holds: 'list', required: true });
}

/** A list of mappings; none by default. */
export function optionalListOf<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  const list = z.array(mapping(keys)).prefault([]);
  return remember(list, { about, form: 'list of mappings', keys, holds: 'list', fallback: '[]' });
}

/** Entries by a name of the user's choice; none by default. */
export function byName<S extends Readonly<Record<string, z.ZodType>>>(about: string, keys: S) {
  const entries = z.record(textType(64), mapping(keys)).prefault({});
  return remember(entries, { about, form: 'mapping by name', keys, holds: 'named' });
}

/** Rules of a packet filter, as parseFilterRule reads them; at least one. */
export function filterRules(k: { about: string }) {
  const one = z.unknown().transform((value, ctx): FilterRule => {
    if (typeof value !== 'string') return refuse(ctx, `${nounOf(value)} is no rule of a filter`);
    const rule = parseFilterRule(value);
    return 'problem' in rule ? refuse(ctx, `'${value}' is no rule of a filter: ${rule.problem}`) : rule;
  });
  const list = z
    .array(one)
    .min(1, 'no rule: write one at least')
    .refine((rules) => !isTooLong(rules), `too long: ${MAX_RULES} rules, and not too many ports in them`);
  return remember(list, { about: k.about, form: 'list of filter rules', required: true });
}

/** Ranges of channels, as parseChannelRange reads them; none by default. */
export function channelRanges(k: { about: string }) {
  const one = z.unknown().transform((value, ctx): ChannelRange => {
    const range = typeof value === 'string' ? parseChannelRange(value) : undefined;
    if (range !== undefined) return range;
    const how = 'write GROUP, GROUP/LENGTH or GROUP from SOURCE with multicast groups';
    return refuse(
      ctx,
      `${typeof value === 'string' ? `'${value}'` : nounOf(value)} is no range of channels: ${how}`,
    );
  });
  return remember(z.array(one).prefault([]), {
    about: k.about,
    form: 'list of channel ranges',
    fallback: '[]',
  });
}

const INFO = new WeakMap<z.ZodType, KeyInfo>();

function remember<T extends z.ZodType>(schema: T, info: KeyInfo): T {
  INFO.set(schema, info);
  return schema;
}

function mapping<S extends Readonly<Record<string, z.ZodType>>>(keys: S) {
  return z.preprocess((value) => value ?? {}, z.strictObject(keys));
}

function durationInfo(k: Range<string> & { zero?: string }): KeyInfo {
  const zero = k.zero === undefined ? '' : `, or 0s: ${k.zero}`;
  return { about: k.about, form: 'duration', range: `${k.min} to ${k.max}${zero}` };
}

function durationType(k: Range<string> & { zero?: string }) {
  const min = milliseconds(k.min);
  const max = milliseconds(k.max);
  return z.unknown().transform((value, ctx): number => {
    const ms = parseDuration(value);
    if (typeof ms !== 'number') return refuse(ctx, ms.refused);
    if (ms === 0 && k.zero !== undefined) return ms;
    if (ms < min || ms > max) {
      const zero = k.zero === undefined ? '' : ` (or 0s: ${k.zero})`;
      return refuse(
        ctx,
        `${String(value)} is out of range: ${formatDuration(min)} to ${formatDuration(max)}${zero}`,
      );
    }
    return ms;
  });
}

function milliseconds(text: string): number {
  const ms = parseDuration(text);
  if (typeof ms !== 'number') throw new Error(ms.refused);
  return ms;
}

function wholeType(k: { min: number; max: number }) {
  return z.unknown().transform((value, ctx): number => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return refuse(ctx, `expected a whole number from ${k.min} to ${k.max}, not ${nounOf(value)}`);
    }
    if (value < k.min || value > k.max) return refuse(ctx, `${value} is out of range: ${k.min} to ${k.max}`);
    return value;
  });
}

function flagType() {
  return z.unknown().transform((value, ctx): boolean => {
    return typeof value === 'boolean' ? value : refuse(ctx, `expected true or false, not ${nounOf(value)}`);
  });
}

function choiceType<T extends string>(of: readonly T[]) {
  return z.unknown().transform((value, ctx): T => {
    const found = of.find((word) => word === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? closest(value, of) : undefined;
    const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
    return refuse(ctx, `expected one of ${of.join(', ')}, not ${nounOf(value)}${hint}`);
  });
}

function textType(max: number) {
  return z.unknown().transform((value, ctx): string => {
    if (typeof value !== 'string' || value === '') {
      const quote = typeof value === 'number' ? ' (put it in quotes)' : '';
      return refuse(ctx, `expected a text, not ${nounOf(value)}${quote}`);
    }
    if (Buffer.byteLength(value) > max) return refuse(ctx, `longer than ${max} octets`);
    if (/\p{Cc}/u.test(value)) return refuse(ctx, 'holds a control character');
    return value;
  });
}

/** The kernel's own rule (dev_valid_name): 1 to 15 octets, no slash, colon or space, not `.` or `..`. */
function interfaceNameType() {
  return z.unknown().transform((value, ctx): string => {
    if (typeof value !== 'string') return refuse(ctx, `expected an interface name, not ${nounOf(value)}`);
    const valid =
      /^[^/:\s]+$/.test(value) && value !== '.' && value !== '..' && Buffer.byteLength(value) <= 15;
    return valid
      ? value
      : refuse(ctx, `'${value}' is not an interface name (1 to 15 octets; no slash, colon or space)`);
  });
}

function addressForm(family: 4 | 6 | undefined): string {
  return family === undefined ? 'IPv4 or IPv6 address' : `IPv${family} address`;
}

function addressType(family: 4 | 6 | undefined) {
  return z.unknown().transform((value, ctx): IpAddress => {
    if (typeof value !== 'string')
      return refuse(ctx, `expected an ${addressForm(family)}, not ${nounOf(value)}`);
    const octets = ipBytes(value);
    if (octets === undefined) {
      return refuse(ctx, `'${value}' is not an ${addressForm(family)} (names are not looked up)`);
    }
    if (family !== undefined && ipFamily(value) !== family) {
      return refuse(ctx, `'${value}' is not an ${addressForm(family)}`);
    }
    if (octets.length === 16) return ipv6At(octets, 0);
    const plain = ipv4At(octets, 0);
    // 010 is ten to some programs and eight to others.
    return plain === value
      ? plain
      : refuse(ctx, `'${value}' has leading zeros: write ${plain} if that is meant`);
  });
}

function refuse(ctx: z.RefinementCtx, message: string): never {
  ctx.addIssue({ code: 'custom', message });
  return z.NEVER;
}
