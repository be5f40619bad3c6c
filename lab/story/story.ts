/**
 * The story of `npm start`: two subscribers log in, a third does not, each asks for channels, and what
 * arrives is counted on the cable. Every expectation of it goes into the report's table. A step that does
 * not come about within its time ends the story, with the daemon's last words.
 */
import { type Capture, type CapturedFrame, ofGroup, tally } from '../capture.ts';
import type { Castgate } from '../castgate.ts';
import type { Supplicant } from '../hosts/supplicant.ts';
import type { Lab } from '../lab.ts';
import type { LineProgram } from '../line-program.ts';
import { pause, until } from '../processes.ts';
import type { DetailRecord } from '../radius/detail-file.ts';
import type { Report } from '../report.ts';
import { LabAddress } from '../topology.ts';
import { groupOf, judgeBooks, judgeCables, leftAt, loggedOffAt } from './story-evidence.ts';
import { FILM, type HostName, NEWS, STORY_PLAN, VAULT } from './story-plan.ts';

/** What the story leaves behind for the person to go on with. */
export interface Aftermath {
  readonly castgate: Castgate;
  readonly alice: Supplicant;
  readonly bob: Supplicant;
}

/** Everybody in the story. */
interface Cast {
  readonly lab: Lab;
  readonly castgate: Castgate;
  readonly report: Report;
  readonly supplicants: Readonly<Record<'alice' | 'bob', Supplicant>>;
  readonly receivers: Readonly<Record<HostName, LineProgram>>;
  readonly captures: Readonly<Record<HostName | 'upstream', Capture>>;
}

/** Tells the story in a lab of STORY_PLAN. Throws LabError where a step does not come about. */
export async function tellStory(lab: Lab, castgate: Castgate, report: Report): Promise<Aftermath> {
  const cast = await logins(lab, castgate, report);
  await joins(cast);
  const endedAtMs = await leaveAndLogoff(cast);
  await theBooks(cast, endedAtMs);
  for (const receiver of Object.values(cast.receivers)) await receiver.stop();
  return { castgate, ...cast.supplicants };
}

async function logins(lab: Lab, castgate: Castgate, report: Report): Promise<Cast> {
  report.chapter('Logins: 802.1X through castgate to FreeRADIUS');
  const [aliceRuns, bobRuns] = await Promise.all([
    lab.startSupplicant('alice', { method: 'md5', identity: 'alice', password: 'alice-password' }),
    lab.startSupplicant('bob', {
      method: 'peap',
      identity: 'bob',
      password: 'bob-password',
      anonymousIdentity: 'anonymous',
    }),
  ]);
  const supplicants = { alice: aliceRuns, bob: bobRuns };
  const [alice, bob, carol, upstream] = await Promise.all([
    lab.capture('alice'),
    lab.capture('bob'),
    lab.capture('carol'),
    lab.capture(undefined),
  ]);
  report.say('three hosts are plugged in; alice and bob run wpa_supplicant, carol does not');
  const begin = performance.now();
  await Promise.all(lab.topology.hosts.map((host) => lab.topology.plugIn(host)));
  const timed = async (supplicant: Supplicant) => {
    await supplicant.authenticated(LOGIN_PATIENCE_MS);
    return `${(performance.now() - begin).toFixed(0)} ms`;
  };
  const [aliceIn, bobIn] = await Promise.all([timed(supplicants.alice), timed(supplicants.bob)]);
  report.expect('alice logs in by EAP-MD5', `AUTHENTICATED after ${aliceIn}`, true);
  report.expect('bob logs in by PEAP-MSCHAPv2', `AUTHENTICATED after ${bobIn}`, true);
  const sessions = await castgate.sessions();
  const open = sessions.filter((session) => session.authorized);
  const known = open.map((session) => `${session.account} on ${session.port}`).sort();
  report.expect(
    'castgate knows both, bob by his inner name',
    known.join(', ') || 'nobody',
    known.join() === 'alice on swp1,bob on swp2',
  );
  report.quote(table(await castgate.table('sessions')));
  const [aliceHost, bobHost, carolHost] = await Promise.all([
    lab.startReceiver('alice'),
    lab.startReceiver('bob'),
    lab.startReceiver('carol'),
  ]);
  return {
    lab,
    castgate,
    report,
    supplicants,
    receivers: { alice: aliceHost, bob: bobHost, carol: carolHost },
    captures: { alice, bob, carol, upstream },
  };
}

async function joins(cast: Cast): Promise<void> {
  const { lab, castgate, report, receivers } = cast;
  report.chapter('Joins: every host asks for all three channels with its own kernel');
  report.say(`news ${NEWS} (alice may), film ${FILM} (bob may), vault ${VAULT} (nobody may)`);
  for (const receiver of Object.values(receivers))
    for (const group of STORY_PLAN.channels) await receiver.ask(`join ${group}`);
  const alice = await firstPacket(receivers.alice, NEWS);
  const bob = await firstPacket(receivers.bob, FILM);
  report.expect('alice (IGMPv3) receives news', `first packet ${alice.toFixed(1)} ms after the join`, true);
  report.expect('bob (IGMPv2) receives film', `first packet ${bob.toFixed(1)} ms after the join`, true);

  const echoes = await Promise.all([
    receivers.alice.ask(`echo ${LabAddress.upstream} ${ECHOES}`),
    receivers.bob.ask(`echo ${LabAddress.upstream} ${ECHOES}`),
    receivers.carol.ask(`echo ${LabAddress.upstream} ${ECHOES}`),
  ]);
  const [toAlice = 0, toBob = 0, toCarol = 0] = echoes.map((answer) => Number(answer['returned']));
  report.expect(
    'unicast passes for alice and bob, not carol',
    `${toAlice}, ${toBob} and ${toCarol} of ${ECHOES} came back`,
    toAlice === ECHOES && toBob === ECHOES && toCarol === 0,
  );
  const carol = lab.topology.host('carol');
  await lab.topology.introduceToUpstream(carol);
  await lab.headEnd.ask(`send ${carol.address} ${ECHOES}`);
  report.say(`${ECHOES} datagrams were sent to carol's own address as well`);
  await pause(FLOW_MS);
  const refusals = (await castgate.groups()).filter((row) => row.state === 'refused');
  const reasonOf = (host: HostName, group: string) =>
    refusals.find((row) => row.mac === lab.topology.host(host).mac && row.group === group)?.reason ?? 'none';
  report.expect(
    'castgate says why not (film, news, news)',
    `alice ${reasonOf('alice', FILM)}, bob ${reasonOf('bob', NEWS)}, carol ${reasonOf('carol', NEWS)}`,
    [reasonOf('alice', FILM), reasonOf('bob', NEWS), reasonOf('carol', NEWS)].every((why) => why !== 'none'),
  );
  report.quote(table(await castgate.table('groups')));
}

/** When either session ended: milliseconds since 1970. */
type Ends = Readonly<Record<'alice' | 'bob', number>>;

async function leaveAndLogoff(cast: Cast): Promise<Ends> {
  const { report, receivers, captures, supplicants, castgate, lab } = cast;
  report.chapter('Ends: alice leaves her channel, bob logs off, alice loses her link');
  const [aliceHost, bobHost] = [lab.topology.host('alice'), lab.topology.host('bob')];
  const news = await receivers.alice.ask(`leave ${NEWS}`);
  report.expect(
    'alice lost nothing of news meanwhile',
    `${news['missing']} of ${news['packets']} missing`,
    news['missing'] === 0,
  );
  await silence('news on its way to alice', captures.alice, NEWS);
  const aliceSaw = captures.alice.frames();
  const newsTail = tailOf(aliceSaw, NEWS, leftAt(aliceSaw, aliceHost.mac, NEWS));
  report.expect(
    'news stops when alice has left',
    `${lastPacket(newsTail)} her IGMP leave`,
    newsTail < LEAVE_LIMIT_MS,
  );

  const film = await receivers.bob.ask('counts');
  const filmNow = (film['channels'] as Record<string, { missing: number; packets: number }>)[FILM];
  await supplicants.bob.logoff();
  await silence('film on its way to bob', captures.bob, FILM);
  const bobSaw = captures.bob.frames();
  const loggedOffAtMs = loggedOffAt(bobSaw, bobHost.mac);
  const filmTail = tailOf(bobSaw, FILM, loggedOffAtMs);
  report.expect(
    'film stops when bob logs off',
    `${lastPacket(filmTail)} his EAPOL-Logoff, ${filmNow?.missing} missing before`,
    filmTail < LOGOFF_LIMIT_MS && filmNow?.missing === 0,
  );
  const echo = await receivers.bob.ask(`echo ${LabAddress.upstream} 20`);
  report.expect(
    'nothing passes for bob after his logoff',
    `${echo['returned']} of 20 came back`,
    echo['returned'] === 0,
  );

  const unpluggedAtMs = Date.now();
  await lab.topology.unplug(aliceHost);
  await until('castgate to have no session any more', STEP_MS, async () =>
    (await castgate.sessions()).some((session) => session.authorized) ? undefined : true,
  );
  report.say("alice's cable is out: no session is left");
  return { alice: unpluggedAtMs, bob: loggedOffAtMs ?? 0 };
}

async function theBooks(cast: Cast, endedAtMs: Ends): Promise<void> {
  const { lab, report, captures } = cast;
  report.chapter('What was on the cables, and what FreeRADIUS wrote down');
  const stops = () =>
    lab.radius.accountingRecords().filter((record) => record.text('Acct-Status-Type') === 'Stop');
  await until(
    'four Stop records at FreeRADIUS (two sessions, two channels)',
    STEP_MS,
    () => (stops().length >= 4 ? true : undefined),
    () => stops().map(summary),
  );
  const [alice, bob, carol, upstream] = await Promise.all([
    captures.alice.finish(),
    captures.bob.finish(),
    captures.carol.finish(),
    captures.upstream.finish(),
  ]);
  const frames = { alice, bob, carol };
  judgeCables(lab, report, frames, upstream);
  judgeBooks(lab, report, frames, endedAtMs);
}

/** Milliseconds from the join to the first datagram at the player's socket. */
async function firstPacket(receiver: LineProgram, group: string): Promise<number> {
  const event = await until(
    `the first packet of ${group} at the ${receiver.process.name}`,
    STEP_MS,
    () =>
      receiver.events.find((candidate) => candidate['event'] === 'first' && candidate['channel'] === group),
    () => receiver.process.tail(),
  );
  return Number(event['afterMs']);
}

/** Waits until a channel has not been on a cable for a while. */
async function silence(what: string, capture: Capture, group: string): Promise<void> {
  await until(`${what} to end`, STEP_MS, () => {
    const last = tally(capture.frames(), ofGroup(group)).lastAtMs ?? 0;
    return Date.now() - last > SILENCE_MS ? true : undefined;
  });
}

/** Milliseconds from a frame to the channel's last packet: 0 where that came before, endless without the frame. */
function tailOf(frames: readonly CapturedFrame[], group: string, sinceMs: number | undefined): number {
  if (sinceMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, (tally(frames, ofGroup(group)).lastAtMs ?? 0) - sinceMs);
}

function lastPacket(tailMs: number): string {
  return tailMs === 0 ? 'no packet after' : `last packet ${tailMs.toFixed(1)} ms after`;
}

function summary(record: DetailRecord): string {
  return `${record.text('Acct-Status-Type')} ${record.text('User-Name')} ${groupOf(record) ?? 'session'}`;
}

function table(text: string): readonly string[] {
  return text.trimEnd().split('\n');
}

const LOGIN_PATIENCE_MS = 15_000;
const STEP_MS = 10_000;
const ECHOES = 100;
/** How long the channels flow before anything ends: time for an interim record. */
const FLOW_MS = 2_500;
const SILENCE_MS = 500;
/** A last-member query interval of 500 ms, twice, and the way there and back. */
const LEAVE_LIMIT_MS = 1_500;
/** The switch's program may have to wait for its turn on a busy machine; nothing is waited for by design. */
const LOGOFF_LIMIT_MS = 250;
