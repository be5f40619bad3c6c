import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderRows, SHOW_TOPICS } from '../../../cli/show/show.ts';
import type {
  AccountingRow,
  GroupRow,
  PortRow,
  RadiusRow,
  SessionRow,
} from '../../../daemon/show/show-rows.ts';

const NOW = 1_700_000_000_000;

const session: SessionRow = {
  port: 'swp1',
  vlan: 0,
  mac: '02:00:00:00:0a:01',
  account: 'alice',
  state: 'AUTHENTICATED',
  authorized: true,
  letThrough: null,
  since: NOW - 192_000,
  acctSessionId: '5f00-1',
  server: 'r1',
  reauthAt: NOW + 3_408_000,
  octetsIn: 1234,
  sends: [],
  filter: [],
  octetsOut: 4_560_000,
};
const group: GroupRow = {
  port: 'swp1',
  vlan: 7,
  mac: '02:00:00:00:0a:01',
  account: 'alice',
  group: '239.1.1.2',
  source: null,
  state: 'refused',
  reason: 'radius-reject',
  by: null,
  since: NOW - 4000,
  expiresAt: NOW + 26_000,
  octets: 0,
  packets: 0,
};
const radius: RadiusRow = {
  server: 'r1',
  address: '127.0.0.1:1812',
  state: 'alive',
  inFlight: 1,
  sent: 20,
  statusServer: 0,
  accepts: 9,
  rejects: 2,
  challenges: 8,
  timeouts: 0,
  retransmits: 1,
  discarded: { 'bad-authenticator': 2, 'unknown-id': 1, none: 0 },
  rttMs: 1.26,
  handshakes: {},
  connectionsLost: {},
  accountingQueue: 3,
};
const port: PortRow = {
  port: 'swp1',
  up: true,
  shutBy: null,
  mode: 'auto',
  hosts: 2,
  authorizedHosts: 1,
  monitoredHosts: 0,
  channels: 3,
  drops: { 'no-session': 5 },
  eapolRx: 10,
  eapolTx: 12,
  mab: {},
  igmpRx: 8,
};

describe('castgate show', () => {
  it('shows who is let through, and on which ports, where there are such', () => {
    const through = { ...session, account: null, authorized: false, letThrough: 'radius-reject' };
    const rows = renderRows('sessions', [session, through], NOW).split('\n');
    expect(rows[0]).toContain('AUTHORIZED  LET-THROUGH    SINCE');
    expect(rows[1]).toContain('yes         -  ');
    expect(rows[2]).toContain('no          radius-reject  ');
    const ports = renderRows('ports', [{ ...port, mode: 'monitor', monitoredHosts: 7 }], NOW).split('\n');
    expect(ports[0]).toContain('AUTHORIZED  LET-THROUGH  CHANNELS');
    expect(ports[1]).toContain('         1            7  ');
  });

  it('shows sessions', () => {
    const waiting = {
      ...session,
      account: null,
      state: 'CONNECTING',
      authorized: false,
      since: null,
      reauthAt: null,
      server: null,
      acctSessionId: null,
    };
    expect(renderRows('sessions', [session, waiting], NOW)).toBe(
      [
        'PORT  VLAN  MAC                ACCOUNT  STATE          AUTHORIZED  SINCE     REAUTH     IN    OUT  SERVER  ACCT-SESSION',
        'swp1     -  02:00:00:00:0a:01  alice    AUTHENTICATED  yes         3m12s  in 56m48s  1.23k  4.56M  r1      5f00-1',
        'swp1     -  02:00:00:00:0a:01  -        CONNECTING     no              -          -  1.23k  4.56M  -       -',
        '',
      ].join('\n'),
    );
  });

  it('shows groups', () => {
    expect(
      renderRows(
        'groups',
        [group, { ...group, source: '10.0.0.1', reason: null, state: 'granted', by: 'cache' }],
        NOW,
      ),
    ).toBe(
      [
        'PORT  VLAN  MAC                ACCOUNT  GROUP      SOURCE    STATE    REASON         BY     SINCE  EXPIRES  OCTETS  PACKETS',
        'swp1     7  02:00:00:00:0a:01  alice    239.1.1.2  *         refused  radius-reject  -         4s   in 26s       0        0',
        'swp1     7  02:00:00:00:0a:01  alice    239.1.1.2  10.0.0.1  granted  -              cache     4s   in 26s       0        0',
        '',
      ].join('\n'),
    );
  });

  it('shows servers, with the reasons of what was discarded', () => {
    expect(renderRows('radius', [radius], NOW)).toBe(
      [
        'SERVER  ADDRESS         STATE  IN-FLIGHT  SENT  ACCEPTS  REJECTS  CHALLENGES  TIMEOUTS  RETRANSMITS  DISCARDED    RTT  ACCT-QUEUE',
        'r1      127.0.0.1:1812  alive          1    20        9        2           8         0            1          3  1.3ms           3',
        'r1 discarded: bad-authenticator 2, unknown-id 1',
        '',
      ].join('\n'),
    );
  });

  it('shows ports, with the reasons of what was dropped', () => {
    expect(renderRows('ports', [port], NOW)).toBe(
      [
        'PORT  LINK  MODE  HOSTS  AUTHORIZED  CHANNELS  EAPOL-RX  EAPOL-TX  IGMP-RX  DROPS',
        'swp1  up    auto      2           1         3        10        12        8      5',
        'swp1 drops: no-session 5',
        '',
      ].join('\n'),
    );
  });

  it('shows what the kernel refused', () => {
    const rows = [
      { what: 'senders', packets: 12, octets: 12_345 },
      { what: 'strangers', packets: 0, octets: 0 },
    ];
    expect(renderRows('refusals', rows, NOW)).toBe(
      ['WHAT       PACKETS  OCTETS', 'senders         12   12.3k', 'strangers        0       0', ''].join(
        '\n',
      ),
    );
  });

  it('shows the accounting queue', () => {
    const row: AccountingRow = {
      state: 'backlog',
      waiting: 81_234,
      limit: 100_000,
      oldestAt: NOW - 192_000,
      running: 12,
      acknowledged: 456,
      lost: { 'queue-full': 2, 'radius-too-long': 1 },
      diskOctets: 33_000_000,
      diskLimit: 268_435_456,
      unwritten: 0,
    };
    expect(renderRows('accounting', [row], NOW)).toBe(
      [
        'STATE    RUNNING  WAITING   LIMIT  OLDEST  ACKNOWLEDGED  LOST   DISK  DISK-LIMIT  UNWRITTEN',
        'backlog       12    81234  100000   3m12s           456     3  33.0M        268M          0',
        '',
      ].join('\n'),
    );
  });

  it('says that there is nothing', () => {
    expect(renderRows('sessions', [], NOW)).toBe('no sessions\n');
    expect(renderRows('groups', [], NOW)).toBe('no groups\n');
  });

  it('takes rows of any form, and keeps control characters off the terminal', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant('\u001b[31m'));
    const keys = [session, group, radius, port].flatMap((row) => Object.keys(row));
    const row = fc.dictionary(fc.constantFrom(...keys), value);
    fc.assert(
      fc.property(fc.constantFrom(...SHOW_TOPICS), fc.array(row, { maxLength: 3 }), (topic, rows) => {
        expect(renderRows(topic, rows, NOW)).not.toMatch(/[^\P{Cc}\n]/u);
      }),
    );
  });
});
