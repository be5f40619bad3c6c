import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../config/config.ts';
import { formatProblem } from '../../config/file/problem.ts';
import { type LoadedConfig, loadConfig, parseConfig } from '../../config/load.ts';
import type { SecretFile } from '../../config/secret.ts';

const SECRET: SecretFile = { secret: new TextEncoder().encode('a-secret-of-24-octets-ok'), remarks: [] };
const MINIMAL = `bridge: br0
ports: { swp1: {}, swp2: { mode: force-unauthorized, max_hosts: 2, quiet_period: 5s } }
uplinks: [swp49]
nas: { identifier: sw1 }
radius:
  servers:
    - { name: r1, address: 192.0.2.10, secret_file: r1.secret }
    - { name: r2, address: '2001:DB8:0:0::1', auth_port: 1645, secret_file: /etc/r2, source_address: '2001:db8::2' }
`;

const parse = (text: string, read: (path: string) => SecretFile = () => SECRET) =>
  parseConfig(text, 'site.yaml', read);
const errorsOf = (loaded: LoadedConfig) => ('errors' in loaded ? loaded.errors.map(formatProblem) : []);
const warningsOf = (loaded: LoadedConfig) => loaded.warnings.map(formatProblem);

function configOf(loaded: LoadedConfig): Config {
  expect(errorsOf(loaded)).toEqual([]);
  if ('errors' in loaded) throw new Error('unreachable');
  return loaded.config;
}

/** The minimal file with one part replaced. */
function changed(from: string | RegExp, to: string): string {
  const text = MINIMAL.replace(from, to);
  expect(text).not.toBe(MINIMAL);
  return text;
}

describe('a valid configuration', () => {
  it('has camelCase keys, milliseconds and every default', () => {
    const config = configOf(parse(MINIMAL));
    expect(config).toMatchObject({
      file: 'site.yaml',
      bridge: 'br0',
      uplinks: ['swp49'],
      nas: { identifier: 'sw1', address: undefined },
      stateDirectory: '/var/lib/castgate',
      controlSocket: '/run/castgate/control.sock',
      log: { level: 'info' },
      authenticator: {
        quietPeriodMs: 60_000,
        txPeriodMs: 30_000,
        maxReq: 2,
        reAuthPeriodMs: 3_600_000,
        reauthWithoutRadiusMs: 0,
        maxHosts: 4096,
      },
      groups: {
        encoding: 'h3c',
        serviceType: 'authorize-only',
        patienceMs: 5000,
        denyMs: 30_000,
        cacheSize: 65_536,
      },
      multicast: {
        robustness: 2,
        queryIntervalMs: 125_000,
        querier: { enabled: true, address: undefined },
        proxy: true,
      },
      accounting: {
        enabled: true,
        interimIntervalMs: 600_000,
        sessions: true,
        channels: true,
        queueLimit: 100_000,
      },
    });
    expect(config.radius.retransmit).toEqual({
      initialMs: 2000,
      maxIntervalMs: 16_000,
      maxCount: 5,
      maxDurationMs: 30_000,
    });
    expect(warningsOf(parse(MINIMAL))).toEqual([]);
  });

  it("gives each port the authenticator's values with its own over them", () => {
    const config = configOf(
      parse(`${MINIMAL}authenticator: { max_req: 3, max_hosts_per_port: 7, reauth_enabled: false }\n`),
    );
    const [first, second] = config.ports;
    expect(first).toEqual({
      name: 'swp1',
      mode: 'auto',
      maxHosts: 7,
      hostMode: 'multi-auth',
      methods: ['dot1x'],
      priority: 'dot1x',
      mabAfterMs: 30_000,
      idleTimeoutMs: 0,
      handshakePeriodMs: 0,
      handshakeTries: 3,
      authFailAfter: 3,
      eapolVersion: 2,
      destination: 'unicast',
      quietPeriodMs: 60_000,
      txPeriodMs: 30_000,
      suppTimeoutMs: 30_000,
      serverTimeoutMs: 30_000,
      maxReq: 3,
      reAuthMax: 2,
      reAuthEnabled: false,
      reAuthPeriodMs: 3_600_000,
      reauthWithoutRadiusMs: 0,
    });
    expect(second).toEqual({
      ...first,
      name: 'swp2',
      mode: 'force-unauthorized',
      maxHosts: 2,
      quietPeriodMs: 5000,
    });
  });

  it('asks all servers in order, or those that are listed', () => {
    const all = configOf(parse(MINIMAL));
    expect(all.radius.accounting.map((server) => server.name)).toEqual(['r1', 'r2']);
    const listed = configOf(parse(`${MINIMAL}  authorization: [r2, r1]\n  accounting: [r2]\n`));
    expect(listed.radius.authentication.map((server) => server.name)).toEqual(['r1', 'r2']);
    expect(listed.radius.authorization.map((server) => server.name)).toEqual(['r2', 'r1']);
    expect(listed.radius.accounting).toEqual([
      {
        name: 'r2',
        address: '2001:db8::1',
        authPort: 1645,
        acctPort: 1813,
        secret: 'secret' in SECRET ? SECRET.secret : undefined,
        requireMessageAuthenticator: true,
        sourceAddress: '2001:db8::2',
        transport: 'udp',
        tls: undefined,
        statusServer: false,
        connectionBackup: false,
      },
    ]);
  });

  it("starts relative secret files at the configuration's folder", () => {
    const read: string[] = [];
    parseConfig(MINIMAL, '/etc/castgate/site.yaml', (path) => {
      read.push(path);
      return SECRET;
    });
    expect(read).toEqual(['/etc/castgate/r1.secret', '/etc/r2']);
  });

  it('takes 0s where it has a meaning, anchors, and headings with nothing under them', () => {
    const config = configOf(
      parse(
        changed(
          'ports: {',
          'log:\naccounting: { interim_interval: 0s }\nports: { swp3: &slow { tx_period: 1m }, swp4: *slow,',
        ),
      ),
    );
    expect(config.accounting.interimIntervalMs).toBe(0);
    expect(config.ports.map((port) => [port.name, port.txPeriodMs]).slice(0, 2)).toEqual([
      ['swp3', 60_000],
      ['swp4', 60_000],
    ]);
  });
});

describe('what is wrong', () => {
  it('is told all at once, each with its place', () => {
    const text = `bridge: br0
ports:
  swp1: {quiet_perod: 3s, mode: force-authorised}
  swp2: {}
uplinks: [swp2, br0]
nas: {address: 224.0.0.1}
log: {levle: info}
quiet_period: 3s
authenticator:
  tx_period: 30
  max_req: 99
  reauth_enabled: yes
radius:
  servers:
    - {name: r1, address: radius.example, secret: abc}
    - {name: r1, address: 127.0.0.1, secret_file: missing}
  authentication: [r2]
  accounting: []
  retransmit: {initial: 20s}
groups: [1]
`;
    expect(errorsOf(parse(text, (path) => ({ refused: `${path.split('/').at(-1)}: no such file` })))).toEqual(
      [
        'site.yaml:3:10: ports.swp1.quiet_perod: unknown key (did you mean quiet_period?)',
        "site.yaml:3:33: ports.swp1.mode: expected one of auto, monitor, force-authorized, force-unauthorized, not the text 'force-authorised' (did you mean force-authorized?)",
        "site.yaml:5:11: uplinks[0]: 'swp2' is a subscriber port under ports: a port is one or the other",
        "site.yaml:5:17: uplinks[1]: 'br0' is the bridge itself",
        "site.yaml:6:16: nas.address: '224.0.0.1' is a group address, not a switch's own",
        'site.yaml:7:7: log.levle: unknown key (did you mean level?)',
        'site.yaml:8:1: quiet_period: unknown key here (it belongs under authenticator)',
        'site.yaml:10:14: authenticator.tx_period: a duration needs a unit: write 30s for seconds or 30ms for milliseconds',
        'site.yaml:11:12: authenticator.max_req: 99 is out of range: 1 to 10',
        "site.yaml:12:19: authenticator.reauth_enabled: expected true or false, not the text 'yes'",
        'site.yaml:15:7: radius.servers[0].secret_file: required key is missing (file that holds the shared secret; a relative path starts at the folder of this file)',
        "site.yaml:15:27: radius.servers[0].address: 'radius.example' is not an IPv4 or IPv6 address (names are not looked up)",
        'site.yaml:15:43: radius.servers[0].secret: unknown key: secrets are read from files, write secret_file: PATH',
        "site.yaml:16:14: radius.servers[1].name: the name 'r1' is already that of radius.servers[0]",
        'site.yaml:16:51: radius.servers[1].secret_file: missing: no such file',
        "site.yaml:17:20: radius.authentication[0]: no server named 'r2' under radius.servers (did you mean r1?)",
        'site.yaml:18:15: radius.accounting: an empty list: name at least one server, or leave the key out',
        'site.yaml:19:25: radius.retransmit.initial: initial (20s) is over max_interval (16s)',
        'site.yaml:20:9: groups: expected a mapping, not a list',
      ],
    );
  });

  it('names what an empty file lacks', () => {
    const errors = errorsOf(parse(''));
    expect(errors.map((error) => error.split(': ').slice(1, 3).join(': '))).toEqual([
      'bridge: required key is missing (the Linux bridge that all ports belong to)',
      expect.stringMatching(/^ports: required key is missing/),
      'radius.servers: required key is missing (the servers)',
      expect.stringMatching(/^nas: RADIUS servers must know this switch/),
    ]);
  });

  it.each([
    ['- 1\n', 'site.yaml:1:1: expected keys such as bridge: and ports:, not a list'],
    ['bridge: [br0\nports: {}\n', 'site.yaml:2:'],
    ['bridge: br0\nbridge: br1\n', 'site.yaml:2:1: this key is already there: each key once'],
    ['a: *b\n', 'site.yaml:1:'],
    ['a: 1\n---\nb: 2\n', 'a second document'],
  ])('%j is no configuration', (text, words) => {
    expect(errorsOf(parse(text)).join('\n')).toContain(words);
  });

  it('does not expand a bomb of aliases', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`,
    );
    expect(errorsOf(parse(`l0: &l0 x\n${levels.join('\n')}\n`))).toHaveLength(1);
  });

  it.each<[string, string | RegExp, string, string]>([
    ['a server list with a stranger', /$/, '  accounting: [r9]\n', "no server named 'r9'"],
    ['a server named twice in a list', /$/, '  accounting: [r1, r1]\n', "'r1' is named twice"],
    [
      'two servers at one address and port',
      "'2001:DB8:0:0::1', auth_port: 1645",
      '192.0.2.10',
      'is already that of radius.servers[0]',
    ],
    ['a source address of the other family', "'2001:db8::2'", '192.0.2.1', 'is IPv4, but the server'],
    ['no NAS identifier and no address', '{ identifier: sw1 }', '{}', 'write identifier, address or both'],
    ['an address with leading zeros', '192.0.2.10', '192.0.2.010', 'write 192.0.2.10 if that is meant'],
    ['an unspecified NAS address', 'identifier: sw1', 'address: 0.0.0.0', 'all zeros'],
    ['a long interface name', 'br0', 'abcdefghijklmnop', 'not an interface name'],
    ['a bridge among its ports', 'swp1:', 'br0:', 'is the bridge itself'],
    ['no ports', /ports: .*/, 'ports: {}', 'no subscriber port'],
    ['a port out of range', 'auth_port: 1645', 'auth_port: 70000', '70000 is out of range: 1 to 65535'],
    ['a link-local server', "'2001:DB8:0:0::1'", "'fe80::1'", 'is link-local'],
    ['an uplink twice', '[swp49]', '[swp49, swp49]', "'swp49' is named twice"],
    [
      'permits longer than the longest',
      /$/,
      'groups: { default_permit: 2h, max_permit: 1h }\n',
      'default_permit (2h) is over max_permit (1h)',
    ],
    [
      'answers slower than queries',
      /$/,
      'multicast: { query_interval: 10s }\n',
      'must be shorter than query_interval',
    ],
    ...[
      ["[{ groups: ['239.1.1.1'], sources: [192.0.2.1] }]", 'groups are of 232.0.0.0/8 or ff3x::/32'],
      ["[{ groups: ['224.0.0.0/4'], sources: [192.0.2.1] }]", 'groups are of 232.0.0.0/8 or ff3x::/32'],
      ["[{ groups: ['ff3e::/16'], sources: ['2001:db8::1'] }]", 'groups are of 232.0.0.0/8 or ff3x::/32'],
      ["[{ groups: ['232.1.1.1 from 192.0.2.1'], sources: [192.0.2.1] }]", 'write the group alone'],
      ["[{ groups: ['232.1.1.1'], sources: ['2001:db8::1'] }]", 'is not of the family of all groups'],
      ["[{ groups: ['232.1.1.1'], sources: [239.1.1.1] }]", 'is a group address'],
      ["[{ groups: ['232.1.1.1'] }]", 'names none: write one at least'],
      ['[{ sources: [192.0.2.1] }]', 'names none: write one at least'],
    ].map(([entry = '', message = '']): [string, RegExp, string, string] => [
      `a source map ${entry}`,
      /$/,
      `multicast: { ssm_map: ${entry} }\n`,
      message,
    ]),
    ['a group as querier', /$/, 'multicast: { querier: { address: 239.1.1.1 } }\n', 'is a group address'],
    [
      'accounting that would go nowhere',
      /$/,
      'accounting: { to_servers: false }\n',
      'accounting.to_servers: false without export_file',
    ],
    ['an IPv6 querier', /$/, "multicast: { querier: { address: '::1' } }\n", 'is not an IPv4 address'],
    ['a relative state directory', /$/, 'state_directory: var\n', 'expected an absolute path'],
    ['a socket path too long', /$/, `control_socket: /${'x'.repeat(107)}\n`, 'longer than the 107 octets'],
    [
      'a text that is a number',
      'identifier: sw1',
      'identifier: 12',
      'expected a text, not the number 12 (put it in quotes)',
    ],
    ['a control character in a text', 'identifier: sw1', 'identifier: "a\\x07"', 'holds a control character'],
    ['a key of the prototype', /$/, '__proto__: 1\nconstructor: 2\n', 'constructor: unknown key'],
  ])('%s', (_, from, to, words) => {
    expect(errorsOf(parse(changed(from, to))).join('\n')).toContain(words);
  });

  it('takes accounting into a file alone, and accounting that is off, for what they are', () => {
    const file = configOf(
      parse(`${MINIMAL}accounting: { to_servers: false, export_file: /var/log/a.json }\n`),
    );
    expect(file.accounting).toMatchObject({ toServers: false, exportFile: { path: '/var/log/a.json' } });
    expect(errorsOf(parse(`${MINIMAL}accounting: { enabled: false, to_servers: false }\n`))).toEqual([]);
  });

  it('conformance 33: refuses a link-local NAS address and warns of a secret of 12 octets or fewer', () => {
    for (const address of ['169.254.0.1', 'fe80::1', 'febf::1']) {
      expect(errorsOf(parse(changed('identifier: sw1', `address: '${address}'`))).join()).toContain(
        'is link-local',
      );
    }
    for (const address of ['169.253.0.1', 'fec0::1', '192.0.2.1']) {
      expect(errorsOf(parse(changed('identifier: sw1', `address: '${address}'`)))).toEqual([]);
    }
  });

  it('warns where something is allowed but unwise', () => {
    const warned = (from: string | RegExp, to: string) => warningsOf(parse(changed(from, to))).join('\n');
    expect(warned('uplinks: [swp49]\n', '')).toContain('no uplink');
    expect(warned('mode: force-unauthorized', 'mode: force-authorized')).toContain('open to everybody');
    expect(warned('mode: force-unauthorized', 'mode: monitor')).toContain('guards nothing');
    expect(warned('name: r1,', 'name: r1, require_message_authenticator: false,')).toContain('Blast-RADIUS');
    expect(warned(/$/, 'accounting: { interim_interval: 30s }\n')).toContain('RFC 2869 §5.16');
    expect(warned(/$/, 'multicast: { hash_max: 512, max_groups_per_port: 1000 }\n')).toContain('is 2000');
    const remarked = parse(MINIMAL, () => ({ secret: new Uint8Array(3), remarks: ['short'] }));
    expect(configOf(remarked).radius.servers[0]?.secret).toHaveLength(3);
    expect(warningsOf(remarked)).toEqual([
      'site.yaml:7:53: radius.servers[0].secret_file: short',
      'site.yaml:8:77: radius.servers[1].secret_file: short',
    ]);
  });

  it('never throws for any text', () => {
    const word = fc.constantFrom(
      'bridge',
      'ports',
      'radius',
      'servers',
      'nas',
      ':',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '"',
      '1',
      '~',
      '!!',
      '<<',
      '|',
      '#',
      '__proto__',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 25 }).map((words) => words.join('')),
        ),
        (text) => {
          const loaded = parse(text);
          expect('errors' in loaded && loaded.errors.length > 0).toBe(true);
          for (const problem of [...('errors' in loaded ? loaded.errors : []), ...loaded.warnings]) {
            expect(problem.line).toBeGreaterThan(0);
            expect(problem.column).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('never throws for any value at any key', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const content = fc.dictionary(
      fc.constantFrom(
        'bridge',
        'ports',
        'uplinks',
        'nas',
        'log',
        'authenticator',
        'radius',
        'groups',
        'multicast',
      ),
      fc.oneof(
        value,
        fc.dictionary(fc.constantFrom('servers', 'address', 'accounting', 'swp1', 'deny', 'querier'), value),
      ),
    );
    fc.assert(
      fc.property(content, (keys) => {
        expect('errors' in parse(JSON.stringify(keys))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('files', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), `cgt-${process.pid}-config-`));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, content: string | Uint8Array, mode = 0o600) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };

  it('reads secrets from files of their own', () => {
    write('r1.secret', 'a secret with spaces and 32 octs\r\n');
    const path = write('site.yaml', MINIMAL.replace('/etc/r2', 'r1.secret'));
    const loaded = loadConfig(path);
    expect(new TextDecoder().decode(configOf(loaded).radius.servers[1]?.secret)).toBe(
      'a secret with spaces and 32 octs',
    );
    expect(loaded.warnings).toEqual([]);
  });

  it('conformance 33: warns of short secrets, and of secrets that others may read', () => {
    write('short.secret', '123456789012\n', 0o640);
    write('long.secret', '1234567890123\n', 0o400);
    const path = write(
      'site.yaml',
      MINIMAL.replace('r1.secret', 'short.secret').replace('/etc/r2', 'long.secret'),
    );
    expect(loadConfig(path).warnings.map((warning) => warning.message)).toEqual([
      expect.stringContaining('short.secret is open to others than its owner: chmod 600'),
      expect.stringContaining('has 12 octets: use more than 12'),
    ]);
  });

  it.each([
    ['is missing', 'no-such-file', 'no such file'],
    ['is empty', 'empty', 'is empty'],
    ['holds a line end alone', 'line', 'is empty'],
    ['is a folder', 'sub', 'is not a plain file'],
    ['is a pipe', 'pipe', 'is not a plain file'],
    ['is a large file', 'large', 'too many for a secret'],
  ])('a secret file that %s', (_, name, words) => {
    write('empty', '');
    write('line', '\n');
    write('large', 'x'.repeat(5000));
    mkdirSync(join(folder, 'sub'), { recursive: true });
    if (name === 'pipe') execFileSync('mkfifo', [join(folder, name)]);
    const path = write('site.yaml', MINIMAL.replace('r1.secret', name).replace('/etc/r2', name));
    expect(errorsOf(loadConfig(path))).toEqual([
      expect.stringContaining(words),
      expect.stringContaining(words),
    ]);
  });

  it.each([
    ['no-such.yaml', 'no such file'],
    ['.', 'is not a plain file'],
    ['latin1.yaml', 'is not UTF-8 text'],
    ['huge.yaml', 'too many for a configuration'],
  ])('%s cannot be read', (name, words) => {
    write('latin1.yaml', Uint8Array.of(0x62, 0xe4, 0x0a));
    write('huge.yaml', `#${'x'.repeat(1 << 20)}`);
    const [error, ...more] = errorsOf(loadConfig(join(folder, name)));
    expect(error).toContain(words);
    expect(more).toEqual([]);
  });
});
