import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Accounting } from '../../accounting/accounting.ts';
import { attributesOf } from '../../radius/attribute-octets.ts';
import { AttributeType, firstInteger, firstText } from '../../radius/attributes.ts';
import { RadiusCode } from '../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../radius/values.ts';
import { toHex } from '../../wire/bytes.ts';
import { utf8 } from '../radius/arbitraries.ts';
import { World } from '../radius/world.ts';
import { grant, makeBooks, NOW, reading, readMessage, sends, session, settle } from './books.ts';

const { Start, Stop, InterimUpdate, AccountingOn, AccountingOff } = AcctStatusType;
const { UserRequest, LostCarrier, ServiceUnavailable } = TerminateCause;

describe('a session', () => {
  it('conformance 37: has one Acct-Session-Id in Start, Interim-Update and Stop', () => {
    const { accounting } = makeBooks({ interimMs: 60_000 });
    const alice = session();
    accounting.startSession(NOW, alice, reading(1_000, 2_000));
    const [record] = accounting.due(NOW + 60_000);
    accounting.interim(NOW + 60_000, record?.key ?? '', reading(1_500, 4_000));
    accounting.stopSession(NOW + 90_500, alice.key, reading(1_600, 5_000), UserRequest);
    expect(settle(accounting, NOW + 90_500)).toMatchObject([
      { status: Start, id: '5F1A0001', multi: 'multi-1', seconds: undefined, cause: undefined },
      {
        status: Stop,
        id: '5F1A0001',
        multi: 'multi-1',
        seconds: 90,
        cause: UserRequest,
        input: 600,
        output: 3_000,
      },
    ]);
    accounting.startSession(NOW, alice, reading(1_000, 2_000));
    settle(accounting, NOW);
    accounting.interim(NOW + 60_000, record?.key ?? '', reading(1_500, 4_000));
    expect(settle(accounting, NOW + 60_000)).toMatchObject([
      { status: InterimUpdate, id: '5F1A0001', multi: 'multi-1', seconds: 60, input: 500, output: 2_000 },
    ]);
  });

  it('says who and where: RFC 2866, RFC 3580', () => {
    const { accounting } = makeBooks();
    accounting.startSession(NOW, session(), reading(0, 0));
    const [start] = sends(accounting.drainRequests(NOW));
    const said = start?.attributes ?? [];
    expect(firstText(said, AttributeType.UserName)).toBe('alice');
    expect(firstText(said, AttributeType.NasIdentifier)).toBe('nas1');
    expect(firstInteger(said, AttributeType.NasPort)).toBe(3);
    expect(firstText(said, AttributeType.NasPortId)).toBe('swp3');
    expect(firstInteger(said, AttributeType.NasPortType)).toBe(15);
    expect(firstText(said, AttributeType.CallingStationId)).toBe('02-00-00-00-0A-01');
    expect(firstText(said, AttributeType.CalledStationId)).toBe('02-00-00-00-0A-FE');
    expect(firstInteger(said, AttributeType.AcctAuthentic)).toBe(1);
    expect(start?.eventAt).toBe(NOW);
  });

  it('conformance 44: carries Event-Timestamp, the time of the event and not of the sending', () => {
    const { accounting } = makeBooks();
    accounting.startSession(NOW + 999, session(), reading(0, 0));
    const [start] = sends(accounting.drainRequests(NOW + 50_000));
    expect(firstInteger(start?.attributes ?? [], AttributeType.EventTimestamp)).toBe(NOW / 1000);
  });

  it('conformance 32: copies Class unmodified, every one, in order, in every message', () => {
    const { accounting } = makeBooks();
    const classes = [Uint8Array.of(0, 255, 7), utf8('group-A'), Uint8Array.of(0, 255, 7)];
    const alice = session({ classes });
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.interim(NOW + 1, `session/${alice.key}`, reading(1, 1));
    const said = settle(accounting, NOW + 1);
    accounting.stopSession(NOW + 2, alice.key, undefined, UserRequest);
    said.push(...settle(accounting, NOW + 2));
    expect(said).toHaveLength(3);
    for (const message of said) expect(message.classes.map(toHex)).toEqual(classes.map(toHex));
  });

  it('conformance 38: sends nothing that does not belong into accounting', () => {
    const { accounting, queue } = makeBooks();
    const alice = session({ state: utf8('state') });
    accounting.on(NOW, 'on');
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.startChannel(NOW, grant(alice, '239.1.1.1'), alice, 'c1', reading(0, 0));
    accounting.stopSession(NOW, alice.key, reading(0, 0), UserRequest);
    accounting.off(NOW, 'on');
    const forbidden: number[] = [
      AttributeType.UserPassword,
      AttributeType.ChapPassword,
      AttributeType.State,
      AttributeType.ReplyMessage,
      AttributeType.EapMessage,
      AttributeType.MessageAuthenticator,
    ];
    expect(queue.size).toBe(6);
    for (const message of queue.values()) {
      const attributes = attributesOf(message.attributes);
      expect(attributes.filter(({ type }) => forbidden.includes(type))).toEqual([]);
      expect(firstText(attributes, AttributeType.AcctSessionId)).toMatch(/./);
    }
  });

  it('conformance 40: Acct-Terminate-Cause only in Stop', () => {
    const { accounting, queue } = makeBooks();
    const alice = session();
    accounting.startSession(NOW, alice, reading(0, 0));
    settle(accounting, NOW);
    accounting.interim(NOW, `session/${alice.key}`, reading(0, 0));
    expect(settle(accounting, NOW).map((m) => m.cause)).toEqual([undefined]);
    accounting.stopSession(NOW, alice.key, undefined, LostCarrier);
    const [stop] = queue.values();
    expect(firstInteger(attributesOf(stop?.attributes ?? []), AttributeType.AcctTerminateCause)).toBe(2);
    expect([
      TerminateCause.UserRequest,
      TerminateCause.LostCarrier,
      TerminateCause.SupplicantRestart,
      TerminateCause.ReauthenticationFailure,
      TerminateCause.AdminReset,
      TerminateCause.PortReinitialized,
      TerminateCause.PortAdministrativelyDisabled,
    ]).toEqual([1, 2, 19, 20, 6, 21, 22]);
  });

  it('conformance 41: a renewal sends nothing; another authorization ends the session and begins one', () => {
    const { accounting } = makeBooks();
    const alice = session();
    accounting.startSession(NOW, alice, reading(0, 0));
    settle(accounting, NOW);
    accounting.renewSession({ ...alice, classes: [utf8('new')] });
    accounting.renewSession(session({ port: 'swp9' }));
    expect(settle(accounting, NOW + 10)).toEqual([]);
    accounting.stopSession(NOW + 20, alice.key, reading(5, 5), ServiceUnavailable);
    accounting.startSession(NOW + 20, session({ acctSessionId: '5F1A0002' }), reading(5, 5));
    expect(settle(accounting, NOW + 20)).toMatchObject([
      { status: Stop, id: '5F1A0001', cause: 15, classes: [utf8('new')] },
      { status: Start, id: '5F1A0002' },
    ]);
  });

  it('that runs cannot begin, and one that does not run cannot end', () => {
    const { accounting } = makeBooks();
    const alice = session();
    expect(accounting.stopSession(NOW, alice.key, undefined, UserRequest)).toBe(false);
    accounting.startSession(NOW, alice, reading(0, 0));
    expect(() => accounting.startSession(NOW, alice, reading(0, 0))).toThrow(/runs already/);
    expect(accounting.stopSession(NOW, alice.key, undefined, UserRequest)).toBe(true);
    expect(accounting.stopSession(NOW, alice.key, undefined, UserRequest)).toBe(false);
    expect(accounting.stopChannel(NOW, 'none', undefined, UserRequest)).toBe(false);
    accounting.interim(NOW, 'session/none', undefined);
    expect(settle(accounting, NOW)).toHaveLength(2);
  });

  it('counts what there was where the counters are gone at its end', () => {
    const { accounting } = makeBooks();
    const alice = session();
    accounting.startSession(NOW, alice, reading(100, 100));
    accounting.interim(NOW + 1, `session/${alice.key}`, reading(700, 900));
    accounting.stopSession(NOW + 2, alice.key, undefined, LostCarrier);
    expect(settle(accounting, NOW + 2).at(-1)).toMatchObject({ input: 600, output: 800 });
  });
});

describe('a channel', () => {
  it('conformance 43: has an id of its own and the session’s Acct-Multi-Session-Id, and names the channel', () => {
    const { accounting } = makeBooks();
    const alice = session({ classes: [utf8('session')] });
    const watched = grant(alice, '239.1.1.1', [utf8('channel')]);
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.startChannel(NOW + 1, watched, alice, 'c1', reading(0, 10_000));
    accounting.stopChannel(NOW + 31_000, watched.key, reading(0, 4_010_000), UserRequest);
    const said = settle(accounting, NOW + 31_000);
    expect(said).toMatchObject([
      { id: '5F1A0001', multi: 'multi-1', channel: undefined, classes: [utf8('session')] },
      { status: Start, id: 'c1', multi: 'multi-1', channel: 'channel 239.1.1.1', classes: [utf8('channel')] },
      {
        status: Stop,
        id: 'c1',
        multi: 'multi-1',
        channel: 'channel 239.1.1.1',
        output: 4_000_000,
        seconds: 30,
      },
    ]);
  });

  it('carries the session’s Class where the group question brought none', () => {
    const { accounting } = makeBooks();
    const alice = session({ classes: [utf8('session')] });
    accounting.startChannel(NOW, grant(alice, '239.1.1.1'), alice, 'c1', reading(0, 0));
    expect(settle(accounting, NOW)[0]?.classes).toEqual([utf8('session')]);
  });

  it('that still runs ends with its session, by the same cause, before it', () => {
    const { accounting, records } = makeBooks();
    const alice = session();
    const bob = session({ port: 'swp4', acctSessionId: 'B' });
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.startSession(NOW, bob, reading(0, 0));
    for (const [i, of] of [alice, alice, bob].entries()) {
      accounting.startChannel(NOW, grant(of, `239.1.1.${i}`), of, `c${i}`, reading(0, 0));
    }
    settle(accounting, NOW);
    accounting.stopSession(NOW + 5, alice.key, reading(0, 0), LostCarrier);
    const said = settle(accounting, NOW + 5);
    expect(said.map((m) => [m.id, m.cause])).toEqual([
      ['c0', LostCarrier],
      ['c1', LostCarrier],
      ['5F1A0001', LostCarrier],
    ]);
    expect([...records.values()].map((r) => r.acctSessionId)).toEqual(['B', 'c2']);
  });
});

describe('interim messages', () => {
  it('conformance 42: the local interval goes before the server’s, and zero leaves it to the server', () => {
    const interval = (interimMs: number, wanted: number | undefined) => {
      const { accounting } = makeBooks({ interimMs });
      accounting.startSession(NOW, session({ interimMs: wanted }), reading(0, 0));
      const at = accounting.nextTimeout();
      return at === undefined ? undefined : at - NOW;
    };
    expect(interval(60_000, 600_000)).toBe(60_000);
    expect(interval(0, 600_000)).toBe(600_000);
    expect(interval(60_000, undefined)).toBe(60_000);
    expect(interval(0, undefined)).toBeUndefined();
  });

  it('conformance 42: come with a fudge, so that a hundred sessions do not come together', () => {
    let seed = 0;
    const { accounting } = makeBooks({ interimMs: 600_000, draw: () => (seed++ % 100) / 100 });
    for (let i = 0; i < 100; i++) accounting.startSession(NOW, session({ port: `swp${i}` }), reading(0, 0));
    expect(accounting.due(NOW + 539_000)).toHaveLength(0);
    expect(accounting.due(NOW + 600_000).length).toBeGreaterThan(30);
    expect(accounting.due(NOW + 660_000).length).toBeGreaterThan(30);
  });

  it('come again and again, also when one could not be read', () => {
    const { accounting } = makeBooks({ interimMs: 60_000 });
    const alice = session();
    accounting.startSession(NOW, alice, reading(0, 0));
    settle(accounting, NOW);
    for (let i = 1; i <= 5; i++) {
      const due = accounting.due(NOW + i * 60_000);
      expect(due.map((r) => r.key)).toEqual([`session/${alice.key}`]);
      if (i !== 3) accounting.interim(NOW + i * 60_000, due[0]?.key ?? '', reading(i * 100, i * 1_000));
      expect(settle(accounting, NOW + i * 60_000)).toHaveLength(i === 3 ? 0 : 1);
    }
    accounting.stopSession(NOW + 301_000, alice.key, undefined, UserRequest);
    expect(accounting.nextTimeout()).toBeUndefined();
  });

  it('conformance 42: one interim message of a record in the queue: a newer one takes its place', () => {
    const { accounting, queue } = makeBooks({ window: 1 });
    const alice = session();
    const key = `session/${alice.key}`;
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.interim(NOW + 1_000, key, reading(100, 0));
    accounting.interim(NOW + 2_000, key, reading(200, 0));
    expect(queue.size).toBe(2);
    const [start] = sends(accounting.drainRequests(NOW));
    accounting.acknowledged(start?.token ?? '');
    const [second] = sends(accounting.drainRequests(NOW));
    expect(readMessage(second?.attributes ?? []).input).toBe(200);
    // Also one that is with the server already: it is cancelled there.
    accounting.interim(NOW + 3_000, key, reading(300, 0));
    expect(queue.size).toBe(1);
    const actions = accounting.drainRequests(NOW);
    expect(actions).toMatchObject([{ kind: 'cancel', token: second?.token }, { kind: 'send' }]);
    accounting.stopSession(NOW + 4_000, alice.key, reading(400, 0), UserRequest);
    expect(accounting.drainRequests(NOW)).toMatchObject([{ kind: 'cancel' }, { kind: 'send' }]);
    expect(queue.size).toBe(1);
  });
});

describe('more octets than 32 bits', () => {
  it('conformance 44: cross 2^32 between two messages, and again over counters that begin again', () => {
    const { accounting } = makeBooks();
    const alice = session();
    const key = `session/${alice.key}`;
    const below = 2 ** 32 - 7;
    accounting.startSession(NOW, alice, reading(0, 0));
    const seen = settle(accounting, NOW);
    const interim = (seconds: number, input: number, output: number) => {
      accounting.interim(NOW + seconds * 1_000, key, reading(input, output));
      const [action] = sends(accounting.drainRequests(NOW));
      const attributes = action?.attributes ?? [];
      accounting.acknowledged(action?.token ?? '');
      seen.push(readMessage(attributes));
      const { AcctInputOctets, AcctInputGigawords, AcctOutputGigawords } = AttributeType;
      return [AcctInputOctets, AcctInputGigawords, AcctOutputGigawords].map((type) =>
        firstInteger(attributes, type),
      );
    };
    expect(interim(60, below, 10)).toEqual([below, undefined, undefined]);
    expect(interim(120, below + 8, 10)).toEqual([1, 1, undefined]);
    // The input's counter began anew: what it says now is on top of what was counted.
    expect(interim(180, 2 ** 32, 5 * 2 ** 32)).toEqual([1, 2, 5]);
    accounting.stopSession(NOW + 240_000, alice.key, reading(2 ** 32 + 99, 5 * 2 ** 32), UserRequest);
    seen.push(...settle(accounting, NOW + 240_000));
    expect(seen.slice(1).map(({ input, output }) => [input, output])).toEqual([
      [below, 10],
      [2 ** 32 + 1, 10],
      [2 * 2 ** 32 + 1, 5 * 2 ** 32],
      [2 * 2 ** 32 + 100, 5 * 2 ** 32],
    ]);
  });
});

describe('the switch as a whole', () => {
  it('Accounting-On waits for all before it and holds up all after it, and so does -Off', () => {
    const { accounting } = makeBooks();
    const [alice, bob] = [session(), session({ port: 'swp4', acctSessionId: 'B' })];
    accounting.startSession(NOW, alice, reading(0, 0));
    accounting.on(NOW, 'whole');
    accounting.startSession(NOW, bob, reading(0, 0));
    accounting.stopSession(NOW, bob.key, undefined, UserRequest);
    accounting.off(NOW, 'whole');
    const seen: (number | undefined)[][] = [];
    for (;;) {
      const batch = sends(accounting.drainRequests(NOW));
      if (batch.length === 0) break;
      expect(accounting.drainRequests(NOW)).toEqual([]);
      seen.push(batch.map((action) => readMessage(action.attributes).status));
      for (const { token } of batch) accounting.acknowledged(token);
    }
    expect(seen).toEqual([[Start], [AccountingOn], [Start], [Stop], [AccountingOff]]);
    expect(accounting.waiting).toBe(0);
  });

  it('names no subscriber', () => {
    const { accounting } = makeBooks();
    accounting.on(NOW, 'whole');
    const [on] = sends(accounting.drainRequests(NOW));
    expect(on?.attributes.map((a) => a.type)).toEqual([40, 44, 32, 55]);
  });
});

describe('the RADIUS client', () => {
  it('that has no room gets a message again later; one that is too long is lost and said to be', () => {
    const { accounting } = makeBooks({ retryMs: 1_000 });
    const alice = session();
    accounting.startSession(NOW, alice, reading(0, 0));
    const [start] = sends(accounting.drainRequests(NOW));
    accounting.unsent(NOW, start?.token ?? '', 'radius-table-full');
    expect(accounting.drainRequests(NOW + 999)).toEqual([]);
    expect(accounting.nextTimeout()).toBe(NOW + 1_000);
    expect(sends(accounting.drainRequests(NOW + 1_000)).map((a) => a.token)).toEqual([start?.token]);
    accounting.unsent(NOW + 1_000, start?.token ?? '', 'radius-too-long');
    expect(accounting.drainLost()).toEqual([
      { status: 'start', about: `session/${alice.key}`, reason: 'radius-too-long' },
    ]);
    expect(accounting.drainLost()).toEqual([]);
    expect(accounting.waiting).toBe(0);
  });

  it('is given more at a time after a change of settings, and what is late is not later than the next interim', () => {
    const books = makeBooks({ window: 1, interimMs: 60_000, retryMs: 90_000 });
    const { accounting } = books;
    for (let i = 0; i < 3; i++) accounting.startSession(NOW, session({ port: `swp${i}` }), reading(0, 0));
    const [first] = sends(accounting.drainRequests(NOW));
    accounting.reconfigure({ ...books.options, window: 3 });
    expect(sends(accounting.drainRequests(NOW))).toHaveLength(2);
    accounting.unsent(NOW, first?.token ?? '', 'radius-no-server');
    expect(accounting.nextTimeout()).toBe(NOW + 60_000);
  });
});

describe('another node', () => {
  it('goes on with records, interim times, order and what is in flight', () => {
    const books = makeBooks({ interimMs: 60_000, window: 2 });
    const [alice, bob] = [session(), session({ port: 'swp4', acctSessionId: 'B' })];
    books.accounting.startSession(NOW, alice, reading(0, 0));
    books.accounting.startChannel(NOW, grant(alice, '239.1.1.1'), alice, 'c1', reading(0, 0));
    books.accounting.startSession(NOW, bob, reading(0, 0));
    const [first, second] = sends(books.accounting.drainRequests(NOW));
    books.inFlight.add(first?.token ?? '').add(second?.token ?? '');
    const timeout = books.accounting.nextTimeout();
    for (const record of books.records.values()) expect(structuredClone(record)).toEqual(record);
    const taken = books.make();
    expect(taken.nextTimeout()).toBe(timeout);
    expect(taken.drainRequests(NOW)).toEqual([]);
    taken.acknowledged(first?.token ?? '');
    taken.acknowledged(second?.token ?? '');
    taken.stopSession(NOW + 1, alice.key, reading(1, 1), LostCarrier);
    const said = settle(taken, NOW + 1);
    expect(said.map((m) => [m.status, m.id])).toEqual([
      [Start, 'B'],
      [Stop, 'c1'],
      [Stop, '5F1A0001'],
    ]);
    expect(books.queue.size).toBe(0);
  });

  it('asks again soon for counters that could not be read yet, where they replace others', () => {
    const books = makeBooks({ noteMs: 10_000 });
    const alice = session();
    const key = `session/${alice.key}`;
    books.accounting.startSession(NOW, alice, reading(0, 0), reading(50, 50));
    expect(books.accounting.dueNotes(NOW).map((record) => record.key)).toEqual([key]);
    // The switch was not told yet that these counters begin: they cannot be read.
    books.accounting.note(key, undefined);
    expect(books.accounting.dueNotes(NOW + 99)).toEqual([]);
    expect(books.accounting.dueNotes(NOW + 100).map((record) => record.key)).toEqual([key]);
    books.accounting.note(key, reading(0, 0));
    expect(books.accounting.unsettled()).toEqual([]);
    books.accounting.dueNotes(NOW + 200);
    expect(books.accounting.dueNotes(NOW + 9_000)).toEqual([]);
    expect(books.accounting.dueNotes(NOW + 10_200).map((record) => record.key)).toEqual([key]);
  });

  it('asks no more for what was replaced on another node, however idle the host is', () => {
    const books = makeBooks({ noteMs: 10_000 });
    const key = `session/${session().key}`;
    books.accounting.startSession(NOW, session(), reading(0, 0), reading(50, 50));
    const taken = books.make();
    taken.countersBegin();
    taken.dueNotes(NOW);
    expect(taken.dueNotes(NOW + 10_000).map((record) => record.key)).toEqual([key]);
    taken.note(key, reading(0, 0));
    expect(taken.dueNotes(NOW + 15_000)).toEqual([]);
  });

  it('counts from zero what other counters count, without a word in any record', () => {
    const books = makeBooks();
    const [alice, bob] = [session(), session({ port: 'swp4', acctSessionId: 'B' })];
    books.accounting.startSession(NOW, alice, reading(100, 100));
    books.accounting.startSession(NOW, bob, reading(0, 0), reading(500, 500));
    books.accounting.interim(NOW + 1, `session/${alice.key}`, reading(200, 300));
    const written = structuredClone([...books.records.values()]);
    const taken = books.make();
    taken.countersBegin();
    expect([...books.records.values()]).toEqual(written);
    // Whose counters bob's replaced is of no interest on another node.
    expect(taken.unsettled()).toEqual([]);
    taken.note(`session/${alice.key}`, reading(1_000, 2_000));
    const again = books.make();
    again.stopSession(NOW + 2, alice.key, reading(1_010, 2_020), LostCarrier);
    again.stopSession(NOW + 2, bob.key, reading(700, 800), LostCarrier);
    const said = settle(again, NOW + 2).filter((m) => m.status === Stop);
    expect(said.map((m) => [m.id, m.input, m.output])).toEqual([
      ['5F1A0001', 1_110, 2_220],
      ['B', 700, 800],
    ]);
  });

  describe('a channel that begins in the turn in which another one of its place ended', () => {
    /** The channel of before was delivered 500 octets; castgate dies before or after it told the switch. */
    const begun = () => {
      const books = makeBooks();
      const alice = session();
      books.accounting.startSession(NOW, alice, reading(0, 0));
      const channel = grant(alice, '239.1.1.1');
      books.accounting.startChannel(NOW, channel, alice, 'C1', reading(0, 0), reading(0, 500));
      settle(books.accounting, NOW);
      return { ...books, channel };
    };
    const stopped = (accounting: Accounting, key: string, output: number) => {
      accounting.stopChannel(NOW + 60_000, key, reading(0, output), TerminateCause.UserRequest);
      return settle(accounting, NOW + 60_000).map((message) => message.output);
    };

    it('counts from zero where nothing happened', () => {
      const { accounting, channel } = begun();
      expect(accounting.unsettled()).toHaveLength(1);
      expect(stopped(accounting, channel.key, 700)).toEqual([700]);
    });

    it('counts what is above the old counters where castgate died before the switch was told', () => {
      const { make, channel } = begun();
      const accounting = make();
      for (const record of accounting.unsettled()) accounting.settle(record, reading(0, 600));
      expect(accounting.unsettled()).toEqual([]);
      expect(stopped(accounting, channel.key, 700)).toEqual([200]);
    });

    it('counts from zero where it died after that', () => {
      const { make, channel } = begun();
      const accounting = make();
      for (const record of accounting.unsettled()) accounting.settle(record, reading(0, 100));
      expect(stopped(accounting, channel.key, 700)).toEqual([700]);
    });

    it('counts from zero where all counters began again, as after a takeover', () => {
      const { make, channel } = begun();
      const accounting = make();
      accounting.countersBegin();
      expect(accounting.unsettled()).toEqual([]);
      expect(stopped(accounting, channel.key, 700)).toEqual([700]);
    });

    it('is read at once, after which there is no doubt any more', () => {
      const { accounting, channel } = begun();
      expect(accounting.nextTimeout()).toBeLessThanOrEqual(NOW);
      for (const { key } of accounting.dueNotes(NOW)) accounting.note(key, reading(0, 0));
      expect(accounting.unsettled()).toEqual([]);
      expect(stopped(accounting, channel.key, 700)).toEqual([700]);
    });
  });

  it('sends again what was with a RADIUS client that is gone', () => {
    const books = makeBooks();
    books.accounting.startSession(NOW, session(), reading(0, 0));
    expect(sends(books.accounting.drainRequests(NOW))).toHaveLength(1);
    expect(settle(books.make(), NOW).map((m) => m.status)).toEqual([Start]);
  });
});

describe('the whole way to the server and back', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('start' as const), host: fc.nat(3) }),
    fc.record({ do: fc.constant('stop' as const), host: fc.nat(3), cause: fc.integer({ min: 1, max: 22 }) }),
    fc.record({ do: fc.constant('join' as const), host: fc.nat(3), group: fc.nat(2) }),
    fc.record({ do: fc.constant('leave' as const), host: fc.nat(3), group: fc.nat(2) }),
    fc.record({ do: fc.constant('traffic' as const), host: fc.nat(3), octets: fc.nat(2 ** 31) }),
    fc.record({ do: fc.constant('reset' as const), host: fc.nat(3) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(90_000) }),
    fc.record({ do: fc.constant('takeover' as const), counters: fc.constantFrom('kept', 'new') }),
  );

  it('conformance 39: every record has one Start and one Stop at the server, in order, with true sums, whatever is lost', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer(),
        fc.double({ min: 0, max: 0.4, noNaN: true }),
        (steps, seed, loss) => {
          const world = new World({}, { loss, repeat: 0.2, forge: 0.1, delay: [1, 2_500] }, seed);
          const books = makeBooks({ interimMs: 60_000, window: 4, draw: world.draw });
          let { accounting } = books;
          // What the server took, each request once, however often it came.
          const taken = new Map<string, ReturnType<typeof readMessage>[]>();
          const seen = new Set<string>();
          world.policies.set('a', (sent) => {
            if (!seen.has(toHex(sent.bytes))) {
              seen.add(toHex(sent.bytes));
              const message = readMessage(sent.packet.attributes);
              const id = message.id ?? '';
              taken.set(id, [...(taken.get(id) ?? []), message]);
            }
            return { code: RadiusCode.AccountingResponse };
          });
          world.policies.set('b', world.policies.get('a') ?? (() => undefined));

          const hosts = [0, 1, 2, 3].map((i) => session({ port: `swp${i}` }));
          const running = new Map<string, { id: string; passed: number }>();
          const kernel = hosts.map(() => 0);
          const truth = new Map<string, number>();
          let ids = 0;
          let reported = 0;
          const flush = () => {
            for (const action of accounting.drainRequests(world.now)) {
              if (action.kind === 'cancel') world.client.cancel(world.now, action.token);
              else world.accounting(action.token, { attributes: action.attributes, eventAt: action.eventAt });
            }
            world.run(world.now);
            for (const event of world.events.slice(reported)) {
              if (event.kind === 'reply') accounting.acknowledged(event.token);
              if (event.kind === 'gave-up') accounting.unsent(world.now, event.token, event.reason);
            }
            reported = world.events.length;
          };
          const hostOf = (key: string) => hosts.findIndex((h) => key.includes(h.port));
          const pass = (until: number) => {
            while (world.now < until) {
              world.run(Math.min(until, world.now + 500));
              for (const { key } of accounting.due(world.now)) {
                const octets = kernel[hostOf(key)] ?? 0;
                accounting.interim(world.now, key, reading(0, octets));
              }
              flush();
            }
          };
          const begin = (key: string, start: (id: string) => void) => {
            if (running.has(key)) return;
            const id = `id${ids++}`;
            running.set(key, { id, passed: 0 });
            start(id);
          };
          const end = (key: string) => {
            const one = running.get(key);
            if (one === undefined) return false;
            truth.set(one.id, one.passed);
            running.delete(key);
            return true;
          };
          for (const one of steps) {
            const host = 'host' in one ? one.host : 0;
            const of = hosts[host] as (typeof hosts)[number];
            const octets = kernel[host] ?? 0;
            const now = reading(0, octets);
            if (one.do === 'wait') pass(world.now + one.ms);
            else if (one.do === 'start') {
              begin(`session/${of.key}`, (id) =>
                accounting.startSession(world.now, { ...of, acctSessionId: id }, now),
              );
            } else if (one.do === 'join' && running.has(`session/${of.key}`)) {
              const watched = grant(of, `239.1.1.${one.group}`);
              begin(`channel/${watched.key}`, (id) =>
                accounting.startChannel(world.now, watched, of, id, now),
              );
            } else if (one.do === 'leave') {
              const { key } = grant(of, `239.1.1.${one.group}`);
              if (end(`channel/${key}`)) accounting.stopChannel(world.now, key, now, UserRequest);
            } else if (one.do === 'stop' && running.has(`session/${of.key}`)) {
              for (const group of [0, 1, 2]) {
                const { key } = grant(of, `239.1.1.${group}`);
                if (end(`channel/${key}`)) accounting.stopChannel(world.now, key, now, LostCarrier);
              }
              end(`session/${of.key}`);
              accounting.stopSession(world.now, of.key, now, one.cause as typeof LostCarrier);
            } else if (one.do === 'traffic') {
              kernel[host] = octets + one.octets;
              for (const [key, record] of running) if (hostOf(key) === host) record.passed += one.octets;
            } else if (one.do === 'reset') {
              // The books read the counters before they go: what passes unread is nobody's to know.
              for (const key of running.keys()) {
                if (hostOf(key) === host) accounting.interim(world.now, key, now);
              }
              kernel[host] = 0;
            } else if (one.do === 'takeover') {
              if (one.counters === 'new') {
                // On the other node: what passed unread died with this one.
                for (const key of running.keys()) {
                  accounting.interim(world.now, key, reading(0, kernel[hostOf(key)] ?? 0));
                }
                kernel.fill(0);
              }
              accounting = books.make((t) => world.client.has(t));
              if (one.counters === 'new') accounting.countersBegin();
              world.client = world.makeClient();
              world.client.resume(world.now);
            }
            flush();
          }
          for (const of of hosts) {
            const octets = kernel[hosts.indexOf(of)] ?? 0;
            for (const group of [0, 1, 2]) {
              const { key } = grant(of, `239.1.1.${group}`);
              if (end(`channel/${key}`))
                accounting.stopChannel(world.now, key, reading(0, octets), UserRequest);
            }
            end(`session/${of.key}`);
            accounting.stopSession(world.now, of.key, reading(0, octets), UserRequest);
          }
          for (let i = 0; accounting.waiting > 0 && i < 10_000; i++) pass(world.now + 1_000);
          expect(accounting.waiting).toBe(0);
          expect(accounting.drainLost()).toEqual([]);
          expect(books.records.size).toBe(0);
          expect([...taken.keys()].sort()).toEqual([...truth.keys()].sort());
          for (const [id, passed] of truth) {
            const messages = taken.get(id) ?? [];
            // The network repeats and reorders packets; the same message again is not another one.
            const told = [...new Map(messages.map((m) => [JSON.stringify(m), m])).values()];
            expect(told.filter((m) => m.status === Start)).toHaveLength(1);
            expect(told.filter((m) => m.status === Stop)).toHaveLength(1);
            expect(told[0]?.status).toBe(Start);
            const [stop] = told.filter((m) => m.status === Stop);
            expect(stop?.output).toBe(passed);
            let last = 0;
            for (const message of told.sort((a, b) => (a.seconds ?? -1) - (b.seconds ?? -1))) {
              expect(message.output).toBeGreaterThanOrEqual(last);
              expect(message.output).toBeLessThanOrEqual(passed);
              last = message.output;
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
