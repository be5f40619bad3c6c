/** Metrics as the daemon sees them: most are read when somebody asks, latencies are noted as they happen. */

/** A value, and the values of its labels in the order of the metric's label names. */
export type Sample = readonly [value: number, ...labels: string[]];

/** A metric that is read when it is asked for. No samples: it does not apply to this node now. */
export interface Reading {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: () => Iterable<Sample>;
}

/** A distribution of times. */
export interface TimesSpec {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export interface Times {
  /** Notes a time of `ms` milliseconds. */
  note(ms: number, ...labels: readonly string[]): void;
}

export interface Metrics {
  read(readings: readonly Reading[]): void;
  times(spec: TimesSpec): Times;
  /** All metrics in the text format of Prometheus, and its Content-Type. */
  exposition(): Promise<{ readonly type: string; readonly text: string }>;
}
