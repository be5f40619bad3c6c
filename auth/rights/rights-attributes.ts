/**
 * Rights to channels in RADIUS. With a login: castgate's own attributes, and those of Huawei, H3C and Ericsson
 * that mean the same. With the answer to a group question: castgate's own about previews. What is there and
 * cannot be read is never taken for less than it says: it is a refusal.
 */
import { addressOf, integerOf, textOf, vendorAttributes } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import {
  CastgateAttribute,
  EricssonAttribute,
  H3cAttribute,
  HuaweiAttribute,
  Vendor,
} from '../../radius/values.ts';
import type { ChannelRange, PreviewTerms, ReceiveRight, SessionRights } from '../../session/records.ts';
import { ipFamily } from '../../wire/address.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { parseChannelRange } from './channel-range.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Which vendor number castgate's own attributes carry, and which profiles there are. */
export interface RightsForm {
  readonly nativeVendor: number;
  readonly profiles: { has(name: string): boolean };
}

/** Undefined where the Accept says nothing of channels; text: why it cannot be carried out. */
export function readRights(
  attributes: readonly RadiusAttribute[],
  { nativeVendor, profiles }: RightsForm,
): SessionRights | undefined | 'accept-rights' | 'accept-profile' {
  const receive: ReceiveRight[] = [];
  const send: ChannelRange[] = [];
  const preview: Mutable<Partial<PreviewTerms>> = {};
  const rights: Mutable<SessionRights> = {
    receive,
    send,
    preview,
    others: undefined,
    maxGroups: undefined,
    maxGroups4: undefined,
    maxGroups6: undefined,
    maxKbps: undefined,
    profile: undefined,
  };
  let said = false;
  for (const [vendor, take] of [
    [nativeVendor, takeNative],
    [Vendor.Huawei, takeHuawei],
    [Vendor.H3c, takeH3c],
    [Vendor.Ericsson, takeEricsson],
  ] as const) {
    const found = vendorAttributes(attributes, vendor);
    if (isMalformed(found)) return 'accept-rights';
    for (const attribute of found) {
      const taken = take(attribute, { rights, receive, send, preview });
      if (taken === 'bad') return 'accept-rights';
      if (taken === 'taken') said = true;
    }
  }
  if (rights.profile !== undefined && !profiles.has(rights.profile)) return 'accept-profile';
  return said ? rights : undefined;
}

/** What the Accept of a group question adds to the bare permission. */
export interface GrantTerms {
  readonly access: 'watch' | 'preview';
  readonly preview: Partial<PreviewTerms>;
}

/** `forbid`: an Accept that says no; undefined: it cannot be read. */
export function readGrantTerms(
  attributes: readonly RadiusAttribute[],
  nativeVendor: number,
): GrantTerms | 'forbid' | undefined {
  const found = vendorAttributes(attributes, nativeVendor);
  if (isMalformed(found)) return undefined;
  let access: GrantTerms['access'] = 'watch';
  const preview: Mutable<Partial<PreviewTerms>> = {};
  for (const { type, value } of found) {
    if (type === CastgateAttribute.Access) {
      const word = textOf(value);
      if (word === 'forbid') return 'forbid';
      if (word !== 'watch' && word !== 'preview') return undefined;
      access = word;
    } else if (takePreview(type, value, preview) === 'bad') return undefined;
  }
  return { access, preview };
}

interface Into {
  readonly rights: Mutable<SessionRights>;
  readonly receive: ReceiveRight[];
  readonly send: ChannelRange[];
  readonly preview: Mutable<Partial<PreviewTerms>>;
}
type Taken = 'taken' | 'bad' | 'alien';

function takeNative({ type, value }: RadiusAttribute, into: Into): Taken {
  switch (type) {
    case CastgateAttribute.Right:
      return takeRight(textOf(value), into);
    case CastgateAttribute.Profile:
      into.rights.profile = textOf(value);
      return 'taken';
    case CastgateAttribute.MaxGroups:
      return takeNumber(value, (n) => {
        into.rights.maxGroups = n;
      });
    case CastgateAttribute.MaxBandwidth:
      return takeNumber(value, (n) => {
        into.rights.maxKbps = n;
      });
    default:
      return takePreview(type, value, into.preview);
  }
}

/** `watch 239.1.0.0/16`, `send 239.9.9.9`, `others forbid`. */
function takeRight(text: string, { rights, receive, send }: Into): Taken {
  const [, verb = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(text.trim()) ?? [];
  if (verb === 'others') {
    if (rest !== 'ask' && rest !== 'forbid') return 'bad';
    rights.others = rest;
    return 'taken';
  }
  const range = parseChannelRange(rest);
  if (range === undefined) return 'bad';
  if (verb === 'send') send.push(range);
  else if (verb === 'watch' || verb === 'preview' || verb === 'forbid')
    receive.push({ ...range, access: verb });
  else return 'bad';
  return 'taken';
}

function takePreview(type: number, value: Uint8Array, preview: Mutable<Partial<PreviewTerms>>): Taken {
  const key = PREVIEW_KEYS.get(type);
  if (key === undefined) return 'alien';
  const number = integerOf(value);
  if (number === undefined) return 'bad';
  preview[key] = key === 'count' ? number : number * 1000;
  return 'taken';
}

function takeHuawei({ type, value }: RadiusAttribute, into: Into): Taken {
  switch (type) {
    case HuaweiAttribute.MulticastProfile:
      into.rights.profile = textOf(value);
      return 'taken';
    case HuaweiAttribute.MulticastReceiveGroup:
      return takeGroup(value, 4, into);
    case HuaweiAttribute.MulticastSourceGroup: {
      const [source = '', group = ''] = textOf(value).trim().split(/\s+/);
      return takeRight(`watch ${group} from ${source}`, into);
    }
    default:
      return 'alien';
  }
}

function takeH3c({ type, value }: RadiusAttribute, into: Into): Taken {
  switch (type) {
    case H3cAttribute.Ipv4MulticastReceiveGroup:
      return takeGroup(value, 4, into);
    case H3cAttribute.Ipv6MulticastReceiveGroup:
      return takeGroup(value, 6, into);
    case H3cAttribute.IgmpAccessLimit:
      return takeNumber(value, (n) => {
        into.rights.maxGroups4 = n;
      });
    case H3cAttribute.MldAccessLimit:
      return takeNumber(value, (n) => {
        into.rights.maxGroups6 = n;
      });
    default:
      return 'alien';
  }
}

function takeEricsson({ type, value }: RadiusAttribute, into: Into): Taken {
  switch (type) {
    case EricssonAttribute.McastReceive:
      return takeNumber(value, (n) => {
        if (n === MCAST_NO) into.rights.others = 'forbid';
      });
    case EricssonAttribute.McastMaxGroups:
      return takeNumber(value, (n) => {
        into.rights.maxGroups = n;
      });
    case EricssonAttribute.McastSend:
      return takeNumber(value, (n) => {
        if (n === MCAST_NO) return;
        into.send.push(...ANY_GROUP);
      });
    default:
      return 'alien';
  }
}

function takeGroup(value: Uint8Array, family: 4 | 6, into: Into): Taken {
  const group = addressOf(value);
  if (group === undefined || ipFamily(group) !== family) return 'bad';
  return takeRight(`watch ${group}`, into);
}

function takeNumber(value: Uint8Array, keep: (number: number) => void): Taken {
  const number = integerOf(value);
  if (number === undefined) return 'bad';
  keep(number);
  return 'taken';
}

const PREVIEW_KEYS: ReadonlyMap<number, keyof PreviewTerms> = new Map([
  [CastgateAttribute.PreviewLength, 'lengthMs'],
  [CastgateAttribute.PreviewInterval, 'intervalMs'],
  [CastgateAttribute.PreviewCount, 'count'],
  [CastgateAttribute.PreviewReset, 'resetMs'],
]);
const MCAST_NO = 1;
const ANY_GROUP: readonly ChannelRange[] = [
  { group: '224.0.0.0', prefixLength: 4, source: undefined },
  { group: 'ff00::', prefixLength: 8, source: undefined },
];
