/**
 * Attributes that a site wants in castgate's requests beside those that castgate sends itself: fixed values, or
 * text with fields of the session. A field is taken from the request's own attributes, so that it says the same;
 * an attribute whose field the request does not have (Accounting-On has no host) is left out of it.
 */
import {
  AttributeType,
  address,
  firstText,
  integer,
  octets,
  text,
  vendorSpecific,
} from '../radius/attributes.ts';
import { ATTRIBUTE_MAX_VALUE_LENGTH, type RadiusAttribute } from '../radius/packet.ts';
import { ipBytes } from '../wire/address.ts';
import { fromHex } from '../wire/bytes.ts';

/** Which requests an attribute goes into. */
export type RequestKind = 'login' | 'group' | 'accounting';

export interface ExtraAttribute {
  /** Undefined: a standard attribute. */
  readonly vendor: number | undefined;
  readonly type: number;
  readonly form: 'text' | 'integer' | 'address' | 'hex';
  /** May hold fields, as in `{port}`. */
  readonly value: string;
  readonly requests: readonly RequestKind[];
}

/** Fields of a value, and the attribute that each is taken from. */
export const templateFields = {
  account: AttributeType.UserName,
  port: AttributeType.NasPortId,
  mac: AttributeType.CallingStationId,
  nas: AttributeType.NasIdentifier,
  session: AttributeType.AcctSessionId,
  multi_session: AttributeType.AcctMultiSessionId,
} as const;

/** What is added to a request that has these attributes. */
export function extraAttributes(
  extras: readonly ExtraAttribute[],
  kind: RequestKind,
  request: readonly RadiusAttribute[],
): RadiusAttribute[] {
  return extras.flatMap((extra) => {
    if (!extra.requests.includes(kind)) return [];
    const value = filledIn(extra.value, request);
    const made = value === undefined ? undefined : encodeExtra(extra, value);
    return made === undefined ? [] : [made];
  });
}

/** The attribute with this value; undefined where the value is none of its form, or too long. */
export function encodeExtra(
  { vendor, type, form }: Pick<ExtraAttribute, 'vendor' | 'type' | 'form'>,
  value: string,
): RadiusAttribute | undefined {
  const bytes = encodeValue(form, value);
  const most = vendor === undefined ? ATTRIBUTE_MAX_VALUE_LENGTH : ATTRIBUTE_MAX_VALUE_LENGTH - 6;
  if (bytes === undefined || bytes.length === 0 || bytes.length > most) return undefined;
  return vendor === undefined ? octets(type, bytes) : vendorSpecific(vendor, type, bytes);
}

/** Names in braces. */
export function fieldsOf(value: string): string[] {
  return [...value.matchAll(FIELD)].map(([, name = '']) => name);
}

function encodeValue(form: ExtraAttribute['form'], value: string): Uint8Array | undefined {
  switch (form) {
    case 'text':
      return text(0, value).value;
    case 'hex':
      return fromHex(value);
    case 'address':
      return ipBytes(value) === undefined ? undefined : address(0, value).value;
    case 'integer': {
      const number = Number(value);
      const fits = /^\d+$/.test(value) && number <= 0xffff_ffff;
      return fits ? integer(0, number).value : undefined;
    }
  }
}

function filledIn(value: string, request: readonly RadiusAttribute[]): string | undefined {
  let missing = false;
  const filled = value.replace(FIELD, (_whole, name: string) => {
    const type = templateFields[name as keyof typeof templateFields];
    const found = type === undefined ? undefined : firstText(request, type);
    missing ||= found === undefined;
    return found ?? '';
  });
  return missing ? undefined : filled;
}

const FIELD = /\{([a-z_]*)\}/g;
