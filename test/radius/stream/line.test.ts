/** One connection to a RADIUS server on virtual time. */
import { describe, expect, it } from 'vitest';
import { decodeRadius, encodeRadius, RadiusCode } from '../../../radius/packet.ts';
import { signReply } from '../../../radius/sign.ts';
import { Line, type LineAction } from '../../../radius/stream/line.ts';
import { PacketStream } from '../../../radius/stream/packet-stream.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { utf8 } from '../arbitraries.ts';
import { seeded } from '../world.ts';

const secret = utf8('radsec');
const packet = (id: number, length = 20) =>
  encodeRadius({
    code: RadiusCode.AccessAccept,
    id,
    authenticator: new Uint8Array(16),
    attributes: length > 20 ? [{ type: 18, value: new Uint8Array(length - 22) }] : [],
  });

class Wire {
  now = 1_000_000;
  readonly line: Line;
  readonly done: { readonly at: number; readonly action: LineAction }[] = [];

  constructor(kept = true, seed = 1) {
    const draw = seeded(seed);
    const random = (octets: number) => Uint8Array.from({ length: octets }, () => Math.floor(draw() * 256));
    this.line = new Line({ secret, statusAttributes: [{ type: 32, value: utf8('nas') }], kept, random });
  }

  do(verb: (line: Line, now: number) => void): LineAction[] {
    verb(this.line, this.now);
    const actions = this.line.drainActions();
    for (const action of actions) this.done.push({ at: this.now, action });
    return actions;
  }

  /** Runs its timers. */
  pass(ms: number): LineAction[] {
    const end = this.now + ms;
    const actions: LineAction[] = [];
    for (let at = this.line.nextTimeout(); at !== undefined && at <= end; at = this.line.nextTimeout()) {
      this.now = Math.max(this.now, at);
      actions.push(...this.do((line, now) => line.handleTimeout(now)));
    }
    this.now = end;
    return actions;
  }
}

const kinds = (actions: readonly LineAction[]) =>
  actions.map((action) => (action.kind === 'lost' ? `lost: ${action.why}` : action.kind));

function opened(kept = true): Wire {
  const wire = new Wire(kept);
  wire.do((line, now) => line.open(now));
  wire.do((line, now) => line.opened(now));
  return wire;
}

describe('packets out of a stream', () => {
  it('come whole and in order however the octets arrive', () => {
    const packets = [packet(1), packet(2, 255), packet(3, 100)];
    const all = concatBytes(...packets);
    for (const step of [1, 2, 3, 7, 19, 20, 21, 256, all.length]) {
      const stream = new PacketStream();
      const got: Uint8Array[] = [];
      for (let at = 0; at < all.length; at += step)
        got.push(...(stream.push(all.subarray(at, at + step)) ?? []));
      expect(got, String(step)).toEqual(packets);
    }
  });

  it('conformance 35: a Length that no packet has ends the stream', () => {
    for (const length of [0, 19, 4097, 65_535]) {
      const bad = Uint8Array.of(2, 1, length >> 8, length & 0xff);
      expect(new PacketStream().push(concatBytes(packet(1), bad))).toBeUndefined();
    }
  });
});

describe('a connection that another process goes on with', () => {
  const watched = () => {
    const wire = new Wire();
    wire.do((line, now) => line.open(now));
    wire.do((line, now) => line.opened(now));
    const [asked] = wire.pass(33_000).flatMap((action) => (action.kind === 'write' ? [action.bytes] : []));
    const question = decodeRadius(asked ?? new Uint8Array(0));
    if (asked === undefined || isMalformed(question)) throw new Error('the watchdog did not ask');
    const { id, authenticator } = question;
    const attributes: [] = [];
    return {
      wire,
      answer: signReply({ code: RadiusCode.AccessAccept, id, attributes }, authenticator, secret),
    };
  };

  it('gives each packet once, wherever the octets were cut, those that nobody had taken included', () => {
    const packets = [packet(1), packet(2, 60), packet(3)];
    const all = concatBytes(...packets);
    for (let cut = 0; cut <= all.length; cut++) {
      for (const unheard of [0, 1, 25, 70]) {
        const before = new Wire();
        before.do((line, now) => line.open(now));
        before.do((line, now) => line.opened(now));
        const taken = Math.max(0, cut - unheard);
        const first = before.do((line, now) => line.received(now, all.subarray(0, taken)));
        const state = before.line.handOn(all.subarray(taken, cut), new Uint8Array(0));
        if (state === undefined) throw new Error('it is open');
        const after = new Wire();
        after.do((line) => line.takeOver(state));
        const second = after.do((line, now) => line.received(now, all.subarray(cut)));
        const got = [...first, ...second].flatMap((action) =>
          action.kind === 'packet' ? [action.bytes] : [],
        );
        expect(got, `cut at ${cut}, ${unheard} not taken`).toEqual(packets);
      }
    }
  });

  it('knows the answer to the watchdog of the process before, and misses it where it does not come', () => {
    for (const answers of [true, false]) {
      const { wire, answer } = watched();
      const state = wire.line.handOn(new Uint8Array(0), new Uint8Array(0));
      if (state === undefined) throw new Error('it is open');
      const after = new Wire();
      after.now = wire.now;
      after.do((line) => line.takeOver(state));
      const came = answers ? after.do((line, now) => line.received(now, answer)) : [];
      expect(came).toEqual([]);
      expect(kinds(after.pass(11_000)).slice(0, 2)).toEqual(answers ? [] : ['close', 'lost: closed']);
    }
  });

  it('is handed on only while it is open', () => {
    const { line } = new Wire();
    expect(line.handOn(new Uint8Array(0), new Uint8Array(0))).toBeUndefined();
  });
});

describe('a connection', () => {
  it('sends what waited for it, in order', () => {
    const wire = new Wire();
    expect(kinds(wire.do((line, now) => line.send(now, packet(1))))).toEqual(['connect']);
    expect(wire.do((line, now) => line.send(now, packet(2)))).toEqual([]);
    expect(kinds(wire.do((line, now) => line.opened(now)))).toEqual(['connected', 'write', 'write']);
    expect(wire.done.flatMap(({ action }) => (action.kind === 'write' ? [action.bytes[1]] : []))).toEqual([
      1, 2,
    ]);
  });

  it('conformance 35: is tried again after half a second at the least, with back-off and chance', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const wire = new Wire(true, seed);
      wire.do((line, now) => line.open(now));
      let last = 0;
      for (let i = 0; i < 12; i++) {
        const lostAt = wire.now;
        expect(kinds(wire.do((line, now) => line.closed(now)))).toEqual(['lost: refused']);
        while (!wire.done.slice(-1).some(({ action }) => action.kind === 'connect')) {
          wire.now = wire.line.nextTimeout() ?? wire.now;
          wire.do((line, now) => line.handleTimeout(now));
        }
        const waited = wire.now - lostAt;
        expect(waited).toBeGreaterThanOrEqual(Math.min(60_000, 500 * 2 ** i));
        expect(waited).toBeLessThan(1.5 * Math.min(60_000, 500 * 2 ** i) + 1);
        expect(waited).not.toBe(last);
        last = waited;
      }
    }
  });

  it('that does not come to be in five seconds is given up', () => {
    const wire = new Wire();
    wire.do((line, now) => line.open(now));
    expect(kinds(wire.pass(5_000))).toEqual(['close', 'lost: refused']);
  });

  it('conformance 35: is watched: Status-Server with identifier 0 in silence, closed without an answer', () => {
    const wire = opened();
    const [first] = wire.pass(33_000);
    if (first?.kind !== 'write') throw new Error('no watchdog');
    const request = decodeRadius(first.bytes);
    if (isMalformed(request)) throw new Error(request.malformed);
    expect([request.code, request.id]).toEqual([RadiusCode.StatusServer, 0]);
    expect(request.attributes.map(({ type }) => type)).toEqual([80, 32]);
    const reply = { code: RadiusCode.AccessAccept, id: 0, attributes: [] };
    const answer = signReply(reply, request.authenticator, secret);
    expect(wire.do((line, now) => line.received(now, answer))).toEqual([]);
    // Answered: the connection stays, and is asked again later.
    expect(kinds(wire.pass(33_000))).toEqual(['write']);
    expect(kinds(wire.pass(11_000))).toEqual(['close', 'lost: closed', 'connect']);
  });

  it('that another node made is asked at once whether it lives, and forgives answers to that one', () => {
    const wire = new Wire();
    wire.do((line) => line.continued());
    expect(wire.line.isOpen).toBe(true);
    const [asked] = wire.do((line, now) => line.ask(now));
    if (asked?.kind !== 'write') throw new Error('it asks nothing');
    const request = decodeRadius(asked.bytes);
    if (isMalformed(request)) throw new Error(request.malformed);
    expect([request.code, request.id]).toEqual([RadiusCode.StatusServer, 0]);
    const accept = (authenticator: Uint8Array) =>
      signReply({ code: RadiusCode.AccessAccept, id: 0, attributes: [] }, authenticator, secret);
    expect(wire.do((line, now) => line.received(now, accept(new Uint8Array(16))))).toEqual([]);
    expect(wire.do((line, now) => line.received(now, accept(request.authenticator)))).toEqual([]);
    expect(kinds(wire.pass(25_000))).toEqual([]);
  });

  it('that another node made, and whose server is silent, is given up in three seconds', () => {
    const wire = new Wire();
    wire.do((line) => line.continued());
    wire.do((line, now) => line.ask(now));
    expect(kinds(wire.pass(3_100))).toEqual(['close', 'lost: closed']);
  });

  it('takes the answer to a watchdog that a packet has overtaken', () => {
    const wire = opened();
    const [first] = wire.pass(33_000);
    if (first?.kind !== 'write') throw new Error('no watchdog');
    const authenticator = first.bytes.slice(4, 20);
    wire.do((line, now) => line.received(now, packet(9)));
    const answer = signReply({ code: RadiusCode.AccessAccept, id: 0, attributes: [] }, authenticator, secret);
    expect(wire.do((line, now) => line.received(now, answer))).toEqual([]);
  });

  it('with packets of the server needs no watchdog', () => {
    const wire = opened();
    for (let i = 0; i < 10; i++) {
      expect(kinds(wire.pass(20_000))).toEqual([]);
      expect(kinds(wire.do((line, now) => line.received(now, packet(9))))).toEqual(['packet']);
    }
  });

  it('conformance 35: is closed for a Length that no packet has, and for an answer to a watchdog that did not ask', () => {
    for (const bad of [Uint8Array.of(2, 1, 0, 3), packet(0)]) {
      const wire = opened();
      expect(kinds(wire.do((line, now) => line.received(now, concatBytes(packet(5), bad))))).toEqual(
        ['packet', 'close', 'lost: closed'].slice(bad.length === 4 ? 1 : 0),
      );
    }
  });

  it('that is one of many goes when nothing was sent for a minute', () => {
    const wire = opened(false);
    wire.pass(50_000);
    wire.do((line, now) => line.send(now, packet(1)));
    expect(wire.pass(59_000)).toEqual([]);
    expect(kinds(wire.pass(2_000))).toEqual(['close', 'lost: closed']);
    expect(kinds(wire.do((line, now) => line.send(now, packet(2))))).toEqual(['connect']);
  });
});
