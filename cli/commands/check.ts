/** `castgate check`. */
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { usable } from '../config-file.ts';
import { type Context, EXIT_USAGE } from '../output.ts';

export function addCheck(program: Command, { output, done }: Context): void {
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

const CHECK = `Reads a configuration file and the secret files that it names, and prints all
that is wrong with them, each with line and column. No network and no kernel is
touched.`;
const CHECK_HELP = `
Exit codes: 0 valid, also with warnings · 2 not valid

Example:
  castgate check /etc/castgate.yaml`;
