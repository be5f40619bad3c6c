/** `multicast.ssm_map`: what its entries must be, and the map that they make. */
import { parseChannelRange } from '../auth/rights/channel-range.ts';
import { type MappedRange, SsmMap } from '../auth/rights/ssm-map.ts';
import { isSourceSpecific } from '../igmp/membership.ts';
import { ipBytes, ipFamily, isMulticastIp } from '../wire/address.ts';
import { asList, lookUp } from './file/content.ts';
import type { KeyPath } from './file/problem.ts';
import type { FileConfig } from './schema/schema.ts';

export function toSsmMap(entries: FileConfig['multicast']['ssm_map']): SsmMap {
  return new SsmMap(
    entries.flatMap(({ groups, sources }) => groups.map((range): MappedRange => ({ ...range, sources }))),
  );
}

/** Groups are source-specific and have sources of their own family. Passes over what the schema refuses. */
export function checkSsmMap(
  content: unknown,
  report: (severity: 'error' | 'warning', path: KeyPath, message: string) => void,
): void {
  const at: KeyPath = ['multicast', 'ssm_map'];
  asList(lookUp(content, at)).forEach((entry, i) => {
    const groups = asList(lookUp(entry, ['groups']));
    const sources = asList(lookUp(entry, ['sources']));
    for (const [key, list] of Object.entries({ groups, sources })) {
      if (list.length === 0) report('error', [...at, i, key], 'names none: write one at least');
    }
    const families = new Set<4 | 6>();
    groups.forEach((text, k) => {
      const range = typeof text === 'string' ? parseChannelRange(text) : undefined;
      if (range === undefined) return;
      const family = ipFamily(range.group);
      families.add(family);
      const path = [...at, i, 'groups', k];
      if (range.source !== undefined)
        report('error', path, `'${text}' names a source: write the group alone`);
      const isWhole = range.prefixLength >= (family === 4 ? 8 : 32);
      if (!isWhole || !isSourceSpecific(range.group))
        report('error', path, `'${text}' is not source-specific: groups are of 232.0.0.0/8 or ff3x::/32`);
    });
    sources.forEach((text, k) => {
      if (typeof text !== 'string' || ipBytes(text) === undefined) return;
      const path = [...at, i, 'sources', k];
      if (isMulticastIp(text)) report('error', path, `'${text}' is a group address`);
      else if (families.size > 0 && [...families].some((family) => family !== ipFamily(text)))
        report('error', path, `'${text}' is not of the family of all groups beside it`);
    });
  });
}
