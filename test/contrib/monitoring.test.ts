/** The alert rules and the dashboard: well-formed, and about metrics that there are. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { metricsOf, namesIn } from '../daemon/metrics/fixture.ts';

const CONTRIB = fileURLToPath(new URL('../../contrib', import.meta.url));
const RULES = join(CONTRIB, 'prometheus/castgate.rules.yml');
const noPromtool = spawnSync('promtool', ['--version']).error !== undefined;
const skipped = noPromtool ? ' (skipped: no promtool)' : '';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}
interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}

const rules = (parse(readFileSync(RULES, 'utf8')) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(CONTRIB, 'grafana/castgate.json'), 'utf8')) as Dashboard;
const expressions = dashboard.panels.flatMap((panel) => panel.targets?.map(({ expr }) => expr) ?? []);

/** What looks like a metric of castgate or of its process. */
function metricsIn(query: string): string[] {
  return query.match(/\b(?:castgate|dot1x|radius_client|nodejs|process)_[a-z0-9_]+/g) ?? [];
}

describe('contrib', () => {
  it('asks for metrics that there are, and for each of them once at least where it matters', async () => {
    const there = namesIn((await metricsOf(undefined).metrics.exposition()).text);
    const queries = [
      ...rules.map(({ expr }) => expr),
      ...expressions,
      ...dashboard.templating.list.map(({ query }) => query),
    ];
    const named = queries.flatMap(metricsIn);
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((name) => !there.has(name))).toEqual([]);
  });

  it('has an alert for what must not go unseen', () => {
    const alerts = rules.map(({ alert }) => alert);
    for (const alert of [
      'CastgateStandbyNotInStep',
      'CastgateServesAlone',
      'CastgateRadiusDead',
      'CastgateAccountingQueueGrows',
      'CastgateDropsFrames',
    ])
      expect(alerts).toContain(alert);
  });

  it.skipIf(noPromtool)(`has rules that Prometheus loads, and that ring when they should${skipped}`, () => {
    const check = promtool('check', 'rules', RULES);
    expect([check.status, check.output]).toEqual([0, expect.stringContaining('SUCCESS')]);
    const test = promtool('test', 'rules', join(CONTRIB, 'prometheus/castgate.rules.test.yml'));
    expect([test.status, test.output]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  it.skipIf(noPromtool)(`has a dashboard whose every query Prometheus understands${skipped}`, () => {
    expect(expressions.length).toBeGreaterThan(20);
    const folder = mkdtempSync(join(tmpdir(), 'cgt-dashboard-'));
    try {
      const file = join(folder, 'queries.yml');
      // Grafana fills in its variables before it asks.
      const records = expressions.map((expr, i) => ({
        record: `panel:query:${i}`,
        expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
      }));
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: records }] }));
      const check = promtool('check', 'rules', file);
      expect([check.status, check.output]).toEqual([
        0,
        expect.stringContaining(`${expressions.length} rules`),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function promtool(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}
