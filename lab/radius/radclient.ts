/** FreeRADIUS's own client for requests towards a switch: `radclient` as an operator or a portal would use it. */
import { attempt } from '../processes.ts';

/** What came of a request. */
export interface DynamicAnswer {
  /** `Disconnect-ACK`, `CoA-NAK`, …; undefined where no answer came that radclient believes. */
  readonly code: string | undefined;
  /** Name of the Error-Cause in FreeRADIUS's dictionary. */
  readonly errorCause: string | undefined;
  /** All that radclient wrote. */
  readonly output: string;
}

/**
 * Sends a CoA-Request or Disconnect-Request with these attributes (in the words of FreeRADIUS's dictionary) and
 * Event-Timestamp of now out of a namespace. One packet and one second of patience.
 */
export async function radclient(
  namespace: string,
  to: string,
  kind: 'coa' | 'disconnect',
  secret: string,
  attributes: readonly string[],
): Promise<DynamicAnswer> {
  const lines = [...attributes, `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`];
  const command = ['radclient', '-x', '-r', '1', '-t', '1', to, kind, secret];
  const { stdout, stderr } = await attempt(command, { namespace, input: `${lines.join('\n')}\n` });
  const output = stdout + stderr;
  const [, code] = /^Received (\S+) Id/m.exec(output) ?? [];
  const [, errorCause] = /^\s*Error-Cause = (\S+)/m.exec(output) ?? [];
  return { code, errorCause, output };
}
