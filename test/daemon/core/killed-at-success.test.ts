/**
 * A daemon alone that is killed between the Access-Accept and the EAP-Success, at each point, and starts again with its
 * journal: every turn is in it before its effects leave, and those of all turns but the last one have left.
 */
import { describe, expect, it } from 'vitest';
import { carryOut } from '../../../daemon/core/effects.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { toHex } from '../../../wire/bytes.ts';
import { type Host, World } from '../world.ts';

/** alice has answered her challenge, and the Access-Accept is on its way to the core. */
function world(): { w: World; alice: Host; accept: Uint8Array; socket: number } {
  const w = new World();
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  alice.heard();
  alice.start();
  alice.identity(alice.heard()[0]?.id ?? -1);
  w.pass(5);
  const challenge = alice.heard()[0];
  w.server.delayMs = 60_000;
  alice.respond(challenge?.id ?? -1, challenge?.type ?? 0, Uint8Array.of(1, 0x55));
  const asked = w.server.asked.filter(({ port }) => port === 'auth').at(-1);
  const answer = asked && w.server.policy(asked.packet);
  if (asked === undefined || answer === undefined) throw new Error('nothing was asked');
  w.server.delayMs = 1;
  return { w, alice, accept: w.sign(asked.packet, answer), socket: asked.socket };
}

/** The host is in, once, for everybody. */
function expectIn(w: World, alice: Host): void {
  w.pass(20);
  expect(w.session(alice)).toBeDefined();
  expect(w.switch.isOpen(alice.place)).toBe(true);
  expect(w.core.stores.authenticators.get(alice.key)?.pae).toBe('AUTHENTICATED');
  // What was in flight is sent again, octet for octet.
  const starts = w.server.accounting(AcctStatusType.Start).map(({ authenticator }) => toHex(authenticator));
  expect(new Set(starts).size).toBe(1);
  expect(w.server.accounting(AcctStatusType.Stop)).toEqual([]);
}

const codes = (host: Host) => host.heard().map(({ code }) => code);
const NOBODY: ReadonlySet<string> = new Set();

describe('killed', () => {
  it('before the accept was in the journal: the request is sent again, and its answer decides', () => {
    const { w, alice } = world();
    const before = w.server.logins().length;
    // What the last core did of the accept it did for nobody: no record of it is there.
    w.takeOver(undefined, NOBODY);
    expect(w.server.logins().length).toBe(before + 1);
    const [first, again] = w.server.asked.filter(({ port }) => port === 'auth').slice(-2);
    expect(again?.bytes).toEqual(first?.bytes);
    w.pass(5);
    expect(codes(alice)).toEqual([EapCode.Success]);
    expectIn(w, alice);
  });

  it('behind any effect of that turn: the port is open, and the host hears a Success', () => {
    const count = (() => {
      const { w, accept, socket } = world();
      w.core.datagram(w.now, 'r1', 'auth', socket, accept);
      return w.core.drainEffects().length;
    })();
    expect(count).toBeGreaterThan(2);
    for (let done = 0; done <= count; done++) {
      const { w, alice, accept, socket } = world();
      w.core.datagram(w.now, 'r1', 'auth', socket, accept);
      const effects = w.core.drainEffects().slice(0, done);
      carryOut(effects, w.switch, { send: () => {} });
      const before = codes(alice);
      w.takeOver(undefined, new Set([alice.key]));
      // Nobody can tell whether it was heard, where it was the last thing that was done: it is said once more then.
      expect([...before, ...codes(alice)].length).toBe(before.length + 1);
      expectIn(w, alice);
    }
  });

  it('in a later turn: the host is not told a second time, which would have it log in again', () => {
    const { w, alice, accept, socket } = world();
    w.datagram(accept, socket);
    expect(codes(alice)).toEqual([EapCode.Success]);
    w.host('bob', 'swp2').start();
    w.takeOver(undefined, new Set([w.host('bob', 'swp2').key]));
    expect(codes(alice)).toEqual([]);
    expectIn(w, alice);
  });

  it('a moment after a reject: the Failure is said again only where it was the last turn', () => {
    for (const unsaid of [true, false]) {
      const w = new World();
      const mallory = w.host('mallory');
      expect(mallory.login()?.code).toBe(EapCode.Failure);
      w.takeOver(undefined, unsaid ? new Set([mallory.key]) : NOBODY);
      expect(codes(mallory)).toEqual(unsaid ? [EapCode.Failure] : []);
      expect(w.core.stores.authenticators.get(mallory.key)?.pae).toBe('HELD');
    }
  });
});
