import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hold } from '../../connection-backup/hold.ts';
import { TcpFlag } from '../../connection-backup/segment.ts';
import { plus } from '../../connection-backup/sequence.ts';

const ack = (acknowledgement: number, flags = 0) => ({ flags: TcpFlag.Ack | flags, acknowledgement });

describe('what may leave of a connection', () => {
  it('begins with a SYN, and the acknowledgement of the handshake', () => {
    const hold = new Hold();
    expect(hold.judge({ flags: TcpFlag.Syn, acknowledgement: 0 })).toBe('pass');
    expect(hold.judge(ack(1000))).toBe('pass');
    expect(hold.judge(ack(1000))).toBe('pass');
    expect(hold.judge(ack(1001))).toBe('hold');
  });

  it('waits where it acknowledges an octet that the standby has not, and only there', () => {
    const sequence = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(sequence, fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), (limit, lead) => {
        const hold = new Hold(limit);
        expect(hold.judge(ack(plus(limit, lead)))).toBe(lead <= 0 ? 'pass' : 'hold');
        hold.raise(plus(limit, Math.max(lead, 0)));
        expect(hold.judge(ack(plus(limit, lead)))).toBe('pass');
      }),
    );
  });

  it('is never held to less than before', () => {
    const hold = new Hold(100);
    hold.raise(50);
    expect(hold.judge(ack(100))).toBe('pass');
  });

  it('does not end by a dying kernel: FIN and RST are dropped until somebody wants the end', () => {
    const hold = new Hold(100);
    expect(hold.judge(ack(100, TcpFlag.Fin))).toBe('drop');
    expect(hold.judge({ flags: TcpFlag.Rst, acknowledgement: 0 })).toBe('drop');
    expect(hold.judge({ flags: TcpFlag.Syn, acknowledgement: 0 })).toBe('drop');
    hold.end();
    expect(hold.judge(ack(101, TcpFlag.Fin))).toBe('pass');
    expect(hold.judge({ flags: TcpFlag.Rst, acknowledgement: 0 })).toBe('pass');
  });
});
