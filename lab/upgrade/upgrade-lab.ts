/** A switch with many subscribers whose castgate is upgraded, and what each of them saw of that. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GroupRow, RadiusRow, SessionRow } from '../../daemon/show/show-rows.ts';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import type { TakeOverStep } from '../../daemon/upgrade/take-over.ts';
import type { Castgate } from '../castgate.ts';
import { ask } from '../control.ts';
import { AccountBooks } from '../ha/account-books.ts';
import type { Supplicant } from '../hosts/supplicant.ts';
import { Lab } from '../lab.ts';
import { LineProgram } from '../line-program.ts';
import { attempt, LabError, pause, until } from '../processes.ts';
import { LabAddress } from '../topology.ts';
import { accountOf, CHANNELS, channelOf, PASSWORD } from './subscriber-plan.ts';
import type { SubscribersSeen } from './subscribers.ts';
import { anotherVersion, brokenProgram, type FailureKind, failingProgram, nextVersion } from './versions.ts';

/** One upgrade, or one that was made to fail. */
export interface Round {
  readonly name: string;
  /** Undefined where nothing was handed over. */
  readonly pauseMs: number | undefined;
  readonly did: string;
  /** What should not be; empty where the round has passed. */
  readonly wrong: readonly string[];
}

/** A fault of the new process. */
export interface UpgradeFault {
  readonly name: string;
  readonly program: string;
}

export class UpgradeLab {
  readonly #lab: Lab;
  readonly #castgate: Castgate;
  readonly #lines: readonly LineProgram[];
  readonly #supplicants: readonly Supplicant[];
  readonly #rate: number;
  readonly #subscribers: number;
  readonly #books = new AccountBooks();
  /** By turns. */
  readonly #versions: readonly Version[];
  /** Where programs are made. */
  readonly #folder: string;
  /** At the RADIUS server, those over TCP that castgate keeps. */
  readonly #connections: readonly string[];
  /** What castgate had said over TCP, and the server had heard, when the last round ended. */
  #overTcp = { sent: 0, again: 0, came: 0 };

  private constructor(
    lab: Lab,
    castgate: Castgate,
    lines: readonly LineProgram[],
    supplicants: readonly Supplicant[],
    subscribers: number,
    rate: number,
    connections: readonly string[],
    folder: string,
    versions: readonly Version[],
  ) {
    this.#lab = lab;
    this.#connections = connections;
    this.#castgate = castgate;
    this.#lines = lines;
    this.#supplicants = supplicants;
    this.#subscribers = subscribers;
    this.#rate = rate;
    this.#folder = folder;
    this.#versions = versions;
  }

  /**
   * Raises it: most of the subscribers are in and watch. `other`: folder of a build of another version, which serves first;
   * left out, this one does, and is upgraded to a next one.
   */
  static async open(subscribers: number, rate: number, other?: string): Promise<UpgradeLab> {
    const numbers = Array.from({ length: subscribers }, (_, i) => i);
    const crowd = Array.from({ length: LINES }, (_, i) => ({ name: `crowd${i}`, port: `swp${i + 1}` }));
    const people = REAL.map((name, i) => ({ name, port: `swp${LINES + 1 + i}` }));
    const accounts = [...numbers.map(accountOf), ...REAL];
    const lab = await Lab.open({
      hosts: [...crowd, ...people],
      users: accounts.map((name) => ({ name, password: PASSWORD })),
      permissions: accounts.flatMap((account) =>
        Array.from({ length: CHANNELS }, (_, i) => ({ account, group: channelOf(i), holdsS: 3600 })),
      ),
      channels: [channelOf(0)],
      rate: 20,
      octets: 100,
      streams: true,
    });
    try {
      const folder = join(lab.workspace.directory, 'versions');
      mkdirSync(folder);
      const versions = versionsIn(folder, other);
      const { secretFile } = lab.radius;
      const server = { address: LabAddress.radius, secret_file: secretFile };
      const castgate = await lab.startCastgate({
        ...(other !== undefined && { program: join(versions[1].folder, 'dist/cli/main.js') }),
        authenticator: {
          max_hosts_per_port: 4096,
          max_hosts: 65_536,
          reauth_period: '1d',
          quiet_period: '0s',
          login_rate_per_port: 100_000,
          login_rate: 1_000_000,
        },
        multicast: {
          max_groups_per_host: 64,
          max_groups_per_port: 4096,
          reports_per_host: 0,
          reports_per_port: 0,
          // These subscribers say everything once: they answer no queries.
          membership_interval: '1d',
        },
        // An answer that the crowded machine gives late is asked for again; it is an answer all the same.
        groups: { patience: '20s', timeout_hold: '0s' },
        // Logins over UDP, questions about groups and accounting over TCP.
        radius: {
          servers: [
            { ...server, name: 'by-udp' },
            { ...server, name: 'by-tcp', transport: 'tcp' },
          ],
          authentication: ['by-udp'],
          authorization: ['by-tcp'],
          accounting: ['by-tcp'],
          dynamic_authorization: {
            clients: [{ name: 'lab', address: LabAddress.radius, secret_file: secretFile }],
            listen: [LabAddress.switchOnRadiusLink],
          },
        },
      });
      for (const host of lab.topology.hosts) await lab.topology.plugIn(host);
      const supplicants: Supplicant[] = [];
      for (const name of REAL) {
        const supplicant = await lab.startSupplicant(name, {
          method: 'md5',
          identity: name,
          password: PASSWORD,
        });
        await supplicant.authenticated(30_000);
        supplicants.push(supplicant);
      }
      const share = Math.ceil(subscribers / LINES);
      const lines: LineProgram[] = [];
      for (let i = 0; i < LINES; i++) {
        const count = Math.max(0, Math.min(share, subscribers - i * share));
        const { namespace } = lab.topology.host(`crowd${i}`);
        lines.push(
          await LineProgram.start(
            `line ${i}`,
            'upgrade/subscribers',
            [String(i * share), String(count)],
            namespace,
          ),
        );
      }
      for (const line of lines) {
        const many = Math.floor(share * RESIDENTS);
        const { inside } = (await line.ask(`enter ${many}`, 600_000)) as { inside?: number };
        if (inside !== many) throw new LabError(`${inside} of ${many} residents are in`, castgate.tail());
      }
      const connections = await until('the connections over TCP', 20_000, async () => {
        const there = await connectionsTo(lab);
        return there.length >= 2 ? there : undefined;
      });
      const made = new UpgradeLab(
        lab,
        castgate,
        lines,
        supplicants,
        subscribers,
        rate,
        connections,
        folder,
        versions,
      );
      await made.#settled();
      made.#books.take(lab.radius.accountingRecords());
      made.#books.faults();
      made.#overTcp = await made.#saidOverTcp();
      return made;
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  /** Upgrades to the other version, or back. */
  async upgrade(number: number): Promise<Round> {
    const { folder, version } = this.#versions[number % 2] ?? { folder: '', version: '' };
    return this.#play(`upgrade ${number + 1} to ${version}`, folder, version);
  }

  /** Each step at which the new process can fail, in each way: an upgrade with this number that comes to nothing. */
  faults(number: number): readonly UpgradeFault[] {
    const { folder } = this.#versions[number % 2] ?? {};
    const fault = (step: TakeOverStep, how: FailureKind) => ({
      name: `it ${how} at ${step}`,
      program: failingProgram(this.#folder, step, how, folder),
    });
    return [
      { name: 'it does not start', program: brokenProgram(this.#folder) },
      ...STEPS.flatMap((step) => [fault(step, 'ends'), fault(step, 'is killed')]),
      // Before it has prepared itself, the old one waits for minutes, and serves meanwhile.
      ...(['taken', 'ready', 'serving', 'renewed'] as const).map((step) => fault(step, 'hangs')),
    ];
  }

  /** An upgrade to a process that fails: the one that serves goes on. */
  fail({ name, program }: UpgradeFault): Promise<Round> {
    return this.#play(name, program, undefined);
  }

  close(): void {
    this.#lab.close();
  }

  /** `version`: of the one that is to serve then; undefined: the old one goes on. */
  async #play(name: string, program: string, version: string | undefined): Promise<Round> {
    const wrong: string[] = [];
    const before = await this.#sessions();
    const marks = this.#supplicants.map((supplicant) => supplicant.conversations);
    for (const line of this.#lines) await line.ask(`go ${this.#rate / LINES}`);
    const dynamic = this.#changeAuthorizations();
    await pause(200 + Math.random() * 500);
    const outcome = await this.#order(program);
    await pause(500);
    const changes = await dynamic;
    const seen: SubscribersSeen[] = [];
    for (const line of this.#lines) seen.push((await line.ask('rest', 30_000)) as unknown as SubscribersSeen);
    const sum = (of: (one: SubscribersSeen) => number) => seen.reduce((all, one) => all + of(one), 0);

    if (version !== undefined && outcome.program !== version) wrong.push(`not upgraded: ${outcome.refused}`);
    if (version === undefined && outcome.refused === undefined) wrong.push('it did not fail');
    if (changes.acknowledged !== changes.sent)
      wrong.push(`${changes.sent - changes.acknowledged} of ${changes.sent} CoA-Requests without a CoA-ACK`);
    for (const mac of seen.flatMap(({ unanswered }) => unanswered))
      wrong.push(`login of ${mac} came to no end`);
    wrong.push(...seen.flatMap(({ askedAgain }) => askedAgain));
    this.#supplicants.forEach((supplicant, i) => {
      const again = supplicant.conversations - (marks[i] ?? 0);
      if (again > 0) wrong.push(`a wpa_supplicant was asked who it is ${again} times`);
    });
    wrong.push(...(await this.#differences(seen)));
    const after = await this.#sessions();
    const insideNow = new Set(seen.flatMap(({ inside }) => inside));
    let kept = 0;
    for (const { mac, acctSessionId, since } of before) {
      const now = after.find((session) => session.mac === mac);
      if (now?.acctSessionId === acctSessionId) kept++;
      // Who logged off and in again meanwhile has another session, rightly.
      else if (insideNow.has(mac) && (now === undefined || now.since === since))
        wrong.push(`${mac} lost its session`);
    }
    await this.#settled();
    const connections = await connectionsTo(this.#lab);
    for (const one of this.#connections)
      if (!connections.includes(one)) wrong.push(`the RADIUS server lost a connection over TCP: ${one}`);
    const heard = this.#overTcp;
    const said = await this.#saidOverTcp();
    this.#overTcp = said;
    // What castgate sends again it counts as sent: more that came is what was handed over and left twice.
    const more = said.came - heard.came - (said.sent - heard.sent);
    // Older versions do not tell what of it was Status-Server.
    if (more !== 0 && !Number.isNaN(more))
      wrong.push(`requests over TCP: ${Math.abs(more)} ${more > 0 ? 'came twice' : 'never came'}`);
    this.#books.take(this.#lab.radius.accountingRecords());
    wrong.push(...this.#books.faults());
    if (this.#books.accountingOn > 1) wrong.push('an Accounting-On');
    const open = this.#books
      .accounts()
      .filter((account) => account.open && account.group === undefined).length;
    if (open !== after.length) wrong.push(`accounting: ${open} sessions are open, ${after.length} are in`);
    return {
      name,
      pauseMs: outcome.pauseMs,
      did: `${sum((one) => one.logins)} logins (longest ${Math.max(...seen.map((one) => one.longestLoginMs)).toFixed(0)} ms), ${sum((one) => one.logoffs)} logoffs, ${sum((one) => one.joins)} joins, ${sum((one) => one.leaves)} leaves, ${changes.acknowledged} CoA, ${said.sent - heard.sent} requests over TCP, ${said.again - heard.again} of them again, ${kept} sessions kept${outcome.refused === undefined ? '' : `; ${outcome.refused}`}`,
      wrong,
    };
  }

  async #order(program: string): Promise<Partial<HandedOver> & { readonly refused?: string }> {
    const answer = await ask(this.#castgate.socket, 'upgrade', 180_000, { program });
    if (answer === undefined) return { refused: 'no answer' };
    return 'result' in answer ? (answer.result as HandedOver) : { refused: answer.refused };
  }

  /** CoA-Requests of FreeRADIUS's own client for those who stay, each sent once. */
  async #changeAuthorizations(): Promise<{ readonly sent: number; readonly acknowledged: number }> {
    const requests = Array.from({ length: CHANGES }, () => {
      const line = Math.floor(Math.random() * LINES);
      const share = Math.ceil(this.#subscribers / LINES);
      const number = line * share + Math.floor(Math.random() * Math.floor(share * RESIDENTS));
      return [
        `User-Name = "${accountOf(number)}"`,
        'Session-Timeout = 86400',
        'Termination-Action = RADIUS-Request',
        `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`,
      ].join('\n');
    });
    const to = `${LabAddress.switchOnRadiusLink}:3799`;
    const command = [
      'radclient',
      '-x',
      '-r',
      '1',
      '-t',
      '5',
      '-n',
      '25',
      '-p',
      '8',
      to,
      'coa',
      'secret-of-castgates-lab',
    ];
    const { stdout } = await attempt(command, {
      namespace: this.#lab.topology.radiusNamespace,
      input: `${requests.join('\n\n')}\n`,
      timeoutMs: 60_000,
    });
    return { sent: requests.length, acknowledged: stdout.match(/^Received CoA-ACK/gm)?.length ?? 0 };
  }

  /** Hosts that say that they are in or watch something, and what castgate says. */
  async #differences(seen: readonly SubscribersSeen[]): Promise<string[]> {
    const wanted = new Set(seen.flatMap((one) => one.wanted));
    const inside = new Set(seen.flatMap((one) => one.inside));
    let wrong: string[] = [];
    const end = performance.now() + SETTLE_MS;
    do {
      await pause(100);
      const groups = await this.#ask<GroupRow>('groups');
      const granted = new Set(
        groups.filter(({ state }) => state === 'granted').map(({ mac, group }) => `${mac} ${group}`),
      );
      const sessions = (await this.#sessions()).map(({ mac }) => mac);
      wrong = [
        ...[...wanted].filter((one) => !granted.has(one)).map((one) => `join not answered: ${one}`),
        ...[...granted]
          .filter((one) => !wanted.has(one) && isCrowd(one))
          .map((one) => `leave not heard: ${one}`),
        ...[...inside]
          .filter((mac) => !sessions.includes(mac))
          .map((mac) => `${mac} is in and has no session`),
        ...sessions
          .filter((mac) => !inside.has(mac) && isCrowd(mac))
          .map((mac) => `logoff not heard: ${mac}`),
      ];
    } while (wrong.length > 0 && performance.now() < end);
    return wrong;
  }

  /** Resolves when the server has taken all of accounting. */
  async #settled(): Promise<void> {
    await until('accounting to be taken', 60_000, async () => {
      const rows = await this.#ask<{ readonly waiting: number }>('accounting');
      return rows.every(({ waiting }) => waiting === 0) ? true : undefined;
    });
    await pause(200);
  }

  /** Once nothing is in flight: what castgate has sent over TCP since it began, and what the server has written down. */
  async #saidOverTcp(): Promise<{ readonly sent: number; readonly again: number; readonly came: number }> {
    const row = await until('answers over TCP', 60_000, async () => {
      const rows = await this.#ask<RadiusRow>('radius');
      return rows.find(({ server, inFlight }) => server === 'by-tcp' && inFlight === 0);
    });
    await pause(200);
    const { radius } = this.#lab;
    const questions = radius
      .accessRequests()
      .filter((record) => record.text('H3C-IPv4-Multicast-Receive-Group') !== undefined);
    const came = questions.length + radius.accountingRecords().length;
    return { sent: row.sent - row.statusServer, again: row.retransmits, came };
  }

  async #sessions(): Promise<readonly SessionRow[]> {
    return (await this.#ask<SessionRow>('sessions')).filter(({ authorized }) => authorized);
  }

  async #ask<R>(verb: string): Promise<readonly R[]> {
    const answer = await ask(this.#castgate.socket, verb, 20_000);
    if (answer === undefined || !('result' in answer))
      throw new LabError(`castgate does not answer ${verb}`, this.#castgate.tail(40));
    return answer.result as readonly R[];
  }
}

interface Version {
  readonly version: string;
  readonly folder: string;
}

/** The version that is upgraded to, and the one that is gone back to. */
function versionsIn(folder: string, other: string | undefined): readonly [Version, Version] {
  const own = (version: string) => ({ version, folder: anotherVersion(join(folder, version), version) });
  if (other === undefined)
    return [{ version: '9.0.1', folder: nextVersion(join(folder, '9.0.1'), '9.0.1') }, own('9.0.0')];
  return [own('9.0.1'), { version: '9.0.0', folder: anotherVersion(join(folder, '9.0.0'), '9.0.0', other) }];
}

/** Both ends of each connection over TCP that stands at the RADIUS server. */
async function connectionsTo(lab: Lab): Promise<readonly string[]> {
  const command = ['ss', '-Htn', 'state', 'established', '( sport = :1812 or sport = :1813 )'];
  const { stdout } = await attempt(command, { namespace: lab.topology.radiusNamespace });
  return stdout.split('\n').flatMap((line) => line.match(/\S+:\d+\s+\S+:\d+/) ?? []);
}

function isCrowd(text: string): boolean {
  return text.startsWith('06:ca:57:');
}

/** Who has a wpa_supplicant of its own. */
const REAL = ['alice', 'bob'];
const LINES = 4;
/** Share of the subscribers who stay; the others come and go. */
const RESIDENTS = 0.8;
const CHANGES = 40;
const SETTLE_MS = 20_000;
const STEPS: readonly TakeOverStep[] = [
  'started',
  'begun',
  'followed',
  'prepared',
  'taken',
  'ready',
  'serving',
  'renewed',
];
