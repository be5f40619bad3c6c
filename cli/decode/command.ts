/** `castgate decode`. */
import type { Command } from 'commander';
import type { Context } from '../output.ts';

export function addDecode(program: Command, { output, done }: Context): void {
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
}

const DECODE = `Decodes EAPOL, EAP, RADIUS, IGMP and MLD in a pcap or pcapng file (Ethernet,
Linux cooked v1 and v2, raw IP). A frame that is broken in one of these carries
the reason and stops nothing.`;
const DECODE_HELP = `
Exit codes: 0 the file was read to its end · 2 no capture file, or cut off

Examples:
  castgate decode port3.pcap
  castgate decode radius.pcap --json --secret lab-secret`;
