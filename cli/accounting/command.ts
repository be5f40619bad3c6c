/** `castgate accounting tail` and `castgate accounting verify`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Context } from '../output.ts';
import { progress } from '../progress.ts';

export function addAccounting(program: Command, { output, done }: Context): void {
  const accounting = program
    .command('accounting')
    .summary('look at accounting that was written to files')
    .description(ACCOUNTING)
    .addHelpText('after', ACCOUNTING_HELP);
  accounting
    .command('tail')
    .summary('print the last records of an export file')
    .description(TAIL)
    .argument('<file>', 'accounting.export_file')
    .option('-n, --lines <n>', 'so many', wholeNumber, 10)
    .option('-f, --follow', 'and those that come', false)
    .addHelpText('after', TAIL_HELP)
    .action(async (file: string, options: { lines: number; follow: boolean }) => {
      const { tailFile } = await import('./read-files.ts');
      done(await tailFile(file, options.lines, options.follow, output.out, output.err));
    });
  accounting
    .command('verify')
    .summary('look for gaps, orphans and doubles, and add up')
    .description(VERIFY)
    .argument('<files...>', 'export files in their order; one alone: with those that it was renamed to')
    .option('--detail', 'detail files of FreeRADIUS', false)
    .option('--json', 'JSON for programs', false)
    .addHelpText('after', VERIFY_HELP)
    .action(async (files: readonly string[], options: { detail: boolean; json: boolean }) => {
      const { verifyFiles, withRotated } = await import('./read-files.ts');
      const [first = ''] = files;
      const all = files.length === 1 && !options.detail ? withRotated(first) : files;
      const { say, end } = progress(output, 'reading accounting');
      const code = verifyFiles(all, options, output.out, output.err, say);
      end();
      done(code);
    });
}

function wholeNumber(word: string): number {
  const number = Number(word);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('A whole number above 0.');
}

const ACCOUNTING = `Reads accounting that castgate exported (accounting.export_file), or that
FreeRADIUS wrote down. Asks no daemon.`;
const ACCOUNTING_HELP = `
Examples:
  castgate accounting tail -n 100 /var/log/castgate/accounting.json
  castgate accounting verify /var/log/castgate/accounting.json`;
const TAIL = 'Prints records of an export file, one a line, for people.';
const TAIL_HELP = `
Example:
  castgate accounting tail -f /var/log/castgate/accounting.json`;
const VERIFY = `Each record has one Start and one Stop; octets never fall; what comes again says
the same. Records that have not ended yet are counted, and are no finding.`;
const VERIFY_HELP = `
Exit codes: 0 whole · 1 something is wrong · 2 a file cannot be read

Examples:
  castgate accounting verify /var/log/castgate/accounting.json
  castgate accounting verify --detail /var/log/freeradius/radacct/198.18.0.1/detail-*`;
