import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeCapture } from '../../../cli/decode/decode.ts';
import { ownCaptures, SECRET } from './own-captures.ts';

const FOLDER = new URL('../../../fixtures/captures/', import.meta.url);
const WRITE = process.env['WRITE_CAPTURES'] === '1';

/** Runs the command in memory. */
async function run(name: string, json: boolean, secret: string | undefined) {
  let out = '';
  let err = '';
  const path = new URL(`${name}.pcap`, FOLDER).pathname;
  const code = await decodeCapture(
    path,
    { json, secret },
    (text) => {
      out += text;
    },
    (text) => {
      err += text;
    },
  );
  return { code, out, err };
}

async function records(
  name: string,
  secret: string | undefined = SECRET,
): Promise<Record<string, unknown>[]> {
  const { out } = await run(name, true, secret);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('captures of fixtures/captures', () => {
  const captures = [...ownCaptures()];

  it.each(captures)('%s.pcap holds the frames that it is made of', (name, bytes) => {
    if (WRITE) {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(new URL(`${name}.pcap`, FOLDER), bytes);
    }
    expect(Buffer.compare(readFileSync(new URL(`${name}.pcap`, FOLDER)), bytes)).toBe(0);
  });

  it.each(captures)('%s.pcap decodes as its .jsonl and .txt say', async (name) => {
    for (const [json, kind] of [
      [true, 'jsonl'],
      [false, 'txt'],
    ] as const) {
      const { code, out, err } = await run(name, json, SECRET);
      const path = new URL(`${name}.${kind}`, FOLDER);
      if (WRITE) writeFileSync(path, out);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toBe(readFileSync(path, 'utf8'));
    }
  });

  it('login: the reasons of what is refused, and what the EAP packets say', async () => {
    const frames = await records('login');
    const reasons = [false, 'eapol-unknown-type', 'eapol-body-overruns-frame', 'eap-missing-type'];
    expect(frames.slice(9).map((frame) => frame['malformed'])).toEqual(reasons);
    expect(frames.slice(0, 9).every((frame) => frame['malformed'] === false)).toBe(true);
    expect(frames[2]).toMatchObject({
      eap: { identity: 'ann@example', identity_hex: '616e6e406578616d706c65' },
    });
    expect(frames[4]).toMatchObject({ eap: { desired_types: [4] } });
    expect(frames[6]).toMatchObject({ eap: { md5_value: '5a'.repeat(16) } });
    expect(frames[8]).toMatchObject({ eap: { tls_flags: 0xc0, tls_length: 256 } });
  });

  it('joins: tags, records, and a checksum that is wrong', async () => {
    const frames = await records('joins');
    expect(frames[2]).toMatchObject({
      vlan: [{ id: 42, pcp: 5 }],
      igmp: { version: 3, records: [{ type: 5, sources: ['198.51.100.7'] }, { type: 6 }] },
    });
    expect(frames[3]).toMatchObject({
      eth: { type: '0x88a8' },
      vlan: [
        { id: 200, pcp: 0, tpid: '0x88a8' },
        { id: 7, pcp: 1 },
      ],
    });
    expect(frames[6]).toMatchObject({ igmp: { checksum_ok: false }, malformed: 'igmp-bad-checksum' });
    expect(frames[7]).toMatchObject({ malformed: 'udp-short-header' });
  });

  it('joins-ipv6: a report from :: or from afar is refused, and still shown', async () => {
    const frames = await records('joins-ipv6');
    expect(frames.map((frame) => frame['malformed'])).toEqual([
      false,
      false,
      false,
      'mld-source-not-link-local',
      'mld-source-not-link-local',
      false,
      false,
    ]);
    expect(frames[4]).toMatchObject({ mld: { checksum_ok: true, records: [{ group: 'ff15::101' }] } });
  });

  it('radius: who answers whom, and what the secret proves', async () => {
    const frames = (await records('radius')).map((frame) => frame['radius'] as Record<string, unknown>);
    expect(frames[0]).toMatchObject({ message_authenticator_ok: true });
    expect(frames[1]).toMatchObject({ duplicate_of_frame: 1 });
    expect(frames[2]).toMatchObject({
      reply_to_frame: 1,
      authenticator_ok: true,
      message_authenticator_ok: true,
    });
    expect(frames[3]).toMatchObject({ reply_to_frame: 1, authenticator_ok: false });
    expect(frames[4]).toMatchObject({ authenticator_ok: true });
    expect(frames[5]).toMatchObject({ reply_to_frame: 5, authenticator_ok: true });
    expect(frames[6]).toMatchObject({ authenticator_ok: true, message_authenticator_ok: true });
    const reasons = (await records('radius')).slice(7).map((frame) => frame['malformed']);
    expect(reasons).toEqual([
      'radius-attribute-overruns-packet',
      'radius-unknown-code',
      'radius-attribute-bad-length',
    ]);
  });

  it('radius: without the secret nothing is said of signatures, with a wrong one they are wrong', async () => {
    const { out } = await run('radius', true, undefined);
    expect(out).not.toContain('authenticator_ok');
    const wrong = await records('radius', 'another secret');
    expect(wrong[2]).toMatchObject({ radius: { authenticator_ok: false, message_authenticator_ok: false } });
  });

  it('radius-tcp: packets are cut out of the stream, and no retransmission counts twice', async () => {
    const frames = await records('radius-tcp');
    expect(frames.map((frame) => frame['radius'] !== undefined)).toEqual([
      false,
      true,
      false,
      true,
      true,
      true,
    ]);
    expect(frames[4]).toMatchObject({
      radius: [{ reply_to_frame: 2 }, { reply_to_frame: 4, authenticator_ok: true }],
    });
    expect(frames[5]).toMatchObject({ malformed: 'radius-short-header' });
  });
});
