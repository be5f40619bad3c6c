/** What the metrics say, and that it is in Prometheus' format. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { mibMetric } from '../../../daemon/metrics/mib-counters.ts';
import { ownerOf } from '../../../daemon/radius/radius.ts';
import { World } from '../world.ts';
import { metricsOf, STANDBY, seriesOf } from './fixture.ts';

const noPromtool = spawnSync('promtool', ['--version']).error !== undefined;

describe('metrics', () => {
  it("has the MIB's counters, drops by reason, refusals, servers and the queue", async () => {
    const w = new World();
    w.server.users.set('alice', []);
    w.server.permit('alice', '239.1.1.1');
    const alice = w.host('alice');
    alice.login();
    alice.join('239.1.1.1');
    w.pass(100);
    alice.join('239.1.1.2');
    w.pass(100);
    w.host('eve', 'swp2').eapol(3);
    w.turn(() => w.core.switchEvent(w.now, { kind: 'held-back', port: 'swp2' }));
    w.server.users.set('carol', []);
    const carol = w.host('carol', 'swp3');
    carol.login();
    w.server.alive = false;
    carol.logoff();
    w.host('bob', 'swp3').login();
    w.pass(120_000);
    w.core.connectionLost(w.now, 'r1', 'auth', 0, 'closed');
    w.core.tally.count(ownerOf('r1'), 'handshakes/resumed');
    const { text } = await metricsOf(w.core).metrics.exposition();
    expect(seriesOf(text, 'castgate_serving')).toBe(1);
    expect(seriesOf(text, 'dot1x_auth_enters_authenticating_total{port="swp1"}')).toBe(1);
    expect(seriesOf(text, 'dot1x_auth_auth_success_while_authenticating_total{port="swp1"}')).toBe(1);
    expect(seriesOf(text, 'dot1x_auth_backend_responses_total{port="swp1"}')).toBe(
      w.core.tally.of('swp1', 'backendResponses'),
    );
    expect(seriesOf(text, 'castgate_sessions{port="swp1"}')).toBe(1);
    expect(seriesOf(text, 'castgate_sessions{port="swp2"}')).toBe(0);
    expect(seriesOf(text, 'castgate_drops_total{port="swp2",reason="eapol-type-not-supported"}')).toBe(1);
    expect(seriesOf(text, 'castgate_held_back_total{port="swp2"}')).toBe(1);
    expect(seriesOf(text, 'castgate_refused_joins_total{port="swp1",reason="radius-reject"}')).toBe(1);
    expect(seriesOf(text, 'radius_client_access_accepts_total{server="r1"}')).toBeGreaterThan(0);
    expect(seriesOf(text, 'radius_client_access_retransmissions_total{server="r1"}')).toBeGreaterThan(0);
    expect(seriesOf(text, 'radius_client_connections_lost_total{server="r1",reason="closed"}')).toBe(1);
    expect(seriesOf(text, 'radius_client_tls_handshakes_total{server="r1",handshake="resumed"}')).toBe(1);
    expect(seriesOf(text, 'radius_client_server_up{server="r1",port="auth"}')).toBe(0);
    expect(seriesOf(text, 'castgate_accounting_queue_length')).toBe(w.core.books.waiting);
    expect(w.core.books.waiting).toBeGreaterThan(0);
    expect(seriesOf(text, 'castgate_accounting_queue_limit')).toBe(100_000);
    expect(seriesOf(text, 'castgate_kernel_refused_packets_total{what="strangers"}')).toBe(3);
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
    expect(text).not.toContain('castgate_ha_role{');
  });

  it('tells of a standby its role and that it is not in step, and of no ports', async () => {
    const { text } = await metricsOf(undefined, STANDBY).metrics.exposition();
    expect(seriesOf(text, 'castgate_serving')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_role{node="b",role="standby"}')).toBe(1);
    expect(seriesOf(text, 'castgate_ha_role{node="b",role="active"}')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_in_step{node="b"}')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_epoch{node="b"}')).toBe(7);
    expect(seriesOf(text, 'castgate_ha_takeovers_total{node="b"}')).toBe(2);
    expect(seriesOf(text, 'castgate_ha_last_beat_seconds{node="b"}')).toBe(0.25);
    expect(seriesOf(text, 'castgate_ha_lag_records{node="b"}')).toBeUndefined();
    expect(seriesOf(text, 'castgate_ha_alone{node="b"}')).toBeUndefined();
    expect(text).not.toContain('{port="swp1"}');
  });

  it('tells of an active how far its standby is behind', async () => {
    const active = {
      ...STANDBY,
      role: 'active',
      state: 'in-step',
      lagRecords: 4,
      lagMs: 1.5,
      heldEffects: 2,
    };
    const { text } = await metricsOf(new World().core, active).metrics.exposition();
    expect(seriesOf(text, 'castgate_ha_in_step{node="b"}')).toBe(1);
    expect(seriesOf(text, 'castgate_ha_alone{node="b"}')).toBe(0);
    expect(seriesOf(text, 'castgate_ha_lag_records{node="b"}')).toBe(4);
    expect(seriesOf(text, 'castgate_ha_lag_seconds{node="b"}')).toBe(0.0015);
    expect(seriesOf(text, 'castgate_ha_held_effects{node="b"}')).toBe(2);
  });

  it("makes a metric's name of a MIB object's", () => {
    expect(mibMetric('dot1xAuthEapolFramesRx')).toBe('dot1x_auth_eapol_frames_rx_total');
  });

  it.skipIf(noPromtool)(`is taken by promtool${noPromtool ? ' (skipped: no promtool)' : ''}`, async () => {
    const w = new World();
    w.server.users.set('alice', []);
    w.server.permit('alice', '239.1.1.1');
    w.host('alice').login();
    const { metrics, latencies } = metricsOf(w.core, STANDBY);
    latencies.began();
    latencies.happened('join-granted', { host: 'swp1/0/x', group: '239.1.1.1', by: 'cache' });
    latencies.ended(0, 0);
    const { text } = await metrics.exposition();
    const own = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    // prom-client's own names are not to promtool's taste in places; ours are, and all are well-formed.
    const complaints = own.stderr
      .split('\n')
      .filter((line) => line !== '' && !/^(process|nodejs)_/.test(line));
    expect(complaints).toEqual([]);
    expect(own.stderr).not.toContain('error while linting');
  });
});
