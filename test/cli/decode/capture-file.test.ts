import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CapturedFrame, CaptureFileError, readCapture } from '../../../cli/decode/capture-file.ts';
import { decodeCapture } from '../../../cli/decode/decode.ts';
import { type FrameToWrite, Link, pcapFile, pcapngFile } from './pcap-file.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'castgate-capture-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FRAMES: readonly FrameToWrite[] = [
  { timeUs: 1_750_000_000_000_001, data: Uint8Array.of(1, 2, 3) },
  { timeUs: 1_750_000_000_999_999, data: new Uint8Array(60).fill(9), length: 1500 },
  { timeUs: 1_750_000_001_000_000, data: Uint8Array.of() },
];

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function read(path: string): Promise<{ frames: CapturedFrame[]; error: unknown }> {
  const frames: CapturedFrame[] = [];
  const error = await readCapture(path, (frame) => frames.push(frame)).then(
    (count) => (count === frames.length ? undefined : 'wrong count'),
    (cause) => cause,
  );
  return { frames, error };
}

describe('capture files', () => {
  it.each([
    ['little-endian', pcapFile(Link.Ethernet, FRAMES)],
    ['big-endian', pcapFile(Link.Ethernet, FRAMES, { bigEndian: true })],
    ['nanoseconds', pcapFile(Link.Ethernet, FRAMES, { nanoseconds: true })],
    ['big-endian nanoseconds', pcapFile(Link.Ethernet, FRAMES, { nanoseconds: true, bigEndian: true })],
  ])('%s: number, time, lengths and an own copy of every frame', async (name, bytes) => {
    const { frames, error } = await read(file(`${name}.pcap`, bytes));
    expect(error).toBeUndefined();
    expect(frames).toEqual(
      FRAMES.map(({ timeUs, data, length }, i) => ({
        number: i + 1,
        timeUs,
        linkType: 'ethernet',
        capturedLength: data.length,
        length: length ?? data.length,
        data,
      })),
    );
  });

  it('pcapng', async () => {
    const { frames, error } = await read(file('new.pcapng', pcapngFile(Link.Ethernet, FRAMES)));
    expect(error).toBeUndefined();
    expect(frames.map(({ timeUs, data }) => ({ timeUs, data }))).toEqual(
      FRAMES.map(({ timeUs, data }) => ({ timeUs, data })),
    );
  });

  it.each([
    [Link.Ethernet, 'ethernet'],
    [Link.LinuxSll, 'linux-sll'],
    [Link.LinuxSll2, 'linux-sll2'],
    [Link.Raw, 'raw-ip'],
    [Link.Ipv4, 'raw-ip'],
    [Link.Ipv6, 'raw-ip'],
  ])('link type %d is %s', async (number, name) => {
    const { frames, error } = await read(file(`link-${number}.pcap`, pcapFile(number, FRAMES)));
    expect(error).toBeUndefined();
    expect(frames.map((frame) => frame.linkType)).toEqual([name, name, name]);
  });

  it('an empty capture has no frames', async () => {
    expect(await read(file('empty.pcap', pcapFile(Link.Ethernet, [])))).toEqual({
      frames: [],
      error: undefined,
    });
  });

  it('a frame of 200,000 octets is read whole', async () => {
    const data = new Uint8Array(200_000).map((_, i) => i);
    const { frames } = await read(file('big.pcap', pcapFile(Link.Ethernet, [{ timeUs: 0, data }])));
    expect(Buffer.compare(frames[0]?.data ?? Buffer.alloc(0), data)).toBe(0);
  });

  it('every cut of a file is an error, after the whole frames before it', async () => {
    const bytes = pcapFile(Link.Ethernet, FRAMES);
    const ends = [24, 43, 119, 135];
    expect(bytes.length).toBe(135);
    for (let length = 0; length < bytes.length; length++) {
      const { frames, error } = await read(file('cut.pcap', bytes.subarray(0, length)));
      const whole = ends.indexOf(length);
      if (whole >= 0) expect(error).toBeUndefined();
      else expect(error).toBeInstanceOf(CaptureFileError);
      expect(frames.length).toBe(Math.max(0, ends.filter((end) => end <= length).length - 1));
    }
  });

  it('a cut pcapng file is an error', async () => {
    const bytes = pcapngFile(Link.Ethernet, FRAMES);
    const { frames, error } = await read(file('cut.pcapng', bytes.subarray(0, bytes.length - 5)));
    expect(error).toBeInstanceOf(CaptureFileError);
    expect(frames.length).toBe(2);
  });

  it('damage in the middle is an error', async () => {
    const bytes = pcapFile(Link.Ethernet, FRAMES);
    bytes.set([0xff, 0xff, 0xff, 0x7f], 43 + 8);
    const { frames, error } = await read(file('damaged.pcap', bytes));
    expect(String(error)).toMatch(/cut off or damaged after 1 frame$/);
    expect(frames.length).toBe(1);
  });

  it('hands on what the listener throws, and no more frames', async () => {
    const path = file('thrown.pcap', pcapFile(Link.Ethernet, FRAMES));
    let seen = 0;
    const reading = readCapture(path, () => {
      seen++;
      throw new RangeError('of the listener');
    });
    await expect(reading).rejects.toThrow(new RangeError('of the listener'));
    expect(seen).toBe(1);
  });

  it('keeps no file open', async () => {
    const open = () =>
      readdirSync('/proc/self/fd').filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
        } catch {
          return false;
        }
      });
    const path = file('closed.pcap', pcapFile(Link.Ethernet, FRAMES));
    for (let i = 0; i < 20; i++) await read(path);
    await read(file('closed-cut.pcap', pcapFile(Link.Ethernet, FRAMES).subarray(0, 50)));
    await read(file('closed-link.pcap', pcapFile(Link.Ieee80211, FRAMES)));
    await new Promise((resolve) => setImmediate(resolve));
    expect(open()).toEqual([]);
  });
});

describe('castgate decode of files that are none', () => {
  const cases: readonly [string, () => string, RegExp][] = [
    ['no file', () => join(folder, 'nowhere.pcap'), /nowhere\.pcap: no such file\n$/],
    ['a directory', () => folder, /: is a directory\n$/],
    ['a device', () => '/dev/null', /\/dev\/null: is not a regular file\n$/],
    ['an empty file', () => file('nothing', Uint8Array.of()), /is no pcap or pcapng file\n$/],
    ['text', () => file('text', new TextEncoder().encode('frame 1: alice\n'.repeat(9))), /is no pcap/],
    [
      'a cut header',
      () => file('head', pcapFile(1, []).subarray(0, 23)),
      /cut off inside its file header\n$/,
    ],
    [
      'a cut frame',
      () => file('tail', pcapFile(1, FRAMES).subarray(0, 100)),
      /cut off or damaged after 1 frame\n$/,
    ],
    ['802.11', () => file('wlan', pcapFile(Link.Ieee80211, FRAMES)), /link type 105 is not one of/],
  ];

  it.each(cases)('%s: one line on standard error, exit code 2', async (_what, path, message) => {
    let err = '';
    const code = await decodeCapture(
      path(),
      { json: true, secret: undefined },
      () => {},
      (text) => {
        err += text;
      },
    );
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(err.split('\n').length).toBe(2);
    expect(err).toMatch(/^castgate: \//);
  });

  it('hands a bug on', async () => {
    const path = file('bug.pcap', pcapFile(Link.Ethernet, FRAMES));
    const printer = () => {
      throw new TypeError('of the printer');
    };
    const decoding = decodeCapture(path, { json: true, secret: undefined }, printer, () => {});
    await expect(decoding).rejects.toThrow(TypeError);
  });
});
