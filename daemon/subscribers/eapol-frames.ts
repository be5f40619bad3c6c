/**
 * The EAPOL frames that castgate sends, IEEE 802.1X-2020 §11.1, and how those of both directions are counted: by the
 * definitions of dot1xAuthStatsTable, IEEE8021-PAE-MIB, under the names of daemon/metrics/mib-counters.ts.
 */
import { decodeEap, EapCode, EapType } from '../../eapol/eap.ts';
import { type EapolPdu, EapolType, encodeEapol } from '../../eapol/eapol.ts';
import type { Mac } from '../../wire/address.ts';
import { EtherType, encodeEthernet } from '../../wire/ethernet.ts';
import { isMalformed, type Malformed } from '../../wire/malformed.ts';

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

/** The counters that a received frame is one of: a valid one, or one that is not and why. */
export function countersOfReceived(pdu: EapolPdu | Malformed): readonly EapolCounter[] {
  if (isMalformed(pdu))
    return [pdu.malformed === 'eapol-unknown-type' ? 'eapol-invalid-rx' : 'eapol-length-error-rx'];
  if (pdu.type === EapolType.Start) return ['eapol-rx', 'eapol-start-rx'];
  if (pdu.type === EapolType.Logoff) return ['eapol-rx', 'eapol-logoff-rx'];
  const eap = pdu.type === EapolType.Packet ? decodeEap(pdu.body) : undefined;
  if (eap === undefined || isMalformed(eap) || eap.code !== EapCode.Response) return ['eapol-rx'];
  return ['eapol-rx', eap.type === EapType.Identity ? 'eapol-resp-id-rx' : 'eapol-resp-rx'];
}

/** The same of a frame that carries this EAP packet to a supplicant. */
export function countersOfSent(bytes: Uint8Array): readonly EapolCounter[] {
  const eap = decodeEap(bytes);
  if (isMalformed(eap) || eap.code !== EapCode.Request) return ['eapol-tx'];
  return ['eapol-tx', eap.type === EapType.Identity ? 'eapol-req-id-tx' : 'eapol-req-tx'];
}

/** Counters of EAPOL frames, by port. */
export type EapolCounter =
  | 'eapol-rx'
  | 'eapol-tx'
  | 'eapol-start-rx'
  | 'eapol-logoff-rx'
  | 'eapol-resp-id-rx'
  | 'eapol-resp-rx'
  | 'eapol-req-id-tx'
  | 'eapol-req-tx'
  | 'eapol-invalid-rx'
  | 'eapol-length-error-rx';
