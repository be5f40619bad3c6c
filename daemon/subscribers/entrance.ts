/**
 * Whether a host may come in beside those who are in: host modes and MAC addresses that are on two ports.
 * The rules are in auth/admission/crowd.ts; here are the sessions that they are about.
 */
import type { LoginTerms } from '../../auth/access-accept.ts';
import { type CrowdRefusal, crowdRefusal, moveRefusal } from '../../auth/admission/crowd.ts';
import type { PortConfig } from '../../config/config.ts';
import { accountText } from '../../session/account.ts';
import type { SessionRecord } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { CoreParts } from '../core/parts.ts';
import type { Sessions } from './sessions.ts';

export class Entrance {
  readonly #parts: CoreParts;
  readonly #sessions: Sessions;

  constructor(parts: CoreParts, sessions: Sessions) {
    this.#parts = parts;
    this.#sessions = sessions;
  }

  /** Why a host that is not in need not begin to log in; undefined: it may. */
  closedTo(port: PortConfig, key: string, place: HostPlace): CrowdRefusal | undefined {
    return (
      crowdRefusal(port.hostMode, this.#othersOf(port, key), undefined) ??
      moveRefusal(this.#parts.config.authenticator.macMove, this.elsewhere(place), undefined)
    );
  }

  /** Why a host that RADIUS accepts is not let in; undefined: it is. */
  refusalOf(
    port: PortConfig,
    key: string,
    place: HostPlace,
    userName: Uint8Array,
    terms: LoginTerms,
  ): CrowdRefusal | 'other-vlan' | 'filter-for-all' | undefined {
    // One login opens the port for addresses that its filter would not be about.
    if (terms.filter !== undefined && port.hostMode === 'multi-host') return 'filter-for-all';
    const elsewhere = this.elsewhere(place);
    const account = elsewhere && accountText(terms.userName ?? userName);
    return (
      crowdRefusal(port.hostMode, this.#othersOf(port, key), terms.domain) ??
      moveRefusal(this.#parts.config.authenticator.macMove, elsewhere, account) ??
      this.#vlanRefusal(port, key, place, terms)
    );
  }

  /** A port is in one VLAN: whoever would bring another than those who are in cannot have it. */
  #vlanRefusal(
    { name }: PortConfig,
    key: string,
    { vlan }: HostPlace,
    terms: LoginTerms,
  ): 'other-vlan' | undefined {
    // A host that tags its frames is in the VLAN of its tag.
    if (vlan !== 0 && terms.vlan !== undefined) return terms.vlan === vlan ? undefined : 'other-vlan';
    if (vlan !== 0) return undefined;
    return this.#sessions.isInOtherVlan(name, terms.vlan, key) ? 'other-vlan' : undefined;
  }

  /** The session of the same MAC address on another port. */
  elsewhere({ port, vlan, mac }: HostPlace): SessionRecord | undefined {
    return this.#sessions.ofMac(vlan, mac).find((session) => session.port !== port);
  }

  /** Everybody else who is in on the port; nobody where the mode does not ask. */
  #othersOf({ name, hostMode }: PortConfig, key: string): SessionRecord[] {
    if (hostMode === 'multi-auth') return [];
    return this.#sessions.ofPort(name).filter((session) => session.key !== key);
  }
}

/** True where a port has room for one login only: who else was about to log in is no longer asked. */
export function isExclusive({ hostMode }: PortConfig): boolean {
  return hostMode === 'single-host' || hostMode === 'multi-host';
}
