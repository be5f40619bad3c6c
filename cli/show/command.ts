/** `castgate show`. */
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { closest } from '../../config/file/did-you-mean.ts';
import { DEFAULT_SOCKET, type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { inPlace, live } from '../live.ts';
import { type Context, EXIT_FAILED, EXIT_OK, EXIT_USAGE, type Output } from '../output.ts';
import { type SelectionOptions, selectionOf, withSelection } from '../selection.ts';
import { SELECTABLE, SHOW_WORDS, type Shown, type ShowWord, show } from './show.ts';

export function addShow(program: Command, { output, done }: Context): void {
  const command = program
    .command('show')
    .summary('show what a running daemon knows')
    .description(SHOW)
    .addArgument(new Argument('<what>', SHOW_WORDS.join(' | ')).argParser(word))
    .option('--json', 'JSON for programs', false)
    .option('-w, --watch [seconds]', 'again and again, in place', seconds);
  withSelection(command, ['port', 'mac', 'account', 'group']);
  withSocket(command)
    .addHelpText('after', SHOW_HELP)
    .action(async (what: ShowWord, options: ShowOptions) => {
      const selection = selectionOf(options);
      const useless = Object.keys(selection).filter((name) => !SELECTABLE[what].some((one) => one === name));
      if (useless.length > 0) {
        output.err(
          `castgate: show ${what} has no ${useless.join(', no ')}: leave --${useless.join(', --')} out\n`,
        );
        return done(EXIT_USAGE);
      }
      const path = socketPath(options, output);
      if (path === undefined) return done(EXIT_USAGE);
      const once = () => show(what, path, options.json, Date.now(), selection);
      if (options.watch !== undefined) return done(await watch(once, options, output));
      const shown = await once();
      if ('text' in shown) return output.out(shown.text);
      output.err(`castgate: ${shown.failed}\n`);
      done(EXIT_FAILED);
    });
}

interface ShowOptions extends SelectionOptions, SocketOptions {
  readonly json: boolean;
  readonly watch?: number | true;
}

/** Goes on also while the daemon is away, which is when people look. */
async function watch(once: () => Promise<Shown>, options: ShowOptions, output: Output): Promise<number> {
  const going = live(output);
  const everyMs = (options.watch === true ? 1 : (options.watch ?? 1)) * 1000;
  if (output.isTerminal === true) output.out(CLEAR_SCREEN);
  while (going.goesOn) {
    const shown = await once();
    const text = 'text' in shown ? shown.text : `${shown.failed}\n`;
    output.out(options.json ? text : inPlace(output, text));
    await going.pause(everyMs);
  }
  return EXIT_OK;
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= 0.1 && value <= 3600) return value;
  throw new InvalidArgumentError('A number of seconds: 0.1 to 3600.');
}

function word(text: string): ShowWord {
  const found = SHOW_WORDS.find((each) => each === text);
  if (found !== undefined) return found;
  const near = closest(text, SHOW_WORDS);
  throw new InvalidArgumentError(
    `There are ${SHOW_WORDS.join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}.`,
  );
}

const CLEAR_SCREEN = '\x1b[2J';

const SHOW = `Asks the running daemon and prints a table, or JSON.

  sessions   hosts that are logging in or are in: account, state, octets
  groups     channels that hosts receive, wait for or were refused, and why
  grants     of these, what is granted
  denied     of these, what was refused, and why
  radius     servers: alive or dead, answers, round trip, waiting accounting
  ports      link, hosts, channels, frames, drops by reason; what the kernel refused
  refusals   what the kernel refused on all ports, each of its counters
  ha         which of two nodes serves, how far the other one is, the last takeover
  accounting what is accounted for, what waits for a server, the queue on the disk
  drift      what others changed in the kernel and castgate put right
  privileges what each feature needs of the user that runs the daemon, and has`;
const SHOW_HELP = `
The socket is --socket, else control_socket of --config, else
${DEFAULT_SOCKET}. In JSON, times are milliseconds since 1970 and
what is not known is null. --port, --mac and --account choose hosts, --group
channels. --watch goes on until Ctrl-C.

Examples:
  castgate show sessions
  castgate show denied --account alice
  castgate show groups --port swp3 --watch
  castgate show grants --json | jq '.[].group'
  castgate show ports --socket /run/castgate/control.sock`;
