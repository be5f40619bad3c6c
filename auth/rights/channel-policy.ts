/**
 * What is known about an account's right to a channel before anybody is asked: the switch's own lists, and the
 * rights that came with the login, its profile's among them. The lists stand above the rights; among the
 * rights the more specific one counts, the login's own before its profile's.
 */
import type {
  ChannelRange,
  PreviewTerms,
  ReceiveRight,
  SessionRecord,
  SessionRights,
} from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { RangeTable } from './channel-range.ts';

/** An entry of the switch's own lists: always, never, or ask whoever has rights. */
export interface ListEntry extends ChannelRange {
  readonly list: 'always' | 'ask' | 'never';
}

/** Rights by a name that logins refer to. */
export interface Profile {
  readonly receive: readonly ReceiveRight[];
  readonly send: readonly ChannelRange[];
  readonly others: 'ask' | 'forbid';
  readonly maxGroups: number | undefined;
  readonly maxKbps: number | undefined;
  readonly preview: Partial<PreviewTerms>;
}

export interface PolicyOptions {
  readonly lists: readonly ListEntry[];
  readonly profiles: ReadonlyMap<string, Profile>;
  /** Where neither the login nor its profile says otherwise. */
  readonly preview: PreviewTerms;
}

/** What stands about a channel. */
export type Ruling =
  | {
      readonly kind: 'permit';
      readonly by: 'always-list' | 'rights';
      readonly preview: PreviewTerms | undefined;
    }
  | { readonly kind: 'refuse'; readonly reason: 'never-list' | 'forbidden' }
  | { readonly kind: 'ask' };

/** The limits that came with a login; undefined: none of its own. */
export interface AccountLimits {
  readonly maxGroups: number | undefined;
  readonly maxGroups4: number | undefined;
  readonly maxGroups6: number | undefined;
  readonly maxKbps: number | undefined;
}

export class ChannelPolicy {
  readonly #options: PolicyOptions;
  readonly #lists: RangeTable<ListEntry>;
  readonly #profiles = new Map<string, RangeTable<ReceiveRight>>();
  /** Tables of the rights in session records, which never change once they are put. */
  readonly #tables = new WeakMap<SessionRights, RangeTable<ReceiveRight>>();

  constructor(options: PolicyOptions) {
    this.#options = options;
    this.#lists = new RangeTable(options.lists);
    for (const [name, { receive }] of options.profiles) this.#profiles.set(name, new RangeTable(receive));
  }

  /** What stands about the channel for the session's account, without asking. */
  rule({ rights }: SessionRecord, group: IpAddress, source: IpAddress | undefined): Ruling {
    const listed = this.#lists.find(group, source)?.list;
    if (listed === 'never') return { kind: 'refuse', reason: 'never-list' };
    if (listed === 'always') return { kind: 'permit', by: 'always-list', preview: undefined };
    if (rights === undefined) return ASK;
    const right = this.#rightTo(rights, group, source);
    if (right?.access === 'forbid') return FORBIDDEN;
    if (right !== undefined) {
      const preview = right.access === 'preview' ? this.previewTerms(rights) : undefined;
      return { kind: 'permit', by: 'rights', preview };
    }
    const others = rights.others ?? this.#profileOf(rights)?.others ?? 'ask';
    return others === 'forbid' ? FORBIDDEN : ASK;
  }

  limitsOf({ rights }: SessionRecord): AccountLimits {
    const profile = rights === undefined ? undefined : this.#profileOf(rights);
    return {
      maxGroups: rights?.maxGroups ?? profile?.maxGroups,
      maxGroups4: rights?.maxGroups4,
      maxGroups6: rights?.maxGroups6,
      maxKbps: rights?.maxKbps ?? profile?.maxKbps,
    };
  }

  /** The terms of a preview: the answer's or login's own, then the profile's, then the switch's. */
  previewTerms(rights: SessionRights | undefined, own: Partial<PreviewTerms> = {}): PreviewTerms {
    const profile = rights === undefined ? undefined : this.#profileOf(rights)?.preview;
    const merged = { ...this.#options.preview };
    for (const terms of [profile, rights?.preview, own]) {
      for (const key of ['lengthMs', 'intervalMs', 'count', 'resetMs'] as const) {
        const value = terms?.[key];
        if (value !== undefined) merged[key] = value;
      }
    }
    return merged;
  }

  /** Whether the login's rights say anything of the channel, or of a source of it. */
  covers({ rights }: SessionRecord, group: IpAddress): boolean {
    if (rights === undefined) return false;
    const others = rights.others ?? this.#profileOf(rights)?.others;
    if (others === 'forbid' || this.#rightTo(rights, group, undefined) !== undefined) return true;
    return this.sourcesNamed(rights, group).length > 0;
  }

  /** Sources for which alone the rights and their profile cover the group. */
  sourcesNamed(rights: SessionRights, group: IpAddress): IpAddress[] {
    const all = [...rights.receive, ...(this.#profileOf(rights)?.receive ?? [])];
    return all.flatMap(({ source, ...range }) =>
      source !== undefined &&
      new RangeTable([{ ...range, source: undefined }]).find(group, undefined) !== undefined
        ? [source]
        : [],
    );
  }

  #rightTo(rights: SessionRights, group: IpAddress, source: IpAddress | undefined): ReceiveRight | undefined {
    const own = this.#tableOf(rights).find(group, source);
    const general = this.#profiles.get(rights.profile ?? '')?.find(group, source);
    if (own === undefined || general === undefined) return own ?? general;
    if (own.prefixLength !== general.prefixLength)
      return own.prefixLength > general.prefixLength ? own : general;
    return own.source === undefined && general.source !== undefined ? general : own;
  }

  #profileOf(rights: SessionRights): Profile | undefined {
    return rights.profile === undefined ? undefined : this.#options.profiles.get(rights.profile);
  }

  #tableOf(rights: SessionRights): RangeTable<ReceiveRight> {
    let table = this.#tables.get(rights);
    if (table === undefined) {
      table = new RangeTable(rights.receive);
      this.#tables.set(rights, table);
    }
    return table;
  }
}

const ASK: Ruling = { kind: 'ask' };
const FORBIDDEN: Ruling = { kind: 'refuse', reason: 'forbidden' };
