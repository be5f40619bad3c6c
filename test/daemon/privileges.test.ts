import { describe, expect, it } from 'vitest';
import { type OpenLogger, openLog } from '../../daemon/log/log.ts';
import { type Privileges, privilegeRows, sayPrivileges } from '../../daemon/privileges.ts';
import { configOf } from './world.ts';

const ENOUGH: Privileges = {
  user: 'castgate',
  held: new Set(['CAP_NET_ADMIN', 'CAP_NET_RAW']),
  firstFreePort: 1024,
  writes: () => true,
};

function lacking(config: ReturnType<typeof configOf>, may: Partial<Privileges> = {}): string[] {
  return privilegeRows(config, { ...ENOUGH, ...may })
    .filter(({ held }) => !held)
    .map(({ feature, needs, without }) => `${feature}: ${needs}: ${without}`);
}

describe('privileges', () => {
  it('are enough with two capabilities', () => {
    expect(lacking(configOf())).toEqual([]);
    expect(lacking(configOf({ http: { port: 1024 } }))).toEqual([]);
  });

  it('are missed by the features that need them, and only where these are used', () => {
    const http = configOf({ http: { port: 443 } });
    const named = ['the page and /metrics on port 443: CAP_NET_BIND_SERVICE: nobody is answered there'];
    expect(lacking(http)).toEqual(named);
    expect(lacking(configOf({ http: { port: 443, enabled: false } }))).toEqual([]);
    expect(lacking(http, { firstFreePort: 0 })).toEqual([]);
    expect(lacking(http, { held: new Set([...ENOUGH.held, 'CAP_NET_BIND_SERVICE']) })).toEqual([]);
    const clients = [{ name: 'r', address: '127.0.0.1', secret_file: 's' }];
    const dynamic = (clients_: unknown[]) =>
      configOf({
        radius: {
          servers: [{ name: 'r1', address: '127.0.0.1', secret_file: 's' }],
          dynamic_authorization: { clients: clients_, port: 379 },
        },
      });
    expect(lacking(dynamic(clients))).toEqual([
      'Disconnect and CoA on port 379: CAP_NET_BIND_SERVICE: RADIUS cannot end or change sessions',
    ]);
    expect(lacking(dynamic([]))).toEqual([]);
  });

  it('to write are told by path', () => {
    const config = configOf({ accounting: { export_file: '/var/log/castgate/records.jsonl' } });
    const not = (folder: string) => ({ writes: (path: string) => !path.startsWith(folder) });
    expect(lacking(config, not('/var/log'))).toEqual([
      'accounting as a file: write /var/log/castgate/records.jsonl: no lines are written',
    ]);
  });

  it('are one event, a warning where some are missing', () => {
    const lines: Record<string, unknown>[] = [];
    const log: OpenLogger = openLog('info', (line) => lines.push(JSON.parse(line)));
    sayPrivileges(configOf(), log, ENOUGH);
    sayPrivileges(configOf(), log, { ...ENOUGH, held: new Set(['CAP_NET_ADMIN']) });
    expect(lines).toMatchObject([
      { level: 'info', event: 'privileges', user: 'castgate', cannot: [] },
      {
        level: 'warn',
        event: 'privileges',
        capabilities: ['CAP_NET_ADMIN'],
        cannot: [
          {
            feature: 'EAPOL, IGMP and MLD on the ports',
            needs: 'CAP_NET_RAW',
            without: 'castgate does not start',
          },
        ],
      },
    ]);
  });
});
