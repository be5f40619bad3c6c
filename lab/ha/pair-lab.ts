/**
 * A pair of nodes with everything around it: network, RADIUS server, head-end, multicast router, subscribers.
 * Invariant: as with every lab, after `close` and at the end of the process nothing of it is left.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CastgateSettings } from '../castgate.ts';
import { Supplicant } from '../hosts/supplicant.ts';
import { LineProgram } from '../line-program.ts';
import { FreeRadius } from '../radius/freeradius.ts';
import { LabAddress } from '../topology.ts';
import { openWorkspace, removeWorkspace, type Workspace } from '../workspace.ts';
import { CablesSeen } from './cables-seen.ts';
import type { Called } from './caller.ts';
import type { CrowdMember } from './crowd.ts';
import { PairNode } from './node.ts';
import {
  CALLER,
  CHANNELS,
  CROWD,
  NEWCOMER,
  PAIR_PLAN,
  PERMISSIONS,
  type Person,
  passwordOf,
  RESIDENTS,
  USERS,
} from './pair-plan.ts';
import { NODE_NAMES, type NodeName, PairAddress, PairTopology } from './pair-topology.ts';
import type { ViewersReport, ViewersSetup } from './viewers.ts';

/** What a raised lab consists of. */
interface PairParts {
  readonly workspace: Workspace;
  readonly topology: PairTopology;
  readonly radius: FreeRadius;
  readonly router: LineProgram;
  readonly nodes: Readonly<Record<NodeName, PairNode>>;
  readonly cables: CablesSeen;
  readonly supplicants: ReadonlyMap<string, Supplicant>;
  readonly viewers: LineProgram;
  readonly crowd: LineProgram;
  readonly caller: LineProgram;
  readonly keyFile: string;
}

export class PairLab {
  readonly workspace: Workspace;
  readonly topology: PairTopology;
  readonly radius: FreeRadius;
  readonly router: LineProgram;
  readonly nodes: Readonly<Record<NodeName, PairNode>>;
  readonly cables: CablesSeen;
  readonly supplicants: ReadonlyMap<string, Supplicant>;
  readonly #viewers: LineProgram;
  readonly #crowd: LineProgram;
  readonly #caller: LineProgram;
  readonly #keyFile: string;
  readonly #removeAtExit: () => void;

  private constructor(parts: PairParts, removeAtExit: () => void) {
    this.workspace = parts.workspace;
    this.topology = parts.topology;
    this.radius = parts.radius;
    this.router = parts.router;
    this.nodes = parts.nodes;
    this.cables = parts.cables;
    this.supplicants = parts.supplicants;
    this.#viewers = parts.viewers;
    this.#crowd = parts.crowd;
    this.#caller = parts.caller;
    this.#keyFile = parts.keyFile;
    this.#removeAtExit = removeAtExit;
  }

  /** Raises everything but keepalived and castgate; supplicants wait for somebody to log in to. */
  static async open(): Promise<PairLab> {
    const workspace = openWorkspace();
    const removeAtExit = () => removeWorkspace(workspace);
    process.on('exit', removeAtExit);
    try {
      return new PairLab(await build(workspace), removeAtExit);
    } catch (error) {
      removeAtExit();
      process.off('exit', removeAtExit);
      throw error;
    }
  }

  node(name: NodeName): PairNode {
    return this.nodes[name];
  }

  /** Starts castgate on a node for the first time. */
  async startCastgate(name: NodeName, settings: CastgateSettings = {}): Promise<void> {
    const folder = join(this.workspace.directory, `node-${name}`);
    await this.nodes[name].startCastgate(folder, this.radius, this.#keyFile, settings);
  }

  /** Orders to the players; in order, each awaited. */
  async view(...commands: readonly string[]): Promise<void> {
    for (const command of commands) await this.#viewers.ask(command);
  }

  /** What the players have received. */
  async viewers(): Promise<ViewersReport> {
    return (await this.#viewers.ask('report'))['report'] as ViewersReport;
  }

  /** Orders to the crowd. */
  async order(...commands: readonly string[]): Promise<void> {
    for (const command of commands) await this.#crowd.ask(command);
  }

  /** Where the crowd stands. */
  async crowd(): Promise<readonly CrowdMember[]> {
    return (await this.#crowd.ask('report'))['members'] as readonly CrowdMember[];
  }

  /** Orders to who sends unicast to the head-end. */
  async call(command: 'mark' | 'tell'): Promise<Called> {
    return (await this.#caller.ask(command))['called'] as Called;
  }

  /** Takes everything away. */
  async close(): Promise<void> {
    for (const name of NODE_NAMES) await this.nodes[name].keepalived.close();
    this.#removeAtExit();
    process.off('exit', this.#removeAtExit);
  }
}

async function build(workspace: Workspace): Promise<PairParts> {
  const folder = (name: string) => join(workspace.directory, name);
  const topology = await PairTopology.raise(workspace, PAIR_PLAN);
  const radiusPlan = {
    secret: 'secret-of-castgates-lab',
    client: PairAddress.virtual,
    listen: LabAddress.radius,
    users: USERS,
    permissions: PERMISSIONS,
    recordRequests: true,
  };
  const keyFile = folder('ha.key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const upstream = topology.upstreamNamespace;
  const setup: ViewersSetup = {
    home: topology.upstreamNamespace,
    hosts: topology.hosts,
    groups: CHANNELS,
  };
  const { address, namespace } = topology.host(CALLER);
  const [radius, , router, viewers, crowd, caller] = await Promise.all([
    FreeRadius.start(radiusPlan, folder('radius'), topology.radiusNamespace),
    LineProgram.start(
      'head-end',
      'channel-source',
      [LabAddress.upstream, '1000', '200', ...CHANNELS],
      upstream,
    ),
    LineProgram.start('upstream router', 'upstream-router', [LabAddress.upstream, '10'], upstream),
    LineProgram.start('players', 'ha/viewers', [JSON.stringify(setup)], upstream),
    LineProgram.start('crowd', 'ha/crowd', CROWD, topology.crowdNamespace),
    LineProgram.start('caller', 'ha/caller', [address, LabAddress.upstream], namespace),
  ]);
  const nodes = { a: await prepareNode('a'), b: await prepareNode('b') };
  const cables = await CablesSeen.start(topology);
  const supplicants = new Map<string, Supplicant>();
  for (const person of [...RESIDENTS, NEWCOMER]) supplicants.set(person.name, await startSupplicant(person));
  return { workspace, topology, radius, router, nodes, cables, supplicants, viewers, crowd, caller, keyFile };

  async function prepareNode(name: NodeName): Promise<PairNode> {
    mkdirSync(folder(`node-${name}`), { mode: 0o700 });
    return PairNode.prepare(name, topology, folder(`node-${name}`));
  }

  function startSupplicant(person: Person): Promise<Supplicant> {
    const credentials = {
      method: person.method,
      identity: person.name,
      password: passwordOf(person.name),
      caFile: radius.caFile,
    };
    return Supplicant.start(
      credentials,
      folder(`supplicant-${person.name}`),
      topology.host(person.name).namespace,
    );
  }
}
