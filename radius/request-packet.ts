/**
 * From a request record to the packet that goes out, and which replies may answer it. The same record gives the
 * same octets every time: that is what makes a retransmission one, also from another node (RFC 5080 §2.2.1).
 */
import { AttributeType, integer } from './attributes.ts';
import type { RadiusPort, RadiusRequestRecord } from './client/request-record.ts';
import { type RadiusAttribute, RadiusCode, radiusLength } from './packet.ts';
import { accessRequestLength, signAccessRequest, signAccountingRequest } from './sign.ts';

/**
 * The signed packet of a request. An Accounting-Request makes its own authenticator and ignores the given one;
 * its Acct-Delay-Time is the record's `delaySeconds`.
 */
export function requestPacket(
  record: Pick<RadiusRequestRecord, 'code' | 'attributes' | 'delaySeconds'>,
  id: number,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  if (record.code === RadiusCode.AccountingRequest) {
    const delay = integer(AttributeType.AcctDelayTime, record.delaySeconds);
    return signAccountingRequest({ id, attributes: [...record.attributes, delay] }, secret);
  }
  const code = record.code === RadiusCode.StatusServer ? RadiusCode.StatusServer : RadiusCode.AccessRequest;
  return signAccessRequest({ id, authenticator, attributes: record.attributes }, secret, code);
}

/** Octets of that packet; over 4096 it cannot be sent. */
export function requestPacketLength(code: number, attributes: readonly RadiusAttribute[]): number {
  if (code === RadiusCode.AccountingRequest) return radiusLength(attributes) + ACCT_DELAY_TIME_LENGTH;
  return accessRequestLength(attributes);
}

/** Acct-Delay-Time in whole seconds (RFC 2866 §5.2); 0 where nothing is accounted for. */
export function delaySecondsAt(now: number, eventAt: number | undefined): number {
  return eventAt === undefined ? 0 : Math.max(0, Math.floor((now - eventAt) / 1000));
}

/**
 * True where a reply of this code may answer a request of that code: RFC 2865 §4, RFC 2866 §4, RFC 5997 §4.
 * `stream`: the port may be one for both kinds (RFC 6614 §2.1), which answers Status-Server as either.
 */
export function mayAnswer(request: number, port: RadiusPort, reply: number, stream = false): boolean {
  if (request === RadiusCode.AccessRequest) return ACCESS_REPLIES.has(reply);
  if (request === RadiusCode.AccountingRequest) return reply === RadiusCode.AccountingResponse;
  const own = port === 'acct' ? RadiusCode.AccountingResponse : RadiusCode.AccessAccept;
  return reply === own || (stream && STATUS_REPLIES.has(reply));
}

const ACCESS_REPLIES: ReadonlySet<number> = new Set([
  RadiusCode.AccessAccept,
  RadiusCode.AccessReject,
  RadiusCode.AccessChallenge,
]);
const STATUS_REPLIES: ReadonlySet<number> = new Set([RadiusCode.AccessAccept, RadiusCode.AccountingResponse]);
const ACCT_DELAY_TIME_LENGTH = 6;
