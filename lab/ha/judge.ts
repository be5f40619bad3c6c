/** Was a round right? Everything that has to be zero is zero, and who has to serve serves, alone. */
import { CALLER, CROWD, CROWD_IN, INTRUDER, NEWCOMER, PERMISSIONS, RESIDENTS } from './pair-plan.ts';
import { otherOf } from './pair-topology.ts';
import { lasting, type Observation } from './round.ts';

/** What was wrong, one line each; empty where the round has passed. */
export function judge(seen: Observation): readonly string[] {
  return [
    ...seen.missed.map((what) => `did not come: ${what}`),
    ...whoServes(seen),
    ...reauthentications(seen),
    ...books(seen),
    ...channels(seen),
    ...leaks(seen),
  ];
}

function* whoServes(seen: Observation): Iterable<string> {
  const { scenario, serving, active } = seen;
  if (serving.length !== 1)
    yield `${serving.length} nodes serve a second after the fault${serving.length > 1 ? `: ${serving.join(' and ')}` : ''}`;
  const wanted = scenario.serves === 'the other' ? otherOf(active) : active;
  if (scenario.serves !== 'either' && serving.length === 1 && serving[0] !== wanted)
    yield `node ${serving[0]} serves, not ${wanted}`;
  if (scenario.serves === 'the other' && seen.masterMs === undefined) yield 'keepalived never said MASTER';
  if (seen.framesOfSilent > 0)
    yield `${seen.framesOfSilent} frames out of ports of the node that does not serve`;
}

function* reauthentications(seen: Observation): Iterable<string> {
  for (const { name } of RESIDENTS) {
    const requests = seen.logins.get(name) ?? 0;
    if (requests > 0) yield `re-authentication: ${requests} Access-Requests with EAP for ${name}`;
  }
  for (const name of seen.restarted) yield `re-authentication: ${name}'s supplicant began again`;
  for (const { line, retries, askedAgain, thrownOut } of seen.crowd) {
    // Who began anew by itself, as nothing came for a second, is rightly asked anew.
    if (askedAgain > 0 && retries === 0)
      yield `re-authentication: ${line} was asked ${askedAgain} times after it was in`;
    if (thrownOut > 0) yield `lost session: ${line} got an EAP-Failure after it was in`;
  }
}

function* books(seen: Observation): Iterable<string> {
  yield* seen.bookFaults;
  if (seen.accountingOn > 0) yield `${seen.accountingOn} Accounting-On`;
  const nameOf = ({ user, group }: { user: string; group: string | undefined }) =>
    group === undefined ? user : `${user} ${group}`;
  const stays = lasting();
  for (const name of stays) {
    const before = seen.openBefore.filter((account) => nameOf(account) === name);
    const after = seen.openAfter.filter((account) => nameOf(account) === name);
    if (before.length !== 1) continue; // told of in the round that broke it
    if (after.length === 0) yield `lost session: ${name} (${before[0]?.id}) is closed`;
    else if (after.length > 1 || after[0]?.id !== before[0]?.id)
      yield `lost session: ${name} was ${before[0]?.id}, is ${after.map(({ id }) => id).join(' and ')}`;
  }
  const before = new Set(seen.openBefore.map(({ id }) => id));
  // One that an earlier round has left open was told of there.
  for (const account of seen.openAfter)
    if (!stays.includes(nameOf(account)) && !before.has(account.id))
      yield `lost record: no Stop for ${nameOf(account)} (${account.id})`;
  for (const user of [...CROWD, NEWCOMER.name]) {
    const sessions = seen.openedInRound.filter(
      (account) => account.user === user && account.group === undefined,
    );
    if (sessions.length === 0) yield `lost record: nothing was accounted for ${user}'s session`;
    if (sessions.length > 1) yield `${user} has ${sessions.length} sessions in one round`;
  }
  for (const name of stays)
    if (seen.openedInRound.some((account) => nameOf(account) === name)) yield `${name} was opened anew`;
  const answered = seen.zaps.filter(({ afterMs }) => afterMs !== undefined);
  for (const zap of answered)
    if (!seen.openedInRound.some(({ user, group }) => user === zap.host && group === zap.group)) {
      yield `lost record: nothing was accounted for ${zap.host} ${zap.group}`;
      break;
    }
  const opened = seen.openedInRound.filter(
    ({ user, group }) => user === answered[0]?.host && group !== undefined,
  );
  if (opened.length < answered.length)
    yield `lost record: ${answered.length} channels came to ${answered[0]?.host}, ${opened.length} were accounted for`;
}

function* channels(seen: Observation): Iterable<string> {
  for (const { name, watches } of RESIDENTS)
    for (const group of watches) {
      const channel = seen.watched.find((one) => one.host === name && one.group === group);
      if (channel === undefined || channel.packets === 0) yield `${group} no longer comes to ${name}`;
      else if (channel.gapMs > LONGEST_GAP_MS)
        yield `${group} did not come to ${name} for ${channel.gapMs.toFixed(0)} ms`;
    }
  const { sent, lost, gapMs } = seen.called;
  if (sent === 0 || lost === sent || gapMs > LONGEST_GAP_MS)
    yield `unicast of ${CALLER}: ${lost} of ${sent} lost, none for ${gapMs.toFixed(0)} ms`;
  for (const { line, state } of seen.crowd)
    if (CROWD_IN.includes(line) && state !== 'in') yield `${line} did not get in: ${state}`;
  if (!seen.newcomerIn) yield `${NEWCOMER.name} did not get in`;
}

/** A group on a cable that its host has no grant for. */
function* leaks(seen: Observation): Iterable<string> {
  for (const [when, cables] of [
    ['', seen.onCable],
    [' after it had left', seen.onCableAfter],
  ] as const)
    for (const [host, groups] of cables)
      for (const group of groups) {
        const resident = RESIDENTS.find(({ name }) => name === host);
        const granted =
          host !== INTRUDER &&
          (when === ''
            ? PERMISSIONS.some((permission) => permission.account === host && permission.group === group)
            : resident?.watches.includes(group) === true);
        if (!granted) yield `without a grant: ${group} came to ${host}${when}`;
      }
}

/** A viewer would not wait longer: whatever takes that long is a failure, not a gap. */
const LONGEST_GAP_MS = 3_000;
