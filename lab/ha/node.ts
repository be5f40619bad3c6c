/** One node of a pair: its keepalived, its castgate, and what castgate says of itself. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HaRow } from '../../daemon/show/show-rows.ts';
import { Castgate, type CastgateSettings } from '../castgate.ts';
import { ask } from '../control.ts';
import { run } from '../processes.ts';
import type { FreeRadius } from '../radius/freeradius.ts';
import { Keepalived, VRRP_INSTANCE } from './keepalived.ts';
import { type NodeName, PairAddress, type PairTopology } from './pair-topology.ts';

export class PairNode {
  readonly name: NodeName;
  readonly namespace: string;
  readonly keepalived: Keepalived;
  /** A small file system of its own, for the case that it is full. */
  readonly stateDirectory: string;
  readonly #topology: PairTopology;
  #castgate: Castgate | undefined;

  private constructor(
    name: NodeName,
    topology: PairTopology,
    keepalived: Keepalived,
    stateDirectory: string,
  ) {
    this.name = name;
    this.namespace = topology.nodeNamespace(name);
    this.keepalived = keepalived;
    this.stateDirectory = stateDirectory;
    this.#topology = topology;
  }

  /** Makes its folders and configuration; starts nothing. */
  static async prepare(name: NodeName, topology: PairTopology, folder: string): Promise<PairNode> {
    const stateDirectory = join(folder, 'state');
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
    await run([
      'mount',
      '-t',
      'tmpfs',
      '-o',
      `size=${STATE_OCTETS},mode=700`,
      `castgate-${name}`,
      stateDirectory,
    ]);
    const keepalived = Keepalived.prepare(join(folder, 'keepalived'), topology.nodeNamespace(name), {
      interface: 'mgmt0',
      virtualAddress: `${PairAddress.virtual}/24`,
      virtualAddress6: topology.hasIpv6 ? `${PairAddress.virtual6}/64` : undefined,
    });
    return new PairNode(name, topology, keepalived, stateDirectory);
  }

  /** Starts castgate for the first time. */
  async startCastgate(
    folder: string,
    radius: Pick<FreeRadius, 'secretFile'>,
    keyFile: string,
    { ha, ...settings }: CastgateSettings = {},
  ): Promise<void> {
    const peer = this.name === 'a' ? 'b' : 'a';
    const place = { switchNamespace: this.namespace, ports: this.#topology.ports };
    this.#castgate = await Castgate.start(join(folder, 'castgate'), place, radius, {
      nasAddress: PairAddress.virtual,
      stateDirectory: this.stateDirectory,
      authenticator: { quiet_period: '1s' },
      ha: {
        node: this.name,
        address: PairAddress.replication[this.name],
        peer: PairAddress.replication[peer],
        key_file: keyFile,
        vrrp_instance: VRRP_INSTANCE,
        notify_fifo: this.keepalived.notifyFifo,
        priority_file: this.keepalived.priorityFile,
        ...ha,
      },
      ...settings,
    });
  }

  get castgate(): Castgate {
    if (this.#castgate === undefined) throw new Error(`castgate of node ${this.name} was never started`);
    return this.#castgate;
  }

  /** What it says of its role; undefined where it does not answer. */
  async status(): Promise<HaRow | undefined> {
    const answer = await ask(this.castgate.socket, 'ha');
    return answer !== undefined && 'result' in answer ? (answer.result as readonly HaRow[])[0] : undefined;
  }

  tail(most?: number): readonly string[] {
    return [
      ...(this.#castgate?.tail(most) ?? []).map((line) => `castgate ${this.name}: ${line}`),
      ...this.keepalived.tail(8).map((line) => `keepalived ${this.name}: ${line}`),
    ];
  }
}

/** Room for the journal of a small switch many times over. */
const STATE_OCTETS = 16 << 20;
