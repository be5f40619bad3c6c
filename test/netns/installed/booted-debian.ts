/**
 * This machine's own system once more, with systemd as its first process: an overlay over `/`, booted by
 * systemd-nspawn with a network of its own. What is installed in it is gone with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, LabError, lastLines, type RunResult, run, until } from '../../../lab/processes.ts';

/** Why no system can be booted here, or undefined where it can. */
export function whyNotBootable(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('systemd-nspawn', ['--version']).error !== undefined)
    return 'no systemd-nspawn: apt install systemd-container';
  if (!existsSync('/usr/lib/systemd/systemd')) return 'no systemd: apt install systemd';
  if (!readFileSync('/proc/filesystems', 'utf8').includes('overlay')) return 'a kernel without overlayfs';
  return undefined;
}

export class BootedDebian {
  /** The root folder, seen from outside. */
  readonly root: string;
  readonly #folder: string;
  readonly #nspawn: ChildProcess;
  readonly #output: string[];
  readonly #atExit = () => this.#remove();
  #leader = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.root = join(folder, 'root');
    this.#output = [];
    this.#nspawn = spawn(
      'systemd-nspawn',
      [
        ...['--quiet', '--boot', `--directory=${this.root}`, `--machine=castgate-test-${process.pid}`],
        ...['--private-network', '--register=no', '--keep-unit', '--link-journal=no', '--resolv-conf=off'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    for (const stream of [this.#nspawn.stdout, this.#nspawn.stderr])
      stream?.on('data', (data) => this.#output.push(String(data)));
    process.once('exit', this.#atExit);
  }

  /** Boots it; resolves when systemd says that it has. */
  static async boot(): Promise<BootedDebian> {
    const folder = mkdtempSync(join(tmpdir(), 'cgt-boot-'));
    const [layer, root] = [join(folder, 'layer'), join(folder, 'root')];
    for (const each of [layer, root]) mkdirSync(each);
    try {
      await run(['mount', '-t', 'tmpfs', '-o', 'size=1g', 'castgate-test', layer]);
      for (const name of ['upper', 'work']) mkdirSync(join(layer, name));
      const layers = `lowerdir=/,upperdir=${layer}/upper,workdir=${layer}/work`;
      await run(['mount', '-t', 'overlay', 'castgate-test', '-o', layers, root]);
      writeFileSync(join(root, 'etc/machine-id'), '');
      // None of the machine's own services.
      const wanted = join(root, 'etc/systemd/system/multi-user.target.wants');
      for (const name of existsSync(wanted) ? readdirSync(wanted) : []) rmSync(join(wanted, name));
    } catch (cause) {
      unmount(folder);
      throw cause;
    }
    const booted = new BootedDebian(folder);
    try {
      await booted.#isUp();
      return booted;
    } catch (cause) {
      await booted.dispose();
      throw cause;
    }
  }

  /** Runs a program inside. Does not judge its exit status. */
  attempt(command: readonly string[], timeoutMs = 60_000): Promise<RunResult> {
    const inside = ['nsenter', '--target', String(this.#leader), '--all', '--', ...command];
    return attempt(inside, { timeoutMs });
  }

  /** Runs a program inside that has to succeed; what it wrote. */
  async run(command: readonly string[], timeoutMs = 60_000): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(command, timeoutMs);
    if (code !== 0) throw new LabError(`\`${command.join(' ')}\` failed`, lastLines(stdout + stderr));
    return stdout + stderr;
  }

  /** Writes a file inside. */
  write(path: string, content: string, mode = 0o644): void {
    writeFileSync(join(this.root, path), content, { mode });
  }

  async dispose(): Promise<void> {
    process.removeListener('exit', this.#atExit);
    const over = new Promise<void>((done) => this.#nspawn.once('close', () => done()));
    if (this.#nspawn.exitCode === null && this.#nspawn.signalCode === null) {
      if (this.#leader > 0) process.kill(this.#leader, 'SIGKILL');
      else this.#nspawn.kill('SIGKILL');
      await over;
    }
    unmount(this.#folder);
  }

  async #isUp(): Promise<void> {
    await until(
      'systemd to be up',
      60_000,
      async () => {
        if (this.#nspawn.exitCode !== null) throw new LabError('systemd-nspawn ended', this.#output);
        this.#leader = firstChild(this.#nspawn.pid ?? 0) ?? 0;
        if (this.#leader === 0) return undefined;
        const state = await this.attempt(['systemctl', 'is-system-running']).catch(() => undefined);
        return /^(running|degraded)/.test(state?.stdout ?? '') ? true : undefined;
      },
      () => this.#output,
    );
  }

  #remove(): void {
    if (this.#leader > 0) spawnSync('kill', ['-KILL', String(this.#leader)]);
    this.#nspawn.kill('SIGKILL');
    unmount(this.#folder);
  }
}

/** The system's first process, as it is known outside. */
function firstChild(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}

function unmount(folder: string): void {
  for (const name of ['root', 'layer']) spawnSync('umount', ['--lazy', join(folder, name)]);
  spawnSync('rmdir', [join(folder, 'root'), join(folder, 'layer'), folder]);
}
