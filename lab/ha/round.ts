/**
 * One round: people are at it, something happens to a node, it is mended, both nodes come in step again. What
 * was seen is told as it is; whether it was right is decided in judge.ts.
 */
import type { HaRow } from '../../daemon/show/show-rows.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { pause, until } from '../processes.ts';
import type { Account, AccountBooks } from './account-books.ts';
import type { Called } from './caller.ts';
import type { CrowdMember } from './crowd.ts';
import type { PairLab } from './pair-lab.ts';
import {
  CROWD_IN,
  CROWD_OUT,
  FILM,
  INTRUDER,
  KIDS,
  NEWCOMER,
  NEWS,
  RESIDENTS,
  SPORT,
  SWITCHER,
  ZAPPER,
} from './pair-plan.ts';
import { NODE_NAMES, type NodeName, otherOf } from './pair-topology.ts';
import type { Scenario } from './scenario.ts';
import type { WatchedChannel, Zap } from './viewers.ts';

/** What was seen in a round. Times are milliseconds after the fault. */
export interface Observation {
  readonly scenario: Scenario;
  readonly active: NodeName;
  /** keepalived's MASTER at the other node; undefined where it did not come. */
  readonly masterMs: number | undefined;
  /** Nodes whose ports sent channels a second after the fault. */
  readonly serving: readonly NodeName[];
  /** Frames out of the ports of the node that is not to serve, from a second after the fault until all is mended. */
  readonly framesOfSilent: number;
  /** Roles have changed once more while the node was mended: nobody asked for that, but no harm is done. */
  readonly changedAgain: boolean;
  readonly watched: readonly WatchedChannel[];
  /** A resident's unicast. */
  readonly called: Called;
  readonly zaps: readonly Zap[];
  readonly faultAtMs: number;
  /** The join made right after the fault; undefined where nothing came of it. */
  readonly joinMs: number | undefined;
  readonly crowd: readonly CrowdMember[];
  /** EAP requests to RADIUS, by account. */
  readonly logins: ReadonlyMap<string, number>;
  /** Residents whose supplicant began another EAP conversation. */
  readonly restarted: readonly string[];
  readonly newcomerIn: boolean;
  /** Groups on each host's cable, during the round and after everybody has left. */
  readonly onCable: ReadonlyMap<string, readonly string[]>;
  readonly onCableAfter: ReadonlyMap<string, readonly string[]>;
  readonly openBefore: readonly Account[];
  readonly openAfter: readonly Account[];
  /** Of accounts that were opened in this round. */
  readonly openedInRound: readonly Account[];
  readonly bookFaults: readonly string[];
  readonly accountingOn: number;
  readonly retransmissions: number;
  /** Of the node that serves at the end. */
  readonly status: HaRow | undefined;
  readonly seconds: number;
  /** Steps that did not come about in their time. */
  readonly missed: readonly string[];
}

export async function playRound(
  lab: PairLab,
  scenario: Scenario,
  active: NodeName,
  books: AccountBooks,
  chance: () => number,
): Promise<Observation> {
  const begunAt = monotonicMs();
  const missed: string[] = [];
  /** Waits for a thing that should come; notes where it does not, so that the round is told to its end. */
  const expect = async <T>(what: string, ms: number, probe: () => Promise<T | undefined> | T | undefined) => {
    try {
      return await until(what, ms, probe);
    } catch {
      missed.push(what);
      return undefined;
    }
  };
  const before = await standing(lab, books);
  await scenario.prepare?.(lab, active);

  await lab.order(`login ${CROWD_OUT} 0`);
  await lab.supplicants.get(NEWCOMER.name)?.logon();
  await lab.view(`join ${SWITCHER} ${KIDS}`, `zap ${ZAPPER} ${ZAP_MS} ${FILM} ${SPORT} ${KIDS}`);
  await expect(`${CROWD_OUT} in`, 4_000, () => isIn(lab, [CROWD_OUT]));
  await expect(`${KIDS} at ${SWITCHER}`, 4_000, () => receives(lab, SWITCHER, KIDS));
  await pause(300 + chance() * 400);
  await lab.cables.forget();
  await lab.view('mark');
  await lab.call('mark');

  const other = otherOf(active);
  let masterAt: number | undefined;
  const off = lab.node(other).keepalived.onChange((change) => {
    if (change.state === 'MASTER') masterAt ??= change.atMs;
  });
  const delays = CROWD_IN.map((_, index) => Math.round(index * 40 + chance() * 30));
  await lab.order(...CROWD_IN.map((line, index) => `login ${line} ${delays[index]}`));
  await lab.order(`logoff ${CROWD_OUT} ${Math.round(chance() * 80)}`);
  await pause(chance() * 20);
  const faultAtMs = await scenario.strike(lab, active);
  await lab.view(`leave ${SWITCHER} ${KIDS}`, `join ${SWITCHER} ${NEWS}`);

  await pause(Math.max(0, faultAtMs + QUIET_AFTER_MS - monotonicMs()));
  const early = await lab.topology.framesFromPorts();
  await pause(300);
  const late = await lab.topology.framesFromPorts();
  const serving = NODE_NAMES.filter((node) => sum(late[node]) - sum(early[node]) > CHANNEL_FRAMES);
  const server = serving[0] ?? (scenario.serves === 'the other' ? other : active);
  const silent = otherOf(server);
  await lab.view(`rest ${ZAPPER}`);
  await expect('the crowd in', 8_000, () => isIn(lab, CROWD_IN));
  await expect(`${NEWS} at ${SWITCHER}`, 5_000, () => receives(lab, SWITCHER, NEWS));
  const newcomerIn = await expect(`${NEWCOMER.name} in`, 8_000, async () =>
    (await lab.supplicants.get(NEWCOMER.name)?.status())?.get('Supplicant PAE state') === 'AUTHENTICATED'
      ? true
      : undefined,
  );
  const crowd = await lab.crowd();
  const seen = await lab.viewers();
  const called = await lab.call('tell');
  const onCable = await cables(lab);
  off();

  const atMend = await lab.topology.framesFromPorts();
  const unmended = await scenario.mend(lab, active);
  if (typeof unmended === 'string') missed.push(unmended);
  await lab.view(`leave ${SWITCHER} ${NEWS}`);
  await lab.order(...CROWD_IN.map((line) => `logoff ${line} 0`), `logoff ${CROWD_OUT} 0`);
  await lab.supplicants.get(NEWCOMER.name)?.logoff();
  const status = await expect('both nodes in step', 12_000, () => inStep(lab));
  const orphans = before.accounts.filter(({ open }) => open).length;
  const settled = await expect('the books to close', 8_000, () => closed(lab, books, orphans));
  if (settled === undefined) books.take(lab.radius.accountingRecords());
  await lab.cables.forget();
  await pause(200);
  const onCableAfter = await cables(lab);
  const after = await standing(lab, books);
  const last = await lab.topology.framesFromPorts();
  const join = seen.watched.find((one) => one.host === SWITCHER && one.group === NEWS);
  const changedAgain = status !== undefined && status[server].role !== 'active';
  const ids = new Set(before.accounts.map(({ id }) => id));
  return {
    ...{
      scenario,
      active,
      serving,
      zaps: seen.zaps,
      watched: seen.watched,
      called,
      faultAtMs,
      crowd,
      missed,
    },
    masterMs: masterAt === undefined ? undefined : masterAt - faultAtMs,
    framesOfSilent: sum((changedAgain ? atMend : last)[silent]) - sum(early[silent]),
    changedAgain,
    joinMs: join?.firstAtMs === undefined ? undefined : join.firstAtMs - join.joinedAtMs,
    logins: difference(before.logins, after.logins),
    restarted: RESIDENTS.map(({ name }) => name).filter(
      (name) => before.conversations.get(name) !== after.conversations.get(name),
    ),
    newcomerIn: newcomerIn === true,
    ...{ onCable, onCableAfter },
    openBefore: before.accounts.filter(({ open }) => open),
    openAfter: after.accounts.filter(({ open }) => open),
    openedInRound: after.accounts.filter(({ id }) => !ids.has(id)),
    bookFaults: books.faults(),
    accountingOn: after.accountingOn - before.accountingOn,
    retransmissions: after.retransmissions - before.retransmissions,
    status: status?.[server],
    seconds: (monotonicMs() - begunAt) / 1000,
  };
}

/** Both nodes' words, once one of them is active and both are in step. */
export async function inStep(lab: PairLab): Promise<Readonly<Record<NodeName, HaRow>> | undefined> {
  const [a, b] = await Promise.all([lab.nodes.a.status(), lab.nodes.b.status()]);
  if (a === undefined || b === undefined) return undefined;
  if (a.state !== 'in-step' || b.state !== 'in-step') return undefined;
  return [a.role, b.role].sort().join() === 'active,standby' ? { a, b } : undefined;
}

interface Standing {
  readonly accounts: readonly Account[];
  readonly logins: ReadonlyMap<string, number>;
  readonly conversations: ReadonlyMap<string, number>;
  readonly accountingOn: number;
  readonly retransmissions: number;
}

async function standing(lab: PairLab, books: AccountBooks): Promise<Standing> {
  books.take(lab.radius.accountingRecords());
  const logins = new Map<string, number>();
  for (const request of lab.radius.accessRequests()) {
    if (request.text('EAP-Message') === undefined) continue;
    const user = request.text('User-Name') ?? '';
    logins.set(user, (logins.get(user) ?? 0) + 1);
  }
  return {
    logins,
    accounts: books.accounts(),
    conversations: new Map([...lab.supplicants].map(([name, { conversations }]) => [name, conversations])),
    accountingOn: books.accountingOn,
    retransmissions: books.retransmissions,
  };
}

/** True once no more is open than was before the round. */
function closed(lab: PairLab, books: AccountBooks, before: number): true | undefined {
  books.take(lab.radius.accountingRecords());
  return books.accounts().filter((account) => account.open).length === before ? true : undefined;
}

/** What stays open for ever, as `ACCOUNT` and `ACCOUNT GROUP`. */
export function lasting(): readonly string[] {
  return RESIDENTS.flatMap(({ name, watches }) => [name, ...watches.map((group) => `${name} ${group}`)]);
}

async function isIn(lab: PairLab, lines: readonly string[]): Promise<true | undefined> {
  const crowd = await lab.crowd();
  return lines.every((line) => crowd.find((one) => one.line === line)?.state === 'in') ? true : undefined;
}

async function receives(lab: PairLab, host: string, group: string): Promise<true | undefined> {
  const { watched } = await lab.viewers();
  const channel = watched.find((one) => one.host === host && one.group === group);
  return channel?.firstAtMs === undefined ? undefined : true;
}

async function cables(lab: PairLab): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = [...RESIDENTS.map(({ name }) => name), NEWCOMER.name, INTRUDER];
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, [...(await lab.cables.groups(name)).keys()].sort()] as const),
    ),
  );
}

function difference(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return new Map([...after].map(([user, count]) => [user, count - (before.get(user) ?? 0)]));
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

const ZAP_MS = 150;
/** By then a lease has run out, and whoever is to serve serves. */
const QUIET_AFTER_MS = 900;
/** Fewer frames than that in a third of a second are not channels. */
const CHANNEL_FRAMES = 100;
