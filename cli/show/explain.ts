/** `castgate explain`: why a host may have a channel or not, as a list of steps for people or JSON for programs. */
import type { Explanation } from '../../daemon/channels/channels.ts';
import { askDaemon } from '../control-client.ts';
import { printable, table } from '../table.ts';
import type { Shown } from './show.ts';

/** What is asked about. */
export interface ExplainQuestion {
  readonly port: string;
  readonly mac: string;
  readonly vlan: number;
  readonly group: string;
  readonly source?: string | undefined;
  /** Put the question to RADIUS where that would decide. */
  readonly ask: boolean;
}

/** Asks the daemon behind the socket. */
export async function explain(question: ExplainQuestion, socketPath: string, json: boolean): Promise<Shown> {
  const answer = await askDaemon(socketPath, 'explain', { ...question }, question.ask ? ASK_MS : undefined);
  if ('failed' in answer) return answer;
  const { result } = answer;
  if (!isExplanation(result))
    return { failed: `the daemon on ${socketPath} gave no explanation: is it of another version?` };
  return { text: json ? `${JSON.stringify(result)}\n` : renderExplanation(result) };
}

export function renderExplanation({ steps, verdict, reason, detail }: Explanation): string {
  const rows = table(
    [
      { title: 'STEP', cell: (row: { step: string }) => printable(row.step) },
      { title: 'ANSWER', cell: (row: { answer: string }) => printable(row.answer) },
    ],
    steps,
  );
  const why =
    reason === null ? '' : ` ${printable(reason)}${detail === null ? '' : ` (${printable(detail)})`}`;
  return `${rows}\n${VERDICTS[verdict]}${why}\n`;
}

function isExplanation(value: unknown): value is Explanation {
  return typeof value === 'object' && value !== null && 'steps' in value && 'verdict' in value;
}

const VERDICTS: Readonly<Record<Explanation['verdict'], string>> = {
  granted: 'is received now',
  waiting: 'waits for the answer of RADIUS',
  grant: 'a join would be granted',
  ask: 'a join would be asked of RADIUS (--ask does so now)',
  refuse: 'a join would be refused:',
};
/** Longer than the longest patience for RADIUS. */
const ASK_MS = 310_000;
