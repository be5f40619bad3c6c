/**
 * The list of all keys, made from the schema: for error messages, for `npm run docs:config` and for the test
 * that keeps castgate.example.yaml complete.
 */
import type { z } from 'zod';
import type { KeyPath } from '../file/problem.ts';
import { type KeyInfo, keyInfo } from '../schema/key.ts';
import { fileSchema } from '../schema/schema.ts';

/** One key. `path` has `NAME` for a name that the user chooses and `[]` for a place in a list. */
export interface KeyDescription extends Omit<KeyInfo, 'keys'> {
  readonly path: string;
  readonly depth: number;
}

/** Every key in the schema's order, sections before what they hold. */
export function describeKeys(): KeyDescription[] {
  return describe(fileSchema.shape, '', 0);
}

/** The keys that the mapping at `path` may have; undefined where there is no such mapping. */
export function keysUnder(path: KeyPath): Readonly<Record<string, z.ZodType>> | undefined {
  let keys: Keys | undefined = fileSchema.shape;
  let inEntry = true;
  for (const part of path) {
    // The name or number of an entry stands between a section and its keys.
    if (!inEntry) {
      inEntry = true;
      continue;
    }
    const info: KeyInfo | undefined = infoOf(keys, part);
    keys = info?.keys;
    inEntry = info?.holds === 'one';
  }
  return keys;
}

/** What is known of the key at `path`; undefined for a key that nobody knows. */
export function infoAt(path: KeyPath): KeyInfo | undefined {
  return infoOf(keysUnder(path.slice(0, -1)), path.at(-1) ?? '');
}

/** The first section that has a key of this name, as a path; empty text for the top level. */
export function sectionWith(key: string, keys: Keys = fileSchema.shape, at = ''): string | undefined {
  if (Object.hasOwn(keys, key)) return at;
  for (const [name, schema] of Object.entries(keys)) {
    const info = keyInfo(schema);
    if (info.keys === undefined || info.holds === 'named') continue;
    const found = sectionWith(key, info.keys, at === '' ? name : `${at}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

type Keys = Readonly<Record<string, z.ZodType>>;

function infoOf(keys: Keys | undefined, part: string | number): KeyInfo | undefined {
  if (keys === undefined || !Object.hasOwn(keys, part)) return undefined;
  const schema = keys[part];
  return schema && keyInfo(schema);
}

function describe(keys: Keys, prefix: string, depth: number): KeyDescription[] {
  return Object.entries(keys).flatMap(([name, schema]) => {
    const { keys: inner, ...info } = keyInfo(schema);
    const path = prefix + name;
    const entry = { one: '.', named: '.NAME.', list: '[].' }[info.holds ?? 'one'];
    return [
      { ...info, path, depth },
      ...(inner === undefined ? [] : describe(inner, path + entry, depth + 1)),
    ];
  });
}
