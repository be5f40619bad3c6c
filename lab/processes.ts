/**
 * Programs that the lab starts: each in a network namespace, known by its pid, its last lines kept for the
 * case that something fails. Invariant: whatever was started here dies with its owner, even when the owner
 * is killed with SIGKILL (the kernel sends the parent-death signal), and is only ever signalled by pid.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A step of the lab that did not come about: what was expected, and what the programs said last. */
export class LabError extends Error {
  readonly detail: readonly string[];
  constructor(message: string, detail: readonly string[] = []) {
    super(message);
    this.name = 'LabError';
    this.detail = detail;
  }
}

export interface RunOptions {
  /** Network namespace to run in; this process's own when left out. */
  readonly namespace?: string;
  /** Default 10,000. */
  readonly timeoutMs?: number;
  readonly input?: string;
}

export interface RunResult {
  /** Exit status; undefined where a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Does not judge its exit status; throws LabError when it cannot run or hangs. */
export function attempt(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program = '', ...args] = inNamespace(command, options.namespace);
  const timeoutMs = options.timeoutMs ?? 10_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new LabError(`\`${command.join(' ')}\` did not end within ${timeoutMs} ms`));
    }, timeoutMs);
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.stdin.on('error', () => {}); // it may end without reading its input
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new LabError(`cannot run \`${command.join(' ')}\`: ${error.message}`));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? undefined, stdout, stderr });
    });
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program that has to succeed, and gives what it wrote to standard output. Throws LabError. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await attempt(command, options);
  if (result.code !== 0)
    throw new LabError(
      `\`${command.join(' ')}\` failed${options.namespace === undefined ? '' : ` in ${options.namespace}`}`,
      lastLines(`${result.stdout}${result.stderr}`),
    );
  return result.stdout;
}

/** A program that stays. Its output arrives line by line, standard output and standard error together. */
export class LabProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #tail: string[] = [];
  readonly #listeners = new Set<(line: string, from: 'stdout' | 'stderr') => void>();
  readonly #ended: Promise<void>;
  #over = false;
  /** Of the process that has taken its place. */
  #successor: number | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      const end = () => {
        this.#over = true;
        resolve();
      };
      child.on('close', end);
      child.on('error', (error) => {
        this.#tail.push(error.message);
        end();
      });
    });
    for (const from of ['stdout', 'stderr'] as const) {
      const stream = child[from];
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#tail.push(line);
        if (this.#tail.length > KEPT_LINES) this.#tail.shift();
        for (const listener of [...this.#listeners]) listener(line, from);
      });
    }
    child.stdin?.on('error', () => {}); // the program has ended; whoever waits for its answer is told so
  }

  /** Starts a program in a namespace; it is killed when this process ends, however that happens. */
  static start(name: string, command: readonly string[], namespace: string): LabProcess {
    const [program = '', ...args] = inNamespace(command, namespace);
    return new LabProcess(name, spawn(program, args, OWN_SESSION));
  }

  get pid(): number {
    return this.#successor ?? this.#child.pid ?? 0;
  }

  /** From now on it is this process, which has the same output. */
  replacedBy(pid: number): void {
    this.#successor = pid;
  }

  get running(): boolean {
    return !this.#over;
  }

  /** The last lines that it wrote. */
  tail(most = 12): readonly string[] {
    return this.#tail.slice(-most);
  }

  /** Calls back for every line from now on; the result takes the listener off again. */
  onLine(listener: (line: string, from: 'stdout' | 'stderr') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  writeLine(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Waits for a line that matches, also among those that came already. Throws LabError at the time limit. */
  waitForLine(pattern: RegExp, timeoutMs: number): Promise<string> {
    const already = this.#tail.find((line) => pattern.test(line));
    if (already !== undefined) return Promise.resolve(already);
    return this.waitForNextLine(pattern, timeoutMs);
  }

  /** Waits for a line that has not come yet. Throws LabError at the time limit, or when the program ends. */
  waitForNextLine(pattern: RegExp, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        off();
      };
      const off = this.onLine((line) => {
        if (!pattern.test(line)) return;
        settle();
        resolve(line);
      });
      const timer = setTimeout(() => {
        settle();
        reject(new LabError(`${this.name} did not say ${pattern} within ${timeoutMs} ms`, this.tail()));
      }, timeoutMs);
      void this.#ended.then(() => {
        settle();
        reject(new LabError(`${this.name} ended before it said ${pattern}`, this.tail()));
      });
    });
  }

  /** Sends a signal without waiting for what comes of it. */
  signal(name: NodeJS.Signals): void {
    if (this.#over) return;
    if (this.#successor === undefined) this.#child.kill(name);
    else kill(this.#successor, name);
  }

  /** Ends it: a signal first, SIGKILL when that did not help in time. Returns when it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 3_000): Promise<void> {
    if (this.#over) return;
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Resolves when it has ended. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Its exit status, once it has ended by itself. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined;
  }
}

/** Polls until `probe` gives a value. Throws LabError that says what was waited for. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined> | T | undefined,
  detail: () => readonly string[] = () => [],
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end)
      throw new LabError(`waited ${(timeoutMs / 1000).toFixed(1)} s for ${what}`, detail());
    await pause(POLL_MS);
  }
}

/** Waits that many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The last lines of a program's output, without empty ones. */
export function lastLines(text: string, most = 12): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-most);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, and its output is about to end.
  }
}

function inNamespace(command: readonly string[], namespace: string | undefined): readonly string[] {
  if (namespace === undefined) return command;
  // `ip netns exec` and setpriv both exec: the pid is the program's own.
  return ['ip', 'netns', 'exec', namespace, 'setpriv', '--pdeathsig', 'KILL', '--', ...command];
}

/** In a session of their own, programs do not get the terminal's Ctrl-C: the lab stops them in its order. */
const OWN_SESSION: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'], detached: true };
const KEPT_LINES = 400;
const POLL_MS = 20;
