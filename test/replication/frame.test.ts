import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeLog } from '../../replication/change-log.ts';
import { encodeFrame, FrameReader, FrameType, MAX_FRAME_OCTETS } from '../../replication/frame.ts';
import { journalEntry, journalSnapshot, readJournal } from '../../replication/journal.ts';
import { Keeper } from './keeper.ts';

/** What a reader makes of a stream that arrives in such pieces. */
function read(stream: Uint8Array, piece: number) {
  const reader = new FrameReader();
  const frames: (readonly [type: number, payload: string])[] = [];
  for (let at = 0; at < stream.length; at += piece) {
    for (const { type, payload } of reader.push(stream.subarray(at, at + piece)))
      frames.push([type, Buffer.from(payload).toString('hex')]);
  }
  return { frames, fault: reader.fault };
}

describe('frames', () => {
  it('are the same octets in a room that they are given, and do without one that is too small', () => {
    const room = Buffer.alloc(64, 0xa5);
    for (const length of [0, 55, 56, 57]) {
      const payload = new Uint8Array(length).fill(length);
      const frame = encodeFrame(FrameType.Changes, payload, undefined, room);
      expect(frame).toEqual(encodeFrame(FrameType.Changes, payload));
      expect(frame.buffer === room.buffer && frame.byteOffset === room.byteOffset).toBe(length + 9 <= 64);
    }
    const parts = new Uint8Array(30).fill(3);
    expect(encodeFrame(FrameType.Changes, parts, 10, room)).toEqual(
      encodeFrame(FrameType.Changes, parts, 10),
    );
  });

  it('carry a payload of any length, in parts where it is too long for one', () => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 });
    fc.assert(
      fc.property(
        payloads,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 90 }),
        (all, longest, piece) => {
          const stream = Buffer.concat(
            all.map((payload) => encodeFrame(FrameType.Changes, payload, longest)),
          );
          expect(read(stream, piece)).toEqual({
            frames: all.map((payload) => [FrameType.Changes, Buffer.from(payload).toString('hex')]),
            fault: undefined,
          });
        },
      ),
    );
  });

  it('are single ones up to the length that a reader takes', () => {
    const payload = new Uint8Array(40);
    expect(encodeFrame(FrameType.Records, payload, 40)).toEqual(encodeFrame(FrameType.Records, payload));
    expect(encodeFrame(FrameType.Records, payload, 39).length).toBeGreaterThan(
      encodeFrame(FrameType.Records, payload).length,
    );
  });

  it('give nothing of a payload whose last part is missing', () => {
    const stream = encodeFrame(FrameType.Changes, new Uint8Array(50), 20);
    expect(read(stream.subarray(0, stream.length - 1), 7)).toEqual({ frames: [], fault: undefined });
  });

  it('carry a turn that changes more than one frame holds through a journal', () => {
    const log = new ChangeLog(0, 'none');
    const stores = new Keeper(log);
    const head = { bootId: 'boot-1', bridge: 'br0' };
    const begin = Buffer.concat([...journalSnapshot(head, stores)]);
    const text = 'x'.repeat(1 << 16);
    for (let i = 0; i * text.length <= MAX_FRAME_OCTETS; i++)
      stores.store('things').apply(`one-${i}`, { text });
    const batch = log.seal();
    if (batch === undefined) throw new Error('nothing changed');
    expect(batch.octets.length).toBeGreaterThan(MAX_FRAME_OCTETS);
    const loaded = new Keeper();
    expect(readJournal(Buffer.concat([begin, journalEntry(batch)]), head, loaded)).toBeTypeOf('object');
    expect(Object.keys(loaded.contents())).toHaveLength(Object.keys(stores.contents()).length);
    expect(loaded.contents()).toEqual(stores.contents());
  });
});
