/**
 * `npm run ledger:real`: the ledger on real parts, in network namespaces: FreeRADIUS goes away again and again
 * while a subscriber leaves and joins, castgate is killed meanwhile, and sometimes its journal is lost as with a
 * power cut. At the end FreeRADIUS's detail file must hold what was true.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Castgate } from '../castgate.ts';
import { Lab, type LabPlan } from '../lab.ts';
import type { LineProgram } from '../line-program.ts';
import { LabError, pause, until } from '../processes.ts';
import type { DetailRecord } from '../radius/detail-file.ts';
import { LabAddress } from '../topology.ts';

/** What came of a run. */
export interface RealLedger {
  readonly outages: number;
  readonly kills: number;
  readonly losses: number;
  /** Messages in the detail file. */
  readonly messages: number;
  /** Of them those that came again. */
  readonly repeated: number;
  readonly records: number;
  /** What is wrong; empty: the books are right. */
  readonly wrong: readonly string[];
}

/** One watching of the channel, as the subscriber's own player counted it. */
interface Watching {
  readonly packets: number;
  /** castgate lost its state meanwhile: it can know less. */
  readonly interrupted: boolean;
}

/** Lets a server go away so often. Every `killEvery`-th time castgate is killed, every `loseEvery`-th it loses its state. */
export async function runReal(
  outages: number,
  { killEvery = 3, loseEvery = 8, say = (_line: string) => {} } = {},
): Promise<RealLedger> {
  const lab = await Lab.open(PLAN);
  let castgate: Castgate | undefined;
  try {
    castgate = await lab.startCastgate({
      retransmit: { initial: '500ms', max_interval: '2s' },
      accounting: { interim_interval: '5s' },
    });
    const supplicant = await lab.startSupplicant('alice', {
      method: 'md5',
      identity: 'alice',
      password: 'alice-password',
    });
    await lab.topology.plugIn(lab.topology.host('alice'));
    await supplicant.authenticated(30_000);
    const player = await lab.startReceiver('alice');
    const run = new Run(lab, castgate, player, say);
    await run.watch();
    for (let n = 1; n <= outages; n++) await run.outage(n % killEvery === 0, n % loseEvery === 0);
    await run.leave();
    await supplicant.logoff();
    await run.settled();
    return run.judge(outages);
  } catch (error) {
    for (const line of castgate?.tail(20) ?? []) say(line);
    throw error;
  } finally {
    await castgate?.stop();
    lab.close();
  }
}

class Run {
  readonly #lab: Lab;
  readonly #castgate: Castgate;
  readonly #player: LineProgram;
  readonly #say: (line: string) => void;
  readonly #watchings: Watching[] = [];
  #interrupted = false;
  #kills = 0;
  #losses = 0;
  #logins = 1;

  constructor(lab: Lab, castgate: Castgate, player: LineProgram, say: (line: string) => void) {
    this.#lab = lab;
    this.#castgate = castgate;
    this.#player = player;
    this.#say = say;
  }

  async watch(): Promise<void> {
    await this.#player.ask(`join ${CHANNEL}`);
    await this.#flows(0);
  }

  async leave(): Promise<void> {
    const left = await this.#player.ask(`leave ${CHANNEL}`);
    this.#watchings.push({ packets: Number(left['packets']), interrupted: this.#interrupted });
    this.#interrupted = false;
    await until('the channel to end', 10_000, async () =>
      (await this.#castgate.groups()).some(({ state }) => state === 'granted') ? undefined : true,
    );
  }

  /** The server is away while the subscriber leaves and comes back; castgate may die meanwhile. */
  async outage(kill: boolean, lose: boolean): Promise<void> {
    const { radius } = this.#lab;
    await radius.halt();
    await this.leave();
    await this.watch();
    if (kill || lose) {
      this.#kills++;
      await this.#castgate.kill();
      if (lose) this.#loseJournal();
      await this.#castgate.resume();
    }
    await pause(300);
    const waiting = (await this.#castgate.radius())[0]?.accountingQueue ?? 0;
    if (waiting === 0) throw new LabError('nothing waits for a server that is away');
    await radius.resume();
    await this.settled();
    if (lose) {
      // Nobody is in any more: the subscriber comes in again, and the channel with it.
      await until('alice to be in again', 60_000, async () =>
        (await this.#castgate.sessions()).some(({ authorized }) => authorized) ? true : undefined,
      );
      this.#logins++;
      await this.#flows(await this.#packets());
    }
    this.#say(
      `outage over: ${waiting} messages had waited${kill ? ', killed' : ''}${lose ? ', state lost' : ''}`,
    );
  }

  /** Every message is acknowledged. */
  async settled(): Promise<void> {
    await until('the queue to be empty', 60_000, async () =>
      (await this.#castgate.radius())[0]?.accountingQueue === 0 ? true : undefined,
    );
  }

  judge(outages: number): RealLedger {
    const all = this.#lab.radius.accountingRecords();
    const named = new Map<string, DetailRecord>();
    const wrong: string[] = [];
    for (const record of all) {
      const id = record.text('Acct-Session-Id') ?? '';
      const name = `${id} ${record.text('Acct-Status-Type')} ${record.text('Event-Timestamp')}`;
      const before = named.get(name);
      if (before !== undefined && wordsOf(before) !== wordsOf(record))
        wrong.push(`${name} was said in two ways`);
      named.set(name, record);
    }
    const runs = new Map<string, DetailRecord[]>();
    for (const record of named.values()) {
      const status = record.text('Acct-Status-Type') ?? '';
      if (status.startsWith('Accounting-')) continue;
      const id = record.text('Acct-Session-Id') ?? '';
      runs.set(id, [...(runs.get(id) ?? []), record]);
    }
    const channels: DetailRecord[] = [];
    let sessions = 0;
    let rebooted = 0;
    for (const [id, messages] of runs) {
      const of = (status: string) => messages.filter((one) => one.text('Acct-Status-Type') === status);
      const [starts, stops] = [of('Start'), of('Stop')];
      if (starts.length !== 1) wrong.push(`${id} has ${starts.length} Starts`);
      const [stop] = stops;
      if (stop === undefined || stops.length !== 1) {
        wrong.push(`${id} has ${stops.length} Stops`);
        continue;
      }
      if (stop.text('Acct-Terminate-Cause') === 'NAS-Reboot') rebooted++;
      if (stop.text('H3C-IPv4-Multicast-Receive-Group') === CHANNEL) channels.push(stop);
      else sessions++;
    }
    this.#compare(channels, wrong);
    // With each loss of state one session and one channel end.
    if (rebooted !== 2 * this.#losses)
      wrong.push(`${rebooted} records ended by NAS-Reboot, not ${2 * this.#losses}`);
    if (sessions !== this.#logins) wrong.push(`${sessions} sessions, not ${this.#logins}`);
    const ons = [...named.values()].filter((one) => one.text('Acct-Status-Type') === 'Accounting-On').length;
    if (ons !== 1 + this.#losses) wrong.push(`${ons} times Accounting-On, not ${1 + this.#losses}`);
    return {
      outages,
      kills: this.#kills,
      losses: this.#losses,
      messages: all.length,
      repeated: all.length - named.size,
      records: runs.size,
      wrong,
    };
  }

  /** Channels in the order of their Starts, beside what the player counted of each watching. */
  #compare(channels: readonly DetailRecord[], wrong: string[]): void {
    const records = this.#watchings.length + this.#losses;
    if (channels.length !== records) wrong.push(`${channels.length} channel records, not ${records}`);
    const booked = channels.reduce((sum, one) => sum + one.number('Acct-Output-Packets'), 0);
    const seen = this.#watchings.reduce((sum, { packets }) => sum + packets, 0);
    const unsure = this.#watchings
      .filter(({ interrupted }) => interrupted)
      .reduce((n, { packets }) => n + packets, 0);
    const least = Math.floor((seen - unsure) * 0.99);
    const most = Math.ceil(seen * 1.01) + channels.length;
    if (booked < least || booked > most) wrong.push(`${booked} packets were booked, not ${least} to ${most}`);
  }

  async #packets(): Promise<number> {
    const { channels } = await this.#player.ask('counts');
    return (channels as Record<string, { packets: number }>)[CHANNEL]?.packets ?? 0;
  }

  async #flows(from: number): Promise<void> {
    await until(`${CHANNEL} to flow`, 30_000, async () =>
      (await this.#packets()) > from + 20 ? true : undefined,
    );
  }

  #loseJournal(): void {
    const journal = join(dirname(this.#castgate.configFile), 'state', `journal-${LabAddress.bridge}`);
    if (!existsSync(journal) || readFileSync(journal).length === 0)
      throw new LabError(`${journal} is not there`);
    rmSync(journal);
    this.#losses++;
    this.#interrupted = true;
  }
}

/** All that a message says but how late it came. */
function wordsOf(record: DetailRecord): string {
  return JSON.stringify(record.attributes.filter(([name]) => !LATE.has(name)));
}

/** What another attempt of the same message changes, and what FreeRADIUS adds. */
const LATE: ReadonlySet<string> = new Set(['Acct-Delay-Time', 'Timestamp']);
const CHANNEL = '239.1.1.1';
const PLAN: LabPlan = {
  hosts: [{ name: 'alice', port: 'swp1' }],
  users: [{ name: 'alice', password: 'alice-password' }],
  permissions: [{ account: 'alice', group: CHANNEL, holdsS: 3_600 }],
  channels: [CHANNEL],
};

async function main(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { outages: { type: 'string', default: '24' } } });
  const result = await runReal(Number(values.outages), { say: (line) => console.error(line) });
  for (const line of result.wrong) console.log(line);
  const { outages, kills, losses, messages, repeated, records, wrong } = result;
  console.log(
    `${outages} outages, ${kills} kills, ${losses} times state lost, ${records} records, ${messages} messages, ${repeated} of them came again`,
  );
  console.log(wrong.length === 0 ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return wrong.length === 0 ? 0 : 1;
}

if (process.argv[1]?.endsWith('ledger/real.js') === true)
  process.exitCode = await main(process.argv.slice(2));
