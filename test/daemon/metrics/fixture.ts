/** All metrics of a daemon, over a core on virtual time and a node whose role a test chooses. */
import type { Core } from '../../../daemon/core/core.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { Latencies } from '../../../daemon/metrics/latencies.ts';
import { nodeReadings } from '../../../daemon/metrics/node-readings.ts';
import { PrometheusMetrics } from '../../../daemon/metrics/prometheus.ts';
import type { Node } from '../../../daemon/node.ts';
import type { HaRow } from '../../../daemon/show/show-rows.ts';

export function metricsOf(
  core: Core | undefined,
  ha?: HaRow,
): { metrics: PrometheusMetrics; latencies: Latencies } {
  const metrics = new PrometheusMetrics(silentLog);
  const latencies = new Latencies(metrics);
  const node = { serving: core === undefined ? undefined : { core }, ha } as unknown as Node;
  const refused = new Map([['strangers', { packets: 3, octets: 300 }]]);
  metrics.read(nodeReadings(node, () => refused, '0.0.0'));
  return { metrics, latencies };
}

/** A standby that is not in step. */
export const STANDBY: HaRow = {
  node: 'b',
  role: 'standby',
  wanted: 'standby',
  epoch: 7,
  mode: 'sync',
  state: 'stale',
  alone: false,
  lagRecords: null,
  lagMs: null,
  roundTripMs: null,
  change: 12,
  digest: null,
  heldEffects: 0,
  lastBeatMs: 250,
  lastClaimMs: null,
  weight: -100,
  refused: null,
  mismatch: null,
  takeovers: 2,
  lastChangeAt: null,
  connections: 0,
  connectionOctets: 0,
  connectionsContinued: 0,
  way: 'direct',
  wayRefused: null,
  tappedOctets: 0,
  tapUnseenOctets: 0,
  tapOverflows: 0,
  tapTakenUpOctets: 0,
  connectionsNotContinued: {},
  lastTakeover: [],
};

/** The value of one series; undefined where there is none. `series` as in the text: `name{label="value"}`. */
export function seriesOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** The names of all metrics, as a query may use them: with those that a histogram has. */
export function namesIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    names.add(name);
    if (type === 'histogram') for (const part of ['bucket', 'sum', 'count']) names.add(`${name}_${part}`);
  }
  return names;
}
