/**
 * castgate's commands. Exit codes: 0 done, 1 failed at run time, 2 wrong usage or wrong configuration. What
 * goes wrong as it may reads as one line on standard error: what, where, and what to do.
 */
import { readFileSync } from 'node:fs';
import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander';
import type { Config } from '../config/config.ts';
import { closest } from '../config/did-you-mean.ts';
import { loadConfig } from '../config/load.ts';
import { infoAt } from '../config/reference.ts';
import { usable } from './config-file.ts';
import { askDaemon } from './control-client.ts';
import { SHOW_TOPICS, type ShowTopic, show } from './show.ts';

/** Where output goes. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Runs one command line (without `node` and the script) to its end; gives the exit code. */
export async function runCommand(argv: readonly string[], output: Output): Promise<number> {
  let code = EXIT_OK;
  const program = commands(output, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    throw cause;
  }
}

function commands(output: Output, done: (code: number) => void): Command {
  const program = new Command('castgate')
    .description('802.1X authenticator with multicast admission control for Linux switches')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError("(see 'castgate --help')")
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .addHelpText('after', HELP);

  program
    .command('run')
    .summary('run the daemon on this switch')
    .description(RUN)
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--cleanup', 'on a clean stop, take everything back that castgate made in the kernel', false)
    .addHelpText('after', RUN_HELP)
    .action(async (options: { config: string; cleanup: boolean }) => {
      const config = usable(loadConfig(options.config), output.err);
      if (config === undefined) return done(EXIT_USAGE);
      const { runDaemon } = await import('../daemon/run.ts');
      done(await runDaemon(config, { cleanup: options.cleanup }));
    });

  program
    .command('check')
    .summary('check a configuration file; touches nothing')
    .description(CHECK)
    .argument('<file>', 'configuration file')
    .addHelpText('after', CHECK_HELP)
    .action((file: string) => {
      const config = usable(loadConfig(file), output.err);
      if (config === undefined) return done(EXIT_USAGE);
      output.out(`${file}: valid (${summary(config)})\n`);
    });

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

  for (const [verb, summary, description] of [
    ['promote', 'let this node of two serve', PROMOTE],
    ['demote', 'let this node of two stand by', DEMOTE],
  ] as const) {
    program
      .command(verb)
      .summary(summary)
      .description(description)
      .option('-s, --socket <path>', 'control socket of the daemon')
      .option('-c, --config <file>', 'configuration file that names the control socket')
      .addHelpText('after', ROLE_HELP)
      .action(async (options: { socket?: string; config?: string }) => {
        const path = socketPath(options, output);
        if (path === undefined) return done(EXIT_USAGE);
        const answer = await askDaemon(path, verb, {}, ROLE_PATIENCE_MS);
        if (!('failed' in answer)) return;
        output.err(`castgate: ${answer.failed}\n`);
        done(EXIT_FAILED);
      });
  }

  program
    .command('decode')
    .summary('print the frames of a capture file, one a line')
    .description(DECODE)
    .argument('<file>', 'capture file (pcap, pcapng)')
    .option('--json', 'one JSON object a frame', false)
    .option('--secret <secret>', 'RADIUS shared secret: also check the authenticators')
    .addHelpText('after', DECODE_HELP)
    .action(async (file: string, options: { json: boolean; secret?: string }) => {
      const { decodeCapture } = await import('./decode.ts');
      const { json, secret } = options;
      done(await decodeCapture(file, { json, secret }, output.out, output.err));
    });

  program
    .command('replay')
    .summary('decide over a capture file what the daemon would; touches nothing')
    .description(REPLAY)
    .argument('<file>', 'capture file (pcap, pcapng)')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--json', 'one JSON object a decision', false)
    .option('-p, --port <port>', 'NAME, or IFINDEX=NAME (repeatable): where the hosts are', several, [])
    .addHelpText('after', REPLAY_HELP)
    .action(async (file: string, options: { config: string; json: boolean; port: readonly string[] }) => {
      const { replayCapture } = await import('./replay.ts');
      const { json, port: ports } = options;
      done(await replayCapture(file, options.config, { json, ports }, output.out, output.err));
    });
  return program;
}

function several(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function topic(word: string): ShowTopic {
  const found = SHOW_TOPICS.find((each) => each === word);
  if (found !== undefined) return found;
  const near = closest(word, SHOW_TOPICS);
  throw new InvalidArgumentError(
    `There are ${SHOW_TOPICS.join(', ')}${near === undefined ? '' : ` (did you mean ${near}?)`}.`,
  );
}

function summary(config: Config): string {
  const many = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const { ports, uplinks, radius } = config;
  return [
    `bridge ${config.bridge}`,
    many(ports.length, 'subscriber port'),
    many(uplinks.length, 'uplink'),
    many(radius.servers.length, 'RADIUS server'),
  ].join(', ');
}

function socketPath(options: { socket?: string; config?: string }, output: Output): string | undefined {
  if (options.socket !== undefined) return options.socket;
  if (options.config === undefined) return DEFAULT_SOCKET;
  // Who may only ask needs no permission to read secrets.
  const loaded = loadConfig(options.config, () => ({ secret: new Uint8Array(1), remarks: [] }));
  return usable({ ...loaded, warnings: [] }, output.err)?.controlSocket;
}

function version(): string {
  // Two folders up from dist/cli, one from cli.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (name === 'castgate') return version;
    } catch {
      // Not there: the next place.
    }
  }
  return 'unknown';
}

/** Longer than an active may take to give its last records, or a lease to run out. */
const ROLE_PATIENCE_MS = 20_000;
const DEFAULT_SOCKET = infoAt(['control_socket'])?.fallback ?? '';

const HELP = `
Exit codes: 0 done · 1 failed at run time · 2 wrong usage or wrong configuration

Examples:
  castgate check /etc/castgate.yaml
  castgate run --config /etc/castgate.yaml
  castgate show sessions
  castgate decode port3.pcap --json`;

const RUN = `Runs the authenticator in the foreground until SIGTERM or SIGINT. Ports are
locked, hosts are let in by 802.1X, joins are answered by RADIUS. The log is
JSON lines on standard output. Needs root, or CAP_NET_ADMIN and CAP_NET_RAW.`;
const RUN_HELP = `
Without --cleanup a stop leaves ports locked, hosts in and channels flowing as
they are, so that a restart is not felt.

Examples:
  castgate run --config /etc/castgate.yaml
  castgate run --config /etc/castgate.yaml --cleanup`;

const CHECK = `Reads a configuration file and the secret files that it names, and prints all
that is wrong with them, each with line and column. No network and no kernel is
touched.`;
const CHECK_HELP = `
Exit codes: 0 valid, also with warnings · 2 not valid

Example:
  castgate check /etc/castgate.yaml`;

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

const PROMOTE = `Tells the daemon of this node to serve: it asks the other node to hand over, or
waits until that one cannot serve any more, and goes on with its records. For
keepalived's notify_master script where there is no notify FIFO, and for people.`;
const DEMOTE = `Tells the daemon of this node to stand by: it brings what it has begun to an end,
gives the other node the last of its records, and lets its ports go silent.`;
const ROLE_HELP = `
Returns when it is done. The node that keepalived has made master should be the
one that serves: castgate obeys whoever spoke last.

Exit codes: 0 done · 1 it could not be done, and why · 2 wrong usage

Examples:
  castgate promote
  castgate demote --socket /run/castgate/control.sock`;

const DECODE = `Decodes EAPOL, EAP, RADIUS, IGMP and MLD in a pcap or pcapng file (Ethernet,
Linux cooked v1 and v2, raw IP). A frame that is broken in one of these carries
the reason and stops nothing.`;
const DECODE_HELP = `
Exit codes: 0 the file was read to its end · 2 no capture file, or cut off

Examples:
  castgate decode port3.pcap
  castgate decode radius.pcap --json --secret lab-secret`;

const REPLAY = `Runs the daemon's own machines over a capture with the capture's time, and
prints each decision with its reason. No network, no kernel and no file but
the two named is touched; secret files are not read.`;
const REPLAY_HELP = `
A capture knows no port names: all hosts are on the first configured port, or
on --port NAME. Linux cooked v2 (tcpdump -i any -y LINUX_SLL2) tells interfaces
apart: they become ports by recorded NAS-Port-Id, then in their order, and
--port IFINDEX=NAME says otherwise.
Questions to RADIUS are answered from the capture alone: by a recorded request
that asks the same, and for a login without recorded RADIUS by what the
recorded switch told the supplicant. What was not recorded stays unanswered.
In JSON, frame is the number of the frame that caused the decision, null for a
timer; lines with decision "note" explain how the capture was read.

Exit codes: 0 replayed to the end · 2 configuration or capture cannot be used

Examples:
  castgate replay port3.pcap --config /etc/castgate.yaml --port swp3
  castgate replay switch.pcap --config /etc/castgate.yaml --port 7=swp3 --json`;
