/** `castgate show`. */
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { closest } from '../../config/did-you-mean.ts';
import { DEFAULT_SOCKET, socketPath } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { SHOW_TOPICS, type ShowTopic, show } from '../show.ts';

export function addShow(program: Command, { output, done }: Context): void {
  program
    .command('show')
    .summary('show what a running daemon knows')
    .description(SHOW)
    .addArgument(new Argument('<what>', SHOW_TOPICS.join(' | ')).argParser(topic))
    .option('--json', 'JSON for programs', false)
    .option('-s, --socket <path>', 'control socket of the daemon')
    .option('-c, --config <file>', 'configuration file that names the control socket')
    .addHelpText('after', SHOW_HELP)
    .action(async (what: ShowTopic, options: { json: boolean; socket?: string; config?: string }) => {
      const path = socketPath(options, output);
      if (path === undefined) return done(EXIT_USAGE);
      const shown = await show(what, path, options.json, Date.now());
      if ('text' in shown) return output.out(shown.text);
      output.err(`castgate: ${shown.failed}\n`);
      done(EXIT_FAILED);
    });
}

function topic(word: string): ShowTopic {
  const found = SHOW_TOPICS.find((each) => each === word);
  if (found !== undefined) return found;
  const near = closest(word, SHOW_TOPICS);
  throw new InvalidArgumentError(
    `There are ${SHOW_TOPICS.join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}.`,
  );
}

const SHOW = `Asks the running daemon and prints a table, or JSON.

  sessions   hosts that are logging in or are in: account, state, octets
  groups     channels that hosts receive, wait for or were refused, and why
  radius     servers: alive or dead, answers, round trip, waiting accounting
  ports      link, hosts, channels, frames, drops by reason; what the kernel refused
  refusals   what the kernel refused on all ports, each of its counters
  ha         which of two nodes serves, how far the other one is, the last takeover
  accounting what is accounted for, what waits for a server, the queue on the disk`;
const SHOW_HELP = `
The socket is --socket, else control_socket of --config, else
${DEFAULT_SOCKET}. In JSON, times are milliseconds since 1970 and
what is not known is null.

Examples:
  castgate show sessions
  castgate show groups --json | jq '.[] | select(.state == "refused")'
  castgate show ports --socket /run/castgate/control.sock`;
