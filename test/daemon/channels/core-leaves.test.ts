/** The three ways in which a leave is taken, on virtual time. */
import { describe, expect, it } from 'vitest';
import { RecordType } from '../../../igmp/group-record.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import { groupPackets, type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';
const SPORT = '232.1.1.1';
const [A, B] = ['198.51.100.7', '198.51.100.8'];
const all = vendorSpecific(32473, 5, new TextEncoder().encode('watch 224.0.0.0/4'));

function world(leave: string): [World, Host, Host] {
  const w = new World({ multicast: { leave, last_member_query_interval: '1s', last_member_query_count: 2 } });
  w.server.users.set('alice', [all]).set('bob', [all]);
  const hosts = ['alice', 'bob'].map((name) => {
    const host = w.host(name);
    host.login();
    expect(w.session(host)).toBeDefined();
    return host;
  });
  w.pass(40_000);
  w.switch.takeSent();
  return [w, hosts[0] as Host, hosts[1] as Host];
}

const reached = (w: World, group = NEWS, source = A) => w.switch.deliver(group, source, 100);
/** Specific queries on the port since the last call by anybody. */
const asked = (w: World) =>
  groupPackets(w).flatMap(({ port, dst, message }) =>
    message.kind === 'query' && message.group === dst
      ? [`${port} ${dst} ${message.sources.join(' ')}`.trim()]
      : [],
  );

describe('a leave', () => {
  it('by-host: the port goes on while another host wants the group, and ends with the last at once, unasked', () => {
    const [w, alice, bob] = world('by-host');
    alice.join(NEWS);
    bob.join(NEWS);
    alice.leave(NEWS);
    expect(reached(w)).toEqual(['swp1']);
    bob.leave(NEWS);
    expect(reached(w)).toEqual([]);
    w.pass(5000);
    expect(asked(w)).toEqual([]);
  });

  it('immediate: the first leave ends the group on the port for all', () => {
    const [w, alice, bob] = world('immediate');
    alice.join(NEWS);
    bob.join(NEWS);
    alice.leave(NEWS);
    expect(reached(w)).toEqual([]);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.core.stores.accountingRecords.size).toBe(2);
    // The other's next report brings it back.
    bob.join(NEWS);
    expect(reached(w)).toEqual(['swp1']);
  });

  it('conformance 56: normal: the group is asked for so many times, and ends when nobody answered', () => {
    const [w, alice] = world('normal');
    alice.join(NEWS);
    alice.leave(NEWS);
    expect(asked(w)).toEqual([`swp1 ${NEWS}`]);
    w.pass(1000);
    expect(asked(w)).toEqual([`swp1 ${NEWS}`]);
    w.pass(999);
    expect(reached(w)).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w)).toEqual([]);
    expect(asked(w)).toEqual([]);
    expect(w.core.stores.specificQueries.size).toBe(0);
  });

  it('normal: an answer keeps it, also after a takeover; a second leave does not prolong it', () => {
    const [w, alice] = world('normal');
    alice.join(NEWS);
    alice.leave(NEWS);
    w.pass(500);
    w.takeOver();
    w.switch.takeSent();
    w.pass(500);
    expect(asked(w)).toEqual([`swp1 ${NEWS}`]);
    alice.join(NEWS);
    w.pass(5000);
    expect(reached(w)).toEqual(['swp1']);
    alice.leave(NEWS);
    w.pass(1500);
    alice.leave(NEWS);
    w.pass(500);
    expect(reached(w)).toEqual([]);
  });

  it('normal: of some sources is asked by source, and the others go on', () => {
    const [w, alice] = world('normal');
    alice.join(SPORT, A, B);
    alice.report({ type: RecordType.Block, group: SPORT, sources: [A], auxWords: 0 });
    expect(asked(w)).toEqual([`swp1 ${SPORT} ${A}`]);
    expect([reached(w, SPORT, A), reached(w, SPORT, B)]).toEqual([['swp1'], ['swp1']]);
    w.pass(2000);
    expect([reached(w, SPORT, A), reached(w, SPORT, B)]).toEqual([[], ['swp1']]);
  });

  it('conformance 55: of a host that is IGMPv1 is ignored in every mode', () => {
    for (const mode of ['by-host', 'immediate', 'normal']) {
      const [w, alice] = world(mode);
      alice.igmp({ kind: 'report', version: 1, group: NEWS }, NEWS);
      alice.igmp({ kind: 'leave', group: NEWS }, '224.0.0.2');
      w.pass(10_000);
      expect([mode, reached(w)]).toEqual([mode, ['swp1']]);
    }
  });
});
