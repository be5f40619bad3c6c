/**
 * `castgate replay`: decides over a capture what the daemon would. Touches no network, no kernel, and no file
 * but the capture and the configuration: the secrets are not needed, since both ends of RADIUS are here.
 */
import { loadConfig } from '../../config/load.ts';
import { usable } from '../config-file.ts';
import { CaptureFileError } from '../decode/capture-file.ts';
import type { Output } from '../output.ts';
import type { Progress } from '../progress.ts';
import { type ReplayCapture, readReplay } from './frames.ts';
import { portChoice } from './ports.ts';
import { type Decision, describeDecision } from './print.ts';
import { Replay, STAND_IN_SECRET } from './run.ts';

/** How to replay. `ports` are the values of --port: NAME, or IFINDEX=NAME. */
export interface ReplayOptions {
  readonly json: boolean;
  readonly ports?: readonly string[];
}

/**
 * Exit code 0: the capture was replayed to its end. 2: the configuration or the capture cannot be used; `err`
 * says why and nothing is printed.
 */
export async function replayCapture(
  path: string,
  configPath: string,
  options: ReplayOptions,
  out: Output['out'],
  err: Output['err'] = (text) => process.stderr.write(text),
  say: Progress = () => {},
): Promise<0 | 2> {
  const config = usable(
    loadConfig(
      configPath,
      () => ({ secret: STAND_IN_SECRET, remarks: [] }),
      () => ({ pem: STAND_IN_SECRET }),
    ),
    err,
  );
  if (config === undefined) return 2;
  const choice = portChoice(options.ports ?? [], config);
  if (typeof choice === 'string') {
    err(`castgate: ${choice}\n`);
    return 2;
  }
  let capture: ReplayCapture;
  try {
    const ports = config.radius.servers.flatMap((server) => [server.authPort, server.acctPort]);
    capture = await readReplay(path, ports);
  } catch (cause) {
    if (!(cause instanceof CaptureFileError)) throw cause;
    err(`castgate: ${cause.message}\n`);
    return 2;
  }
  const print = (decision: Decision) =>
    out(`${options.json ? JSON.stringify(decision) : describeDecision(decision)}\n`);
  new Replay(config, capture, choice, print).run(say);
  return 0;
}
