/**
 * Debian packages out of this clone, by dpkg-deb: `castgate` with its native parts compiled for this machine, and
 * `castgate-freeradius` with dictionary, site and module. Plain Node without dependencies.
 *
 *   node packaging/build-deb.mjs [FOLDER]      (npm run deb; FOLDER: dist/deb when left out)
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PACKAGING = join(ROOT, 'packaging');
const { version, description } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const MAINTAINER = 'castgate <castgate@example.net>';

const LONG = ` Subscribers get onto a port of a Linux bridge by EAP through RADIUS; each IGMP or MLD
 join is judged by the account behind it, forwarded by the kernel only when RADIUS
 permits it, and accounted for. Runs as a user of its own.`;
const FREERADIUS_POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	for name in sites-available/castgate mods-available/castgate mods-config/castgate mods-config/castgate/channels; do
		chown root:freerad "/etc/freeradius/3.0/$name"
	done
	chmod 0750 /etc/freeradius/3.0/mods-config/castgate
fi
`;

const out = resolve(process.argv[2] ?? join(ROOT, 'dist/deb'));
const work = mkdtempSync(join(tmpdir(), 'castgate-deb-'));
try {
  chmodSync(work, 0o755);
  mkdirSync(out, { recursive: true });
  for (const file of [castgatePackage(), freeRadiusPackage()]) console.log(file);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function castgatePackage() {
  const root = join(work, 'castgate');
  const program = join(root, 'usr/lib/castgate');
  installProgram(program);
  const castgate = join(program, 'dist/cli/main.js');
  chmodSync(castgate, 0o755);
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/castgate/dist/cli/main.js', join(root, 'usr/bin/castgate'));

  const say = (...words) => execFileSync(process.execPath, [castgate, ...words], { encoding: 'utf8' });
  put(root, 'usr/share/man/man1/castgate.1.gz', gzipSync(say('man'), { level: 9 }));
  put(root, 'usr/share/bash-completion/completions/castgate', say('completion', 'bash'));
  put(root, 'usr/share/zsh/vendor-completions/_castgate', say('completion', 'zsh'));
  put(root, 'usr/share/fish/vendor_completions.d/castgate.fish', say('completion', 'fish'));

  put(root, 'usr/lib/systemd/system/castgate.service', packaged('systemd/castgate.service'));
  put(root, 'usr/lib/tmpfiles.d/castgate.conf', packaged('systemd/castgate.tmpfiles'));
  const doc = 'usr/share/doc/castgate';
  for (const name of ['docs', 'README.md', 'ARCHITECTURE.md']) {
    // Read where people look, beside the program no more.
    cpSync(join(program, name), join(root, doc, name), { recursive: true });
    rmSync(join(program, name), { recursive: true });
  }
  put(root, `${doc}/copyright`, copyright());
  put(root, `${doc}/changelog.gz`, gzipSync(readFileSync(join(program, 'CHANGELOG.md')), { level: 9 }));
  put(root, `${doc}/examples/castgate.yaml`, readFileSync(join(ROOT, 'castgate.example.yaml')));
  put(root, `${doc}/examples/castgate.example.secret`, readFileSync(join(ROOT, 'castgate.example.secret')));
  put(root, `${doc}/examples/keepalived.conf`, packaged('keepalived/keepalived.conf'));
  for (const name of ['castgate.example.yaml', 'castgate.example.secret', 'CHANGELOG.md', 'packaging'])
    rmSync(join(program, name), { recursive: true, force: true });

  return build(root, 'castgate', architecture(), {
    Depends: 'nodejs (>= 20.18), nftables, adduser, libc6, libstdc++6, libpcap0.8',
    Recommends: 'iproute2',
    Suggests: 'keepalived, castgate-freeradius',
    Description: `${description}\n${LONG}`,
  });
}

/** What `npm pack` gives, with its dependencies, their native parts compiled, without what only building needs. */
function installProgram(program) {
  mkdirSync(program, { recursive: true });
  const npm = (words, cwd) =>
    execFileSync('npm', [...words, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const [{ filename }] = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', '--pack-destination', work], ROOT),
  );
  execFileSync('tar', ['-xzf', join(work, filename), '-C', program, '--strip-components=1']);
  cpSync(join(ROOT, 'package-lock.json'), join(program, 'package-lock.json'));
  try {
    npm(['ci', '--omit=dev'], program);
  } catch {
    // A lock file without the optional packages of other platforms (scripts/ready.mjs).
    npm(['install', '--omit=dev', '--no-save'], program);
  }
  rmSync(join(program, 'package-lock.json'));
  // Only the lab uses it.
  rmSync(join(program, 'node_modules/raw-socket'), { recursive: true, force: true });
  for (const folder of ['switch/native', 'node_modules/pcap']) keepOnlyBuilt(join(program, folder, 'build'));
  for (const name of readdirSync(join(program, 'node_modules'), { recursive: true }).map(String))
    if (name.endsWith('.map')) rmSync(join(program, 'node_modules', name));
}

function keepOnlyBuilt(folder) {
  const modules = readdirSync(join(folder, 'Release')).filter((name) => name.endsWith('.node'));
  if (modules.length === 0) throw new Error(`${folder}: nothing was compiled`);
  const kept = modules.map((name) => [name, readFileSync(join(folder, 'Release', name))]);
  rmSync(folder, { recursive: true });
  mkdirSync(join(folder, 'Release'), { recursive: true });
  for (const [name, octets] of kept) writeFileSync(join(folder, 'Release', name), octets);
}

function freeRadiusPackage() {
  const root = join(work, 'castgate-freeradius');
  const etc = 'etc/freeradius/3.0';
  put(root, 'usr/share/freeradius/dictionary.castgate', packaged('freeradius/dictionary.castgate'));
  put(root, `${etc}/sites-available/castgate`, packaged('freeradius/castgate.site'), 0o640);
  put(root, `${etc}/mods-available/castgate`, packaged('freeradius/castgate.mod'), 0o640);
  put(root, `${etc}/mods-config/castgate/channels`, packaged('freeradius/channels'), 0o640);
  put(root, 'usr/share/doc/castgate-freeradius/README.md', packaged('freeradius/README.md'));
  put(root, 'usr/share/doc/castgate-freeradius/copyright', copyright());
  const conffiles = ['sites-available/castgate', 'mods-available/castgate', 'mods-config/castgate/channels'];
  put(root, 'DEBIAN/conffiles', conffiles.map((name) => `/${etc}/${name}\n`).join(''));
  // They belong to FreeRADIUS's group, as all beside them does.
  put(root, 'DEBIAN/postinst', FREERADIUS_POSTINST, 0o755);
  return build(root, 'castgate-freeradius', 'all', {
    Depends: 'freeradius (>= 3.2), freeradius (<< 4)',
    Enhances: 'freeradius',
    Description: `FreeRADIUS dictionary and site for castgate\n Attributes of castgate, a virtual server that answers logins and questions about\n multicast channels, and a file of rights. Nothing is switched on by installing it.`,
  });
}

function build(root, name, arch, fields) {
  const control = {
    Package: name,
    Version: version,
    Architecture: arch,
    Maintainer: MAINTAINER,
    Section: 'net',
    Priority: 'optional',
    'Installed-Size': kilobytes(root),
    ...fields,
  };
  const text = Object.entries(control)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
  put(root, 'DEBIAN/control', text);
  for (const script of ['postinst', 'prerm', 'postrm'])
    if (name === 'castgate') put(root, `DEBIAN/${script}`, packaged(`debian/${script}`), 0o755);
  const file = join(out, `${name}_${version}_${arch}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', root, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}

function put(root, path, content, mode = 0o644) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

function packaged(name) {
  return readFileSync(join(PACKAGING, name));
}

function architecture() {
  return execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
}

function kilobytes(root) {
  const files = readdirSync(root, { recursive: true }).map((name) => join(root, String(name)));
  return Math.ceil(files.reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), 0) / 1024);
}

function copyright() {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: castgate

Files: *
Copyright: the authors of castgate
License: Apache-2.0
 See /usr/share/common-licenses/Apache-2.0. The packages below node_modules have licences of their own beside them.
`;
}
