/**
 * Takes castgate off a bridge: its entries and its table go, and what it had set on bridge and ports gets
 * the value back that it had before. Works on whatever is still there, and needs no run before it.
 */

import { TABLE } from '../filter/ruleset.ts';
import type { Kernel } from '../kernel.ts';
import { PortState } from '../port/port-state.ts';
import { type BeforeFile, rememberedSettings } from '../settings.ts';
import { reconcileMacs, reconcileMemberships } from './reconcile.ts';

export function restore(
  kernel: Kernel,
  file: BeforeFile,
  { bridge: bridgeName, ports }: { bridge: string; ports: readonly string[] },
): void {
  const before = file.read();
  const bridge = kernel.link(bridgeName);
  if (bridge !== undefined) {
    const members = kernel.links().filter(({ master }) => master === bridge.index);
    const states = members
      .filter(({ name }) => ports.includes(name))
      .map((link) => {
        const state = new PortState(link.name, 'locked');
        state.link = link;
        return state;
      });
    const nothing = {
      bridge,
      ports: states,
      filters: new Set<string>(),
      controlledDirections: 'both',
      vlanOf: (_: unknown, vlan: number) => vlan,
    } as const;
    reconcileMacs(kernel, nothing);
    reconcileMemberships(kernel, nothing);
    for (const { name, index } of members) {
      kernel.setPort(index, rememberedSettings(before?.ports[name] ?? {}, 'port'));
    }
    kernel.setBridge(bridge.index, rememberedSettings(before?.options ?? {}, 'bridge'));
  }
  kernel.deleteTable(TABLE);
  file.forget();
}
