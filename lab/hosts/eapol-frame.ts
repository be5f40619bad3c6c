/** Frames and answers of supplicants that are made by a program. */
import { hash } from 'node:crypto';
import { type EapPacket, EapType } from '../../eapol/eap.ts';
import { encodeEapol } from '../../eapol/eapol.ts';
import { EtherType } from '../../wire/ethernet.ts';

/** Value-Size and Value of the response, RFC 3748 §5.4: MD5 over identifier, password and challenge. */
export function md5Response(request: EapPacket, password: Uint8Array): Uint8Array | undefined {
  if (request.type !== EapType.Md5Challenge) return undefined;
  const challenge = request.typeData.subarray(1, 1 + (request.typeData[0] ?? 0));
  const digest = hash('md5', Buffer.concat([Uint8Array.of(request.id), password, challenge]), 'buffer');
  return Buffer.concat([Uint8Array.of(digest.length), digest]);
}

/** A supplicant's frame to the PAE group address. */
export function eapolFrame(mac: Uint8Array, type: number, body: Uint8Array): Uint8Array {
  const pdu = encodeEapol({ version: 2, type, body });
  const frame = new Uint8Array(14 + pdu.length);
  frame.set(PAE_GROUP);
  frame.set(mac, 6);
  frame.set([EtherType.Eapol >>> 8, EtherType.Eapol & 0xff], 12);
  frame.set(pdu, 14);
  return frame;
}

const PAE_GROUP = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x03);
