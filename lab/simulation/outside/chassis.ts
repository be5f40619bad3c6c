/**
 * What of a node outlives its daemon: the switch goes on as it was left, with its counters, and the journal
 * lies on the disk. A node that takes over, or whose machine went down, has new ones.
 */
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { SwitchEvent, SwitchFailure } from '../../../switch/switch.ts';
import type { SimulatedJournal } from '../nodes/simulated-journal.ts';
import { UPLINK } from '../plan.ts';

/** A daemon has set the link of a port: the kernel does so in a moment. */
export type LinkSetting = (bridge: MemorySwitch, port: string, up: boolean) => void;

export class Chassis {
  readonly bridge: MemorySwitch;
  /** Undefined: this node keeps none. */
  readonly journal: SimulatedJournal | undefined;
  /** The daemon that runs now; events of the switch that nobody listens to are lost. */
  listener: ((events: readonly SwitchEvent[]) => void) | undefined;

  constructor(
    ports: readonly string[],
    journal: SimulatedJournal | undefined,
    setLink: LinkSetting = (bridge, port, up) => bridge.setLink(port, up),
  ) {
    this.journal = journal;
    this.bridge = new ChassisSwitch(ports, (events) => this.listener?.(events), setLink);
  }

  /** Takes away what a daemon that starts again does not know of, as the Linux switch does (`Kept`). */
  keepOnly(hosts: ReadonlySet<string>, channels: ReadonlySet<string>): void {
    for (const host of this.bridge.openHosts()) {
      if (!hosts.has(`${host.port}/${host.vlan}/${host.mac}`)) this.bridge.closeHost(host);
    }
    for (const { port, vlan, group } of this.bridge.forwardings()) {
      if (!channels.has(`${port}/${vlan}/${group}`)) this.bridge.clearForwarding(port, vlan, group);
    }
  }
}

class ChassisSwitch extends MemorySwitch {
  readonly #setLink: LinkSetting;

  constructor(
    ports: readonly string[],
    listener: (events: readonly SwitchEvent[]) => void,
    setLink: LinkSetting,
  ) {
    super({ ports, uplinks: [UPLINK] }, listener);
    this.#setLink = setLink;
  }

  override setPortLink(port: string, up: boolean): SwitchFailure | undefined {
    this.#setLink(this, port, up);
    return undefined;
  }
}
