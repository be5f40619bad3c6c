/**
 * What must hold between keys: names that refer to each other, values that bound each other, addresses that
 * a NAS cannot have. Works on the file's content before the schema has accepted it and passes over what the
 * schema will refuse, so that everything wrong shows at once.
 */
import { ipBytes, ipFamily, isMulticastIp } from '../wire/address.ts';
import { checkExtraAttributes } from './extra-attributes.ts';
import { asList, asMapping, lookUp } from './file/content.ts';
import { closest } from './file/did-you-mean.ts';
import type { KeyPath } from './file/problem.ts';
import { infoAt, keysUnder } from './reference/reference.ts';
import { formatDuration } from './schema/duration.ts';
import { checkSsmMap } from './ssm-map.ts';

/** Something that does not fit at `path`. */
export interface Finding {
  readonly path: KeyPath;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** All that does not fit together in a file's content. Never throws. */
export function findings(content: unknown): Finding[] {
  const found: Finding[] = [];
  const report: Report = (severity, path, message) => found.push({ severity, path, message });
  checkPorts(content, report);
  checkNas(content, report);
  checkServers(content, report);
  checkServerLists(content, report);
  checkDynamicAuthorization(content, report);
  checkExtraAttributes(content, report);
  checkSsmMap(content, report);
  checkRelations(content, report);
  checkAccounting(content, report);
  checkHa(content, report);
  return found;
}

type Report = (severity: Finding['severity'], path: KeyPath, message: string) => void;

function checkPorts(content: unknown, report: Report): void {
  const bridge = lookUp(content, ['bridge']);
  const ports = asMapping(lookUp(content, ['ports']));
  for (const [name, port] of Object.entries(ports)) {
    if (name === bridge) report('error', ['ports', name], 'is the bridge itself: name its ports');
    const warning = WARNED_MODES[String(lookUp(port, ['mode']))];
    if (warning !== undefined) report('warning', ['ports', name, 'mode'], warning);
  }
  const uplinks = asList(lookUp(content, ['uplinks']));
  uplinks.forEach((name, i) => {
    if (typeof name !== 'string') return;
    if (name === bridge) report('error', ['uplinks', i], `'${name}' is the bridge itself`);
    if (Object.hasOwn(ports, name)) {
      report(
        'error',
        ['uplinks', i],
        `'${name}' is a subscriber port under ports: a port is one or the other`,
      );
    }
    if (uplinks.indexOf(name) !== i) report('error', ['uplinks', i], `'${name}' is named twice`);
  });
  if (uplinks.length === 0) {
    report('warning', ['uplinks'], 'no uplink: no group is reported to a multicast router');
  }
}

const WARNED_MODES: Readonly<Record<string, string>> = {
  'force-authorized': 'this port is open to everybody without a login',
  monitor: 'this port is in monitor mode and guards nothing: whoever is refused is let through all the same',
};

function checkNas(content: unknown, report: Report): void {
  const nas = asMapping(lookUp(content, ['nas']));
  if (nas['identifier'] === undefined && nas['address'] === undefined) {
    report(
      'error',
      ['nas'],
      'RADIUS servers must know this switch: write identifier, address or both (RFC 2865 §4.1)',
    );
  }
  const address = nas['address'];
  if (typeof address !== 'string' || ipBytes(address) === undefined) return;
  if (isLinkLocal(address)) {
    report(
      'error',
      ['nas', 'address'],
      `'${address}' is link-local, which no server can tell apart (RFC 5080 §2.7.1)`,
    );
  }
  const unusable = unusableAs(address);
  if (unusable !== undefined)
    report('error', ['nas', 'address'], `'${address}' is ${unusable}, not a switch's own`);
}

function checkServers(content: unknown, report: Report): void {
  const firstWith = new Map<string, number>();
  const once = (what: string, i: number, key: string, text: string) => {
    const first = firstWith.get(`${what} ${text}`);
    if (first === undefined) firstWith.set(`${what} ${text}`, i);
    else
      report(
        'error',
        ['radius', 'servers', i, key],
        `${what} ${text} is already that of radius.servers[${first}]`,
      );
  };
  asList(lookUp(content, ['radius', 'servers'])).forEach((server, i) => {
    const path = (key: string) => ['radius', 'servers', i, key];
    const { name, address, source_address: source } = asMapping(server);
    if (typeof name === 'string') once('the name', i, 'name', `'${name}'`);
    const tls = lookUp(server, ['transport']) === 'tls';
    if (!tls && lookUp(server, ['secret_file']) === undefined) {
      const about = infoAt(['radius', 'servers', i, 'secret_file'])?.about;
      report('error', path('secret_file'), `required key is missing (${about})`);
    }
    for (const key of ['ca_file', 'certificate_file', 'key_file']) {
      const named = lookUp(server, ['tls', key]) !== undefined;
      if (tls && !named)
        report(
          'error',
          [...path('tls'), key],
          'required key is missing: over TLS both ends show a certificate',
        );
    }
    if (lookUp(server, ['transport']) === 'tcp') {
      report(
        'warning',
        path('transport'),
        'TCP hides nothing and MD5 protects little: only within a network that you trust, else transport: tls',
      );
    }
    if (lookUp(server, ['connection_backup']) === true) {
      for (const [wrong, what] of [
        [lookUp(server, ['transport']) !== 'tcp', 'is for transport: tcp'],
        [source === undefined, 'needs source_address: the address that moves with the node that serves'],
        [
          Object.keys(asMapping(lookUp(content, ['ha']))).length === 0,
          'is for one of two nodes: there is no section ha',
        ],
        [
          lookUp(content, ['ha', 'mode']) === 'async',
          'needs ha.mode: sync, by which the other node has what is sent',
        ],
      ] as const)
        if (wrong) report('error', path('connection_backup'), what);
    }
    if (lookUp(server, ['require_message_authenticator']) === false) {
      report(
        'warning',
        path('require_message_authenticator'),
        'answers can be forged on the way (Blast-RADIUS): only for a server that cannot send Message-Authenticator',
      );
    }
    if (typeof address !== 'string' || ipBytes(address) === undefined) return;
    const transport = lookUp(server, ['transport']);
    for (const key of tls ? [] : (['auth_port', 'acct_port'] as const)) {
      const port = value(server, key, ['radius', 'servers', i]);
      const where = ipFamily(address) === 6 ? `[${canonical(address)}]:${port}` : `${address}:${port}`;
      if (port !== undefined)
        once(
          `the ${transport === 'tcp' ? 'TCP ' : ''}${key}`,
          i,
          lookUp(server, [key]) === undefined ? 'address' : key,
          where,
        );
    }
    const unusable = unusableAs(address);
    if (unusable !== undefined)
      report('error', path('address'), `'${address}' is ${unusable}, not a server's`);
    if (ipFamily(address) === 6 && isLinkLocal(address)) {
      report(
        'error',
        path('address'),
        `'${address}' is link-local: give the server's global or unique local address`,
      );
    }
    if (typeof source !== 'string' || ipBytes(source) === undefined) return;
    if (ipFamily(source) !== ipFamily(address)) {
      report(
        'error',
        path('source_address'),
        `is IPv${ipFamily(source)}, but the server's address is IPv${ipFamily(address)}`,
      );
    } else if (isMulticastIp(source))
      report('error', path('source_address'), `'${source}' is a group address`);
  });
}

function checkServerLists(content: unknown, report: Report): void {
  const names = asList(lookUp(content, ['radius', 'servers']))
    .map((server) => lookUp(server, ['name']))
    .filter((name) => typeof name === 'string');
  for (const purpose of ['authentication', 'authorization', 'accounting']) {
    const listed = asList(lookUp(content, ['radius', purpose]));
    listed.forEach((name, i) => {
      if (typeof name !== 'string' || name === '') return;
      const path = ['radius', purpose, i];
      if (!names.includes(name)) {
        const near = closest(name, names);
        const hint =
          near === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean ${near}?`;
        report('error', path, `no server named '${name}' under radius.servers (${hint})`);
      } else if (listed.indexOf(name) !== i) report('error', path, `'${name}' is named twice`);
    });
  }
}

function checkDynamicAuthorization(content: unknown, report: Report): void {
  const at: KeyPath = ['radius', 'dynamic_authorization'];
  const section = lookUp(content, at);
  const clients = asList(lookUp(section, ['clients']));
  clients.forEach((client, i) => {
    for (const key of ['name', 'address'] as const) {
      const word = lookUp(client, [key]);
      const first = clients.findIndex((other) => lookUp(other, [key]) === word);
      if (typeof word === 'string' && first < i)
        report('error', [...at, 'clients', i, key], `'${word}' is already that of clients[${first}]`);
    }
    const address = lookUp(client, ['address']);
    const unusable =
      typeof address === 'string' && ipBytes(address) !== undefined ? unusableAs(address) : undefined;
    if (unusable !== undefined)
      report('error', [...at, 'clients', i, 'address'], `'${address}' is ${unusable}, not a client's`);
  });
  if (clients.length > 0 && lookUp(section, ['require_event_timestamp']) === false) {
    report(
      'warning',
      [...at, 'require_event_timestamp'],
      'whoever captures a request without Event-Timestamp can send it again at any later time',
    );
  }
}

function checkRelations(content: unknown, report: Report): void {
  const notOver = (section: KeyPath, low: string, high: string) => {
    const a = value(lookUp(content, section), low, section);
    const b = value(lookUp(content, section), high, section);
    if (a === undefined || b === undefined || a <= b) return;
    const text = isDuration(section, low) ? formatDuration : String;
    report('error', blame(content, section, low, high), `${low} (${text(a)}) is over ${high} (${text(b)})`);
  };
  notOver(['groups'], 'default_permit', 'max_permit');
  notOver(['radius', 'retransmit'], 'initial', 'max_interval');
  notOver(['radius', 'retransmit'], 'initial', 'max_duration');
  notOver(['authenticator'], 'max_hosts_per_port', 'max_hosts');
  notOver(['multicast'], 'max_groups_per_host', 'max_groups_per_port');

  const multicast = lookUp(content, ['multicast']);
  const interval = value(multicast, 'query_interval', ['multicast']);
  const response = value(multicast, 'query_response_interval', ['multicast']);
  if (interval !== undefined && response !== undefined && response >= interval) {
    const path = blame(content, ['multicast'], 'query_response_interval', 'query_interval');
    report('error', path, 'query_response_interval must be shorter than query_interval (RFC 9776 §8.3)');
  }
  const perPort = value(multicast, 'max_groups_per_port', ['multicast']);
  const table = value(multicast, 'hash_max', ['multicast']);
  const needed = Object.keys(asMapping(lookUp(content, ['ports']))).length * (perPort ?? 0);
  if (table !== undefined && needed > table) {
    const path = blame(content, ['multicast'], 'hash_max', 'max_groups_per_port');
    report(
      'warning',
      path,
      `hosts can fill the kernel's table, which ends snooping: ports × max_groups_per_port is ${needed}`,
    );
  }
  const address6 = lookUp(content, ['multicast', 'querier', 'address6']);
  if (typeof address6 === 'string' && ipBytes(address6)?.length === 16 && !isLinkLocal(address6)) {
    report(
      'error',
      ['multicast', 'querier', 'address6'],
      `'${address6}' is not link-local, as the source of MLD must be (RFC 9777 §5.1.14)`,
    );
  }
  const address = lookUp(content, ['multicast', 'querier', 'address']);
  if (typeof address === 'string' && ipBytes(address) !== undefined && isMulticastIp(address)) {
    report('error', ['multicast', 'querier', 'address'], `'${address}' is a group address, not a host's`);
  }
}

function checkAccounting(content: unknown, report: Report): void {
  const section = lookUp(content, ['accounting']);
  const interim = value(section, 'interim_interval', ['accounting']);
  if (interim !== undefined && interim > 0 && interim < 60_000) {
    report(
      'warning',
      ['accounting', 'interim_interval'],
      'under 60s, which RFC 2869 §5.16 has as the least: heavy on servers',
    );
  }
  const goesNowhere =
    lookUp(section, ['to_servers']) === false && lookUp(section, ['export_file']) === undefined;
  if (goesNowhere && lookUp(section, ['enabled']) !== false) {
    report(
      'error',
      ['accounting', 'to_servers'],
      'false without export_file: accounting would go nowhere. Name a file in export_file, or set enabled: false',
    );
  }
}

function checkHa(content: unknown, report: Report): void {
  const ha = asMapping(lookUp(content, ['ha']));
  if (Object.keys(ha).length === 0) return;
  const { address, peer } = ha;
  if (typeof address === 'string' && typeof peer === 'string') {
    if (address === peer) report('error', ['ha', 'peer'], 'is the own address: name the other node');
    else if (ipFamily(address) !== ipFamily(peer))
      report('error', ['ha', 'peer'], 'is of another family than address');
  }
  const servers = asList(lookUp(content, ['radius', 'servers'])).length;
  const first = value(lookUp(content, ['radius']), 'source_ports', ['radius']) ?? 20000;
  const each = value(lookUp(content, ['radius']), 'max_source_ports', ['radius']) ?? 0;
  if (first + 2 * servers * each > 65536) {
    const message = `${2 * servers} × max_source_ports do not fit above source_ports (${first})`;
    report('error', blame(content, ['radius'], 'source_ports', 'max_source_ports'), message);
  }
  const lease = value(ha, 'lease', ['ha']);
  const alone = value(ha, 'alone_after', ['ha']);
  if (lease !== undefined && alone !== undefined && lease >= alone) {
    report('error', blame(content, ['ha'], 'alone_after', 'lease'), 'alone_after must be longer than lease');
  }
  const backedUp = asList(lookUp(content, ['radius', 'servers'])).some(
    (server) => lookUp(server, ['connection_backup']) === true,
  );
  if (ha['standby_first'] === true && !backedUp) {
    const message = 'is about connections with connection_backup: no server has it';
    report('warning', ['ha', 'standby_first'], message);
  }
  asList(lookUp(content, ['radius', 'servers'])).forEach((server, index) => {
    if (lookUp(server, ['source_address']) !== undefined) return;
    const path = ['radius', 'servers', index];
    const message = 'without source_address (the virtual address) this server sees two switches, one a node';
    report('warning', path, message);
  });
}

/** The key that is written in the file, since it is the one to change; the first if both are. */
function blame(content: unknown, section: KeyPath, first: string, second: string): KeyPath {
  return [...section, lookUp(content, [...section, first]) === undefined ? second : first];
}

/** A number at `key` of a section, with its default; undefined where it is absent or will be refused. */
function value(section: unknown, key: string, path: KeyPath): number | undefined {
  const parsed = keysUnder(path)?.[key]?.safeParse(lookUp(section, [key]));
  return parsed?.success === true && typeof parsed.data === 'number' ? parsed.data : undefined;
}

function isDuration(path: KeyPath, key: string): boolean {
  return infoAt([...path, key])?.form === 'duration';
}

function canonical(address: string): string {
  return (ipBytes(address) ?? []).join('.');
}

/** 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(address: string): boolean {
  const [a = 0, b = 0] = ipBytes(address) ?? [];
  return ipFamily(address) === 4 ? a === 169 && b === 254 : a === 0xfe && (b & 0xc0) === 0x80;
}

function unusableAs(address: string): string | undefined {
  if (isMulticastIp(address)) return 'a group address';
  if (address === '255.255.255.255') return 'the broadcast address';
  return (ipBytes(address) ?? [1]).every((octet) => octet === 0) ? 'no address (all zeros)' : undefined;
}
