/** Attributes of the site's own, out of the list `radius.attributes`; what is wrong with them. */
import { AttributeType } from '../radius/attributes.ts';
import { type ExtraAttribute, encodeExtra, fieldsOf, templateFields } from '../session/extra-attributes.ts';
import { asList, lookUp } from './file/content.ts';
import type { KeyPath } from './file/problem.ts';
import type { FileConfig } from './schema/schema.ts';

type Entry = FileConfig['radius']['attributes'][number];

/** The list's entries as the daemon's. They have passed the checks. */
export function toExtraAttributes(entries: readonly Entry[]): readonly ExtraAttribute[] {
  return entries.map((entry) => {
    const { vendor, type } = numbersOf(entry.attribute) ?? { vendor: undefined, type: 0 };
    const requests = (['login', 'group', 'accounting'] as const).filter((kind) => entry[kind]);
    return { vendor, type, form: entry.type, value: entry.value, requests };
  });
}

/** Calls back for everything that does not fit. Passes over what the schema refuses. */
export function checkExtraAttributes(
  content: unknown,
  report: (severity: 'error' | 'warning', path: KeyPath, message: string) => void,
): void {
  asList(lookUp(content, ['radius', 'attributes'])).forEach((entry, i) => {
    const at = (key: string) => ['radius', 'attributes', i, key];
    const [attribute, value] = [lookUp(entry, ['attribute']), lookUp(entry, ['value'])];
    if (typeof attribute !== 'string' || typeof value !== 'string') return;
    const numbers = numbersOf(attribute);
    if (numbers === undefined) {
      report(
        'error',
        at('attribute'),
        `expected a number from 1 to 255, or vendor/number, not '${attribute}'`,
      );
      return;
    }
    if (numbers.vendor === undefined && OWN.has(numbers.type))
      report('error', at('attribute'), `attribute ${numbers.type} is castgate's own to send`);
    const unknown = fieldsOf(value).find((name) => !Object.hasOwn(templateFields, name));
    if (unknown !== undefined) {
      const known = Object.keys(templateFields).join(', ');
      report('error', at('value'), `no field {${unknown}}: there are ${known}`);
      return;
    }
    const form = lookUp(entry, ['type']) ?? 'text';
    if (form !== 'text' && form !== 'integer' && form !== 'address' && form !== 'hex') return;
    if (fieldsOf(value).length > 0 && form !== 'text')
      report('error', at('value'), `fields are text: write type: text, not ${form}`);
    else if (fieldsOf(value).length === 0 && encodeExtra({ ...numbers, form }, value) === undefined)
      report('error', at('value'), `'${value}' is no ${form} of an attribute`);
  });
}

function numbersOf(attribute: string): Pick<ExtraAttribute, 'vendor' | 'type'> | undefined {
  const [, vendor, type = ''] = /^(?:(\d{1,8})\/)?(\d{1,3})$/.exec(attribute) ?? [];
  const number = Number(type);
  if (type === '' || number < 1 || number > 255) return undefined;
  if (vendor === undefined) return { vendor: undefined, type: number };
  return Number(vendor) > 0xff_ffff ? undefined : { vendor: Number(vendor), type: number };
}

const T = AttributeType;
/** What castgate says itself, what proves who somebody is, and what belongs to a conversation. */
const OWN: ReadonlySet<number> = new Set([
  T.UserName,
  T.UserPassword,
  T.ChapPassword,
  T.NasPort,
  T.NasIpAddress,
  T.ServiceType,
  T.FramedMtu,
  T.ReplyMessage,
  T.State,
  T.Class,
  T.VendorSpecific,
  T.CalledStationId,
  T.CallingStationId,
  T.NasIdentifier,
  T.ProxyState,
  T.AcctStatusType,
  T.AcctDelayTime,
  T.AcctInputOctets,
  T.AcctOutputOctets,
  T.AcctSessionId,
  T.AcctAuthentic,
  T.AcctSessionTime,
  T.AcctInputPackets,
  T.AcctOutputPackets,
  T.AcctTerminateCause,
  T.AcctMultiSessionId,
  T.AcctInputGigawords,
  T.AcctOutputGigawords,
  T.EventTimestamp,
  T.ChapChallenge,
  T.NasPortType,
  T.EapMessage,
  T.MessageAuthenticator,
  T.NasPortId,
  T.ChargeableUserIdentity,
  T.NasIpv6Address,
]);
