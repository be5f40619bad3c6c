/** `castgate replay`. */
import type { Command } from 'commander';
import type { Context } from '../output.ts';
import { progress } from '../progress.ts';

export function addReplay(program: Command, { output, done }: Context): void {
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
      const { say, end } = progress(output, `replaying ${file}`);
      const code = await replayCapture(file, options.config, { json, ports }, output.out, output.err, say);
      end();
      done(code);
    });
}

function several(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

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
