/** Which control socket a command asks on. */
import type { Command } from 'commander';
import { infoAt } from '../config/reference/reference.ts';
import { usable, withoutSecrets } from './config-file.ts';
import type { Output } from './output.ts';

export interface SocketOptions {
  readonly socket?: string;
  readonly config?: string;
}

/** Adds the options that say which daemon is meant. */
export function withSocket(command: Command): Command {
  return command
    .option('-s, --socket <path>', 'control socket of the daemon')
    .option('-c, --config <file>', 'configuration file that names the control socket');
}

/** Undefined where the configuration that should name it cannot be used, after that was said. */
export function socketPath(options: SocketOptions, output: Output): string | undefined {
  if (options.socket !== undefined) return options.socket;
  if (options.config === undefined) return DEFAULT_SOCKET;
  // Who may only ask needs no permission to read secrets.
  return usable(withoutSecrets(options.config), output.err)?.controlSocket;
}

export const DEFAULT_SOCKET = infoAt(['control_socket'])?.fallback ?? '';
