/**
 * A bridge with subscriber ports and an uplink in a namespace of its own, a tap on the far end of every
 * cable, and a LinuxSwitch on it that writes down what it reports.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourcesIn } from '../../../switch/linux/bridge/mdb-way.ts';
import { LinuxSwitch } from '../../../switch/linux/linux-switch.ts';
import type { LinuxSwitchOptions } from '../../../switch/linux/options.ts';
import type { SwitchEvent } from '../../../switch/switch.ts';
import { Namespaces } from '../namespaces.ts';
import { Tap } from './tap.ts';

export const HOST1 = '02:00:00:00:01:01';
export const HOST2 = '02:00:00:00:02:01';
export const SOURCE = '02:00:00:00:09:01';

export class SwitchRig {
  readonly lab: Namespaces;
  readonly taps: Record<'h1' | 'h2' | 'up', Tap>;
  readonly events: SwitchEvent[] = [];
  readonly stateDirectory: string;
  readonly #sourcesIn: SourcesIn;
  switch: LinuxSwitch | undefined;

  private constructor(lab: Namespaces, sourcesIn: SourcesIn) {
    this.lab = lab;
    this.#sourcesIn = sourcesIn;
    this.taps = { h1: new Tap(lab, 'h1'), h2: new Tap(lab, 'h2'), up: new Tap(lab, 'up') };
    this.stateDirectory = mkdtempSync(join(tmpdir(), 'cgt-state-'));
  }

  /** sw: br0 with swp1 (to h1/eth0), swp2 (to h2/eth0) and up0 (to up/eth0). Nothing of castgate yet. */
  static async create(prefix: string, sourcesIn: SourcesIn = 'database'): Promise<SwitchRig> {
    const lab = await Namespaces.create(prefix);
    try {
      await lab.add('sw', 'h1', 'h2', 'up');
      // What the kernels behind the ports would say and join by themselves is no part of any test; see ipv6At().
      for (const namespace of ['h1', 'h2', 'up'])
        await lab.shell(
          namespace,
          'for each in all default; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done',
        );
      await lab.exec('sw', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
      await lab.exec('sw', 'ip', 'link', 'set', 'br0', 'up');
      await lab.veth(
        { namespace: 'sw', interface: 'swp1' },
        { namespace: 'h1', interface: 'eth0', mac: HOST1 },
      );
      await lab.veth(
        { namespace: 'sw', interface: 'swp2' },
        { namespace: 'h2', interface: 'eth0', mac: HOST2 },
      );
      await lab.veth(
        { namespace: 'sw', interface: 'up0' },
        { namespace: 'up', interface: 'eth0', mac: SOURCE },
      );
      for (const port of ['swp1', 'swp2', 'up0'])
        await lab.exec('sw', 'ip', 'link', 'set', port, 'master', 'br0');
      return new SwitchRig(lab, sourcesIn);
    } catch (cause) {
      await lab.dispose();
      throw cause;
    }
  }

  /** Starts a switch over br0. */
  start(options: Partial<LinuxSwitchOptions> = {}): LinuxSwitch {
    const made = this.make(options);
    this.switch = made;
    this.lab.within('sw', () => made.start());
    return made;
  }

  make(options: Partial<LinuxSwitchOptions> = {}): LinuxSwitch {
    return new LinuxSwitch(
      {
        bridge: 'br0',
        ports: ['swp1', 'swp2'],
        uplinks: ['up0'],
        stateDirectory: this.stateDirectory,
        sourcesIn: this.#sourcesIn,
        ...options,
      },
      (events) => {
        // Frames live in their batch's buffer, which nobody else writes to.
        this.events.push(...events);
      },
    );
  }

  /** Runs a line of shell beside the switch. */
  sw(script: string): Promise<string> {
    return this.lab.shell('sw', script);
  }

  /** The same, before anything of this process has its turn: also before the switch looks after its tables. */
  swNow(script: string): void {
    this.lab.within('sw', () => execFileSync('sh', ['-euc', script], { stdio: 'pipe' }));
  }

  /** The frames that it reported, but for IPv6: the kernels behind the ports send some by themselves. */
  frames(): Extract<SwitchEvent, { kind: 'frame' }>[] {
    return this.events
      .filter((event) => event.kind === 'frame')
      .filter(({ frame }) => Buffer.from(frame).readUInt16BE(12) !== 0x86dd);
  }

  /** Lets the kernel there speak IPv6 from now on. */
  async ipv6At(namespace: 'h1' | 'h2' | 'up'): Promise<void> {
    await this.lab.shell(
      namespace,
      'for each in all default eth0; do echo 0 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done',
    );
  }

  kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  /** Sends `count` copies up0-wards in and gives the frames with `text` at a tap after `settleMs`. */
  clear(): void {
    this.events.length = 0;
    for (const tap of Object.values(this.taps)) tap.clear();
  }

  async dispose(): Promise<void> {
    this.switch?.stop({ cleanup: false });
    for (const tap of Object.values(this.taps)) tap.close();
    await this.lab.dispose();
    rmSync(this.stateDirectory, { recursive: true, force: true });
  }
}
