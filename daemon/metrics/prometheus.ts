/**
 * Metrics by prom-client, which writes the exposition format and knows the process: memory, descriptors,
 * garbage collection, event-loop delay. Nothing else of the daemon knows the package.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Logger } from '../log/log.ts';
import type { Metrics, Reading, Times, TimesSpec } from './metrics.ts';

export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
    collectDefaultMetrics({ register: this.#registry });
  }

  read(readings: readonly Reading[]): void {
    for (const reading of readings) this.#add(reading);
  }

  times({ name, help, labels }: TimesSpec): Times {
    const registers = [this.#registry];
    const histogram = new Histogram({ name, help, labelNames: [...labels], buckets: BUCKETS, registers });
    return { note: (ms, ...values) => histogram.observe(named(labels, values), ms / 1000) };
  }

  async exposition(): Promise<{ type: string; text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #add({ kind, name, help, labels, read }: Reading): void {
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    const samples = () => {
      try {
        return [...read()];
      } catch (cause) {
        // One that cannot be read must not hide the others.
        this.#log.warn('metric-not-read', { metric: name, cause });
        return [];
      }
    };
    if (kind === 'counter') {
      const counter = new Counter({
        ...options,
        collect: () => {
          counter.reset();
          for (const [value, ...values] of samples()) counter.inc(named(labels, values), value);
        },
      });
    } else {
      const gauge = new Gauge({
        ...options,
        collect: () => {
          gauge.reset();
          for (const [value, ...values] of samples()) gauge.set(named(labels, values), value);
        },
      });
    }
  }
}

function named(labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, i) => [label, values[i] ?? '']));
}

/** Seconds. From what a turn takes to what a subscriber would give up after. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
