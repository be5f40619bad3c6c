import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { formatProblem } from '../../config/file/problem.ts';
import { loadConfig, parseConfig } from '../../config/load.ts';
import { describeKeys } from '../../config/reference/reference.ts';

const TEXT = readFileSync(new URL('../../castgate.example.yaml', import.meta.url), 'utf8');
const SECRET = { secret: new Uint8Array(32), remarks: [] };
/** The same with every key that stands in a comment (`# key: value`) put in force. */
const WHOLE = TEXT.replaceAll(/^( *)# ([a-z0-9_]+: \S.*)$/gm, (line, indent: string, key: string) =>
  /^[a-z0-9_]+: (\[.*\]|[\w.:/-]+)$/.test(key) ? `${indent}${key}` : line,
);

/** Every key of a document, as in the reference, with the text of its value where that is a scalar or list. */
function written(text: string): Map<string, string | undefined> {
  const found = new Map<string, string | undefined>();
  const walk = (node: unknown, path: string) => {
    if (isMap(node)) {
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : '';
        const name = ['ports.', 'profiles.', 'filters.'].includes(path) ? 'NAME' : key;
        walk(pair.value, `${path}${name}.`);
      }
      if (path !== '' && !path.endsWith('NAME.') && !path.endsWith('[].'))
        found.set(path.slice(0, -1), undefined);
    } else if (isSeq(node)) {
      if (node.items.some((item) => isMap(item)))
        for (const item of node.items) walk(item, `${path.slice(0, -1)}[].`);
      found.set(path.slice(0, -1), node.items.length === 0 ? '[]' : undefined);
    } else if (isScalar(node)) found.set(path.slice(0, -1), node.source ?? String(node.value));
  };
  walk(parseDocument(text).contents, '');
  return found;
}

describe('castgate.example.yaml', () => {
  it('is valid as it stands and with every commented key in force', () => {
    for (const text of [TEXT, WHOLE]) {
      const loaded = parseConfig(text, 'castgate.example.yaml', () => SECRET);
      expect(('errors' in loaded ? loaded.errors : []).map(formatProblem)).toEqual([]);
      expect(loaded.warnings.map(formatProblem)).toEqual([]);
    }
  });

  it('has every key of the schema, and each default as the schema has it', () => {
    const keys = written(WHOLE);
    for (const key of describeKeys()) {
      expect([...keys.keys()], key.path).toContain(key.path);
      if (key.holds === undefined && key.fallback !== undefined && key.fallback !== '[]') {
        expect(`${key.path}: ${keys.get(key.path)}`).toBe(`${key.path}: ${key.fallback}`);
      }
    }
  });

  it("shows for a port the authenticator's own defaults", () => {
    const keys = written(WHOLE);
    const port = describeKeys().filter((key) => key.path.startsWith('ports.NAME.'));
    for (const { path } of port) {
      const same = keys.get(path.replace('ports.NAME', 'authenticator'));
      if (same !== undefined && !path.endsWith('max_hosts'))
        expect(`${path}: ${keys.get(path)}`).toBe(`${path}: ${same}`);
    }
  });

  it('names the range of each number and duration in its comment', () => {
    for (const { path, range, form } of describeKeys()) {
      if (range === undefined || form === 'text' || path.startsWith('ports.NAME.')) continue;
      expect(TEXT.replaceAll(/\n *# /g, ' '), path).toContain(range.split(',')[0]);
    }
  });
});

it('is valid as it lies there, secret file and all', () => {
  const { pathname } = new URL('../../castgate.example.yaml', import.meta.url);
  expect(loadConfig(pathname)).toMatchObject({ config: { bridge: 'br0' } });
});
