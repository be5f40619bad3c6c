/**
 * Random days of a switch: hosts, servers, links and faults in any order. After every step what the core
 * believes, what the switch does and what the change feed said have to fit together.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { questionToken } from '../../../auth/admission/group-question.ts';
import { decodeEap, EapCode, type EapPacket, EapType } from '../../../eapol/eap.ts';
import { decodeEapol } from '../../../eapol/eapol.ts';
import { AttributeType, integer, text } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { TerminationAction } from '../../../radius/values.ts';
import type { Failing } from '../../../switch/memory-switch.ts';
import { decodeEthernet, EtherType } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { type Host, noWish, World, wish } from '../world.ts';

const GROUPS = ['239.1.1.1', '239.1.1.2', '239.1.1.3', '232.1.1.1'];
const SOURCES = ['198.51.100.7', '198.51.100.8'];
const PORTS = ['swp1', 'swp2'];
/** A second or two; more with RUNS in the environment. */
const RUNS = Number(process.env['RUNS'] ?? 40);
const SHARED_MAC = '06:00:00:00:00:99';

/** Six hosts: two accounts, two ports, a VLAN, and one MAC address that is on both ports. */
function hostsOf(w: World): readonly Host[] {
  return [
    w.host('alice', 'swp1'),
    w.host('bob', 'swp1'),
    w.host('alice', 'swp2', 0, '06:00:00:00:00:0a'),
    w.host('bob', 'swp2', 7),
    w.host('mallory', 'swp1', 0, SHARED_MAC),
    w.host('alice', 'swp2', 0, SHARED_MAC),
  ];
}

type Step =
  | { readonly do: 'start' | 'logoff' | 'answer' | 'stale' | 'reauthenticate'; readonly host: number }
  | { readonly do: 'login'; readonly host: number; readonly account: string }
  | {
      readonly do: 'join';
      readonly host: number;
      readonly groups: readonly number[];
      readonly sources: readonly number[];
    }
  | { readonly do: 'leave' | 'v2join' | 'v2leave'; readonly host: number; readonly group: number }
  | { readonly do: 'garbage'; readonly host: number; readonly etherType: number; readonly octets: Uint8Array }
  | { readonly do: 'link'; readonly port: number; readonly up: boolean }
  | { readonly do: 'port'; readonly port: number; readonly there: boolean }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'server'; readonly alive: boolean; readonly delayMs: number; readonly rounds: number }
  | {
      readonly do: 'terms';
      readonly account: string;
      readonly terms: 'none' | 'plain' | 'ends' | 'again' | 'tunnel';
    }
  | { readonly do: 'permit'; readonly account: string; readonly group: number; readonly seconds: number }
  | { readonly do: 'fault'; readonly operation: Failing; readonly times: number }
  | { readonly do: 'forge'; readonly id: number; readonly octets: Uint8Array }
  | { readonly do: 'takeover' | 'upgrade' };

const host = fc.nat({ max: 5 });
const group = fc.nat({ max: GROUPS.length - 1 });
const account = fc.constantFrom('alice', 'bob', 'mallory');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('login' as const), host, account }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'start' as const,
        'logoff' as const,
        'answer' as const,
        'stale' as const,
        'reauthenticate' as const,
      ),
      host,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('join' as const),
      host,
      groups: fc.uniqueArray(group, { minLength: 1 }),
      sources: fc.uniqueArray(fc.nat({ max: 1 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('leave' as const, 'v2join' as const, 'v2leave' as const),
      host,
      group,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('garbage' as const),
      host,
      etherType: fc.constantFrom(EtherType.Eapol, EtherType.Ipv4, EtherType.Ipv6, EtherType.Vlan, 0x1234),
      octets: fc.uint8Array({ maxLength: 60 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('link' as const), port: fc.nat({ max: 1 }), up: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('port' as const), port: fc.nat({ max: 1 }), there: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(0, 1, 5, 100, 3_000, 31_000, 70_000, 300_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('server' as const),
      alive: fc.boolean(),
      delayMs: fc.constantFrom(0, 1, 50, 4_000),
      rounds: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('terms' as const),
      account,
      terms: fc.constantFrom(
        'none' as const,
        'plain' as const,
        'ends' as const,
        'again' as const,
        'tunnel' as const,
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('permit' as const),
      account,
      group,
      seconds: fc.constantFrom(0, 5, 3_600),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      operation: fc.constantFrom<Failing>('openHost', 'setForwarding', 'sendFrame'),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('forge' as const),
      id: fc.nat({ max: 255 }),
      octets: fc.uint8Array({ minLength: 16, maxLength: 40 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('takeover' as const, 'upgrade' as const) }) },
);

/** A world and what its hosts have heard last. */
class Day {
  readonly world: World;
  readonly hosts: readonly Host[];
  readonly #requests = new Map<string, EapPacket>();

  constructor(seed: number) {
    this.world = new World(
      {
        ports: { swp1: { max_hosts: 2 }, swp2: {} },
        multicast: { max_groups_per_host: 3, max_groups_per_port: 4 },
        groups: { timeout_hold: '2s', deny: '20s', patience: '3s' },
      },
      seed,
    );
    const { server } = this.world;
    server.users.set('alice', []).set('bob', []);
    server.permit('alice', '239.1.1.1', '232.1.1.1');
    server.permit('bob', '239.1.1.1', '239.1.1.2');
    this.hosts = hostsOf(this.world);
    for (const each of this.hosts) this.#login(each, each.name);
  }

  take(at: Step): void {
    const w = this.world;
    const who = 'host' in at ? this.hosts[at.host] : undefined;
    switch (at.do) {
      case 'start':
        who?.start();
        break;
      case 'logoff':
        who?.logoff();
        break;
      case 'answer':
        if (who !== undefined) this.#answer(who, who.name);
        break;
      case 'stale':
        who?.identity(w.now & 0xff);
        break;
      case 'reauthenticate':
        if (who !== undefined) w.turn(() => w.core.reauthenticate(w.now, who.key));
        break;
      case 'login':
        if (who !== undefined) this.#login(who, at.account);
        break;
      case 'join':
        who?.report(
          ...at.groups.map((n) => wish(GROUPS[n] ?? '', ...at.sources.map((s) => SOURCES[s] ?? ''))),
        );
        break;
      case 'leave':
        who?.report(noWish(GROUPS[at.group] ?? ''));
        break;
      case 'v2join':
        who?.igmp({ kind: 'report', version: 2, group: GROUPS[at.group] ?? '' }, GROUPS[at.group]);
        break;
      case 'v2leave':
        who?.igmp({ kind: 'leave', group: GROUPS[at.group] ?? '' }, '224.0.0.2');
        break;
      case 'garbage':
        who?.send(at.etherType, at.octets);
        break;
      case 'link':
        w.switch.setLink(PORTS[at.port] ?? '', at.up);
        break;
      case 'port':
        if (at.there) w.switch.addPort(PORTS[at.port] ?? '');
        else w.switch.removePort(PORTS[at.port] ?? '');
        break;
      case 'pass':
        w.pass(at.ms);
        break;
      case 'server':
        w.server.alive = at.alive;
        w.server.delayMs = at.delayMs;
        w.server.rounds = at.rounds;
        break;
      case 'terms':
        this.#setTerms(at.account, at.terms);
        break;
      case 'permit': {
        const key = `${at.account} ${GROUPS[at.group]}`;
        if (at.seconds === 0) w.server.permits.delete(key);
        else w.server.permits.set(key, [integer(AttributeType.SessionTimeout, at.seconds)]);
        break;
      }
      case 'fault':
        w.switch.fail(at.operation, 'EIO', at.times);
        break;
      case 'forge':
        w.datagram(Uint8Array.of(RadiusCode.AccessAccept, at.id, 0, at.octets.length + 4, ...at.octets));
        break;
      case 'takeover':
        w.takeOver();
        // What is due for the new core, as the renewal of a permission, is done at once.
        w.pass(0);
        break;
      case 'upgrade': {
        const { followed, built } = w.takeOverFollowing();
        expect(followed).toEqual(built);
        w.pass(0);
        break;
      }
    }
    this.#deliver();
  }

  /** A login as far as it gets in a short time. */
  #login(who: Host, name: string): void {
    who.start();
    for (let round = 0; round < 4; round++) {
      this.#deliver();
      this.#answer(who, name);
      this.world.pass(this.world.server.delayMs === 0 ? 1 : Math.min(this.world.server.delayMs, 60) + 1);
    }
  }

  #answer(who: Host, name: string): void {
    const request = this.#requests.get(who.key);
    if (request === undefined) return;
    this.#requests.delete(who.key);
    if (request.type === EapType.Identity) who.identity(request.id, name);
    else who.respond(request.id, EapType.Md5Challenge, Uint8Array.of(1, 1));
  }

  #setTerms(name: string, terms: string): void {
    const { users } = this.world.server;
    const again = integer(AttributeType.TerminationAction, TerminationAction.RadiusRequest);
    const timeout = integer(AttributeType.SessionTimeout, 40);
    if (terms === 'none') users.delete(name);
    else if (terms === 'plain') users.set(name, []);
    else if (terms === 'ends') users.set(name, [timeout]);
    else if (terms === 'again') users.set(name, [timeout, again]);
    else
      users.set(name, [text(AttributeType.TunnelPrivateGroupId, '1'), integer(AttributeType.TunnelType, 13)]);
  }

  /** Frames reach the hosts that they are for. */
  #deliver(): void {
    for (const { port, vlan, frame } of this.world.switch.takeSent()) {
      const eth = decodeEthernet(frame);
      if (isMalformed(eth) || eth.etherType !== EtherType.Eapol) continue;
      const pdu = decodeEapol(eth.payload);
      const eap = isMalformed(pdu) ? undefined : decodeEap(pdu.body);
      if (eap === undefined || isMalformed(eap) || eap.code !== EapCode.Request) continue;
      for (const each of this.hosts) {
        const meant = eth.dst === each.mac || eth.dst === '01:80:c2:00:00:03';
        if (meant && port === each.port && vlan === each.vlan) this.#requests.set(each.key, eap);
      }
    }
  }
}

/** What has to hold after every step; throws what does not. */
function check({ world: w }: Day): void {
  const { stores } = w.core;
  const sessions = [...stores.sessions.values()];
  const grants = [...stores.grants.values()];
  const forwardings = [...stores.forwardings.values()];
  for (const session of sessions) {
    expect(stores.authenticators.get(session.key), `authenticator of ${session.key}`).toMatchObject({
      authorized: true,
    });
    expect(stores.accountingRecords.has(`session/${session.key}`)).toBe(true);
    expect(stores.ports.get(session.port)?.up).toBe(true);
  }
  for (const record of stores.authenticators.values()) {
    expect(stores.sessions.has(record.key), `session of ${record.key}`).toBe(record.authorized);
  }
  for (const record of stores.conversations.values())
    expect(stores.authenticators.has(record.key)).toBe(true);
  for (const grant of grants) {
    expect(stores.sessions.get(grant.host)?.account, `session behind ${grant.key}`).toBe(grant.account);
    expect(stores.memberships.has(`${grant.host}/${grant.group}`)).toBe(true);
    expect(stores.accountingRecords.has(`channel/${grant.key}`)).toBe(true);
    expect(grant.expiresAt).toBeGreaterThan(w.now);
  }
  expect(stores.accountingRecords.size).toBe(sessions.length + grants.length);
  for (const { port, vlan, group: at, key } of forwardings) {
    const behind = grants.filter((grant) => grant.port === port && grant.vlan === vlan && grant.group === at);
    expect(behind.length, `grants behind ${key}`).toBeGreaterThan(0);
  }
  for (const wanted of stores.memberships.values()) expect(stores.sessions.has(wanted.host)).toBe(true);
  for (const pending of stores.pending.values()) {
    expect(stores.memberships.has(`${pending.host}/${pending.group}`), `wish of ${pending.key}`).toBe(true);
    expect(stores.questions.has(pending.question), `question of ${pending.key}`).toBe(true);
  }
  for (const question of stores.questions.values()) {
    expect(stores.radiusRequests.has(questionToken(question.key)), `request of ${question.key}`).toBe(true);
  }
  checkSwitch(w);
  checkLimits(w);
  const next = w.core.nextTimeout();
  if (next !== undefined) expect(next).toBeGreaterThanOrEqual(w.now);
}

/** The switch does what the records say: no more and no less. */
function checkSwitch(w: World): void {
  const { stores } = w.core;
  const open = w.switch.openHosts().map(({ port, vlan, mac }) => `${port}/${vlan}/${mac}`);
  expect(open.sort()).toEqual([...stores.sessions.values()].map(({ key }) => key).sort());
  for (const port of PORTS) {
    for (const vlan of [0, 7]) {
      for (const at of GROUPS) {
        const record = stores.forwardings.get(`${port}/${vlan}/${at}`);
        const filter = record && { mode: record.mode, sources: record.sources };
        expect(w.switch.forwarding(port, vlan, at), `${at} on ${port}`).toEqual(filter);
      }
    }
  }
}

function checkLimits(w: World): void {
  const { stores } = w.core;
  const count = <T>(records: Iterable<T>, owner: (record: T) => string) => {
    const counts = new Map<string, number>();
    for (const record of records) counts.set(owner(record), (counts.get(owner(record)) ?? 0) + 1);
    return [...counts.values()];
  };
  const swp1 = [...stores.authenticators.values()].filter(({ port }) => port === 'swp1');
  expect(swp1.length).toBeLessThanOrEqual(2);
  for (const n of count(stores.grants.values(), ({ host: key }) => key)) expect(n).toBeLessThanOrEqual(3);
  for (const n of count(stores.forwardings.values(), ({ port }) => port)) expect(n).toBeLessThanOrEqual(4);
}

/** Who followed the change feed holds the same records. */
function checkFeed(w: World): void {
  const replica = w.replayed();
  for (const store of w.core.stores.all()) {
    const mine = Object.fromEntries(store.entries());
    expect(Object.fromEntries(replica.store(store.name).entries()), store.name).toEqual(mine);
  }
}

describe('after whatever happens', () => {
  it('records, switch and change feed fit together', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0x7fffffff }),
        fc.array(step, { minLength: 20, maxLength: 100 }),
        (seed, steps) => {
          const day = new Day(seed);
          for (const each of steps) {
            day.take(each);
            check(day);
          }
          checkFeed(day.world);
        },
      ),
      { numRuns: RUNS },
    );
  }, 60_000);
});
