/**
 * From the durable queue to a server: castgate is started over a queue that is full and sends it, as after an outage;
 * its pace is set so high that it does not count. The reference is the bare client with the same messages and as
 * many under way, towards the same server. Once the server is FreeRADIUS, which writes each message down, and once a
 * socket that only answers.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RadiusRow } from '../../daemon/show/show-rows.ts';
import { Castgate } from '../../lab/castgate.ts';
import { ask } from '../../lab/control.ts';
import { LabError, LabProcess, pause, run } from '../../lab/processes.ts';
import { FreeRadius } from '../../lab/radius/freeradius.ts';
import { LabAddress } from '../../lab/topology.ts';
import { openWorkspace, removeWorkspace } from '../../lab/workspace.ts';
import { BenchNetwork } from '../network.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import type { BareOutcome } from './bare-client.ts';

export async function benchServer(
  rounds: number,
  count: number,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const workspace = openWorkspace();
  const remove = () => removeWorkspace(workspace);
  process.on('exit', remove);
  try {
    const network = await BenchNetwork.raise(workspace);
    const { directory } = workspace;
    const radius = await FreeRadius.start(RADIUS_PLAN, join(directory, 'radius'), network.radiusNamespace);
    const rows: BenchRow[] = [];
    const place: Place = { directory, network, radius, say };
    rows.push(...(await bench(place, 'FreeRADIUS', rounds, count)));
    await radius.halt();
    const command = [process.execPath, program('answerer'), LabAddress.radius, radius.secretFile];
    const answerer = LabProcess.start('answerer', command, network.radiusNamespace);
    await answerer.waitForLine(/answering/, 10_000);
    rows.push(...(await bench(place, 'a socket that answers', rounds, count)));
    await answerer.stop('SIGTERM');
    return rows;
  } finally {
    process.off('exit', remove);
    remove();
  }
}

interface Place {
  readonly directory: string;
  readonly network: BenchNetwork;
  readonly radius: FreeRadius;
  readonly say: (line: string) => void;
}

interface Emptied {
  readonly perSecond: number;
  readonly processorMs: number;
}

async function bench(place: Place, server: string, rounds: number, count: number): Promise<BenchRow[]> {
  const rates: Round[] = [];
  const processor: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const own = await empty(place, `${server} ${round}`, count);
    const reference = await bare(place, count);
    place.say(`${server}: ${own.perSecond.toFixed(0)} and ${reference.toFixed(0)} a second`);
    rates.push({ castgate: own.perSecond, reference });
    processor.push(own.processorMs);
  }
  const section = `Out of the durable queue, to ${server}`;
  const head = (what: string, unit: string) => ({ section, what, unit });
  const alone = (values: readonly number[]) => values.map((castgate) => ({ castgate, reference: undefined }));
  return [
    rowOfRounds(head('messages', '/s'), 'bare client, from memory', 'ratio', rates),
    rowOfRounds(head('processor time of 1,000', 's'), '', 'ratio', alone(processor)),
  ];
}

/** Starts castgate over a full queue, and waits until it is empty. */
async function empty({ directory, network, radius }: Place, name: string, count: number): Promise<Emptied> {
  const folder = join(directory, name.replaceAll(' ', '-'));
  const castgate = Castgate.prepare(folder, network, radius, {
    accounting: { max_rate: 100_000, queue_limit: Math.max(1_000, 2 * count) },
  });
  const state = join(folder, 'state');
  mkdirSync(state, { recursive: true });
  await run([process.execPath, program('queue-process'), 'fill', state, LabAddress.bridge, String(count)], {
    timeoutMs: 120_000,
  });
  await castgate.resume();
  try {
    const pid = castgate.process?.pid ?? 0;
    let begin: { readonly at: number; readonly waiting: number; readonly cpu: number } | undefined;
    for (;;) {
      const waiting = await waitingAt(castgate);
      const seen = { at: performance.now(), waiting, cpu: cpuSeconds(pid) };
      begin ??= seen;
      if (waiting > 0) {
        await pause(POLL_MS);
        continue;
      }
      const sent = begin.waiting;
      if (sent < count / 4)
        throw new LabError(`only ${sent} of ${count} still waited when castgate answered`);
      return {
        perSecond: sent / ((seen.at - begin.at) / 1000),
        processorMs: ((seen.cpu - begin.cpu) / sent) * 1000,
      };
    }
  } finally {
    await castgate.stop();
  }
}

async function waitingAt(castgate: Castgate): Promise<number> {
  const answer = await ask(castgate.socket, 'radius', 30_000);
  if (answer === undefined || !('result' in answer))
    throw new LabError('castgate does not say', castgate.tail());
  return (answer.result as readonly RadiusRow[])[0]?.accountingQueue ?? 0;
}

async function bare({ network, radius }: Place, count: number): Promise<number> {
  const command = [process.execPath, program('bare-client'), LabAddress.radius, radius.secretFile];
  const output = await run([...command, String(count), String(WINDOW)], {
    namespace: network.switchNamespace,
    timeoutMs: 180_000,
  });
  const { seconds, unanswered } = JSON.parse(output) as BareOutcome;
  return (count - unanswered) / seconds;
}

/** A built program of this folder. */
export function program(name: string): string {
  return fileURLToPath(new URL(`${name}.js`, import.meta.url));
}

/** As many as castgate has under way at a time. */
const WINDOW = 64;
const POLL_MS = 50;
const RADIUS_PLAN = {
  secret: 'a-secret-for-a-bench-of-accounting',
  client: LabAddress.switchOnRadiusLink,
  listen: LabAddress.radius,
  users: [],
  permissions: [],
  recordRequests: false,
};
