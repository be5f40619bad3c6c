/**
 * The Access-Request for a join: which account, which group, on which port, in which session. It carries
 * no credentials: Service-Type and the session's State say that it is about somebody who is already in
 * (RFC 5080 §2.1.1).
 */
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { ServiceType } from '../../radius/values.ts';
import {
  type NasIdentity,
  nasAttributes,
  type PortIdentity,
  portAttributes,
} from '../../session/nas-attributes.ts';
import type { SessionRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { channelAttributes, type GroupForm } from './group-encoding.ts';

/** How group questions are written. */
export interface QuestionForm extends GroupForm {
  readonly serviceType: 'authorize-only' | 'call-check' | 'none';
  readonly nas: NasIdentity;
}

/** The attributes of the question; undefined where the encoding cannot name the group. */
export function questionAttributes(
  form: QuestionForm,
  session: SessionRecord,
  place: PortIdentity,
  group: IpAddress,
  source: IpAddress | undefined,
): RadiusAttribute[] | undefined {
  const named = channelAttributes(form, { group, source, vlan: session.vlan });
  if (named === undefined) return undefined;
  const attributes: RadiusAttribute[] = [
    octets(AttributeType.UserName, session.userName),
    ...nasAttributes(form.nas),
    ...portAttributes(place),
    ...serviceType(form.serviceType),
    text(AttributeType.AcctSessionId, session.acctSessionId),
    text(AttributeType.AcctMultiSessionId, session.acctMultiSessionId),
    ...named,
  ];
  if (session.state !== undefined) attributes.push(octets(AttributeType.State, session.state));
  for (const value of session.classes) attributes.push(octets(AttributeType.Class, value));
  return attributes;
}

/** The token of a question's request. */
export function questionToken(question: string): string {
  return PREFIX + question;
}

/** The question of a token; undefined where the token is not one of these. */
export function questionOfToken(token: string): string | undefined {
  return token.startsWith(PREFIX) ? token.slice(PREFIX.length) : undefined;
}

function serviceType(form: QuestionForm['serviceType']): RadiusAttribute[] {
  switch (form) {
    case 'authorize-only':
      return [integer(AttributeType.ServiceType, ServiceType.AuthorizeOnly)];
    case 'call-check':
      return [integer(AttributeType.ServiceType, ServiceType.CallCheck)];
    case 'none':
      return [];
  }
}

const PREFIX = 'group/';
