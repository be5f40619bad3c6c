/** Upgrades of a node of a pair as things that can happen to it: to the next version and back, and ones that fail. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import type { StandInStep } from '../../daemon/upgrade/stand-in.ts';
import { packageRoot } from '../../switch/native.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { LabError } from '../processes.ts';
import {
  anotherVersion,
  brokenProgram,
  type FailureKind,
  GatedProgram,
  nextVersion,
} from '../upgrade/versions.ts';
import type { PairLab } from './pair-lab.ts';
import { type NodeName, otherOf } from './pair-topology.ts';
import type { Scenario } from './scenario.ts';

/** Where and how the new process fails; `broken`: it is no program at all. */
export type UpgradeFault = { readonly step: StandInStep; readonly how: FailureKind } | 'broken';

type Which = 'active' | 'standby';

/** One upgrade, which begins before people are at it and takes hold at the moment of the fault. */
export function upgradeOf(which: Which, fault?: UpgradeFault): Scenario {
  let underWay: UnderWay | undefined;
  return {
    name: `upgrade of the ${which}${fault === undefined ? '' : ` to one that ${inWords(fault)}`}`,
    serves: which === 'active' && standsAside(fault) ? 'the other' : 'the same',
    prepare: async (lab, active) => {
      underWay = await UnderWay.begin(lab, which === 'active' ? active : otherOf(active), fault);
    },
    strike: async () => {
      const at = monotonicMs();
      underWay?.takeHold();
      return at;
    },
    mend: async () => underWay?.wrong(),
  };
}

/** Each step at which the new process of either node can fail, in each way. */
export function failingUpgrades(): readonly Scenario[] {
  const faults: readonly UpgradeFault[] = [
    'broken',
    ...STEPS.flatMap((step): UpgradeFault[] => [
      { step, how: 'ends' },
      { step, how: 'is killed' },
    ]),
    // Before it has said that it is prepared, the old one waits for minutes, and takes part meanwhile.
    ...(['taken', 'standing', 'ready', 'serving'] as const).map(
      (step): UpgradeFault => ({ step, how: 'hangs' }),
    ),
  ];
  return faults.flatMap((fault) => [upgradeOf('standby', fault), upgradeOf('active', fault)]);
}

class UnderWay {
  readonly #program: GatedProgram | undefined;
  readonly #answer: Promise<HandedOver | { readonly refused: string }>;
  /** Of the one that is to go on; undefined: the old one is. */
  readonly #version: string | undefined;

  private constructor(
    lab: PairLab,
    node: NodeName,
    program: GatedProgram | string,
    version: string | undefined,
  ) {
    this.#program = typeof program === 'string' ? undefined : program;
    this.#version = version;
    const path = typeof program === 'string' ? program : program.path;
    this.#answer = lab.node(node).castgate.upgrade(path);
  }

  static async begin(lab: PairLab, node: NodeName, fault: UpgradeFault | undefined): Promise<UnderWay> {
    const versions = versionsOf(lab);
    if (fault === 'broken') return new UnderWay(lab, node, brokenProgram(versions.folder), undefined);
    const [root, version] =
      fault === undefined ? versions.another(node) : ([packageRoot(), undefined] as const);
    const name = `${node}-${versions.number++}`;
    const program = new GatedProgram(versions.folder, name, root, fault);
    const underWay = new UnderWay(lab, node, program, version);
    if (fault?.step !== 'started') await program.waits();
    return underWay;
  }

  takeHold(): void {
    this.#program?.letGo();
  }

  /** What came of it that should not have; undefined: nothing. */
  async wrong(): Promise<string | undefined> {
    const outcome = await this.#answer;
    if ('refused' in outcome)
      return this.#version === undefined ? undefined : `an upgrade to ${this.#version}: ${outcome.refused}`;
    if (this.#version === undefined) return 'a failure of the new process';
    return outcome.program === this.#version ? undefined : `${this.#version}, but ${outcome.program}`;
  }
}

/** Two versions, of which a node runs one after the other. */
class Versions {
  readonly folder: string;
  number = 0;
  readonly #roots: readonly (readonly [string, string])[];
  readonly #upgrades: Record<NodeName, number> = { a: 0, b: 0 };

  constructor(lab: PairLab) {
    this.folder = join(lab.workspace.directory, 'versions');
    mkdirSync(this.folder);
    this.#roots = [
      [nextVersion(join(this.folder, 'next'), '9.0.1'), '9.0.1'],
      [anotherVersion(join(this.folder, 'this'), '9.0.0'), '9.0.0'],
    ];
  }

  /** The one that the node did not run last. */
  another(node: NodeName): readonly [string, string] {
    const root = this.#roots[this.#upgrades[node]++ % this.#roots.length];
    if (root === undefined) throw new LabError('there are no versions');
    return root;
  }
}

const known = new WeakMap<PairLab, Versions>();

function versionsOf(lab: PairLab): Versions {
  const versions = known.get(lab) ?? new Versions(lab);
  known.set(lab, versions);
  return versions;
}

function inWords(fault: UpgradeFault): string {
  return fault === 'broken' ? 'does not start' : `${fault.how} at ${fault.step}`;
}

/** Whether the old process has stood aside by the time that the new one fails. */
function standsAside(fault: UpgradeFault | undefined): boolean {
  return fault === undefined || (fault !== 'broken' && STEPS.indexOf(fault.step) > STEPS.indexOf('prepared'));
}

const STEPS: readonly StandInStep[] = [
  'started',
  'begun',
  'prepared',
  'taken',
  'standing',
  'ready',
  'serving',
];
