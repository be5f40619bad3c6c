/** Hosts that log in by their MAC address, alone and beside 802.1X: the whole core on virtual time. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EapCode, EapType } from '../../../eapol/eap.ts';
import {
  AttributeType,
  firstInteger,
  firstText,
  firstValue,
  integer,
  octets,
  text,
} from '../../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { revealPassword } from '../../../radius/password.ts';
import { AcctStatusType, ServiceType, TerminateCause, TerminationAction } from '../../../radius/values.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { type Answer, accept, challenge, eapOf, reject, SECRET } from '../radius-server.ts';
import { type Host, World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const utf8 = (value: string) => new TextEncoder().encode(value);
const plain = (host: Host) => host.mac.replaceAll(':', '');
const md5 = (...parts: Uint8Array[]) => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** A printer is known by its MAC address, alice by name. */
function world(
  authenticator: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) {
  const w = new World({ authenticator, ...more });
  const printers = new Map<string, readonly RadiusAttribute[]>();
  w.server.users.set('alice', []);
  w.server.script = ({ port, packet }) => {
    if (port === 'acct' || !isCallCheck(packet)) return 'policy';
    const terms = printers.get(firstText(packet.attributes, AttributeType.UserName) ?? '');
    if (terms === undefined) return { code: RadiusCode.AccessReject, attributes: [] };
    return prove(packet) ?? { code: RadiusCode.AccessAccept, attributes: terms };
  };
  const printer = w.host('printer');
  printers.set(plain(printer), []);
  return {
    w,
    printer,
    printers,
    asked: () => w.server.asked.map(({ packet }) => packet).filter(isCallCheck),
  };
}

function isCallCheck({ code, attributes }: RadiusPacket): boolean {
  return (
    code === RadiusCode.AccessRequest &&
    firstInteger(attributes, AttributeType.ServiceType) === ServiceType.CallCheck
  );
}

/** The server's side of EAP-MD5 with the MAC address as password; undefined where all is proved. */
function prove(packet: RadiusPacket): Answer | undefined {
  const eap = eapOf(packet);
  if (eap === undefined) return undefined;
  if (eap.type === EapType.Identity) return challenge(77, utf8('mab state'));
  const name = firstValue(packet.attributes, AttributeType.UserName) ?? new Uint8Array(0);
  const right = md5(Uint8Array.of(77), name, new Uint8Array(16).fill(77));
  const sent = eap.typeData.subarray(1, 17);
  const state = firstText(packet.attributes, AttributeType.State);
  return Buffer.from(sent).equals(right) && state === 'mab state' ? accept(77) : reject(77);
}

/** An ARP request, as every host sends one. */
function arp(host: Host): void {
  host.send(EtherType.Arp, new Uint8Array(28), 'ff:ff:ff:ff:ff:ff');
}

describe('a host that speaks no 802.1X', () => {
  it.each(['pap', 'chap', 'eap-md5'])('logs in by its MAC address with %s', (method) => {
    const { w, printer, asked } = world({ methods: 'mab', mab: { method } });
    arp(printer);
    w.pass(5);
    expect(w.switch.isOpen(printer.place)).toBe(true);
    expect(w.session(printer)).toMatchObject({ account: plain(printer), method: 'mab', server: 'r1' });
    for (const { attributes } of asked()) {
      expect(firstText(attributes, AttributeType.UserName)).toBe(plain(printer));
      expect(firstText(attributes, AttributeType.CallingStationId)).toBe(
        printer.mac.toUpperCase().replaceAll(':', '-'),
      );
      expect(firstInteger(attributes, AttributeType.NasPortType)).toBe(15);
    }
    expect(asked()).toHaveLength(method === 'eap-md5' ? 2 : 1);
    expect(w.server.accounting(Start)).toHaveLength(1);
  });

  it('PAP hides the password, CHAP proves it', () => {
    const pap = world({ methods: 'mab' });
    arp(pap.printer);
    pap.w.pass(5);
    const [request] = pap.asked();
    const hidden = firstValue(request?.attributes ?? [], AttributeType.UserPassword);
    const secret = revealPassword(
      hidden ?? new Uint8Array(0),
      request?.authenticator ?? new Uint8Array(16),
      SECRET,
    );
    expect(Buffer.from(secret ?? []).toString()).toBe(plain(pap.printer));
    const chap = world({ methods: 'mab', mab: { method: 'chap' } });
    arp(chap.printer);
    chap.w.pass(5);
    const { attributes = [] } = chap.asked()[0] ?? {};
    const given = firstValue(attributes, AttributeType.ChapPassword) ?? new Uint8Array(0);
    const question = firstValue(attributes, AttributeType.ChapChallenge) ?? new Uint8Array(0);
    expect(question).toHaveLength(16);
    expect(given.slice(1)).toEqual(md5(given.subarray(0, 1), utf8(plain(chap.printer)), question));
  });

  it.each([
    ['plain', (mac: string) => mac.replaceAll(':', '')],
    ['hyphens', (mac: string) => mac.toUpperCase().replaceAll(':', '-')],
    ['colons', (mac: string) => mac],
  ])('its address is written with %s', (format, written) => {
    const { w, printer, asked } = world({ methods: 'mab', mab: { format } });
    arp(printer);
    w.pass(5);
    expect(firstText(asked()[0]?.attributes ?? [], AttributeType.UserName)).toBe(written(printer.mac));
  });

  it('a rejected one is left alone for quietPeriod, then its next frame asks again', () => {
    const { w, printer, printers, asked } = world({ methods: 'mab' });
    printers.clear();
    for (let i = 0; i < 5; i++) {
      arp(printer);
      w.pass(5);
    }
    expect(asked()).toHaveLength(1);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.logged('login-refused')).toMatchObject([{ method: 'mab', reason: 'radius-reject' }]);
    printers.set(plain(printer), []);
    w.pass(60_001);
    expect(w.core.stores.mabs.size).toBe(0);
    arp(printer);
    w.pass(5);
    expect(w.switch.isOpen(printer.place)).toBe(true);
  });

  it('an Accept that castgate cannot carry out is a reject here too', () => {
    const { w, printer, printers } = world({ methods: 'mab' });
    printers.set(plain(printer), [integer(AttributeType.TunnelType, 13)]);
    arp(printer);
    w.pass(5);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.logged('login-refused')).toMatchObject([{ reason: 'accept-tunnel' }]);
  });

  it('is not asked for on a port without MAC authentication, and not by frames of who is in', () => {
    const off = world({});
    arp(off.printer);
    off.w.pass(5);
    expect(off.asked()).toEqual([]);
    const { w, printer, asked } = world({ methods: 'mab' });
    for (let i = 0; i < 3; i++) {
      arp(printer);
      w.pass(5);
    }
    expect(asked()).toHaveLength(1);
  });

  it('re-authenticates by Session-Timeout without a gap, and a reject then ends its session', () => {
    const { w, printer, printers, asked } = world({ methods: 'mab' });
    printers.set(plain(printer), [
      integer(AttributeType.SessionTimeout, 60),
      integer(AttributeType.TerminationAction, TerminationAction.RadiusRequest),
    ]);
    arp(printer);
    w.pass(5);
    w.takeDone();
    w.pass(60_010);
    expect(asked()).toHaveLength(2);
    expect(w.takeDone().filter((line) => line.startsWith('close'))).toEqual([]);
    expect(w.server.accounting(Stop)).toEqual([]);
    printers.clear();
    w.pass(60_010);
    expect(w.switch.openHosts()).toEqual([]);
    const [stop] = w.server.accounting(Stop);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.ReauthenticationFailure,
    );
    expect(w.core.stores.mabs.get(printer.key)?.state).toBe('HELD');
  });

  it('stays in while servers are silent for a while, and is out when they stay so', () => {
    const { w, printer, printers } = world({ methods: 'mab' });
    printers.set(plain(printer), [
      integer(AttributeType.SessionTimeout, 60),
      integer(AttributeType.TerminationAction, TerminationAction.RadiusRequest),
    ]);
    arp(printer);
    w.pass(5);
    w.server.alive = false;
    w.pass(120_000);
    expect(w.switch.isOpen(printer.place)).toBe(true);
    w.pass(600_000);
    expect(w.switch.openHosts()).toEqual([]);
  });

  it('a Session-Timeout that ends, a lost link and a clean stop end its session like any other', () => {
    const { w, printer, printers } = world({ methods: 'mab' });
    printers.set(plain(printer), [integer(AttributeType.SessionTimeout, 60)]);
    arp(printer);
    w.pass(60_100);
    expect([w.switch.openHosts(), w.core.stores.mabs.size]).toEqual([[], 0]);
    arp(printer);
    w.pass(5);
    expect(w.switch.isOpen(printer.place)).toBe(true);
    w.switch.setLink('swp1', false);
    w.pass(5);
    expect([w.switch.openHosts(), w.core.stores.mabs.size]).toEqual([[], 0]);
    w.switch.setLink('swp1', true);
    arp(printer);
    w.pass(5);
    w.turn(() => w.core.shutdown(w.now));
    expect([w.switch.openHosts(), w.core.stores.mabs.size]).toEqual([[], 0]);
  });

  it('a takeover goes on with it, also in the middle of the question', () => {
    const { w, printer } = world({ methods: 'mab', mab: { method: 'eap-md5' } });
    w.server.delayMs = 1_000;
    arp(printer);
    w.pass(1_500);
    w.takeOver();
    w.pass(3_000);
    expect(w.session(printer)).toMatchObject({ method: 'mab' });
    w.takeOver();
    printer.logoff();
    arp(printer);
    w.pass(3_000);
    expect(w.switch.openHosts()).toEqual([printer.place]);
  });

  it('counts as a host of the port: the limit holds', () => {
    const { w, printer, printers } = world({ methods: 'mab', max_hosts_per_port: 1 });
    arp(printer);
    w.pass(5);
    const second = w.host('second printer');
    printers.set(plain(second), []);
    arp(second);
    w.pass(5);
    expect(w.switch.openHosts()).toEqual([printer.place]);
    expect(w.core.tally.of('swp1', 'drop/port-host-limit')).toBe(1);
    expect(w.core.subscribers.hostsOfPort('swp1')).toBe(1);
  });

  it('host modes hold for it: single-host takes no second one', () => {
    const { w, printer, printers } = world({ methods: 'mab', host_mode: 'single-host' });
    arp(printer);
    w.pass(5);
    const second = w.host('second printer');
    printers.set(plain(second), []);
    arp(second);
    w.pass(5);
    expect(w.switch.openHosts()).toEqual([printer.place]);
    expect(w.core.tally.of('swp1', 'drop/single-host')).toBe(1);
  });
});

describe('802.1X first, then the MAC address', () => {
  it('a silent host is asked by 802.1X, and is in by its MAC address after mab_after', () => {
    const { w, printer, asked } = world({ methods: 'dot1x-mab', mab_after: '20s' });
    printer.heard();
    arp(printer);
    expect(printer.heard()).toMatchObject([{ code: EapCode.Request, type: EapType.Identity }]);
    w.pass(19_000);
    expect(asked()).toEqual([]);
    w.pass(1_100);
    expect(w.session(printer)).toMatchObject({ method: 'mab' });
    expect(w.core.stores.authenticators.size).toBe(0);
  });

  it('who answers 802.1X in time is never asked for by MAC address', () => {
    const { w, asked } = world({ methods: 'dot1x-mab' });
    const alice = w.host('alice');
    alice.heard();
    arp(alice);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    w.pass(100_000);
    expect(asked()).toEqual([]);
    expect(w.session(alice)).toMatchObject({ account: 'alice', method: 'dot1x' });
    expect(w.core.stores.mabs.size).toBe(0);
  });

  it('a reject by 802.1X is not healed by the MAC address', () => {
    const { w, asked } = world({ methods: 'dot1x-mab', mab_after: '5s' });
    const mallory = w.host('mallory');
    mallory.heard();
    arp(mallory);
    expect(mallory.answer()).toMatchObject({ code: EapCode.Failure });
    w.pass(30_000);
    expect(asked()).toEqual([]);
    expect(w.switch.openHosts()).toEqual([]);
  });

  it('802.1X takes over from the MAC address: another account, another session', () => {
    const { w, printer } = world({ methods: 'dot1x-mab', mab_after: '5s' });
    arp(printer);
    w.pass(6_000);
    expect(w.session(printer)?.method).toBe('mab');
    expect(printer.login('alice')).toMatchObject({ code: EapCode.Success });
    w.pass(5);
    expect(w.session(printer)).toMatchObject({ account: 'alice', method: 'dot1x' });
    expect(w.core.stores.mabs.size).toBe(0);
    expect(w.server.accounting(Stop)).toHaveLength(1);
    expect(w.server.accounting(Start)).toHaveLength(2);
    expect(w.switch.openHosts()).toEqual([printer.place]);
  });

  it('priority mab: EAPOL of a host that is in by its MAC address is of no account', () => {
    const { w, printer } = world({ methods: 'dot1x-mab', mab_after: '5s', priority: 'mab' });
    arp(printer);
    w.pass(6_000);
    printer.heard();
    expect(printer.login('alice')).toBeUndefined();
    expect(w.core.tally.of('swp1', 'drop/mab-only')).toBe(1);
    expect(w.session(printer)?.method).toBe('mab');
  });
});

describe('the MAC address first, then 802.1X', () => {
  it('a host whose address is not known is asked by 802.1X at once', () => {
    const { w, asked } = world({ methods: 'mab-dot1x' });
    const alice = w.host('alice');
    alice.heard();
    arp(alice);
    w.pass(5);
    expect(asked()).toHaveLength(1);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)).toMatchObject({ account: 'alice', method: 'dot1x' });
  });

  it('a known one is in without 802.1X', () => {
    const { w, printer } = world({ methods: 'mab-dot1x' });
    printer.heard();
    arp(printer);
    w.pass(5);
    expect(w.session(printer)).toMatchObject({ method: 'mab' });
    expect(printer.heard()).toEqual([]);
  });

  it('the account that the server names is the account, with its Class in accounting', () => {
    const { w, printer, printers } = world({ methods: 'mab-dot1x' });
    printers.set(plain(printer), [
      text(AttributeType.UserName, 'printers'),
      octets(AttributeType.Class, utf8('second floor')),
    ]);
    arp(printer);
    w.pass(5);
    expect(w.session(printer)).toMatchObject({ account: 'printers' });
    const [start] = w.server.accounting(Start);
    expect(firstText(start?.attributes ?? [], AttributeType.Class)).toBe('second floor');
  });
});

describe('a port of MAC authentication whose mode changes by a reload', () => {
  const ports = (mode: string) => ({ ports: { swp1: { mode }, swp2: {}, swp3: {} } });
  const MAB = { methods: 'mab', quiet_period: '1s' };

  for (const before of ['auto', 'monitor']) {
    it(`${before} to force-unauthorized: who is in is out, and accounted for to the end`, () => {
      const { w, printer } = world(MAB, ports(before));
      arp(printer);
      w.pass(10);
      expect(w.session(printer)).toMatchObject({ method: 'mab' });
      w.reconfigure({ authenticator: MAB, ...ports('force-unauthorized') });
      expect(w.session(printer)).toBeUndefined();
      expect(w.switch.transmit(printer.place, 100)).toBe(false);
      expect(w.core.stores.mabs.size).toBe(0);
      w.pass(10);
      expect(w.server.accounting(Stop)).toHaveLength(1);
    });
  }

  it('auto to monitor and back: who is in keeps its session', () => {
    const { w, printer } = world(MAB, ports('auto'));
    arp(printer);
    w.pass(10);
    const session = w.session(printer);
    for (const mode of ['monitor', 'auto']) {
      w.reconfigure({ authenticator: MAB, ...ports(mode) });
      expect(w.session(printer)).toEqual(session);
      expect(w.switch.transmit(printer.place, 100)).toBe(true);
    }
    w.pass(10);
    expect(w.server.accounting(Stop)).toEqual([]);
  });
});
