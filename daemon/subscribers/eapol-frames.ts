/** The EAPOL frames that castgate sends, IEEE 802.1X-2020 §11.1. */
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import type { Mac } from '../../wire/address.ts';
import { EtherType, encodeEthernet } from '../../wire/ethernet.ts';

/** How a port speaks EAPOL. */
export interface EapolTerms {
  readonly eapolVersion: number;
  readonly destination: 'unicast' | 'group';
}

/** 802.1X-2020 Table 11-1: the nearest non-TPMR bridge group address, which bridges do not forward. */
export const PAE_GROUP_ADDRESS = '01:80:c2:00:00:03';

/** An EAP packet for a supplicant; `to` is its MAC address, or the group address for whoever is there. */
export function eapFrame(terms: EapolTerms, src: Mac, to: Mac, eap: Uint8Array): Uint8Array {
  const payload = encodeEapol({ version: terms.eapolVersion, type: EapolType.Packet, body: eap });
  const dst = terms.destination === 'group' ? PAE_GROUP_ADDRESS : to;
  return encodeEthernet({ dst, src, etherType: EtherType.Eapol, payload });
}
