/**
 * `npm start`: makes the machine ready, then runs the lab. Its own file, so that `--help` and a mistyped
 * option are answered before anything is installed.
 */
import { NotReady, ready } from './ready.mjs';

const HELP = `npm start [-- OPTIONS]

Shows castgate at work, live, on this machine. It

  1. installs what is missing: Debian packages (FreeRADIUS, wpa_supplicant, nftables, iproute2, tcpdump,
     openssl, compilers), npm packages, the build. Services of these packages are not started.
  2. raises a lab in network namespaces of its own: a switch with castgate, three subscribers, a head-end,
     a multicast router, a RADIUS server. The machine's own network is not touched.
  3. tells a story: two subscribers log in over 802.1X (EAP-MD5 and PEAP), a third does not; each asks for
     channels; what arrives is counted on its cable; one leaves, one logs off, one loses the link; the
     accounting records are compared with what was counted.
  4. prints a table: what was expected, what was seen, pass or FAIL.
  5. stays up for trying things out until Ctrl-C, with the commands to try.

Needs root. Everything that the lab made is gone afterwards, also after Ctrl-C or a failed step.

Options:
  --once               end after the table; exit code 0 when all came true, else 1
  --encoding ENCODING  how a group is written in RADIUS: h3c (default) or huawei
  --help               print this
`;

const options = readOptions(process.argv.slice(2));
if (typeof options === 'string') {
  const wanted = options === HELP;
  (wanted ? process.stdout : process.stderr).write(options);
  process.exit(wanted ? 0 : 2);
}
try {
  await ready('lab');
} catch (error) {
  if (!(error instanceof NotReady)) throw error;
  console.error(`castgate: ${error.message}`);
  process.exit(1);
}
const { start } = await import('../dist/lab/start.js');
process.exit(await start(options));

/** The options, or a text to print instead of starting. */
function readOptions(words) {
  const found = { once: false, encoding: 'h3c' };
  for (let i = 0; i < words.length; i++) {
    const [word, value] = words[i].split('=', 2);
    if (word === '--help' || word === '-h') return HELP;
    if (word === '--once' && value === undefined) found.once = true;
    else if (word === '--encoding') {
      const encoding = value ?? words[++i];
      if (encoding !== 'h3c' && encoding !== 'huawei')
        return `castgate: --encoding is h3c or huawei, not ${encoding ?? 'nothing'}\n`;
      found.encoding = encoding;
    } else return `castgate: unknown option ${words[i]} (see npm start -- --help)\n`;
  }
  return found;
}
