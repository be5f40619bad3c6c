/** What an operator does to who is in: `castgate reauth|disconnect|revoke|clear|port`. */
import { Argument, type Command } from 'commander';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { type SelectionOptions, selectionOf, withSelection } from '../selection.ts';
import { printable } from '../table.ts';

interface OrderOptions extends SelectionOptions, SocketOptions {
  readonly all?: boolean;
  readonly json: boolean;
}

interface Order {
  readonly verb: string;
  readonly summary: string;
  readonly description: string;
  readonly by: readonly (keyof SelectionOptions)[];
  readonly all?: string;
  readonly example: string;
}

export function addOrders(program: Command, context: Context): void {
  for (const order of ORDERS) {
    const command = program.command(order.verb).summary(order.summary).description(order.description);
    withSelection(command, order.by);
    if (order.all !== undefined) command.option('--all', order.all);
    withSocket(command)
      .option('--json', 'JSON for programs', false)
      .addHelpText('after', helpOf(order.example))
      .action((options: OrderOptions) => obey(order.verb, options, context));
  }
  const port = program.command('port').summary('shut or open a subscriber port').description(PORT);
  withSocket(
    port
      .addArgument(
        new Argument('<what>', 'shut: nobody in, link down · open: link up').choices(['shut', 'open']),
      )
      .argument('<port>', 'name of the port'),
  )
    .option('--json', 'JSON for programs', false)
    .addHelpText('after', helpOf('castgate port shut swp3\n  castgate port open swp3'))
    .action((what: string, name: string, options: OrderOptions) =>
      obey(`port-${what}`, { ...options, port: name }, context),
    );
}

async function obey(verb: string, options: OrderOptions, { output, done }: Context): Promise<void> {
  const path = socketPath(options, output);
  if (path === undefined) return done(EXIT_USAGE);
  const params = { ...selectionOf(options), ...(options.all === true && { all: true }) };
  const answer = await askDaemon(path, verb, params);
  if ('failed' in answer) {
    output.err(`castgate: ${answer.failed}\n`);
    return done(EXIT_FAILED);
  }
  if (options.json) return output.out(`${JSON.stringify(answer.result)}\n`);
  const { result } = answer;
  const list = typeof result === 'object' && result !== null && 'done' in result ? result.done : [];
  for (const one of Array.isArray(list) ? list : []) output.out(`${printable(String(one))}\n`);
}

function helpOf(example: string): string {
  return `
Prints what it was done to, one a line: port/VLAN/MAC, then group/source of a
channel.

Exit codes: 0 done · 1 nobody was meant, or it could not be done · 2 wrong usage

Examples:
  ${example}`;
}

const ORDERS: readonly Order[] = [
  {
    verb: 'reauth',
    summary: 'have hosts authenticate again',
    description: `Asks hosts that are in to authenticate again. They stay in meanwhile, and lose
nothing where it succeeds.`,
    by: ['port', 'mac', 'account'],
    all: 'everybody on the switch',
    example: 'castgate reauth --account alice\n  castgate reauth --port swp3',
  },
  {
    verb: 'disconnect',
    summary: 'end sessions',
    description: `Ends the sessions of hosts, with their channels, and asks them to log in anew.
RADIUS is told Admin-Reset as the cause.`,
    by: ['port', 'mac', 'account'],
    all: 'everybody on the switch',
    example: 'castgate disconnect --mac 02:00:00:00:0a:01\n  castgate disconnect --port swp3',
  },
  {
    verb: 'revoke',
    summary: 'take channels from an account',
    description: `Takes a channel, or all that it receives, from an account while they play. It
counts as a denial of RADIUS: after groups.deny the next join asks again. To keep
somebody out for longer, tell the RADIUS server.`,
    by: ['account', 'group'],
    example: 'castgate revoke --account alice --group 239.1.1.1\n  castgate revoke --account alice',
  },
  {
    verb: 'clear',
    summary: 'forget what RADIUS has decided about channels',
    description: `Forgets decisions about groups, permissions and denials, so that the next join
asks RADIUS again. What is granted goes on.`,
    by: ['account', 'group'],
    all: 'all decisions',
    example: 'castgate clear --account alice\n  castgate clear --group 239.1.1.1',
  },
];

const PORT = `Shuts a subscriber port: sessions behind it end (Port Disabled), and its link is
taken down until it is opened again: also over a restart of the daemon, an upgrade and a
takeover, and where somebody else sets the link up. On a pair the port of both nodes is shut.`;
