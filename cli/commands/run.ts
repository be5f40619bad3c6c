/** `castgate run`. */
import type { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { UPGRADE_VARIABLE } from '../../daemon/upgrade/new-process.ts';
import { usable } from '../config-file.ts';
import { type Context, EXIT_USAGE } from '../output.ts';

export function addRun(program: Command, { output, done }: Context): void {
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
      const { runDaemon } = await import('../../daemon/run.ts');
      const [frames, descriptors] = (process.env[UPGRADE_VARIABLE] ?? '').split(' ').map(Number);
      delete process.env[UPGRADE_VARIABLE];
      const upgrade = frames && descriptors ? { upgrade: { frames, descriptors } } : {};
      done(await runDaemon(config, { cleanup: options.cleanup, ...upgrade }));
    });
}

const RUN = `Runs the authenticator in the foreground until SIGTERM or SIGINT. Ports are
locked, hosts are let in by 802.1X, joins are answered by RADIUS. The log is
JSON lines on standard output. Needs root, or CAP_NET_ADMIN and CAP_NET_RAW.`;
const RUN_HELP = `
Without --cleanup a stop leaves ports locked, hosts in and channels flowing as
they are, so that a restart is not felt.

Examples:
  castgate run --config /etc/castgate/castgate.yaml
  castgate run --config /etc/castgate/castgate.yaml --cleanup`;
