import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../config/file/problem.ts';
import { type LoadedConfig, parseConfig } from '../../config/load.ts';

const KEY = { secret: new Uint8Array(32), remarks: [] };

function load(ha: string, more = 'source_address: 192.0.2.9', key = KEY): LoadedConfig {
  const text = `
bridge: br0
ports: { swp1: {} }
uplinks: [swp49]
nas: { identifier: x }
ha: ${ha}
radius:
  servers:
    - { name: r, address: 192.0.2.1, secret_file: s, ${more} }
`;
  return parseConfig(text, 'x.yaml', () => key);
}

function errors(loaded: LoadedConfig): string[] {
  return 'errors' in loaded ? loaded.errors.map(formatProblem) : [];
}

const WHOLE = '{ node: a, address: 192.0.2.11, peer: 192.0.2.12, key_file: k, vrrp_instance: v }';

describe('the section ha', () => {
  it('may be left out or empty: the node is alone', () => {
    const loaded = load('');
    expect('config' in loaded && loaded.config.ha).toBe(undefined);
    expect('config' in loaded && loaded.config.radius.sourcePorts).toBe(undefined);
  });

  it('is filled in with its defaults, and source ports become fixed', () => {
    const loaded = load(WHOLE);
    expect(errors(loaded)).toEqual([]);
    expect('config' in loaded && loaded.config.ha).toEqual({
      node: 'a',
      address: '192.0.2.11',
      peer: '192.0.2.12',
      port: 4750,
      key: KEY.secret,
      mode: 'sync',
      leaseMs: 250,
      aloneAfterMs: 1000,
      standbyFirst: false,
      vrrpInstance: 'v',
      notifyFifo: undefined,
      priorityFile: undefined,
    });
    expect('config' in loaded && loaded.config.radius.sourcePorts).toBe(20000);
  });

  it('wants a key of 32 octets, two addresses of one family, and patience beyond the lease', () => {
    expect(errors(load(WHOLE, undefined, { secret: new Uint8Array(31), remarks: [] }))[0]).toMatch(
      /ha\.key_file: holds 31 octets: at least 32/,
    );
    expect(errors(load(WHOLE.replace('192.0.2.12', '192.0.2.11')))[0]).toMatch(/ha\.peer: is the own/);
    expect(errors(load(WHOLE.replace('192.0.2.12', '2001:db8::1')))[0]).toMatch(/ha\.peer: is of another/);
    expect(errors(load(WHOLE.replace('{', '{ lease: 2s,')))[0]).toMatch(/longer than lease/);
    expect(errors(load('{ node: a }')).length).toBe(4);
  });

  it('is what connection_backup needs, beside TCP, a source address and sync', () => {
    const backed = 'source_address: 192.0.2.9, transport: tcp, connection_backup: true';
    const loaded = load(WHOLE, backed);
    expect(errors(loaded)).toEqual([]);
    expect('config' in loaded && loaded.config.radius.servers[0]?.connectionBackup).toBe(true);
    const why = (ha: string, more: string) =>
      errors(load(ha, more)).map((text) => text.replace(/^.*?: /, ''));
    expect(why(WHOLE, backed.replace('tcp', 'udp'))[0]).toMatch(/is for transport: tcp/);
    expect(why(WHOLE, 'transport: tcp, connection_backup: true')[0]).toMatch(/needs source_address/);
    expect(why('', backed)[0]).toMatch(/is for one of two nodes/);
    expect(why(WHOLE.replace('{', '{ mode: async,'), backed)[0]).toMatch(/needs ha\.mode: sync/);
  });

  it('warns of a standby in the way of connections that nobody backs up', () => {
    const first = WHOLE.replace('{', '{ standby_first: true,');
    expect(load(first).warnings.map(formatProblem).join()).toMatch(/standby_first: is about connections/);
    const backed = load(first, 'source_address: 192.0.2.9, transport: tcp, connection_backup: true');
    expect(backed.warnings.map(formatProblem).join()).not.toMatch(/standby_first/);
    expect('config' in backed && backed.config.ha?.standbyFirst).toBe(true);
  });

  it('wants room for all source ports', () => {
    const loaded = parseConfig(
      `
bridge: br0
ports: { swp1: {} }
uplinks: [swp49]
nas: { identifier: x }
ha: ${WHOLE}
radius:
  source_ports: 60000
  max_source_ports: 1024
  servers:
    - { name: r, address: 192.0.2.1, secret_file: s, source_address: 192.0.2.9 }
    - { name: q, address: 192.0.2.2, secret_file: s, source_address: 192.0.2.9 }
    - { name: p, address: 192.0.2.3, secret_file: s, source_address: 192.0.2.9 }
`,
      'x.yaml',
      () => KEY,
    );
    expect(errors(loaded)[0]).toMatch(/do not fit above source_ports/);
  });

  it('warns where a server would see two switches', () => {
    const loaded = load(WHOLE, 'auth_port: 1812');
    expect(loaded.warnings.map(formatProblem)[0]).toMatch(/two switches/);
  });
});
