/**
 * `npm start`: raises the lab, runs castgate in it, tells the story, shows the table. Then it stays up for a
 * person to try things, or ends with 0 or 1 (`--once`). Whatever way it ends, nothing of it is left.
 */
import type { Castgate, CastgateSettings } from './castgate.ts';
import { Lab } from './lab.ts';
import { builtProgram } from './line-program.ts';
import { LabError } from './processes.ts';
import { Report } from './report.ts';
import { PageDoor } from './story/page-door.ts';
import { type Aftermath, tellStory } from './story/story.ts';
import { FILM, NEWS, STORY_PLAN, VAULT } from './story/story-plan.ts';

export interface StartOptions {
  /** End after the table. */
  readonly once: boolean;
  /** How groups are written in RADIUS. */
  readonly encoding: 'h3c' | 'huawei';
}

/** What the story wants otherwise than castgate's defaults: times short enough to watch. */
export function storySettings(encoding: 'h3c' | 'huawei'): CastgateSettings {
  return {
    groups: { encoding },
    multicast: { last_member_query_interval: '500ms' },
    accounting: { interim_interval: '2s' },
  };
}

/** Runs it to its end; gives the exit code: 0 when every expectation came true. */
export async function start(options: StartOptions): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('castgate: the lab needs root, since it makes network namespaces: sudo npm start\n');
    return 1;
  }
  const colour = process.stdout.isTTY === true && !process.env['NO_COLOR'];
  const report = new Report((text) => process.stdout.write(text), colour);
  process.stdout.on('error', () => process.exit(INTERRUPTED)); // nobody reads any more: `npm start | head`
  const interrupted = interruption();
  const end = await Promise.race([interrupted, tell(options, report, interrupted)]);
  if (typeof end === 'number') return end;
  report.say(`${end}: the lab is taken away`);
  return end === 'SIGINT' && stayed ? passed(report) : INTERRUPTED;
}

let stayed = false;

async function tell(options: StartOptions, report: Report, interrupted: Promise<string>): Promise<number> {
  let lab: Lab | undefined;
  let castgate: Castgate | undefined;
  let door: PageDoor | undefined;
  try {
    report.chapter('The lab: a switch, three subscribers, a head-end, a router, FreeRADIUS');
    lab = await Lab.open(STORY_PLAN);
    report.say(`namespaces ${lab.workspace.prefix}-*, files in ${lab.workspace.directory}`);
    castgate = await lab.startCastgate(storySettings(options.encoding));
    report.say('castgate runs in the switch: its ports are locked');
    if (!options.once) {
      door = await PageDoor.open(lab.topology.switchNamespace, lab.workspace.directory);
      report.say(`its page, live: ${door.url}`);
    }
    castgate.process?.onLine((line) => {
      const event = eventLine(line);
      if (event !== undefined) report.aside(event);
    });
    const aftermath = await tellStory(lab, castgate, report);
    report.table();
    if (options.once) return passed(report);
    await stay(lab, aftermath, report, door?.url ?? '');
    stayed = true;
    await interrupted;
    return passed(report);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    report.expect('every step comes about', error.message, false);
    report.quote(error.detail);
    if (castgate !== undefined) {
      report.say('the last lines of castgate:');
      report.quote(castgate.tail());
    }
    report.table();
    return 1;
  } finally {
    await door?.close();
    await castgate?.stop();
    lab?.close();
  }
}

/** A line of castgate's log for the terminal; undefined for what is no line of its log. */
function eventLine(line: string): string | undefined {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const words = ['event', 'port', 'host', 'account', 'group', 'by', 'reason', 'cause']
    .map((name) => fields[name])
    .filter((value) => value !== undefined && value !== '');
  return `castgate: ${words.join(' ')}`;
}

/** Brings everybody back in, has them watch, and says what a person can do. */
async function stay(
  lab: Lab,
  { castgate, alice, bob }: Aftermath,
  report: Report,
  page: string,
): Promise<void> {
  const [aliceHost, bobHost] = [lab.topology.host('alice'), lab.topology.host('bob')];
  await lab.topology.plugIn(aliceHost);
  await bob.logon();
  await Promise.all([alice.authenticated(30_000), bob.authenticated(30_000)]);
  for (const [host, groups] of [
    ['alice', [NEWS, FILM]],
    ['bob', [FILM, VAULT]],
  ] as const) {
    const player = await lab.startReceiver(host);
    for (const group of groups) await player.ask(`join ${group}`);
  }
  const receiver = (namespace: string, group: string) =>
    `ip netns exec ${namespace} node ${builtProgram('receiver')} join ${group}`;
  report.chapter('The lab stays up; alice and bob are in again, each with a permitted and a refused channel');
  report.quote([
    `The page: ${page}   (from another machine: ssh -L 8021:${page.replace('http://', '')} THIS-ONE, then http://127.0.0.1:8021)`,
    '',
    'To try, in another terminal as root:',
    '',
    '# what castgate knows: sessions, groups, radius, ports',
    castgate.commandLine('show', 'sessions'),
    castgate.commandLine('show', 'groups'),
    '',
    '# ask for a channel as a subscriber; alice may see the first, not the second, nobody the third',
    receiver(aliceHost.namespace, NEWS),
    receiver(aliceHost.namespace, FILM),
    receiver(bobHost.namespace, VAULT),
    '',
    '# log off, log on, pull the cable, put it back',
    `${bob.controlCommand} logoff`,
    `${bob.controlCommand} logon`,
    `${alice.controlCommand} status`,
    `ip -n ${aliceHost.namespace} link set eth0 down`,
    `ip -n ${aliceHost.namespace} link set eth0 up`,
    '',
    '# what FreeRADIUS was told, and what is on a cable',
    `tail -f ${lab.radius.accountingFile}`,
    `ip netns exec ${aliceHost.namespace} tcpdump -ni eth0`,
    '',
    'Ctrl-C ends the lab and removes everything.',
  ]);
}

/** Resolves with the first signal that wants this to end. Later ones change nothing: it is ending. */
function interruption(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

function passed(report: Report): number {
  return report.passed ? 0 : 1;
}

const INTERRUPTED = 130;
