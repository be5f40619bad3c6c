/**
 * What the lab says on the terminal: lines with the time since the start, and the table of expectations at
 * the end. Colour only on a terminal, and not where NO_COLOR is set.
 */

/** One expectation and what came of it. */
export interface Finding {
  readonly expectation: string;
  readonly seen: string;
  readonly passed: boolean;
}

export class Report {
  readonly findings: Finding[] = [];
  readonly #write: (text: string) => void;
  readonly #colour: boolean;
  readonly #begin = performance.now();

  constructor(write: (text: string) => void, colour: boolean) {
    this.#write = write;
    this.#colour = colour;
  }

  /** A heading of the story. */
  chapter(title: string): void {
    this.#write(`\n${this.#paint(BOLD, title)}\n`);
  }

  /** Something that happened. */
  say(line: string): void {
    const seconds = ((performance.now() - this.#begin) / 1000).toFixed(1).padStart(6);
    this.#write(`${this.#paint(DIM, `${seconds} s`)}  ${line}\n`);
  }

  /** What somebody else said meanwhile. */
  aside(line: string): void {
    this.say(this.#paint(DIM, line));
  }

  /** Lines as they are, indented: tables, logs, commands. */
  quote(lines: readonly string[]): void {
    for (const line of lines) this.#write(`          ${line}\n`);
  }

  /** Records an expectation and says at once what came of it. */
  expect(expectation: string, seen: string, passed: boolean): void {
    this.findings.push({ expectation, seen, passed });
    this.say(`${this.#verdict(passed)}  ${expectation}: ${seen}`);
  }

  /** True when there were expectations and all of them came true. */
  get passed(): boolean {
    return this.findings.length > 0 && this.findings.every((finding) => finding.passed);
  }

  /** The table of all expectations. */
  table(): void {
    const rows = this.findings.map((finding) => [finding.expectation, finding.seen] as const);
    const wide = (column: 0 | 1, head: string) =>
      Math.max(head.length, ...rows.map((row) => [...row[column]].length));
    const [first, second] = [wide(0, 'Expectation'), wide(1, 'What was seen')];
    const rule = `${'─'.repeat(first)}─┼─${'─'.repeat(second)}─┼─────`;
    this.#write(`\n${pad('Expectation', first)} │ ${pad('What was seen', second)} │\n${rule}\n`);
    for (const { expectation, seen, passed } of this.findings)
      this.#write(`${pad(expectation, first)} │ ${pad(seen, second)} │ ${this.#verdict(passed)}\n`);
    const failed = this.findings.filter((finding) => !finding.passed).length;
    const total = this.findings.length;
    const summary = failed === 0 ? `All ${total} came true.` : `${failed} of ${total} did not come true.`;
    this.#write(`${rule}\n${this.#paint(failed === 0 ? GREEN : RED, summary)}\n`);
  }

  #verdict(passed: boolean): string {
    return passed ? this.#paint(GREEN, 'pass') : this.#paint(RED, 'FAIL');
  }

  #paint(code: number, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - [...text].length));
}

const BOLD = 1;
const DIM = 2;
const RED = 31;
const GREEN = 32;
