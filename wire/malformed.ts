/**
 * What a decoder returns instead of throwing: a reason out of a closed list, and where in the input.
 * The reason is also the label of the drop counter, so it names what is wrong, never a value seen.
 */

/** Every reason, by the folder whose decoder gives it. */
export const malformedReasons = [
  // wire/
  'ethernet-short-header',
  'vlan-short-tag',
  'arp-short',
  'arp-not-ipv4-on-ethernet',
  'ipv4-short-header',
  'ipv4-bad-version',
  'ipv4-bad-header-length',
  'ipv4-bad-total-length',
  'ipv4-bad-checksum',
  'ipv4-fragment',
  'ipv4-bad-option',
  'ipv6-short-header',
  'ipv6-bad-version',
  'ipv6-bad-payload-length',
  'ipv6-bad-extension-header',
  'ipv6-fragment',
  'udp-short-header',
  'udp-bad-length',
  // eapol/
  'eapol-short-header',
  'eapol-body-overruns-frame',
  'eapol-unknown-type',
  'eap-short-header',
  'eap-length-below-header',
  'eap-length-overruns-body',
  'eap-missing-type',
  'eap-unknown-code',
  'eap-bad-length-for-code',
  // igmp/
  'igmp-short',
  'igmp-bad-checksum',
  'igmp-group-not-multicast',
  'igmp-query-bad-length',
  'igmp-query-sources-overrun',
  'igmp-record-overruns-report',
  'mld-short',
  'mld-bad-checksum',
  'mld-group-not-multicast',
  'mld-query-bad-length',
  'mld-query-sources-overrun',
  'mld-record-overruns-report',
  'mld-hop-limit-not-1',
  'mld-no-router-alert',
  'mld-source-not-link-local',
  // radius/
  'radius-short-header',
  'radius-bad-length',
  'radius-attribute-length-below-2',
  'radius-attribute-overruns-packet',
  'radius-attribute-bad-length',
  'radius-vsa-short',
  'radius-unknown-code',
] as const;

/** A reason for a refusal to decode; the label of the counter `drops_total{reason=…}`. */
export type MalformedReason = (typeof malformedReasons)[number];

/** Input that a decoder refuses. `offset` counts octets from the start of that decoder's input. */
export interface Malformed {
  readonly malformed: MalformedReason;
  readonly offset: number;
}

/** Makes the refusal. */
export function malformed(reason: MalformedReason, offset: number): Malformed {
  return { malformed: reason, offset };
}

/** Tells a refusal from a decoded value. */
export function isMalformed(value: object): value is Malformed {
  return 'malformed' in value;
}
