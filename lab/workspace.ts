/**
 * A lab's own place: a prefix for its network namespaces and a private temporary folder. Everything that a
 * lab makes is under one of the two, so that taking both away takes all of it away, also for another
 * process that finds the remains of a lab whose owner was killed. Works synchronously, since it has to run
 * when the process is about to end.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LabError } from './processes.ts';

export interface Workspace {
  /** `cg` and up to seven more characters; a namespace of the lab is `PREFIX-NAME`. */
  readonly prefix: string;
  /** Mode 0700; configuration, logs, captures and sockets of the lab. */
  readonly directory: string;
}

/** Makes a new place, after the remains of dead labs are gone. Throws LabError where this is not root. */
export function openWorkspace(): Workspace {
  if (process.getuid?.() !== 0) throw new LabError('the lab needs root: it makes network namespaces');
  removeLeftovers();
  const prefix = `cg${process.pid.toString(36)}${String.fromCharCode(97 + (opened++ % 26))}`;
  const workspace = { prefix, directory: join(tmpdir(), `${FOLDER_PREFIX}${prefix}`) };
  rmSync(workspace.directory, { recursive: true, force: true });
  mkdirSync(workspace.directory, { mode: 0o700 });
  writeFileSync(
    join(workspace.directory, OWNER_FILE),
    JSON.stringify({ pid: process.pid, started: startOf(process.pid) }),
  );
  return workspace;
}

/** Kills what runs in the lab's namespaces, deletes them and the folder. Repeating it is no error. */
export function removeWorkspace(workspace: Workspace): void {
  for (const namespace of namespacesOf(workspace.prefix)) {
    // The namespace is this lab's own, so whatever lives in it was started for it.
    for (const pid of pidsIn(namespace)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended by itself meanwhile
      }
    }
    spawnSync('ip', ['netns', 'del', namespace]);
  }
  unmountBelow(workspace.directory);
  rmSync(workspace.directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Takes away file systems that the lab has mounted in its folder. */
function unmountBelow(directory: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  for (const mount of mounts) {
    const place = mount.split(' ')[1] ?? '';
    if (place.startsWith(`${directory}/`)) spawnSync('umount', ['-l', place]);
  }
}

/** Removes labs of this user whose owner has died; gives their prefixes. */
export function removeLeftovers(): readonly string[] {
  const removed: string[] = [];
  for (const name of readdirSync(tmpdir())) {
    const prefix = name.slice(FOLDER_PREFIX.length);
    if (!name.startsWith(FOLDER_PREFIX) || !/^cg[0-9a-z]{1,8}$/.test(prefix)) continue;
    const directory = join(tmpdir(), name);
    try {
      const about = lstatSync(directory);
      // Anyone may write to the temporary folder: only what this user made privately is taken for a lab.
      if (!about.isDirectory() || about.uid !== process.getuid?.() || (about.mode & 0o077) !== 0) continue;
      if (isOwned(directory) || Date.now() - about.mtimeMs < SETTLING_MS) continue;
    } catch {
      continue; // somebody else is removing it
    }
    removeWorkspace({ prefix, directory });
    removed.push(prefix);
  }
  return removed;
}

/** Names of the namespaces that a prefix has now. */
export function namespacesOf(prefix: string): string[] {
  const list = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  return (list.stdout ?? '')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(`${prefix}-`));
}

function pidsIn(namespace: string): number[] {
  const list = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  return (list.stdout ?? '')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
}

function isOwned(directory: string): boolean {
  try {
    const owner = JSON.parse(readFileSync(join(directory, OWNER_FILE), 'utf8')) as Record<string, unknown>;
    const pid = owner['pid'];
    return typeof pid === 'number' && startOf(pid) !== undefined && startOf(pid) === owner['started'];
  } catch {
    return false;
  }
}

/** When a process started, in clock ticks since boot: tells it from a later one with the same pid. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

let opened = 0;
const FOLDER_PREFIX = 'castgate-lab-';
const OWNER_FILE = 'owner.json';
/** A folder without an owner file may be one that is being made right now. */
const SETTLING_MS = 2_000;
