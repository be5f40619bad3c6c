/** Accounting servers that are away: what is said while it lasts, what is lost past the limit, and how it goes on. */
import { describe, expect, it } from 'vitest';
import { AttributeType, firstInteger, firstText, vendorSpecific } from '../../../radius/attributes.ts';
import { RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { AcctStatusType, CastgateAttribute } from '../../../radius/values.ts';
import { type Host, World } from '../world.ts';

const NATIVE = 32473;
const { Start, Stop } = AcctStatusType;

/** alice is in, may watch what she wants, and no accounting server answers. */
function away(accounting: object): { w: World; alice: Host } {
  const w = new World({ accounting });
  const watch = new TextEncoder().encode('watch 239.1.0.0/16');
  w.server.users.set('alice', [vendorSpecific(NATIVE, CastgateAttribute.Right, watch)]);
  const alice = w.host('alice');
  alice.login();
  w.pass(10);
  w.server.script = ({ packet }) => (packet.code === RadiusCode.AccountingRequest ? undefined : 'policy');
  return { w, alice };
}

/** A Start and a Stop for each. */
function watch(w: World, alice: Host, from: number, count: number): void {
  for (let n = from; n < from + count; n++) {
    alice.join(`239.1.1.${n}`);
    w.pass(1);
    alice.leave(`239.1.1.${n}`);
    w.pass(1);
  }
}

function nameOf({ attributes }: RadiusPacket): string {
  const status = firstInteger(attributes, AttributeType.AcctStatusType);
  return `${firstText(attributes, AttributeType.AcctSessionId)} ${status}`;
}

/** When each message reached the server for the first time, in order. */
function firstTimes(w: World): number[] {
  const times = new Map<string, number>();
  for (const { at, port, packet } of w.server.asked) {
    const name = nameOf(packet);
    if (port === 'acct' && !times.has(name)) times.set(name, at);
  }
  return [...times.values()];
}

describe('an outage of the accounting servers', () => {
  it('is loud long before anything is lost, and says when it is over', () => {
    const { w, alice } = away({ queue_limit: 200 });
    watch(w, alice, 1, 79);
    expect([w.core.books.waiting, w.core.books.isBacklog]).toEqual([158, false]);
    expect(w.logged('accounting-backlog')).toEqual([]);
    watch(w, alice, 80, 1);
    expect(w.logged('accounting-backlog')).toMatchObject([
      { state: 'near-limit', messages: 160, limit: 200 },
    ]);
    watch(w, alice, 81, 20);
    expect([w.core.books.waiting, w.core.books.isBacklog]).toEqual([200, true]);
    expect(w.logged('accounting-lost')).toEqual([]);
    expect(w.logged('accounting-backlog')).toHaveLength(1);

    // Past the limit a Start goes that nobody knows of: the Stop says all that it did. Each loss is said.
    watch(w, alice, 101, 1);
    expect(w.core.books.waiting).toBe(200);
    const lost = w.logged('accounting-lost');
    expect(lost.length).toBeGreaterThan(0);
    for (const one of lost) expect(one).toMatchObject({ status: 'start', reason: 'queue-full' });
    expect(w.core.tally.withPrefix('accounting', 'lost/')).toEqual({ 'queue-full': lost.length });

    w.server.script = undefined;
    w.pass(60_000);
    expect([w.core.books.waiting, w.core.books.isBacklog]).toEqual([0, false]);
    expect(w.logged('accounting-backlog').at(-1)).toMatchObject({ state: 'over' });
    expect(new Set(w.server.accounting(Stop).map(nameOf)).size).toBe(101);
  });

  it('ends at the pace of accounting.max_rate, with the delay of each message by the book', () => {
    const { w, alice } = away({ max_rate: 10 });
    watch(w, alice, 1, 120);
    const begunAt = w.now;
    expect(w.core.books.waiting).toBe(240);
    w.pass(120_000);
    const atEnd = firstTimes(w).length;
    w.server.script = undefined;
    w.pass(60_000);
    expect(w.core.books.waiting).toBe(0);
    const times = firstTimes(w).slice(atEnd);
    expect(times.length).toBeGreaterThan(150);
    // A window's worth at once at most, then ten a second.
    const [first = 0] = times;
    times.forEach((at, i) => {
      expect(i).toBeLessThanOrEqual(64 + (at - first) / 100 + 1);
    });
    for (const { at, packet } of w.server.asked) {
      const [status, delay, event] = [
        AttributeType.AcctStatusType,
        AttributeType.AcctDelayTime,
        AttributeType.EventTimestamp,
      ].map((type) => firstInteger(packet.attributes, type) ?? -1);
      if (status !== Start && status !== Stop) continue;
      // The event was somewhere in its second.
      const late = at / 1000 - (event ?? 0) - (delay ?? 0);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(2);
    }
    expect(w.now).toBeGreaterThan(begunAt);
  });
});
