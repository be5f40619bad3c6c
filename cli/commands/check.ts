/** `castgate check`. */
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import { privilegeRows } from '../../daemon/privileges.ts';
import { usable } from '../config-file.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { renderPrivileges } from '../show/show.ts';

export function addCheck(program: Command, { output, done }: Context): void {
  program
    .command('check')
    .summary('check a configuration file; touches nothing')
    .description(CHECK)
    .argument('<file>', 'configuration file')
    .option('--privileges', 'also what each feature needs of the user that runs this', false)
    .addHelpText('after', CHECK_HELP)
    .action((file: string, options: { privileges: boolean }) => {
      const config = usable(loadConfig(file), output.err);
      if (config === undefined) return done(EXIT_USAGE);
      output.out(`${file}: valid (${summary(config)})\n`);
      if (!options.privileges) return;
      const rows = privilegeRows(config);
      output.out(renderPrivileges(rows));
      if (rows.some(({ held }) => !held)) done(EXIT_FAILED);
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
Exit codes: 0 valid, also with warnings · 1 with --privileges, where this user
lacks some · 2 not valid

Examples:
  castgate check /etc/castgate/castgate.yaml
  sudo -u castgate castgate check --privileges /etc/castgate/castgate.yaml`;
