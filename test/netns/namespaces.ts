/**
 * A laboratory of network namespaces for tests: namespaces, veth pairs between them, commands and programs
 * inside them. Everything carries the laboratory's prefix and goes with dispose(), also when the test
 * fails or the process exits; what a killed process left behind is removed by the next laboratory.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { NetworkNamespace } from '../../switch/linux/link/network-namespace.ts';

/** Why namespaces cannot be made here, or undefined where they can: for `describe.skipIf`. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root: network namespaces need CAP_SYS_ADMIN';
  if (spawnSync('ip', ['-V']).error !== undefined) return 'no `ip` command: apt install iproute2';
  return undefined;
}

export class Namespaces {
  readonly #prefix: string;
  readonly #names = new Set<string>();
  readonly #children = new Set<ChildProcess>();
  readonly #atExit = () => this.#remove();

  private constructor(prefix: string) {
    this.#prefix = `${prefix}-${process.pid}-`;
  }

  /** `prefix` is short (`cgt-sw`); the process id follows it. */
  static async create(prefix: string): Promise<Namespaces> {
    for (const name of namespacesOf(prefix)) {
      const owner = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
      if (owner !== undefined && !existsSync(`/proc/${owner}`)) spawnSync('ip', ['netns', 'del', name]);
    }
    const lab = new Namespaces(prefix);
    process.once('exit', lab.#atExit);
    return lab;
  }

  /** Makes namespaces with `lo` up. Their names inside the laboratory are without the prefix. */
  async add(...names: string[]): Promise<void> {
    for (const name of names) {
      this.#names.add(name);
      await run('ip', ['netns', 'add', this.name(name)]);
      await this.exec(name, 'ip', 'link', 'set', 'lo', 'up');
      // Nobody's traffic but the test's own: no router solicitations, no address detection to wait for.
      await this.exec(
        name,
        'sysctl',
        '-qw',
        'net.ipv6.conf.all.accept_dad=0',
        'net.ipv6.conf.default.accept_dad=0',
      );
    }
  }

  /** The name that `ip netns` knows. */
  name(namespace: string): string {
    return this.#prefix + namespace;
  }

  /** The file that stands for the namespace. */
  path(namespace: string): string {
    return `/run/netns/${this.name(namespace)}`;
  }

  /** A cable: an interface in each of two namespaces, both up unless `down` is set. */
  async veth(a: Plug, b: Plug): Promise<void> {
    const peer = ['peer', 'name', b.interface, 'netns', this.name(b.namespace)];
    await this.exec(
      a.namespace,
      'ip',
      ...['link', 'add', a.interface, ...(a.mac === undefined ? [] : ['address', a.mac]), 'type', 'veth'],
      ...peer,
      ...(b.mac === undefined ? [] : ['address', b.mac]),
    );
    for (const end of [a, b]) {
      if (end.down !== true) await this.exec(end.namespace, 'ip', 'link', 'set', end.interface, 'up');
    }
  }

  /** Runs a command to its end; its standard output. Rejects with what it said where it fails. */
  exec(namespace: string, command: string, ...args: string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.name(namespace), command, ...args]);
  }

  /** Runs lines of shell, stopping at the first that fails. */
  shell(namespace: string, script: string): Promise<string> {
    return this.exec(namespace, 'sh', '-euc', script);
  }

  /** Starts a program that goes on; dispose() kills it. */
  spawn(namespace: string, command: string, ...args: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(namespace), command, ...args], { stdio: 'pipe' });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /**
   * Calls `action` with this thread in the namespace: the sockets that it opens and the programs that it
   * starts belong there for good. Only for synchronous code.
   */
  within<R>(namespace: string, action: () => R): R {
    const inside = NetworkNamespace.at(this.path(namespace));
    try {
      return inside.run(action);
    } finally {
      inside.close();
    }
  }

  /** Ends the programs and removes the namespaces. Repeating it does nothing. */
  async dispose(): Promise<void> {
    process.off('exit', this.#atExit);
    const ends = [...this.#children].map((child) => new Promise((done) => child.once('exit', done)));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.race([Promise.all(ends), new Promise((done) => setTimeout(done, 2000))]);
    this.#remove();
  }

  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const name of this.#names) spawnSync('ip', ['netns', 'del', this.name(name)]);
    this.#names.clear();
  }
}

/** One end of a cable. */
export interface Plug {
  readonly namespace: string;
  readonly interface: string;
  readonly mac?: string;
  readonly down?: boolean;
}

/** Waits until `condition` holds; rejects with `what` after `limitMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 5000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await pause(5);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function run(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`));
    });
  });
}

function namespacesOf(prefix: string): string[] {
  return existsSync('/run/netns')
    ? readdirSync('/run/netns').filter((name) => name.startsWith(`${prefix}-`))
    : [];
}
