/**
 * Records fixtures/captures/lab-*.pcap out of the lab: a whole story between real programs, seen in the
 * switch on all of its interfaces (Linux cooked v2) and on the cable of one subscriber (Ethernet). Channel
 * data is left out; RADIUS, EAPOL and IGMP are whole. Beside them lies what the daemon itself logged
 * meanwhile, lab-switch.log.jsonl. Needs root and the build:
 *
 *   node dist/lab/story/record-fixtures.js DIRECTORY
 */
import { copyFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lab, type LabPlan } from '../lab.ts';
import type { LineProgram } from '../line-program.ts';
import { LabError, LabProcess, pause, until } from '../processes.ts';
import { LabAddress } from '../topology.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const VAULT = '239.1.1.3';
const SPORT = '232.1.1.1';

const PLAN: LabPlan = {
  hosts: [
    { name: 'alice', port: 'swp1' },
    { name: 'bob', port: 'swp2', igmpVersion: 2 },
    { name: 'carol', port: 'swp3' },
    { name: 'mallory', port: 'swp4' },
  ],
  users: [
    { name: 'alice', password: 'alice-password', class: 'gold' },
    { name: 'bob', password: 'bob-password', class: 'silver' },
    { name: 'mallory', password: 'mallory-password' },
  ],
  permissions: [
    { account: 'alice', group: NEWS, holdsS: 600, class: 'news' },
    { account: 'alice', group: SPORT, holdsS: 600, class: 'sport' },
    { account: 'bob', group: FILM, holdsS: 600, class: 'film' },
  ],
  channels: [NEWS, FILM, VAULT, SPORT],
};

async function main(directory: string): Promise<void> {
  const lab = await Lab.open(PLAN);
  try {
    const { switchNamespace } = lab.topology;
    const { namespace } = lab.topology.host('alice');
    const folder = lab.workspace.directory;
    const onAll = ['-i', 'any', '-y', 'LINUX_SLL2'];
    const everywhere = await Recording.start(folder, 'lab-switch', onAll, switchNamespace);
    const onCable = await Recording.start(folder, 'lab-cable', ['-i', 'eth0'], namespace);
    const castgate = await lab.startCastgate({ accounting: { interim_interval: '1s' } });
    const log: string[] = [];
    castgate.process?.onLine((line) => log.push(`${line}\n`));
    await tell(lab);
    await castgate.stop();
    writeFileSync(join(directory, 'lab-switch.log.jsonl'), log.join(''));
    for (const recording of [everywhere, onCable]) await recording.keep(directory);
  } finally {
    lab.close();
  }
}

async function tell(lab: Lab): Promise<void> {
  const alice = await lab.startSupplicant('alice', {
    method: 'md5',
    identity: 'alice',
    password: 'alice-password',
  });
  const bob = await lab.startSupplicant('bob', {
    method: 'peap',
    identity: 'bob',
    password: 'bob-password',
    anonymousIdentity: 'anonymous',
  });
  const mallory = await lab.startSupplicant('mallory', {
    method: 'md5',
    identity: 'mallory',
    password: 'a guess',
  });
  for (const host of lab.topology.hosts) await lab.topology.plugIn(host);
  await alice.authenticated(STEP_MS);
  await bob.authenticated(STEP_MS);
  await mallory.refused(STEP_MS);

  const [atAlice, atBob, atCarol] = await Promise.all([
    lab.startReceiver('alice'),
    lab.startReceiver('bob'),
    lab.startReceiver('carol'),
  ]);
  await atCarol.ask(`join ${NEWS}`);
  await atAlice.ask(`join ${NEWS}`);
  await atAlice.ask(`join ${VAULT}`);
  await atAlice.ask(`join ${SPORT} ${LabAddress.upstream}`);
  await atBob.ask(`join ${FILM}`);
  await atBob.ask(`join ${NEWS}`);
  await received(atAlice, NEWS);
  await received(atBob, FILM);
  await pause(FLOW_MS);

  await atAlice.ask(`leave ${NEWS}`);
  await pause(FLOW_MS);
  await bob.logoff();
  await alice.logoff();
  const stops = () =>
    lab.radius.accountingRecords().filter((record) => record.text('Acct-Status-Type') === 'Stop');
  await until('five Stop records', STEP_MS, () => (stops().length >= 5 ? true : undefined));
}

async function received(receiver: LineProgram, channel: string): Promise<void> {
  await until(`a packet of ${channel}`, STEP_MS, () =>
    receiver.events.find((event) => event['event'] === 'first' && event['channel'] === channel),
  );
}

/** A tcpdump that leaves the channels' data out. */
class Recording {
  readonly #name: string;
  readonly #file: string;
  readonly #process: LabProcess;

  private constructor(name: string, file: string, process: LabProcess) {
    this.#name = name;
    this.#file = file;
    this.#process = process;
  }

  static async start(
    folder: string,
    name: string,
    where: readonly string[],
    namespace: string,
  ): Promise<Recording> {
    const file = join(folder, `${name}.pcap`);
    // -Z root: giving up root would undo the parent-death signal.
    const options = ['-Z', 'root', '-p', '-n', '-s', '0', '--immediate-mode', '-U', '-w', file];
    const wanted = 'ether proto 0x888e or igmp or udp port 1812 or udp port 1813';
    const process = LabProcess.start(
      `tcpdump of ${name}`,
      ['tcpdump', ...where, ...options, wanted],
      namespace,
    );
    await process.waitForLine(/listening on/, STEP_MS);
    return new Recording(name, file, process);
  }

  /** Ends it and copies the file. Throws LabError where frames were lost or where it is too big to keep. */
  async keep(directory: string): Promise<void> {
    await pause(SETTLING_MS);
    await this.#process.stop('SIGINT');
    const dropped = this.#process.tail().find((line) => /packets? dropped by kernel/.test(line));
    if (dropped !== undefined && !dropped.startsWith('0 ')) throw new LabError(`${this.#name}: ${dropped}`);
    const { size } = statSync(this.#file);
    if (size > MAX_OCTETS) throw new LabError(`${this.#name}: ${size} octets, more than ${MAX_OCTETS}`);
    copyFileSync(this.#file, join(directory, `${this.#name}.pcap`));
    process.stdout.write(`${this.#name}.pcap: ${size} octets\n`);
  }
}

const STEP_MS = 15_000;
const FLOW_MS = 1_500;
const SETTLING_MS = 200;
const MAX_OCTETS = 200_000;

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  process.stderr.write('usage: node dist/lab/story/record-fixtures.js DIRECTORY\n');
  process.exitCode = 2;
} else {
  try {
    await main(directory);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`castgate: ${error.message}\n${error.detail.map((line) => `  ${line}\n`).join('')}`);
    process.exitCode = 1;
  }
}
