/**
 * Two nodes with a RADIUS server over TCP behind them, and one host whose joins are questions to it. The server is
 * FreeRADIUS or one that counts; what is on its wire is looked at by tcpdump.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CastgateSettings } from '../castgate.ts';
import { PairNode } from '../ha/node.ts';
import { NODE_NAMES, type NodeName, PairAddress, PairTopology } from '../ha/pair-topology.ts';
import { LineProgram } from '../line-program.ts';
import { LabProcess, until } from '../processes.ts';
import { FreeRadius } from '../radius/freeradius.ts';
import { frontSection, startFront } from '../radius/front.ts';
import { LabAddress } from '../topology.ts';
import { openWorkspace, removeWorkspace, type Workspace } from '../workspace.ts';
import type { CountingReport } from './counting-server.ts';
import { numberOfGroup } from './groups.ts';
import type { BadLink } from './scenario.ts';

/** Which server, and how long its requests and answers are. */
export interface TakeoverPlan {
  readonly server: 'counting' | 'freeradius';
  readonly messages: 'small' | 'large';
  /** Between the nodes and the server; IPv4 when left out. */
  readonly family?: 4 | 6;
  /** False: the connection dies with its node, as without connection backup. */
  readonly backup?: boolean;
  /** Packets come to the node that stands by, and from there to the one that serves. */
  readonly standbyFirst?: boolean;
  /** TCP when left out. TLS: to a front before FreeRADIUS. */
  readonly transport?: 'tcp' | 'udp' | 'tls';
}

const JOINER = '02ca57000301';
const LINE = 'joiner';

export class TakeoverLab {
  readonly topology: PairTopology;
  readonly nodes: Readonly<Record<NodeName, PairNode>>;
  readonly counting: LineProgram | undefined;
  readonly radius: FreeRadius | undefined;
  readonly front: LineProgram | undefined;
  readonly joiner: LineProgram;
  /** Segments with SYN, FIN or RST on the server's wire, as tcpdump writes them. */
  readonly flags: string[];
  readonly #badLink: LineProgram;
  readonly #plan: TakeoverPlan;
  readonly #removeAtExit: () => void;

  private constructor(
    parts: Pick<TakeoverLab, 'topology' | 'nodes' | 'counting' | 'radius' | 'front' | 'joiner' | 'flags'> & {
      readonly badLink: LineProgram;
    },
    plan: TakeoverPlan,
    removeAtExit: () => void,
  ) {
    this.topology = parts.topology;
    this.nodes = parts.nodes;
    this.counting = parts.counting;
    this.radius = parts.radius;
    this.front = parts.front;
    this.joiner = parts.joiner;
    this.flags = parts.flags;
    this.#badLink = parts.badLink;
    this.#plan = plan;
    this.#removeAtExit = removeAtExit;
  }

  /** Raises everything, with both nodes in step and the host let in. */
  static async open(plan: TakeoverPlan): Promise<TakeoverLab> {
    const workspace = openWorkspace();
    const removeAtExit = () => removeWorkspace(workspace);
    process.on('exit', removeAtExit);
    try {
      const lab = new TakeoverLab(await build(workspace, plan), plan, removeAtExit);
      await lab.#begin(workspace);
      return lab;
    } catch (error) {
      removeAtExit();
      process.off('exit', removeAtExit);
      throw error;
    }
  }

  /** The node that serves, once both are in step. */
  inStep(): Promise<NodeName> {
    return until(
      'both nodes in step',
      20_000,
      async () => {
        const a = await this.nodes.a.status();
        const b = await this.nodes.b.status();
        if (a?.state !== 'in-step' || b?.state !== 'in-step') return undefined;
        const ways = [a.way, b.way];
        if (
          this.#plan.standbyFirst === true &&
          !(ways.includes('in-the-way') && ways.includes('through-standby'))
        )
          return undefined;
        if (a.role === 'active' && b.role === 'standby') return 'a';
        return b.role === 'active' && a.role === 'standby' ? 'b' : undefined;
      },
      () => NODE_NAMES.flatMap((name) => this.nodes[name].tail(40)),
    );
  }

  /** What the counting server has seen; of questions, those about groups from `first` on. */
  async seen(first: number): Promise<CountingReport> {
    if (this.counting === undefined) throw new Error('this lab has no counting server');
    return (await this.counting.ask(`report ${first}`))['report'] as CountingReport;
  }

  /** Numbers of groups that the server was asked about, in order, from `first` on. */
  async asked(first: number): Promise<readonly number[]> {
    if (this.radius === undefined) return (await this.seen(first)).asked;
    return this.radius.accessRequests().flatMap((record) => {
      const group = record.text('H3C-IPv4-Multicast-Receive-Group');
      const number = group === undefined ? undefined : numberOfGroup(addressOf(group));
      return number === undefined || number < first ? [] : [number];
    });
  }

  /** Makes the server's link lose, delay and reorder packets, or lets it be. The same seed draws the same numbers. */
  async impair(link: BadLink | undefined, seed = 0): Promise<void> {
    if (link === undefined) await this.#badLink.ask('clear');
    else await this.#badLink.ask(`set ${link.loss} ${link.delayMs} ${link.jitterMs} ${seed}`);
  }

  /** The server reads nothing from here on: its window closes. */
  async stopReading(): Promise<void> {
    this.radius?.signal('SIGSTOP');
    await this.counting?.ask('stop');
  }

  async goOnReading(): Promise<void> {
    this.radius?.signal('SIGCONT');
    await this.counting?.ask('go');
  }

  async close(): Promise<void> {
    for (const name of NODE_NAMES) {
      await this.nodes[name].castgate.process?.stop('SIGKILL');
      await this.nodes[name].keepalived.close();
    }
    this.#removeAtExit();
    process.off('exit', this.#removeAtExit);
  }

  async #begin(workspace: Workspace): Promise<void> {
    const secretFile = this.radius?.secretFile ?? join(workspace.directory, 'secret');
    const keyFile = join(workspace.directory, 'ha.key');
    writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    for (const name of NODE_NAMES) {
      const folder = join(workspace.directory, `node-${name}`);
      await this.nodes[name].startCastgate(
        folder,
        { secretFile },
        keyFile,
        settings(this.#plan, secretFile, this.radius),
      );
      await this.nodes[name].keepalived.run();
    }
    const active = await this.inStep();
    await until(
      'the host to be let in',
      15_000,
      async () => {
        await this.joiner.ask('hello');
        return (await this.nodes[active].castgate.sessions()).length > 0 ? true : undefined;
      },
      () => [...this.nodes[active].tail(40), ...(this.radius?.tail() ?? [])],
    );
  }
}

async function build(workspace: Workspace, plan: TakeoverPlan) {
  const folder = (name: string) => join(workspace.directory, name);
  const topology = await PairTopology.raise(workspace, { hosts: [], crowd: [LINE], ipv6: plan.family === 6 });
  const secret = 'secret-of-castgates-lab';
  let radius: FreeRadius | undefined;
  let counting: LineProgram | undefined;
  let front: LineProgram | undefined;
  if (plan.server === 'freeradius') {
    radius = await FreeRadius.start(
      {
        secret,
        client: PairAddress.virtual,
        listen: LabAddress.radius,
        ...(plan.family === 6 ? { ipv6: { client: PairAddress.virtual6, listen: LabAddress.radius6 } } : {}),
        users: [{ name: JOINER, password: JOINER }],
        permissions: [],
        recordRequests: true,
        streams: true,
        behindFront: plan.transport === 'tls',
      },
      folder('radius'),
      topology.radiusNamespace,
    );
    if (plan.transport === 'tls') front = await startFront(radius, topology.radiusNamespace);
  } else {
    writeFileSync(folder('secret'), secret, { mode: 0o600 });
    const reply = plan.messages === 'large' ? '4096' : '0';
    counting = await LineProgram.start(
      'counting server',
      'takeover/counting-server',
      [plan.family === 6 ? LabAddress.radius6 : LabAddress.radius, folder('secret'), reply],
      topology.radiusNamespace,
    );
  }
  const badLink = await LineProgram.start('bad link', 'takeover/bad-link', [], topology.radiusNamespace);
  const flags = await watchFlags(topology.radiusNamespace);
  const joiner = await LineProgram.start('joiner', 'takeover/joiner', [LINE], topology.crowdNamespace);
  const prepare = (name: NodeName) => {
    mkdirSync(folder(`node-${name}`), { mode: 0o700 });
    return PairNode.prepare(name, topology, folder(`node-${name}`));
  };
  const nodes = { a: await prepare('a'), b: await prepare('b') };
  return { topology, nodes, counting, radius, front, joiner, flags, badLink };
}

/** Every segment with SYN, FIN or RST that comes from or goes to the server's ports. */
async function watchFlags(namespace: string): Promise<string[]> {
  const flags: string[] = [];
  const ends = 'tcp and (port 1812 or port 1813)';
  // Of IPv6 tcpdump does not find the flags by itself: behind 40 octets, the fourteenth.
  const filter = `${ends} and ((ip and tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0) or (ip6 and ip6[53] & 7 != 0))`;
  const dump = LabProcess.start(
    'tcpdump',
    ['tcpdump', '-l', '-n', '-i', 'eth0', '--immediate-mode', filter],
    namespace,
  );
  dump.onLine((line, from) => {
    if (from === 'stdout') flags.push(line);
  });
  await dump.waitForLine(/listening on/, 5_000);
  return flags;
}

function settings(plan: TakeoverPlan, secretFile: string, radius: FreeRadius | undefined): CastgateSettings {
  const transport = plan.transport ?? 'tcp';
  const backup = plan.backup ?? transport === 'tcp';
  return {
    ha: { standby_first: plan.standbyFirst === true },
    authenticator: { methods: 'mab' },
    groups: { deny: '1h', patience: '30s' },
    multicast: {
      reports_per_host: 0,
      reports_per_port: 0,
      max_groups_per_host: 4096,
      max_groups_per_port: 8192,
      hash_max: 65536,
    },
    radius: {
      servers: [
        {
          name: 'stream',
          address: plan.family === 6 ? LabAddress.radius6 : LabAddress.radius,
          secret_file: secretFile,
          source_address: plan.family === 6 ? PairAddress.virtual6 : PairAddress.virtual,
          transport,
          // Its probes have short patience, and an answer that comes later would look like one too many.
          status_server: false,
          ...(transport === 'tls' && radius !== undefined ? { tls: frontSection(radius) } : {}),
          ...(backup ? { connection_backup: true } : {}),
        },
      ],
      attributes: plan.messages === 'large' ? LARGE : [],
    },
  };
}

/** Attributes that make a question about a group 4,096 octets long, or a little less. */
const LARGE = Array.from({ length: 15 }, () => ({
  attribute: '77',
  type: 'text',
  value: 'x'.repeat(250),
  login: false,
  group: true,
  accounting: false,
}));

function addressOf(text: string): Uint8Array {
  const hex = /^0x([0-9a-f]{8})$/i.exec(text)?.[1];
  return hex === undefined ? Uint8Array.from(text.split('.').map(Number)) : Buffer.from(hex, 'hex');
}
