import { existsSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { merged } from '../recording.ts';
import { HOST, notes, replay, useScratch, words } from './rig.ts';

/** A replay that opened a socket or started a program would fail here. */
vi.mock('node:dgram', () => ({ createSocket: refuse }));
vi.mock('node:net', () => ({
  createConnection: refuse,
  connect: refuse,
  createServer: refuse,
  Socket: refuse,
}));
vi.mock('node:child_process', () => ({ spawn: refuse, spawnSync: refuse, exec: refuse, execFile: refuse }));

function refuse(): never {
  throw new Error('a replay touches nothing');
}

const RECORDED = new URL('../../../../shared/captures/recorded/', import.meta.url).pathname;

useScratch();

describe.skipIf(!existsSync(RECORDED))(
  'captures of hostapd, wpa_supplicant and FreeRADIUS (../shared)',
  () => {
    const both = (name: string) =>
      merged({ path: `${RECORDED}${name}-eapol.pcap` }, { path: `${RECORDED}${name}-radius.pcap` });

    it.each<[string, readonly string[]]>([
      ['md5-success', ['session-started alice']],
      ['mschapv2-success', ['session-started alice']],
      ['gtc-success', ['session-started carol']],
      ['peap-success', ['session-started anonymous']],
      ['ttls-pap-success', ['session-started anonymous']],
      ['ttls-mschapv2-success', ['session-started anonymous']],
      ['tls-success', ['session-started tess']],
      ['eapol-version-3', ['session-started alice']],
      ['md5-wrong-password', ['login-refused alice radius-reject']],
      ['peap-wrong-password', ['login-refused anonymous radius-reject']],
      ['tls-expired', ['login-refused expired radius-reject']],
      ['tls-unknown-ca', ['login-refused stranger radius-reject']],
      ['unknown-user', ['login-refused no-such-user radius-reject']],
      ['method-nak-all', ['login-refused alice radius-reject']],
      ['denied', ['login-refused mallory radius-reject']],
      ['vlan-success', ['login-refused bob accept-vlan']],
      ['reject-without-eap', ['login-refused mute radius-reject', 'frame-dropped eap-stale']],
      ['logoff-logon', ['session-started alice', 'session-ended alice logoff']],
      [
        'reauth-by-authenticator',
        ['session-started alice', 'session-renewed alice', 'session-renewed alice'],
      ],
      [
        'two-supplicants',
        [
          'session-started alice',
          'session-started anonymous',
          'session-ended alice logoff',
          'session-started alice',
        ],
      ],
      [
        'radius-server-down',
        ['question-unanswered alice not-recorded', 'radius-server', 'login-refused alice radius-timeout'],
      ],
    ])('%s', async (name, expected) => {
      expect(words(await replay(await both(name)))).toEqual(expected);
    });

    it.each<[string, readonly string[]]>([
      ['md5-success', ['session-started alice']],
      ['peap-success', ['session-started anonymous']],
      ['md5-wrong-password', ['login-refused alice radius-reject']],
    ])('%s without its RADIUS side', async (name, expected) => {
      const lines = await replay(`${RECORDED}${name}-eapol.pcap`);
      expect(words(lines)).toEqual(expected);
      expect(notes(lines)).toHaveLength(1);
    });

    it('a subscriber who is in joins two groups: the recorded policy knows one of them', async () => {
      const capture = await merged(
        { path: `${RECORDED}md5-success-eapol.pcap`, shiftMs: 0 },
        { path: `${RECORDED}igmpv3-asm.pcap`, shiftMs: 2_000, src: new Map([['02:00:00:00:0b:01', HOST]]) },
        { path: `${RECORDED}mcast-authorize-radius.pcap`, shiftMs: 2_000 },
      );
      expect(words(await replay(capture))).toEqual([
        'session-started alice',
        'join-granted alice 239.1.1.1 radius',
        'question-unanswered alice 239.1.1.2 not-recorded',
        'join-refused alice 239.1.1.2 radius-timeout',
        'channel-ended alice 239.1.1.1 leave',
      ]);
    });

    it('joins of hosts who never logged in', async () => {
      for (const [name, at] of [
        ['igmpv3-asm', '239.1.1.1'],
        ['igmpv3-asm-vlan42', '239.1.1.1'],
        ['igmpv2-join-leave', '239.1.1.1'],
        ['mldv2-asm', 'ff15::101'],
      ] as const) {
        const lines = await replay(`${RECORDED}${name}.pcap`);
        expect(words(lines)[0]).toBe(`join-refused ${at} no-session`);
        expect(words(lines).every((word) => word.endsWith('no-session'))).toBe(true);
        expect(lines[0]).toMatchObject({ vlan: name.endsWith('vlan42') ? 42 : 0 });
      }
    });
  },
);
