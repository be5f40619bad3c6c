/**
 * `npm run interop`: every EAP method over every transport to FreeRADIUS, as often as wanted. One line for each
 * that was tried; the last line is `N passed, N failed`, and the exit code says the same.
 */
import { parseArgs } from 'node:util';
import { LabError } from '../processes.ts';
import { type Cell, METHODS, playMatrix } from './matrix.ts';
import { TRANSPORTS } from './transport.ts';

const HELP = `npm run interop -- [OPTIONS]

EAP-MD5, PEAP, TTLS and TLS with certificates over four kilobytes: by eapol_test straight to FreeRADIUS, and by
wpa_supplicant through castgate over UDP, TCP and TLS, IPv4 and IPv6. Needs root; all in network namespaces.

Options:
  --count N   how many times the whole matrix is played (1)
  --help      print this
`;

async function main(words: readonly string[]): Promise<number> {
  const options = { count: { type: 'string', default: '1' }, help: { type: 'boolean' } } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options }).values;
  } catch (error) {
    console.error(`interop: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = Number(values.count);
  if (!Number.isSafeInteger(count) || count < 1) {
    console.error('interop: --count takes a whole number');
    return 2;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  let passed = 0;
  const expected = count * METHODS.length * (TRANSPORTS.length + 1);
  for (let round = 1; round <= count; round++) {
    try {
      const cells = await playMatrix((cell) => console.log(line(round, cell)));
      passed += cells.filter(({ why }) => why === undefined).length;
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      console.log(`${round}  FAILED  ${[error.message, ...error.detail].join('\n   | ')}`);
    }
  }
  // What was not played has not passed.
  console.log(`${passed} passed, ${expected - passed} failed`);
  return passed === expected ? 0 : 1;
}

function line(round: number, { transport, method, seconds, why }: Cell): string {
  const verdict = why === undefined ? 'passed' : 'FAILED';
  const end = why === undefined ? '' : `  ${why}`;
  return `${round}  ${verdict}  ${transport.padEnd(10)}  ${method.padEnd(4)}  ${seconds.toFixed(1)} s${end}`;
}

process.exitCode = await main(process.argv.slice(2));
