/**
 * What of a node outlives its daemon: the switch goes on as it was left, with its counters, and the journal
 * lies on the disk. A node that takes over, or whose machine went down, has new ones.
 */
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../../switch/switch.ts';
import type { SimulatedJournal } from '../nodes/simulated-journal.ts';
import { UPLINK } from '../plan.ts';

export class Chassis {
  readonly bridge: MemorySwitch;
  /** Undefined: this node keeps none. */
  readonly journal: SimulatedJournal | undefined;
  /** The daemon that runs now; events of the switch that nobody listens to are lost. */
  listener: ((events: readonly SwitchEvent[]) => void) | undefined;

  constructor(ports: readonly string[], journal: SimulatedJournal | undefined) {
    this.journal = journal;
    this.bridge = new MemorySwitch({ ports, uplinks: [UPLINK] }, (events) => this.listener?.(events));
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
