/**
 * Where a port goes on which nobody can log in: the VLAN for guests, for those whom RADIUS rejects, or for the
 * time in which no server answers. A fallback is for a port where nobody is in: it has no sessions, no accounts
 * and no channels, and whoever logs in ends it.
 */

export type Fallback = 'guest' | 'auth-fail' | 'critical';

export interface FallbackRecord {
  readonly v: 1;
  /** The port's name. */
  readonly key: string;
  /** `none`: nobody is in, and no fallback is in force yet. */
  readonly kind: Fallback | 'none';
  /** Rejects in a row on the port. */
  readonly rejects: number;
  /** none: when the port is one for guests; critical: when servers are looked at again; undefined: never. */
  readonly until: number | undefined;
}

/** VLANs of a port's fallbacks, 1 to 4094; undefined: there is none. */
export interface FallbackVlans {
  readonly guestVlan: number | undefined;
  readonly authFailVlan: number | undefined;
  readonly criticalVlan: number | undefined;
}

/** The VLAN of a fallback. */
export function fallbackVlan(vlans: FallbackVlans, kind: Fallback | 'none'): number | undefined {
  switch (kind) {
    case 'none':
      return undefined;
    case 'guest':
      return vlans.guestVlan;
    case 'auth-fail':
      return vlans.authFailVlan;
    case 'critical':
      return vlans.criticalVlan;
  }
}
