/** Starts the program that is to go on, beside this one, with its own end of the two sockets between them. */
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errnoName, loadNative } from '../../switch/native.ts';
import type { Newcomer } from './hand-over.ts';
import { HandoverChannel } from './handover-channel.ts';
import type { HandoverMessage } from './handover-message.ts';

/** In the environment of the new process: which of its descriptors are the two sockets. */
export const UPGRADE_VARIABLE = 'CASTGATE_UPGRADE';

/** The program at a path: a file, the folder of a package, or (undefined) the file that runs here. Throws. */
export function programAt(path: string | undefined, running = process.argv[1] ?? ''): string {
  if (path === undefined) return running;
  const there = resolve(path);
  if (!existsSync(there)) throw new Error(`${there} is not there`);
  const program = statSync(there).isDirectory() ? join(there, 'dist/cli/main.js') : there;
  if (!existsSync(program)) throw new Error(`${there} is no castgate: it has no dist/cli/main.js`);
  return program;
}

/** Starts it with the arguments of this process. Throws where that cannot be done. */
export function startProgram(program: string): Newcomer {
  const native = loadNative();
  const [ownFrames, itsFrames] = pair();
  const [ownDescriptors, itsDescriptors] = pairAfter([ownFrames, itsFrames]);
  const { WATCHDOG_PID: _, ...environment } = process.env;
  const child = spawn(process.execPath, [...process.execArgv, program, ...process.argv.slice(2)], {
    detached: true,
    env: { ...environment, [UPGRADE_VARIABLE]: '3 4' },
    stdio: ['ignore', 'inherit', 'inherit', itsFrames, itsDescriptors],
  });
  native.close(itsFrames);
  native.close(itsDescriptors);
  const queue: HandoverMessage[] = [];
  let listener: Parameters<Newcomer['listen']>[0] | undefined;
  let end: string | undefined;
  let isGone = false;
  let isShut = false;
  const gone = new Promise<void>((done) => {
    const over = (why: string) => {
      if (isGone) return;
      isGone = true;
      end ??= why;
      // What it said last is read before its end counts.
      if (isShut) listener?.ended(end);
      done();
    };
    child.once('exit', (code, signal) => over(`the new process ended ${signal ?? `with code ${code}`}`));
    child.once('error', (cause) => over(`the new process cannot be started: ${cause.message}`));
  });
  let shut: () => void = () => {};
  const closed = new Promise<void>((done) => {
    shut = done;
  });
  const channel = new HandoverChannel(ownFrames, ownDescriptors, {
    message: (message) => (listener === undefined ? queue.push(message) : listener.message(message)),
    frame: () => {},
    ended: () => {
      isShut = true;
      shut();
      // A process that lives and has closed its end is of no use; how it ended is the better word.
      setTimeout(() => listener?.ended(end ?? 'the new process has closed its end'), isGone ? 0 : END_MS);
    },
  });
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  child.unref();
  return {
    pid: child.pid ?? 0,
    say: (message) => {
      // Once it serves, it outlives this process.
      if (message.say === 'go') process.removeListener('exit', killAtExit);
      channel.say(message);
    },
    send: (type, payload) => channel.send(type, payload),
    drained: () => channel.drained(),
    give: (descriptors) => channel.give(descriptors),
    listen: (to) => {
      listener = to;
      for (const message of queue.splice(0)) to.message(message);
      if (isGone && isShut) to.ended(end ?? '');
    },
    end: async () => {
      process.removeListener('exit', killAtExit);
      if (!isGone) child.kill('SIGKILL');
      await gone;
      if (child.pid !== undefined) await closed;
      channel.close();
    },
  };
}

/** Another pair; where there is none, the first is closed again. */
function pairAfter(first: readonly number[]): [number, number] {
  try {
    return pair();
  } catch (cause) {
    for (const descriptor of first) loadNative().close(descriptor);
    throw cause;
  }
}

function pair(): [number, number] {
  const out = new Int32Array(2);
  const failed = loadNative().socketPair(out);
  if (failed < 0) throw new Error(`no sockets for the new process: ${errnoName(failed)}`);
  return [out[0] ?? -1, out[1] ?? -1];
}

/** Between the end of a process's sockets and the news of its own. */
const END_MS = 100;
