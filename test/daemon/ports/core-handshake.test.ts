/** The online handshake: hosts that are in and vanish, and hosts that were only ever silent, on virtual time. */
import { describe, expect, it } from 'vitest';
import { AttributeType, firstInteger } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { type IpAddress, linkLocalAddress } from '../../../wire/address.ts';
import { ArpOperation, decodeArp, encodeArp } from '../../../wire/arp.ts';
import { putU16 } from '../../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../../wire/checksum.ts';
import { decodeEthernet, EtherType } from '../../../wire/ethernet.ts';
import { decodeIpv6, encodeIpv6 } from '../../../wire/ipv6.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { type Host, World } from '../world.ts';

const { Stop } = AcctStatusType;
const NO_MAC = '00:00:00:00:00:00';

interface Asked {
  readonly at: number;
  readonly target: IpAddress;
}

/** A host whose kernel answers ARP and neighbour discovery while it `lives`. */
class Neighbour {
  lives = true;
  answers = true;
  readonly asked: Asked[] = [];

  readonly w: World;
  readonly host: Host;
  address: IpAddress;

  constructor(w: World, host: Host) {
    this.w = w;
    this.host = host;
    this.address = host.address;
  }

  /** It has something to say to the gateway. */
  arp(sender = this.address, operation: number = ArpOperation.Request): void {
    const { mac } = this.host;
    const packet = encodeArp({ operation, senderMac: mac, sender, targetMac: NO_MAC, target: '10.0.0.1' });
    this.w.switch.transmit(this.host.place, packet.length);
    this.host.send(EtherType.Arp, packet);
  }

  /** Lets time pass, a second at a time; it answers what it is asked. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.w.pass(1000);
      for (const { port, frame } of this.w.switch.takeSent()) {
        const eth = decodeEthernet(frame);
        if (isMalformed(eth) || eth.dst !== this.host.mac || port !== this.host.port) continue;
        if (eth.etherType === EtherType.Arp) this.#takeArp(eth.payload);
        if (eth.etherType === EtherType.Ipv6) this.#takeSolicitation(eth.payload);
      }
    }
  }

  #takeArp(payload: Uint8Array): void {
    const arp = decodeArp(payload);
    if (isMalformed(arp)) throw new Error('castgate sent no ARP');
    expect(arp).toMatchObject({ operation: ArpOperation.Request, sender: '0.0.0.0', targetMac: NO_MAC });
    this.asked.push({ at: this.w.now, target: arp.target });
    if (this.lives && this.answers && arp.target === this.address) this.arp(this.address, ArpOperation.Reply);
  }

  #takeSolicitation(payload: Uint8Array): void {
    const packet = decodeIpv6(payload);
    if (isMalformed(packet)) throw new Error('castgate sent no IPv6');
    this.asked.push({ at: this.w.now, target: packet.dst });
    if (this.lives && this.answers) this.advertise(packet.src, packet.dst);
  }

  advertise(dst: IpAddress, target: IpAddress): void {
    const message = new Uint8Array(24);
    message[0] = 136;
    message.set(decodedAddress(target), 8);
    const sum = pseudoHeaderSum(target, dst, message.length, 58);
    putU16(message, 2, internetChecksum(message, 0, message.length, sum));
    const payload = encodeIpv6({ src: target, dst, hopLimit: 255, nextHeader: 58, payload: message });
    this.w.switch.transmit(this.host.place, payload.length);
    this.host.send(EtherType.Ipv6, payload);
  }
}

function decodedAddress(address: IpAddress): Uint8Array {
  return encodeIpv6({
    src: address,
    dst: address,
    hopLimit: 1,
    nextHeader: 59,
    payload: new Uint8Array(0),
  }).subarray(8, 24);
}

function world(more: Readonly<Record<string, unknown>> = {}): { w: World; alice: Neighbour } {
  const w = new World({ authenticator: { handshake_period: '10s', handshake_tries: 3, ...more } });
  w.server.users.set('alice', []);
  const host = w.host('alice');
  host.login();
  return { w, alice: new Neighbour(w, host) };
}

function causes(w: World): unknown[] {
  return w.server
    .accounting(Stop)
    .map((stop) => firstInteger(stop.attributes, AttributeType.AcctTerminateCause));
}

describe('the online handshake', () => {
  it('is off by default: nobody is asked, and who vanishes stays in', () => {
    const { w, alice } = world({ handshake_period: '0s' });
    alice.arp();
    alice.pass(600);
    expect(alice.asked).toEqual([]);
    expect(w.session(alice.host)).toBeDefined();
    expect(w.core.stores.handshakes.size).toBe(0);
  });

  it('asks who is silent, leaves in who answers, and asks nobody at RADIUS', () => {
    const { w, alice } = world();
    alice.arp();
    const logins = w.server.logins().length;
    alice.pass(600);
    expect(alice.asked.length).toBeGreaterThan(20);
    expect(new Set(alice.asked.map(({ target }) => target))).toEqual(new Set([alice.host.address]));
    expect(w.session(alice.host)).toBeDefined();
    expect(w.server.logins().length).toBe(logins);
    expect(w.core.tally.of('swp1', 'handshake/answered')).toBeGreaterThan(20);
  });

  it('does not ask who sends anything', () => {
    const { w, alice } = world();
    alice.arp();
    for (let i = 0; i < 60; i++) {
      w.switch.transmit(alice.host.place, 100);
      alice.pass(5);
    }
    expect(alice.asked).toEqual([]);
    expect(w.session(alice.host)).toBeDefined();
  });

  it('ends who answered before and answers no more: Lost Carrier, channels and all, and the host may log in again', () => {
    const { w, alice } = world();
    w.server.permits.set('alice 239.1.1.1', []);
    alice.arp();
    alice.pass(60);
    alice.host.join('239.1.1.1');
    w.pass(100);
    expect(w.switch.forwardings()).toHaveLength(1);
    alice.lives = false;
    alice.asked.length = 0;
    alice.pass(25);
    expect(w.session(alice.host)).toBeDefined();
    alice.pass(25);
    expect(alice.asked).toHaveLength(3);
    expect(w.session(alice.host)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.switch.forwardings()).toEqual([]);
    expect(w.logged('session-ended')).toMatchObject([{ cause: 'host-gone' }]);
    expect(causes(w)).toEqual([TerminateCause.LostCarrier, TerminateCause.LostCarrier]);
    expect(w.core.stores.handshakes.size).toBe(0);
    expect(w.core.tally.of('swp1', 'handshake/lost')).toBe(1);
    alice.host.login();
    expect(w.session(alice.host)).toBeDefined();
  });

  it('never ends a host that has never answered, whether its address is known or not', () => {
    const { w, alice } = world();
    alice.answers = false;
    alice.pass(600);
    expect(alice.asked).toEqual([]);
    expect(w.session(alice.host)).toBeDefined();
    alice.arp();
    alice.lives = false;
    alice.pass(2_400);
    expect(alice.asked.length).toBeGreaterThan(100);
    expect(w.session(alice.host)).toBeDefined();
  });

  it('a frame that is no answer keeps a host in, and does not make its silence mean anything', () => {
    const { w, alice } = world();
    alice.answers = false;
    alice.arp();
    for (let i = 0; i < 10; i++) {
      alice.pass(25);
      w.switch.transmit(alice.host.place, 100);
      // An answer for another address, and one under another's MAC address.
      alice.arp('10.0.0.99', ArpOperation.Reply);
      alice.arp();
    }
    expect(w.core.stores.handshakes.get(alice.host.key)?.answers).toBe(false);
    alice.pass(600);
    expect(w.session(alice.host)).toBeDefined();
  });

  it('asks at the address that the host has now', () => {
    const { w, alice } = world();
    alice.arp();
    alice.pass(30);
    alice.address = '10.9.9.9';
    alice.arp();
    alice.asked.length = 0;
    alice.pass(60);
    expect(new Set(alice.asked.map(({ target }) => target))).toEqual(new Set(['10.9.9.9']));
    expect(w.session(alice.host)).toBeDefined();
  });

  it('does not judge a host that claims many addresses, and writes down few of them', () => {
    const { w, alice } = world();
    alice.arp();
    alice.pass(30);
    w.changes = [];
    for (let i = 0; i < 200; i++) alice.arp(`10.8.0.${i + 1}`);
    expect(w.changes.filter(({ store }) => store === 'handshakes').length).toBeLessThan(12);
    alice.lives = false;
    alice.pass(600);
    expect(w.session(alice.host)).toBeDefined();
  });

  it('asks IPv6 hosts by neighbour solicitation at their link-local address', () => {
    const { w, alice } = world();
    const address = linkLocalAddress(alice.host.mac);
    alice.host.mld({ kind: 'record-report', version: 2, records: [] });
    alice.pass(100);
    expect(alice.asked.length).toBeGreaterThan(2);
    expect(new Set(alice.asked.map(({ target }) => target))).toEqual(new Set([address]));
    alice.lives = false;
    alice.pass(60);
    expect(w.session(alice.host)).toBeUndefined();
    expect(causes(w)).toEqual([TerminateCause.LostCarrier]);
  });

  it('goes on after a takeover, with all its tries again', () => {
    const { w, alice } = world();
    alice.arp();
    alice.pass(60);
    alice.lives = false;
    alice.pass(35);
    w.takeOver();
    expect(w.core.stores.handshakes.get(alice.host.key)).toMatchObject({ answers: true, unanswered: 0 });
    alice.pass(25);
    expect(w.session(alice.host)).toBeDefined();
    alice.pass(30);
    expect(w.session(alice.host)).toBeUndefined();
  });

  it('is live: a reload begins it for those who are in, and ends it', () => {
    const { w, alice } = world({ handshake_period: '0s' });
    w.reconfigure({ authenticator: { handshake_period: '10s' } });
    alice.arp();
    alice.pass(60);
    expect(alice.asked.length).toBeGreaterThan(2);
    w.reconfigure({ authenticator: {} });
    alice.asked.length = 0;
    alice.lives = false;
    alice.pass(600);
    expect(alice.asked).toEqual([]);
    expect(w.session(alice.host)).toBeDefined();
    expect(w.core.stores.handshakes.size).toBe(0);
  });
});

describe('hosts that are in by their MAC address', () => {
  it('are asked and ended the same way', () => {
    const w = new World({ authenticator: { methods: 'mab', handshake_period: '10s', handshake_tries: 1 } });
    const printer = new Neighbour(w, w.host('printer'));
    w.server.script = ({ packet }) =>
      packet.code === RadiusCode.AccessRequest
        ? { code: RadiusCode.AccessAccept, attributes: [] }
        : { code: RadiusCode.AccountingResponse, attributes: [] };
    printer.arp();
    w.pass(1000);
    expect(w.session(printer.host)).toBeDefined();
    printer.arp();
    printer.pass(60);
    printer.lives = false;
    printer.pass(40);
    expect(w.session(printer.host)).toBeUndefined();
    expect(causes(w)).toEqual([TerminateCause.LostCarrier]);
  });
});
