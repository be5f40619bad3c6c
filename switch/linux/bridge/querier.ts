/**
 * Makes the bridge look into its multicast database at once. It does so only while it believes in a
 * querier, and only from one query-response interval on after that belief began (10 s by default); until
 * then it floods every group. So the interval is made short, and put back, around the moment in which the
 * bridge becomes querier itself. A query of another router restarts the wait: it is displaced by a query
 * from the lowest address there is, sent into the bridge's own device (RFC 9776 §6.6.2: the lowest wins).
 */

import type { QueryMessage } from '../../../igmp/group-message.ts';
import { encodeIgmpPacket, encodeMldPacket } from '../../../igmp/group-packet.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';
import type { FrameSocket } from '../frames.ts';
import type { Kernel } from '../kernel.ts';
import { BridgeOption, type Link, optionOf, querierState, type Setting } from '../netlink/link.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';

/** True where the bridge is querier itself, for IPv6 too where it has an address to be that with. */
export function isQuerier(bridge: Link): boolean {
  const state = querierState(bridge.bridge);
  return (
    optionOf(bridge.bridge, BridgeOption.McastQuerier) === 1 &&
    state.ipv4 !== 'other' &&
    state.ipv6 !== 'other'
  );
}

/** Blocks for 20 ms where another querier has to be displaced; else takes some 100 µs. */
export function becomeQuerier(kernel: Kernel, frames: FrameSocket, bridge: Link): Refusal | undefined {
  const set = (...settings: Setting[]) => kernel.setBridge(bridge.index, settings);
  const keep = (option: (typeof BridgeOption)[keyof typeof BridgeOption], otherwise: number): Setting => [
    option,
    optionOf(bridge.bridge, option) ?? otherwise,
  ];
  const response = keep(BridgeOption.McastQueryResponseInterval, DEFAULT_RESPONSE);
  const patience = keep(BridgeOption.McastQuerierInterval, DEFAULT_PATIENCE);
  const shortened = set([BridgeOption.McastQueryResponseInterval, 1], [BridgeOption.McastQuerierInterval, 1]);
  const state = querierState(bridge.bridge);
  if (shortened === undefined && (state.ipv4 === 'other' || state.ipv6 === 'other')) {
    for (const frame of displacingQueries(bridge.mac ?? ANY_MAC)) frames.send(bridge.index, 0, frame);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DISPLACED_AFTER_MS);
  }
  // Only the change from off to on begins a new wait.
  const toggled = set([BridgeOption.McastQuerier, 0]) ?? set([BridgeOption.McastQuerier, 1]);
  return shortened ?? toggled ?? set(response, patience);
}

/** General queries of IGMPv2 and MLDv1 from the lowest addresses, answered within a tenth of a second. */
export function displacingQueries(mac: Mac): Uint8Array[] {
  const packet4 = encodeIgmpPacket({ src: '0.0.0.0', dst: '224.0.0.1', message: query(2, '0.0.0.0', 1) });
  const packet6 = encodeMldPacket({ src: 'fe80::', dst: 'ff02::1', message: query(1, '::', 100) });
  return [
    encodeEthernet({ dst: groupMac('224.0.0.1'), src: mac, etherType: EtherType.Ipv4, payload: packet4 }),
    encodeEthernet({ dst: groupMac('ff02::1'), src: mac, etherType: EtherType.Ipv6, payload: packet6 }),
  ];
}

function query(version: 1 | 2, group: IpAddress, maxRespCode: number): QueryMessage {
  const rest = { suppress: false, qrv: 0, qqicCode: 0, qqicSeconds: 0, sources: [] };
  return { kind: 'query', version, group, maxRespCode, maxRespMs: 100, ...rest };
}

/** Hundredths of a second, as the kernel counts these intervals. */
const DEFAULT_RESPONSE = 1000;
const DEFAULT_PATIENCE = 25_500;
const DISPLACED_AFTER_MS = 20;
const ANY_MAC: Mac = '02:00:00:00:00:01';
