/**
 * A CoA-Request or Disconnect-Request as a whole: what it is about and what it wants, or the Error-Cause of the
 * refusal (RFC 5176 §3, §3.5). Checked in the order in which the RFC lets a NAS say no: switch, attributes,
 * session. Proxy-State comes back in every answer and State in those to a CoA-Request, octet by octet (§3.1, §3.3).
 */
import { AttributeType, integer, integerOf } from '../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { ErrorCause, ServiceType } from '../../radius/values.ts';
import type { AcceptOptions } from '../access-accept.ts';
import { type Changes, readChanges } from './changes.ts';
import { identifiesNas, identifiesSession, namesSession } from './session-identification.ts';

/** What a request wants of the sessions that `identification` names. */
export type DynamicOrder =
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'change'; readonly changes: Changes }
  /** Ask RADIUS anew what the session may, with this State (RFC 5176 §3.2). */
  | { readonly kind: 'authorize-only'; readonly state: Uint8Array };

export interface DynamicRequest {
  readonly identification: readonly RadiusAttribute[];
  readonly order: DynamicOrder;
}

/** Reads a request that is believed; a number is the Error-Cause of the refusal. */
export function readDynamicRequest(
  packet: RadiusPacket,
  options: AcceptOptions,
): DynamicRequest | ErrorCause {
  const identification: RadiusAttribute[] = [];
  const rest: RadiusAttribute[] = [];
  for (const attribute of packet.attributes) {
    const { type } = attribute;
    if (identifiesNas(type) || identifiesSession(type)) identification.push(attribute);
    else if (!ENVELOPE.has(type)) rest.push(attribute);
  }
  const order =
    packet.code === RadiusCode.DisconnectRequest ? readDisconnect(rest) : readCoa(packet, rest, options);
  if (typeof order === 'number') return order;
  return namesSession(identification) ? { identification, order } : ErrorCause.MissingAttribute;
}

/** Attributes of the answer; `errorCause` undefined: an ACK that has nothing to add. */
export function dynamicReply(
  request: RadiusPacket,
  errorCause: ErrorCause | undefined,
): readonly RadiusAttribute[] {
  const attributes: RadiusAttribute[] = [];
  if (errorCause !== undefined) attributes.push(integer(AttributeType.ErrorCause, errorCause));
  const coa = request.code === RadiusCode.CoaRequest;
  for (const { type, value } of request.attributes) {
    const echoed = type === AttributeType.ProxyState || (coa && type === AttributeType.State);
    // §3.2: the NAK of a request that is taken up otherwise says which it was.
    const again = coa && type === AttributeType.ServiceType && errorCause === ErrorCause.RequestInitiated;
    if (echoed || again) attributes.push({ type, value });
  }
  return attributes;
}

/** Code of the answer. A removed rest of a session is the one Error-Cause of a success (RFC 5176 §3.5). */
export function dynamicReplyCode(request: RadiusPacket, errorCause: ErrorCause | undefined): RadiusCode {
  const done = errorCause === undefined || errorCause === ErrorCause.ResidualSessionContextRemoved;
  if (request.code === RadiusCode.DisconnectRequest)
    return done ? RadiusCode.DisconnectAck : RadiusCode.DisconnectNak;
  return done ? RadiusCode.CoaAck : RadiusCode.CoaNak;
}

function readDisconnect(rest: readonly RadiusAttribute[]): DynamicOrder | ErrorCause {
  const alien = rest.some(({ type }) => !DISCONNECT_ONLY.has(type));
  return alien ? ErrorCause.UnsupportedAttribute : { kind: 'disconnect' };
}

function readCoa(
  packet: RadiusPacket,
  rest: readonly RadiusAttribute[],
  options: AcceptOptions,
): DynamicOrder | ErrorCause {
  const services = packet.attributes.filter(({ type }) => type === AttributeType.ServiceType);
  const others = rest.filter(
    ({ type }) => type !== AttributeType.ServiceType && type !== AttributeType.State,
  );
  const [service] = services;
  if (service === undefined) {
    const changes = readChanges(others, options);
    return typeof changes === 'number' ? changes : { kind: 'change', changes };
  }
  if (services.length > 1 || integerOf(service.value) !== ServiceType.AuthorizeOnly)
    return ErrorCause.UnsupportedService;
  if (others.length > 0) return ErrorCause.UnsupportedAttribute;
  const state = packet.attributes.find(({ type }) => type === AttributeType.State);
  return state === undefined
    ? ErrorCause.MissingAttribute
    : { kind: 'authorize-only', state: state.value.slice() };
}

/** What every request may carry beside its meaning. */
const ENVELOPE: ReadonlySet<number> = new Set([
  AttributeType.ProxyState,
  AttributeType.EventTimestamp,
  AttributeType.MessageAuthenticator,
]);
/** RFC 5176 §3.6: allowed in a Disconnect-Request though it identifies nothing; there is nobody to show it to. */
const DISCONNECT_ONLY: ReadonlySet<number> = new Set([
  AttributeType.AcctTerminateCause,
  AttributeType.ReplyMessage,
]);
