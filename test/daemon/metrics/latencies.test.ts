/** From which moment to which a latency goes. */
import { describe, expect, it } from 'vitest';
import { Latencies } from '../../../daemon/metrics/latencies.ts';
import type { Metrics } from '../../../daemon/metrics/metrics.ts';

class Rig {
  now = 1000;
  noted: string[] = [];
  readonly latencies: Latencies;

  constructor() {
    const metrics: Metrics = {
      read: () => {},
      times: ({ name }) => ({
        note: (ms, ...labels) => this.noted.push([name, ms, ...labels].join(' ')),
      }),
      exposition: () => Promise.reject(new Error('not asked for')),
    };
    this.latencies = new Latencies(metrics, () => this.now);
  }

  /** A turn that takes `ms`, in which things happen. */
  turn(ms: number, think: (l: Latencies) => void, change = 0, safe = 0): void {
    this.latencies.began();
    think(this.latencies);
    this.now += ms;
    this.latencies.ended(change, safe);
  }

  take(): string[] {
    return this.noted.splice(0);
  }
}

const KEY = 'swp1/0/m/239.1.1.1/*';
const GRANTED = { host: 'swp1/0/m', group: '239.1.1.1', source: undefined };
const pending = (record: object | undefined) => ({ store: 'pending', key: KEY, record });

describe('latencies', () => {
  it('of a join go from its frame to the end of the turn in which it was granted', () => {
    const rig = new Rig();
    rig.turn(2, (l) => l.changed(pending({ v: 1 })));
    expect(rig.take()).toEqual([]);
    rig.now += 30;
    rig.turn(3, (l) => {
      l.changed(pending(undefined));
      l.happened('join-granted', { ...GRANTED, by: 'radius' });
    });
    expect(rig.take()).toEqual(['castgate_join_seconds 35 granted radius']);
  });

  it('of a join that is decided at once are its turn, and what went before it in the same batch', () => {
    const rig = new Rig();
    rig.latencies.arrived();
    rig.turn(5, () => {});
    rig.turn(2, (l) => l.happened('join-granted', { ...GRANTED, by: 'cache' }));
    rig.latencies.dealtWith();
    const refused = { port: 'swp1', vlan: 0, mac: 'm', group: '239.1.1.2', reason: 'no-session' };
    rig.turn(1, (l) => l.happened('join-refused', refused));
    expect(rig.take()).toEqual([
      'castgate_join_seconds 7 granted cache',
      'castgate_join_seconds 1 refused no-session',
    ]);
  });

  it('say nothing of an answer to a question that another node had asked', () => {
    const rig = new Rig();
    rig.turn(1, (l) => l.happened('join-granted', { ...GRANTED, by: 'radius' }));
    expect(rig.take()).toEqual([]);
  });

  it('wait for the standby where the effects do', () => {
    const rig = new Rig();
    rig.turn(1, (l) => l.happened('channel-ended', { ...GRANTED, cause: 'leave' }), 5, 4);
    expect(rig.take()).toEqual([]);
    rig.now += 10;
    rig.turn(0, () => {}, 5, 5);
    rig.turn(0, () => {}, 6, 6);
    expect(rig.take()).toEqual(['castgate_leave_seconds 11']);
  });

  it('of a leave are not those of other ends', () => {
    const rig = new Rig();
    rig.turn(1, (l) => l.happened('channel-ended', { ...GRANTED, cause: 'logoff' }));
    expect(rig.take()).toEqual([]);
  });

  it('of a login go from AUTHENTICATING to where it ends', () => {
    const rig = new Rig();
    const moves = (host: string, from: string, to: string) =>
      rig.turn(1, (l) => l.happened('authenticator', { host, from, to }));
    moves('a', 'CONNECTING', 'AUTHENTICATING');
    moves('b', 'CONNECTING', 'AUTHENTICATING');
    moves('c', 'CONNECTING', 'AUTHENTICATING');
    moves('a', 'AUTHENTICATING', 'AUTHENTICATED');
    moves('b', 'AUTHENTICATING', 'HELD');
    moves('c', 'AUTHENTICATING', 'ABORTING');
    moves('d', 'AUTHENTICATED', 'DISCONNECTED');
    expect(rig.take()).toEqual([
      'castgate_authentication_seconds 4 accepted',
      'castgate_authentication_seconds 4 refused',
      'castgate_authentication_seconds 4 aborted',
    ]);
  });
});
