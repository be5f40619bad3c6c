/** Asks a running daemon over its control socket, and says in words for people why there is no answer. */
import { connect } from 'node:net';

/** The daemon's answer, or why there is none: one line that says what to do. */
export type ControlAnswer = { readonly result: unknown } | { readonly failed: string };

/** Asks one question. Never throws. `givenUp`: nobody waits for the answer any more, and nothing is left open. */
export function askDaemon(
  path: string,
  verb: string,
  params: Readonly<Record<string, unknown>> = {},
  timeoutMs = 5000,
  givenUp?: AbortSignal,
): Promise<ControlAnswer> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    const finish = (answer: ControlAnswer) => {
      clearTimeout(timer);
      givenUp?.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      finish({ failed: `no answer on ${path} within ${timeoutMs / 1000} s: see the daemon's log` });
    }, timeoutMs);
    const giveUp = () => finish({ failed: 'given up' });
    if (givenUp?.aborted === true) return giveUp();
    givenUp?.addEventListener('abort', giveUp, { once: true });
    socket.once('connect', () => socket.write(`${JSON.stringify({ verb, params })}\n`));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunk.includes(LF)) finish(readAnswer(Buffer.concat(chunks).toString('utf8'), path));
    });
    socket.once('close', () =>
      finish({ failed: `${path} closed the connection without an answer: see the daemon's log` }),
    );
    socket.on('error', (cause) => finish({ failed: explain(cause, path) }));
  });
}

function readAnswer(text: string, path: string): ControlAnswer {
  const strange = {
    failed: `what answers on ${path} is no castgate: name its control socket with --socket`,
  };
  let answer: unknown;
  try {
    answer = JSON.parse(text.slice(0, text.indexOf('\n')));
  } catch {
    return strange;
  }
  if (typeof answer !== 'object' || answer === null || !('ok' in answer)) return strange;
  if (answer.ok === true && 'result' in answer) return { result: answer.result };
  return 'error' in answer ? { failed: `the daemon refused: ${String(answer.error)}` } : strange;
}

function explain(cause: Error, path: string): string {
  switch ('code' in cause ? cause.code : undefined) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `nobody answers on ${path}: start the daemon with 'castgate run --config FILE', or name its socket with --socket`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to use ${path}: ask as the user that runs the daemon (sudo)`;
    case 'ENOTSOCK':
      return `${path} is not a socket: name castgate's control socket with --socket`;
    default:
      return `cannot ask on ${path}: ${cause.message}`;
  }
}

const LF = 0x0a;
