import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeKeys } from '../../config/reference/reference.ts';
import { referencePage } from '../../config/reference/reference-page.ts';

describe('docs/configuration.md', () => {
  it('is what the schema says (npm run build && npm run docs:config brings it up to date)', () => {
    expect(readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')).toBe(
      referencePage(),
    );
  });

  it('has a row for every key and a heading for every section', () => {
    const page = referencePage();
    for (const key of describeKeys()) {
      const name = key.path.slice(key.path.lastIndexOf('.') + 1);
      expect(page, key.path).toContain(key.holds === undefined ? `| \`${name}\` |` : `## \`${key.path}\`\n`);
    }
    const rows = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows).toHaveLength(describeKeys().filter((key) => key.holds === undefined).length);
  });
});
