/** Effects are carried out in order, and neighbours that the switch can take together go together. */
import { describe, expect, it } from 'vitest';
import { carryOut, type Effect } from '../../../daemon/core/effects.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { SwitchOperation } from '../../../switch/switch.ts';

const ANY = { mode: 'exclude', sources: [] } as const;

/** Writes down which operations came together. */
class Listening extends MemorySwitch {
  readonly together: string[][] = [];

  override applyAll(operations: readonly SwitchOperation[]) {
    this.together.push(operations.map(({ kind }) => kind));
    return super.applyAll(operations);
  }
}

describe('carryOut', () => {
  const host = (number: number) => ({ port: 'swp1', vlan: 0, mac: `02:00:00:00:01:0${number}` });
  const open = (number: number): Effect => ({ kind: 'open-host', key: `host ${number}`, host: host(number) });
  const forward = (group: string): Effect => {
    return { kind: 'forward', port: 'swp1', vlan: 0, group, filter: ANY };
  };
  const say = (about: string): Effect => {
    return { kind: 'frame', port: 'swp1', vlan: 0, frame: new Uint8Array(60), about };
  };
  const datagrams = { send: () => {} };
  const make = () => new Listening({ ports: ['swp1', 'swp2'], uplinks: ['up0'] }, () => {});

  it('gives runs to the switch at once, in order, and single ones alone', () => {
    const bridge = make();
    const effects = [open(1), open(2), forward('239.1.1.1'), say('host 1'), open(3), say('host 3')];
    expect(carryOut(effects, bridge, datagrams)).toEqual([]);
    expect(bridge.together).toEqual([['open-host', 'open-host', 'forward', 'open-host']]);
    expect(bridge.openHosts()).toEqual([host(1), host(2), host(3)]);
    expect(bridge.takeSent()).toHaveLength(2);
    expect(carryOut([open(4), say('host 4')], bridge, datagrams)).toEqual([]);
    expect(bridge.together).toHaveLength(1);
    expect(bridge.takeSent()).toHaveLength(1);
  });

  it('puts hosts and channels before what only tells others, and nothing before what is about a link', () => {
    const bridge = make();
    const report = (octet: number): Effect => {
      return { kind: 'frame', port: 'up0', vlan: 0, frame: new Uint8Array(60).fill(octet) };
    };
    const sent: number[] = [];
    const ask: Effect = { kind: 'datagram', server: 'r1', port: 'auth', socket: 0, bytes: Uint8Array.of(9) };
    const effects = [
      forward('239.1.1.1'),
      report(1),
      ask,
      forward('239.1.1.2'),
      report(2),
      { kind: 'port-link', port: 'swp2', up: false } as const,
      open(1),
      say('host 1'),
      forward('239.1.1.3'),
      report(3),
    ];
    carryOut(effects, bridge, { send: (_server, _port, _socket, bytes) => sent.push(bytes[0] ?? 0) });
    expect(bridge.together).toEqual([
      ['forward', 'forward'],
      ['open-host', 'forward'],
    ]);
    expect(bridge.takeSent().map(({ port, frame }) => [port, frame[0]])).toEqual([
      ['up0', 1],
      ['up0', 2],
      ['swp1', 0],
      ['up0', 3],
    ]);
    expect(sent).toEqual([9]);
    expect(bridge.openHosts()).toEqual([host(1)]);
  });

  it('sends what is the same frame once to each port, when all is said that comes before its last time', () => {
    const bridge = make();
    const query = new Uint8Array(60).fill(7);
    const same = (port: string, vlan = 0): Effect => ({ kind: 'frame', port, vlan, frame: query });
    const other: Effect = { kind: 'frame', port: 'swp1', vlan: 0, frame: Uint8Array.from(query) };
    const effects = [
      open(1),
      say('host 1'),
      same('swp1'),
      same('swp2'),
      open(2),
      say('host 2'),
      same('swp1'),
      same('swp1', 5),
      other,
    ];
    carryOut(effects, bridge, datagrams);
    expect(bridge.takeSent().map(({ port, vlan, frame }) => [port, vlan, frame[0]])).toEqual([
      ['swp1', 0, 0],
      ['swp2', 0, 7],
      ['swp1', 0, 0],
      ['swp1', 0, 7],
      ['swp1', 5, 7],
      ['swp1', 0, 7],
    ]);
  });

  it('gives back each that failed, and leaves unsaid what follows from it', () => {
    const bridge = make();
    const elsewhere: Effect = { kind: 'open-host', key: 'host 9', host: { ...host(1), port: 'swp2' } };
    const stranger: Effect = { kind: 'forward', port: 'swp9', vlan: 0, group: '239.1.1.1', filter: ANY };
    const effects = [open(1), elsewhere, stranger, open(2), say('host 9'), say('host 2')];
    const failed = carryOut(effects, bridge, datagrams);
    expect(failed.map(({ effect, failure }) => [effect, failure.errno])).toEqual([
      [elsewhere, 'EEXIST'],
      [stranger, 'ENODEV'],
    ]);
    expect(failed[0]?.effect).toBe(elsewhere);
    expect(bridge.takeSent()).toHaveLength(1);
    expect(bridge.openHosts()).toEqual([host(1), host(2)]);
  });

  it('does not open a host in a run whose port could not be served as it has to be', () => {
    const bridge = make();
    const service = { open: true, vlan: 10, bridge: undefined };
    const serve: Effect = { kind: 'serve-port', port: 'swp1', service, about: 'host 1' };
    const failed = carryOut([serve, open(1), open(2)], bridge, datagrams);
    expect(failed.map(({ effect }) => effect.kind)).toEqual(['serve-port']);
    expect(bridge.openHosts()).toEqual([host(2)]);
  });
});
