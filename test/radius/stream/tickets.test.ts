/** When the ticket of a TLS session may be used, and when it is gone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TicketPlace, type TicketRecord, Tickets, verifiedBy } from '../../../radius/stream/tickets.ts';
import { Store } from '../../../session/store.ts';

const DAY_MS = 24 * 3_600_000;
const PLACE: TicketPlace = { server: 'a', connection: 'a/auth/0', settings: 'as it was' };
const ACCT: TicketPlace = { ...PLACE, connection: 'a/acct/0' };
const at = (now: number) => ({ now, wall: now });
const good = (until: number) => ({ until, validFrom: 0, validTo: Infinity });
const SESSION = Uint8Array.of(1, 2, 3);

function shelf() {
  const records = new Store<TicketRecord>('tls-tickets');
  return { records, tickets: new Tickets(records) };
}

describe('a ticket', () => {
  it('is there for its own connection, under the same settings, until its time is over', () => {
    const { tickets } = shelf();
    tickets.keep(1000, PLACE, SESSION, good(5000));
    expect(tickets.find(at(4999), PLACE)?.session).toEqual(SESSION);
    expect(tickets.find(at(5000), PLACE)).toBeUndefined();
    expect(tickets.find(at(2000), ACCT)).toBeUndefined();
    expect(tickets.find(at(2000), { ...PLACE, settings: 'otherwise' })).toBeUndefined();
  });

  it('is gone once it was shown, and the last one that came counts', () => {
    const { records, tickets } = shelf();
    tickets.keep(1000, PLACE, SESSION, good(5000));
    tickets.keep(1001, PLACE, Uint8Array.of(4), good(5000));
    expect(tickets.find(at(2000), PLACE)?.session).toEqual(Uint8Array.of(4));
    tickets.spent(PLACE);
    expect(tickets.find(at(2000), PLACE)).toBeUndefined();
    expect(records.size).toBe(0);
  });

  it('that is worth nothing is not kept: without octets, without time, or beyond measure', () => {
    const { records, tickets } = shelf();
    tickets.keep(1000, PLACE, new Uint8Array(0), good(5000));
    tickets.keep(1000, PLACE, SESSION, good(1000));
    tickets.keep(1000, PLACE, new Uint8Array((1 << 16) + 1), good(5000));
    expect(records.size).toBe(0);
  });

  it('of a server that broke off is not used and not kept for a day, for none of its connections', () => {
    const { records, tickets } = shelf();
    const other = { ...PLACE, server: 'b', connection: 'b/auth/0' };
    for (const place of [PLACE, ACCT, other]) tickets.keep(0, place, SESSION, good(DAY_MS));
    tickets.refused(10, PLACE);
    expect([...records.entries()].map(([key, { session }]) => [key, session.length])).toEqual([
      ['b/auth/0', 3],
      ['a', 0],
    ]);
    tickets.keep(20, ACCT, SESSION, good(10 * DAY_MS));
    expect(tickets.find(at(20), ACCT)).toBeUndefined();
    expect(tickets.find(at(20), other)).toBeDefined();
    tickets.keep(10 + DAY_MS, ACCT, SESSION, good(10 * DAY_MS));
    expect(tickets.find(at(10 + DAY_MS), ACCT)).toBeDefined();
  });

  it('is kept at once again where a server that broke off has other settings now', () => {
    const { tickets } = shelf();
    tickets.refused(10, PLACE);
    const now = { ...PLACE, settings: 'otherwise' };
    tickets.keep(20, now, SESSION, good(DAY_MS));
    expect(tickets.find(at(20), now)).toBeDefined();
  });

  it('goes with its server, with other settings and with its time', () => {
    const { records, tickets } = shelf();
    const place = (server: string, settings: string) => ({
      server,
      connection: `${server}/auth/0`,
      settings,
    });
    tickets.keep(0, place('same', 's'), SESSION, good(5000));
    tickets.keep(0, place('old', 's'), SESSION, good(1000));
    tickets.keep(0, place('other', 's'), SESSION, good(5000));
    tickets.keep(0, place('gone', 's'), SESSION, good(5000));
    tickets.refused(0, place('refuses', 's'));
    tickets.prune(
      1000,
      new Map([
        ['same', 's'],
        ['old', 's'],
        ['other', 't'],
        ['refuses', 's'],
      ]),
    );
    expect([...records.entries()].map(([key]) => key)).toEqual(['same/auth/0', 'refuses']);
  });

  it('is never good for longer than a day, nor outside the dates of any certificate by the clock of who asks', () => {
    const chain = [
      { from: 100, to: 900 },
      { from: 200, to: 700 },
    ];
    expect(verifiedBy(1000, chain)).toEqual({ until: 1000 + DAY_MS, validFrom: 200, validTo: 700 });
    for (const dates of [
      { from: Number.NaN, to: 900 },
      { from: 100, to: Number.NaN },
    ]) {
      const { tickets } = shelf();
      tickets.keep(500, PLACE, SESSION, verifiedBy(500, [dates]));
      expect(tickets.find(at(500), PLACE)).toBeUndefined();
    }
    const dates = fc.record({ from: fc.nat(), to: fc.nat() });
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(dates, { minLength: 1 }),
        fc.nat(2 * DAY_MS),
        fc.nat(),
        (now, all, later, wall) => {
          const { tickets } = shelf();
          tickets.keep(now, PLACE, SESSION, verifiedBy(now, all));
          const usable = later < DAY_MS && all.every(({ from, to }) => from <= wall && wall < to);
          expect(tickets.find({ now: now + later, wall }, PLACE) !== undefined).toBe(usable);
        },
      ),
    );
  });
});
