/** Brings a pair into service: both nodes running and in step, the residents in and watching. */
import { pause, until } from '../processes.ts';
import type { AccountBooks } from './account-books.ts';
import type { PairLab } from './pair-lab.ts';
import { INTRUDER, NEWCOMER, NEWS, RESIDENTS, VAULT } from './pair-plan.ts';
import { NODE_NAMES } from './pair-topology.ts';
import { inStep, lasting } from './round.ts';

/** Resolves when the first round may begin. Throws LabError. */
export async function beginService(lab: PairLab, books: AccountBooks): Promise<void> {
  for (const node of NODE_NAMES) {
    await lab.startCastgate(node);
    await lab.nodes[node].keepalived.run();
  }
  await until(
    'both nodes in step',
    20_000,
    () => inStep(lab),
    () => NODE_NAMES.flatMap((node) => lab.nodes[node].tail(40)),
  );
  await admitResidents(lab, books);
}

/** Logs the residents in and lets them watch; the intruder joins what he has no right to. */
export async function admitResidents(lab: PairLab, books: AccountBooks): Promise<void> {
  for (const supplicant of lab.supplicants.values()) await supplicant.authenticated(30_000);
  await lab.supplicants.get(NEWCOMER.name)?.logoff();
  for (const { name, watches } of RESIDENTS)
    for (const group of watches) await lab.view(`join ${name} ${group}`);
  await lab.view(`join ${INTRUDER} ${NEWS}`, `join ${INTRUDER} ${VAULT}`);
  await until('the residents watching and accounted for', 20_000, async () => {
    const { watched } = await lab.viewers();
    books.take(lab.radius.accountingRecords());
    const waiting = watched.filter(({ host, firstAtMs }) => host !== INTRUDER && firstAtMs === undefined);
    const open = books.accounts().filter((account) => account.open);
    return waiting.length === 0 && open.length === lasting().length ? true : undefined;
  });
  books.faults();
  await pause(200);
}
