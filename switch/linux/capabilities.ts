/** Capabilities of this process (capabilities(7)), as far as castgate has a use for them. */

export const CAPABILITIES = {
  CAP_NET_BIND_SERVICE: 10n,
  CAP_NET_ADMIN: 12n,
  CAP_NET_RAW: 13n,
} as const;
export type Capability = keyof typeof CAPABILITIES;

/** Those that are in force, by the text of `/proc/self/status`; none where it does not say. */
export function heldCapabilities(status: string): ReadonlySet<Capability> {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  const held = BigInt(`0x${effective ?? '0'}`);
  const names = Object.keys(CAPABILITIES) as Capability[];
  return new Set(names.filter((name) => ((held >> CAPABILITIES[name]) & 1n) === 1n));
}
