/**
 * Reads FreeRADIUS's detail files: blocks of `Name = value` lines under a date line, an empty line between
 * two blocks. Attributes keep their order and may repeat.
 */

/** One recorded packet. */
export class DetailRecord {
  readonly attributes: readonly (readonly [name: string, value: string])[];

  constructor(attributes: readonly (readonly [string, string])[]) {
    this.attributes = attributes;
  }

  /** The first value of that name, without quotes; undefined where there is none. */
  text(name: string): string | undefined {
    return this.attributes.find(([candidate]) => candidate === name)?.[1];
  }

  /** All values of that name. */
  all(name: string): readonly string[] {
    return this.attributes.filter(([candidate]) => candidate === name).map(([, value]) => value);
  }

  /** The value as a number; 0 where there is none or it is no number. */
  number(name: string): number {
    const value = Number(this.text(name));
    return Number.isFinite(value) ? value : 0;
  }

  /** A 64-bit count of octets out of its two attributes (RFC 2869 §5.1, §5.2). */
  octets(direction: 'Input' | 'Output'): number {
    return this.number(`Acct-${direction}-Octets`) + this.number(`Acct-${direction}-Gigawords`) * 2 ** 32;
  }
}

/** A block that is not finished yet (no empty line after it) is left out. */
export function parseDetailFile(text: string): DetailRecord[] {
  const blocks = text.split('\n\n');
  blocks.pop();
  return blocks.map((block) => {
    const attributes: [string, string][] = [];
    for (const line of block.split('\n')) {
      const found = /^\t([^ ]+) [:+]?= (.*)$/.exec(line);
      if (found?.[1] !== undefined && found[2] !== undefined) attributes.push([found[1], unquoted(found[2])]);
    }
    return new DetailRecord(attributes);
  });
}

function unquoted(value: string): string {
  return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}
