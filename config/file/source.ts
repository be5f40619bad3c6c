/**
 * A YAML file that remembers where each key and value stands in the text. YAML 1.2 core schema, one
 * document, keys are texts, each once; anchors and aliases work, within the library's limit on expansion.
 */
import { type Document, isAlias, isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml';
import type { KeyPath } from './problem.ts';

/** A place in the text, counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Something that is not YAML. */
export interface YamlFault extends Position {
  readonly message: string;
}

/** The parsed file. */
export class YamlSource {
  /** What makes the content unusable. */
  readonly faults: readonly YamlFault[];
  /** What YAML itself warns of. */
  readonly warnings: readonly YamlFault[];
  /** The content as plain values; undefined where there are faults. */
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, stringKeys: true });
    const fault = (error: { code: string; message: string; pos: readonly number[] }): YamlFault => ({
      ...this.#at(error.pos[0] ?? 0),
      message: FAULTS[error.code] ?? error.message,
    });
    const faults = this.#document.errors.map(fault);
    this.warnings = this.#document.warnings.map(fault);
    try {
      if (faults.length === 0) this.value = this.#document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      // Aliases are resolved only now: one without its anchor, or too many of them, shows here.
      faults.push({ line: 1, column: 1, message: cause instanceof Error ? cause.message : String(cause) });
    }
    this.faults = faults;
  }

  /** Where the value at `path` begins; where there is none, the nearest mapping or list around it. */
  valueAt(path: KeyPath): Position {
    return this.#find(path, false);
  }

  /** Where the key that `path` ends in begins. */
  keyAt(path: KeyPath): Position {
    return this.#find(path, true);
  }

  #find(path: KeyPath, key: boolean): Position {
    let node: unknown = this.#document.contents;
    let offset = startOf(node) ?? 0;
    for (const [i, part] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document);
      let next: unknown;
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => String(isNode(item.key) ? item.key : item.key) === String(part),
        );
        if (pair === undefined) break;
        const keyStart = startOf(pair.key);
        if (key && i === path.length - 1) return this.#at(keyStart ?? offset);
        next = pair.value;
        offset = startOf(next) ?? keyStart ?? offset;
      } else if (isSeq(node)) {
        next = node.items[Number(part)];
        if (next === undefined) break;
        offset = startOf(next) ?? offset;
      } else break;
      node = next;
    }
    return this.#at(offset);
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** The library's words where they do not say what to do. */
const FAULTS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is already there: each key once',
  MULTIPLE_DOCS: 'a second document begins here (---): one document to a file',
  NON_STRING_KEY: 'a key must be a plain text',
  TAB_AS_INDENT: 'a tab indents this line: YAML wants spaces',
};
