/** Asks a castgate of the lab over its control socket, without the cost of a process for each question. */
import { connect } from 'node:net';

/** A daemon's answer: a result, or words why there is none. */
export type Answer = { readonly result: unknown } | { readonly refused: string };

/** Asks one question; undefined where nobody answers within the time. */
export function ask(
  path: string,
  verb: string,
  timeoutMs = 1_000,
  params: Readonly<Record<string, unknown>> = {},
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    const finish = (answer: Answer | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    socket.once('connect', () => socket.write(`${JSON.stringify({ verb, params })}\n`));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (!text.includes('\n')) return;
      const line = JSON.parse(text.slice(0, text.indexOf('\n'))) as {
        ok?: unknown;
        result?: unknown;
        error?: unknown;
      };
      finish(line.ok === true ? { result: line.result } : { refused: String(line.error) });
    });
    socket.on('close', () => finish(undefined));
    socket.on('error', () => finish(undefined));
  });
}
