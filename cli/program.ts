/**
 * castgate's commands. Exit codes: 0 done, 1 failed at run time, 2 wrong usage or wrong configuration. What
 * goes wrong as it may reads as one line on standard error: what, where, and what to do.
 */
import { Command, CommanderError } from 'commander';
import { programVersion } from '../daemon/program-version.ts';
import { addAccounting } from './accounting/command.ts';
import { addCheck } from './commands/check.ts';
import { addCompletion } from './commands/completion.ts';
import { addExplain } from './commands/explain.ts';
import { addLog } from './commands/log.ts';
import { addOrders } from './commands/orders.ts';
import { addReload } from './commands/reload.ts';
import { addRoles } from './commands/role.ts';
import { addRun } from './commands/run.ts';
import { addTest } from './commands/test.ts';
import { addTrace } from './commands/trace.ts';
import { addUpgrade } from './commands/upgrade.ts';
import { addDecode } from './decode/command.ts';
import { type Context, EXIT_OK, EXIT_USAGE, type Output } from './output.ts';
import { addReplay } from './replay/command.ts';
import { addShow } from './show/command.ts';

/** Runs one command line (without `node` and the script) to its end; gives the exit code. */
export async function runCommand(argv: readonly string[], output: Output): Promise<number> {
  let code = EXIT_OK;
  const program = commands({
    output,
    done: (result) => {
      code = result;
    },
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    throw cause;
  }
}

/** All commands, in the order in which the help lists them. */
export function commands(context: Context): Command {
  const { output } = context;
  const program = new Command('castgate')
    .description('802.1X authenticator with multicast admission control for Linux switches')
    .version(programVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showHelpAfterError("(see 'castgate --help')")
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .addHelpText('after', HELP);
  for (const add of [
    addRun,
    addCheck,
    addShow,
    addTrace,
    addTest,
    addExplain,
    addOrders,
    addLog,
    addReload,
    addUpgrade,
    addRoles,
    addAccounting,
    addDecode,
    addReplay,
    addCompletion,
  ])
    add(program, context);
  return program;
}

const HELP = `
Exit codes: 0 done · 1 failed at run time · 2 wrong usage or wrong configuration

Examples:
  castgate check /etc/castgate/castgate.yaml
  castgate run --config /etc/castgate/castgate.yaml
  castgate show sessions
  castgate decode port3.pcap --json`;
