/**
 * What a bench finds: rows of figures, each beside a reference that was measured in the same run. Figures are
 * medians over the rounds; a ratio is the median of the rounds' own ratios, since the machine's speed drifts
 * from minute to minute and only neighbouring rounds compare.
 */
import { median } from './statistics.ts';

/** One line of the table. */
export interface BenchRow {
  /** Heading under which it stands, the same for all rows of a table. */
  readonly section: string;
  /** What was measured and under which conditions: `64 in flight, per second`. */
  readonly what: string;
  /** `/s`, `ms`, `s`, or nothing for a plain count. */
  readonly unit: string;
  readonly castgate: number;
  /** The reference's figure, in the same unit; undefined where there is none. */
  readonly reference: number | undefined;
  /** Whose figure that is: `hostapd`, `kernel snooping`. */
  readonly referenceName: string | undefined;
  /** castgate's figure divided by the reference's, or what it is above it; undefined without a reference. */
  readonly comparison: { readonly kind: 'ratio' | 'difference'; readonly value: number } | undefined;
  /** Each round's figures in their order, for `--json`. */
  readonly rounds?: readonly Round[];
}

/** The figures of one round. */
export interface Round {
  readonly castgate: number;
  readonly reference: number | undefined;
}

/** What a row is about, without its figures. */
export type RowHead = Pick<BenchRow, 'section' | 'what' | 'unit'>;

/** A row without a reference: nobody else does this. */
export function plainRow(head: RowHead, castgate: number): BenchRow {
  return { ...head, castgate, reference: undefined, referenceName: undefined, comparison: undefined };
}

/**
 * A row out of interleaved rounds, one at least. With `pooled`, figures over the samples of all rounds together,
 * these stand in the table instead of the rounds' medians: for percentiles that one round has too few samples for.
 */
export function rowOfRounds(
  head: RowHead,
  referenceName: string,
  kind: 'ratio' | 'difference',
  rounds: readonly Round[],
  pooled?: Round,
): BenchRow {
  const compare = ({ castgate, reference }: Round) =>
    reference === undefined ? Number.NaN : kind === 'ratio' ? castgate / reference : castgate - reference;
  const references = rounds.flatMap(({ reference }) => reference ?? []);
  const compared = (pooled === undefined ? rounds : [pooled]).map(compare).filter(Number.isFinite);
  return {
    ...head,
    castgate: pooled?.castgate ?? median(rounds.map((round) => round.castgate)),
    reference: pooled?.reference ?? (references.length === 0 ? undefined : median(references)),
    referenceName: references.length === 0 ? undefined : referenceName,
    comparison: compared.length === 0 ? undefined : { kind, value: median(compared) },
    rounds,
  };
}
