/**
 * The form of the lab's own small programs (receiver, channel source, upstream router): commands as lines on
 * standard input, answers and events as JSON lines on standard output. An answer has `did`, an event has
 * `event`; answers come in the order of the commands. People can type the commands as well.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LabError, LabProcess } from './processes.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Serves commands. `atEnd` is called at the end of standard input. A command that throws is answered with `refused`. */
export function serveCommands(
  perform: (verb: string, args: readonly string[]) => Json | Promise<Json>,
  atEnd: () => void,
): void {
  let last = Promise.resolve();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const [verb = '', ...args] = line.trim().split(/\s+/);
    if (verb === '') return;
    last = last.then(async () => {
      try {
        emit({ did: verb, ...(await perform(verb, args)) });
      } catch (error) {
        emit({ did: verb, refused: error instanceof Error ? error.message : String(error) });
      }
    });
  });
  lines.on('close', () => void last.then(atEnd));
}

/** Writes one JSON line. */
export function emit(value: Json): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The programs, by their path from lab/. */
export type ProgramName =
  | 'receiver'
  | 'channel-source'
  | 'upstream-router'
  | 'radius/slow-radius'
  | 'radius/tls-front'
  | 'ha/viewers'
  | 'ha/crowd'
  | 'ha/caller'
  | 'takeover/counting-server'
  | 'takeover/joiner'
  | 'takeover/bad-link'
  | 'upgrade/subscribers'
  | '../bench/players'
  | '../bench/ha/observer';

/** One of the lab's programs, running in a namespace. */
export class LineProgram {
  readonly process: LabProcess;
  readonly #waiting: { resolve: (answer: Json) => void; reject: (error: Error) => void }[] = [];
  readonly #events: Json[] = [];

  private constructor(process: LabProcess) {
    this.process = process;
    process.onLine((line, from) => {
      if (from === 'stdout') this.#take(line);
    });
    void process.ended().then(() => {
      for (const waiting of this.#waiting.splice(0))
        waiting.reject(new LabError(`${process.name} ended`, process.tail()));
    });
  }

  /** Starts a program of the build, by its path from lab/; resolves when it says that it is ready. */
  static async start(
    name: string,
    program: ProgramName,
    args: readonly string[],
    namespace: string,
  ): Promise<LineProgram> {
    const started = new LineProgram(
      LabProcess.start(name, [process.execPath, builtProgram(program), ...args], namespace),
    );
    await started.process.waitForLine(/"event":"ready"/, 10_000);
    return started;
  }

  /** Gives a command and waits for its answer. Throws LabError where it is refused or not answered. */
  async ask(command: string, timeoutMs = 5_000): Promise<Json> {
    const answer = await new Promise<Json>((resolve, reject) => {
      if (!this.process.running) {
        reject(new LabError(`${this.process.name} is not running`, this.process.tail()));
        return;
      }
      const timer = setTimeout(
        () => reject(new LabError(`${this.process.name} did not answer \`${command}\``, this.process.tail())),
        timeoutMs,
      );
      this.#waiting.push({
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject,
      });
      this.process.writeLine(command);
    });
    if (typeof answer['refused'] === 'string')
      throw new LabError(`${this.process.name} refused \`${command}\`: ${answer['refused']}`);
    return answer;
  }

  /** What it told by itself so far. */
  get events(): readonly Json[] {
    return this.#events;
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM', 1_000);
  }

  #take(line: string): void {
    let value: Json;
    try {
      value = JSON.parse(line) as Json;
    } catch {
      return; // not of ours: a warning of the runtime
    }
    if (typeof value['did'] === 'string') this.#waiting.shift()?.resolve(value);
    else this.#events.push(value);
  }
}

/** Path of a built program of lab/, whether this module runs out of dist/ or out of the sources. */
export function builtProgram(name: string): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(
    new URL(here.endsWith('.ts') ? `../dist/lab/${name}.js` : `${name}.js`, import.meta.url),
  );
}
