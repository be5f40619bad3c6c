/**
 * Makes a machine ready for `npm start`, `npm test` or `npm run bench`: Debian packages, npm packages, native
 * parts, TypeScript build; only what is missing. Plain Node without dependencies, as it runs before there are
 * any. Invariant: a run that finds everything in place changes nothing and takes well under two seconds.
 *
 *   node scripts/ready.mjs lab|test|bench|package
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCE_FOLDERS = [
  'wire',
  'eapol',
  'igmp',
  'radius',
  'session',
  'auth',
  'accounting',
  'replication',
  'connection-backup',
  'config',
  'switch',
  'daemon',
  'cli',
  'lab',
  'bench',
];

/** Debian package -> what shows that it is there: programs, or files by absolute path. */
const BUILD_PACKAGES = {
  'libpcap-dev': ['/usr/include/pcap/pcap.h'],
  'g++': ['g++'],
  make: ['make'],
  python3: ['python3'],
};
const LAB_PACKAGES = {
  iproute2: ['ip', 'bridge'],
  nftables: ['nft'],
  tcpdump: ['tcpdump'],
  openssl: ['openssl'],
  freeradius: ['freeradius'],
  wpasupplicant: ['wpa_supplicant', 'wpa_cli'],
  keepalived: ['keepalived'],
};
const PEER_PACKAGES = {
  'freeradius-utils': ['radclient'],
  hostapd: ['hostapd'],
  eapoltest: ['eapol_test'],
  prometheus: ['promtool'],
  chromium: ['chromium'],
  'systemd-container': ['systemd-nspawn'],
  'man-db': ['man'],
  curl: ['curl'],
};
const PACKAGES_FOR = {
  lab: { ...BUILD_PACKAGES, ...LAB_PACKAGES },
  test: { ...BUILD_PACKAGES, ...LAB_PACKAGES, ...PEER_PACKAGES },
  bench: { ...BUILD_PACKAGES, ...LAB_PACKAGES, ...PEER_PACKAGES },
  package: BUILD_PACKAGES,
};
/** Services that a package would enable; castgate's lab runs its own copies inside namespaces. */
const SERVICES = ['freeradius', 'hostapd', 'keepalived', 'prometheus'];
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const ADDON = 'switch/native/build/Release/castgate_native.node';

/** What went wrong and what to do about it; shown to the person as it is. */
export class NotReady extends Error {}

/** Brings the machine to where `what` can run. Throws `NotReady` with the remedy where it cannot. */
export async function ready(what) {
  const needs = PACKAGES_FOR[what];
  if (needs === undefined)
    throw new NotReady(`ready.mjs: say what for: ${Object.keys(PACKAGES_FOR).join(', ')}.`);
  await debianPackages(needs, what);
  await npmPackages();
  await nativeParts();
  await build();
}

async function debianPackages(needs, what) {
  const missing = Object.keys(needs).filter((name) => !needs[name].every(isThere));
  if (missing.length === 0) return;
  const list = missing.join(' ');
  if (process.getuid?.() !== 0) {
    const fatal = missing.filter((name) => name in BUILD_PACKAGES);
    say(`Not root: cannot install ${list} (as root: apt-get install ${list}).`);
    if (what !== 'test' && missing.length > fatal.length)
      throw new NotReady(`Without ${list} the ${what} cannot run.`);
    return; // a missing compiler matters only where something has to be compiled, and is told there
  }
  if (!isThere('apt-get'))
    throw new NotReady(`This system has no apt-get. Install what Debian calls ${list}, then run this again.`);
  say(`Installing Debian packages: ${list}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = ['-q', '-o', 'DPkg::Lock::Timeout=300'];
  const update = await quietly('apt-get', [...apt, 'update'], { env: environment });
  if (update.code !== 0) say('apt-get update failed; trying with the package lists that are there.');
  const startsWere = forbidServiceStarts();
  let install;
  try {
    install = await quietly('apt-get', [...apt, 'install', '-y', '--no-install-recommends', ...missing], {
      env: environment,
    });
  } finally {
    startsWere.restore();
  }
  if (install.code !== 0) {
    const output = update.code === 0 ? install.output : `${update.output}\n${install.output}`;
    throw new NotReady(
      `apt-get install ${list} failed:\n${excerpt(output, 12)}\nMend what apt-get says, then run this again.`,
    );
  }
  // With service starts forbidden a package still enables its service for the next boot; undo that for
  // what this run has brought. Without systemd there is nothing to undo.
  const brought = SERVICES.filter((name) => missing.includes(name));
  if (brought.length > 0 && existsSync('/run/systemd/system'))
    await quietly('systemctl', ['disable', '--quiet', ...brought], {});
  const still = missing.filter((name) => !needs[name].every(isThere));
  if (still.length > 0)
    throw new NotReady(
      `apt-get installed ${list}, but this is still missing: ${still.flatMap((name) => needs[name].filter((part) => !isThere(part))).join(', ')}.`,
    );
}

/** Keeps dpkg from starting what it installs. A policy that is there already is somebody's, and stays. */
function forbidServiceStarts() {
  if (existsSync(POLICY_FILE)) return { restore: () => {} };
  const remove = () => rmSync(POLICY_FILE, { force: true });
  const interrupted = (signal) => {
    remove();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  process.on('SIGHUP', interrupted);
  process.on('exit', remove);
  writeFileSync(POLICY_FILE, '#!/bin/sh\n# Put here by castgate while it installs packages.\nexit 101\n', {
    mode: 0o755,
  });
  return {
    restore: () => {
      remove();
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      process.off('SIGHUP', interrupted);
      process.off('exit', remove);
    },
  };
}

async function npmPackages() {
  if (npmPackagesMatchLock()) return;
  say('Installing npm packages and compiling the native parts: one to three minutes');
  let install = await quietly('npm', ['ci', '--no-audit', '--no-fund'], {});
  // `npm ci` wants every optional package of every other platform in the lock file too, which a registry
  // mirror may not have had when the lock was written. The locked versions hold with `install` as well.
  if (install.code !== 0 && install.output.includes('EUSAGE'))
    install = await quietly('npm', ['install', '--no-save', '--no-audit', '--no-fund'], {});
  if (install.code !== 0) throw new NotReady(compileAdvice('npm ci failed', install.output));
}

/** npm leaves in node_modules a record of what it has put there, as the last step of an install. */
function npmPackagesMatchLock() {
  const lock = readJson('package-lock.json');
  const installed = readJson('node_modules/.package-lock.json');
  if (lock === undefined)
    throw new NotReady(
      'package-lock.json is missing or broken: restore it (git checkout package-lock.json).',
    );
  if (installed === undefined) return false;
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.link === true) continue;
    const there = installed.packages[path];
    // Optional packages are those of other platforms.
    if (there === undefined && entry.optional !== true) return false;
    if (there !== undefined && there.integrity !== entry.integrity) return false;
    if (there !== undefined && !existsSync(join(ROOT, path))) return false;
  }
  return true;
}

async function nativeParts() {
  const sources = filesUnder('switch/native').filter((file) => !file.startsWith('switch/native/build/'));
  if (isOlder(ADDON, sources)) {
    say("Compiling castgate's native part");
    // In the environment of an npm script, since npm brings its own node-gyp.
    const compile = await quietly('npm', ['run', 'install'], {});
    if (compile.code !== 0)
      throw new NotReady(compileAdvice('switch/native does not compile', compile.output));
  }
  for (const name of ['pcap', 'raw-socket']) {
    if (loads(name) === undefined) continue;
    say(`Compiling ${name}`);
    const compile = await quietly('npm', ['rebuild', name], {});
    const reason = loads(name);
    if (reason !== undefined)
      throw new NotReady(compileAdvice(`${name} does not load (${reason})`, compile.output));
  }
  const reason = loads(join(ROOT, ADDON));
  if (reason === undefined) return;
  const compile = await quietly('npm', ['run', 'install'], {});
  const again = loads(join(ROOT, ADDON));
  if (again !== undefined)
    throw new NotReady(compileAdvice(`${ADDON} does not load (${again})`, compile.output));
}

/** Undefined when the module loads, else the first line of why not. In a process of its own: native code. */
function loads(name) {
  const script = `createRequire(${JSON.stringify(pathToFileURL(join(ROOT, 'package.json')).href)})(${JSON.stringify(name)})`;
  const source = `import { createRequire } from 'node:module'; try { ${script} } catch (e) { console.log(String(e.message).split('\\n')[0]); process.exit(1) } process.exit(0)`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  if (child.status === 0) return undefined;
  return child.stdout.trim() || child.signal || 'it ends without a word';
}

function compileAdvice(headline, output) {
  const lacking = Object.keys(BUILD_PACKAGES).filter((name) => !BUILD_PACKAGES[name].every(isThere));
  const advice =
    lacking.length > 0
      ? `Missing Debian packages: ${lacking.join(' ')} (as root: apt-get install ${lacking.join(' ')}).`
      : `Compilers and libpcap-dev are there; the reason is in the lines above.`;
  return `${headline}:\n${excerpt(output, 15)}\n${advice}`;
}

async function build() {
  const stampFile = join(ROOT, 'dist/.sources');
  const sources = SOURCE_FOLDERS.flatMap(typescriptFiles);
  const stamp = createHash('sha256');
  for (const file of [...sources, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].sort()) {
    const about = statSync(join(ROOT, file));
    stamp.update(`${file} ${about.size} ${about.mtimeMs}\n`);
  }
  const wanted = stamp.digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return;
  say('Building: half a minute');
  rmSync(stampFile, { force: true });
  const compiler = createRequire(join(ROOT, 'package.json')).resolve('typescript/bin/tsc');
  const compile = await quietly(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {});
  if (compile.code !== 0)
    throw new NotReady(
      `The TypeScript build failed:\n${excerpt(compile.output, 15)}\nMend the sources, then run this again.`,
    );
  dropOutputsWithoutSource(new Set(sources));
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, wanted);
}

/** A deleted source must not live on in dist/. */
function dropOutputsWithoutSource(sources) {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of filesUnder(join('dist', folder))) {
      const source = file.replace(/^dist\//, '').replace(/\.(js|js\.map|d\.ts|d\.ts\.map)$/, '.ts');
      if (!sources.has(source)) rmSync(join(ROOT, file), { force: true });
    }
  }
}

function typescriptFiles(folder) {
  return filesUnder(folder).filter((file) => file.endsWith('.ts') && !file.includes('/node_modules/'));
}

function filesUnder(folder) {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1));
}

function isOlder(output, inputs) {
  if (!existsSync(join(ROOT, output))) return true;
  const made = statSync(join(ROOT, output)).mtimeMs;
  return inputs.some((file) => existsSync(join(ROOT, file)) && statSync(join(ROOT, file)).mtimeMs > made);
}

function isThere(part) {
  if (part.startsWith('/')) return existsSync(part);
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, part), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Runs a program at the repository's root; its output is kept for the case that it fails. */
function quietly(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The lines of a failed program's output that say why: those that speak of errors, else the last ones. */
function excerpt(output, most) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /\berror\b|\bE:|fatal|cannot|not found|no such|unable/i.test(line));
  return (telling.length > 0 ? telling.slice(0, most) : lines.slice(-most))
    .map((line) => `    ${line}`)
    .join('\n');
}

function say(line) {
  console.log(`castgate: ${line}`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await ready(process.argv[2]);
  } catch (error) {
    if (!(error instanceof NotReady)) throw error;
    console.error(`castgate: ${error.message}`);
    process.exit(1);
  }
}
