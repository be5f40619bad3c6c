import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeAnswer, type Known } from '../../connection-backup/continuation.ts';
import type { ConnectionRecord } from '../../connection-backup/records.ts';
import { type Segment, TcpFlag } from '../../connection-backup/segment.ts';
import { plus } from '../../connection-backup/sequence.ts';

const local = { address: '192.0.2.1', port: 40000 };
const remote = { address: '192.0.2.2', port: 1812 };
const connection: ConnectionRecord = {
  v: 1,
  key: 'c',
  local,
  remote,
  sentFrom: 0xffffff00,
  receivedFrom: 0xfffffff0,
  options: { mss: 1448, windowScale: { peer: 7, own: 8 }, sack: true, timestamps: true },
  timestamp: { value: 2, at: 0, perMs: 1 },
  peerWindow: 65535,
  ownWindow: 65535,
};
/** Of 1,500 octets that were sent the last 500 are kept; 200 were received. */
const known: Known = { connection, sentBegin: 1000, sentEnd: 1500, received: 200 };

interface AnswerParts extends Partial<Segment> {
  readonly sentTo?: number;
  readonly came?: number;
}

function answer({ sentTo = 1000, came = 200, ...parts }: AnswerParts = {}): Segment {
  return {
    source: remote,
    destination: local,
    sequence: plus(connection.receivedFrom, came),
    acknowledgement: plus(connection.sentFrom, sentTo),
    flags: TcpFlag.Ack,
    window: 10,
    length: 0,
    sack: [],
    ...parts,
  };
}

describe('a connection is continued', () => {
  it('from where the peer stands, anywhere within what is kept', () => {
    const position = fc.integer({ min: 1000, max: 1500 });
    fc.assert(
      fc.property(position, fc.integer({ min: 200, max: 5000 }), (sentTo, came) => {
        const found = judgeAnswer(known, answer({ sentTo, came }));
        expect(found).toEqual({ from: sentTo, reached: sentTo, window: 1280 });
      }),
    );
  });

  it('with what the peer holds out of order as sent already, and no notice of what it had twice', () => {
    const at = (position: number) => plus(connection.sentFrom, position);
    const sack = [
      { from: at(999), to: at(1000) },
      { from: at(1300), to: at(1400) },
      { from: at(1100), to: at(1200) },
    ];
    expect(judgeAnswer(known, answer({ sack }))).toMatchObject({ from: 1000, reached: 1400 });
  });

  it('after any number of octets on it', () => {
    const far = { ...known, sentBegin: 2 ** 40, sentEnd: 2 ** 40 + 10, received: 2 ** 41 };
    const found = judgeAnswer(far, answer({ sentTo: 2 ** 40 + 4, came: 2 ** 41 }));
    expect(found).toMatchObject({ from: 2 ** 40 + 4 });
  });

  it('also where the peer sends old data again meanwhile', () => {
    expect(judgeAnswer(known, answer({ came: 100, length: 50 }))).toMatchObject({ from: 1000 });
  });
});

describe('a connection is not continued', () => {
  it.each([
    ['refused', { flags: TcpFlag.Rst | TcpFlag.Ack }],
    ['behind', { sentTo: 1501 }],
    ['ahead', { sentTo: 999 }],
    ['ahead', { came: 199 }],
    ['ended', { flags: TcpFlag.Ack | TcpFlag.Fin }],
  ] as const)('but is %s: %o', (why, parts) => {
    expect(judgeAnswer(known, answer(parts))).toBe(why);
  });

  it('by a segment that says nothing of the place', () => {
    expect(judgeAnswer(known, answer({ flags: 0 }))).toBeUndefined();
    expect(judgeAnswer(known, answer({ flags: TcpFlag.Syn | TcpFlag.Ack }))).toBeUndefined();
  });

  it('where the peer holds out of order what this node never heard of', () => {
    const sack = [{ from: plus(connection.sentFrom, 1400), to: plus(connection.sentFrom, 1600) }];
    expect(judgeAnswer(known, answer({ sack }))).toBe('behind');
  });
});
