/** The table of a bench for people: a heading for each section, castgate's figure beside the reference's. */
import type { BenchRow } from './row.ts';

/** Lines of the table, each with its line end. */
export function benchTable(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => ({
    section: row.section,
    what: `  ${row.what}${row.unit === '' ? '' : ` (${row.unit})`}`,
    castgate: figure(row.castgate),
    reference: row.reference === undefined ? '' : figure(row.reference),
    comparison: comparison(row),
    name: row.referenceName ?? '',
  }));
  const width = (column: 'what' | 'castgate' | 'reference' | 'comparison', title: string) =>
    Math.max(title.length, ...cells.map((cell) => cell[column].length));
  const widths = {
    what: width('what', ''),
    castgate: width('castgate', 'castgate'),
    reference: width('reference', 'reference'),
    comparison: width('comparison', 'compared'),
  };
  const line = (what: string, castgate: string, reference: string, compared: string, name: string) =>
    `${what.padEnd(widths.what)}  ${castgate.padStart(widths.castgate)}  ${reference.padStart(widths.reference)}  ${compared.padStart(widths.comparison)}  ${name}`.trimEnd();
  const lines = [line('', 'castgate', 'reference', 'compared', 'reference is')];
  let section = '';
  for (const cell of cells) {
    if (cell.section !== section) lines.push('', cell.section);
    section = cell.section;
    lines.push(line(cell.what, cell.castgate, cell.reference, cell.comparison, cell.name));
  }
  return `${lines.join('\n')}\n`;
}

/** Three or four figures, thousands apart: `2,117`, `34.2`, `0.184`. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Number.isInteger(value) || Math.abs(value) >= 1000) {
    return Math.round(value).toLocaleString('en-US');
  }
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3);
}

/** `x 1.84`, or what castgate is above the reference, with its sign. */
function comparison({ comparison: compared }: BenchRow): string {
  if (compared === undefined) return '';
  if (compared.kind === 'ratio') return `x ${compared.value.toFixed(2)}`;
  const text = figure(compared.value);
  return compared.value < 0 ? text : `+${text}`;
}
