/** A castgate that was installed, run as a user of its own with the capabilities that a test gives it. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SwitchRig } from '../switch/switch-rig.ts';

/** Nobody's: the user with the fewest files of its own. */
export const USER = 65534;

/** Words before a command that make it this user's, with exactly these capabilities: `net_admin`. */
export function asUser(capabilities: readonly string[]): string[] {
  const added = capabilities.map((name) => `,+${name}`).join('');
  return [
    ...['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', `--reuid=${USER}`, `--regid=${USER}`],
    ...['--clear-groups', `--bounding-set=-all${added}`, `--inh-caps=-all${added}`],
    ...[`--ambient-caps=-all${added}`, '--'],
  ];
}

/** A folder of the user's with a configuration for the rig's switch. */
export function writeConfiguration(folder: string, more: Readonly<Record<string, unknown>> = {}): string {
  const own = join(folder, 'own');
  mkdirSync(own, { recursive: true });
  const secret = join(own, 'secret');
  const file = join(own, 'castgate.yaml');
  const config = {
    bridge: 'br0',
    ports: { swp1: {}, swp2: {} },
    uplinks: ['up0'],
    nas: { identifier: 'test-switch' },
    radius: { servers: [{ name: 'r1', address: '127.0.0.1', secret_file: secret }] },
    control_socket: join(own, 'run', 'control.sock'),
    state_directory: join(own, 'state'),
    ...more,
  };
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  writeFileSync(file, JSON.stringify(config));
  for (const path of [own, secret, file]) chownSync(path, USER, USER);
  chmodSync(folder, 0o755);
  return file;
}

export interface RunningDaemon {
  readonly process: ChildProcessWithoutNullStreams;
  /** What it has written so far. */
  readonly log: () => string;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
}

export function startInstalled(
  rig: SwitchRig,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningDaemon {
  const [program = '', ...args] = command;
  let log = '';
  const child = rig.lab.within('sw', () =>
    spawn(program, args, { stdio: 'pipe', env: { PATH: process.env['PATH'], ...environment } }),
  );
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      log += chunk;
    });
  return {
    process: child,
    log: () => log,
    ended: new Promise((done) => child.once('close', (code) => done(code))),
  };
}
