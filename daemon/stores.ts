/**
 * All state of a node that outlives a frame: one store a kind of record, all on one change feed. Who
 * follows the feed from the start, or takes a snapshot and follows from there, holds the same state.
 */

import { DecisionCache } from '../auth/decision-cache.ts';
import type { AuthenticatorRecord } from '../eapol/authenticator-record.ts';
import type { MembershipRecord } from '../igmp/membership.ts';
import type { UpstreamQuerierRecord, UpstreamRecord } from '../igmp/proxy-reporter.ts';
import type { QuerierRecord } from '../igmp/querier.ts';
import type { RadiusRequestRecord, RadiusServerRecord } from '../radius/request-record.ts';
import type {
  AccountingMessage,
  AccountingRecord,
  ConversationRecord,
  ForwardingRecord,
  GrantRecord,
  PendingRecord,
  PortRecord,
  QuestionRecord,
  SessionRecord,
} from '../session/records.ts';
import { type ChangeFeed, Store } from '../session/store.ts';

export class Stores {
  readonly ports: Store<PortRecord>;
  readonly authenticators: Store<AuthenticatorRecord>;
  readonly conversations: Store<ConversationRecord>;
  readonly sessions: Store<SessionRecord>;
  readonly memberships: Store<MembershipRecord>;
  readonly pending: Store<PendingRecord>;
  readonly questions: Store<QuestionRecord>;
  readonly decisions: DecisionCache;
  readonly grants: Store<GrantRecord>;
  readonly forwardings: Store<ForwardingRecord>;
  readonly queriers: Store<QuerierRecord>;
  readonly upstreamGroups: Store<UpstreamRecord>;
  readonly upstreamQueriers: Store<UpstreamQuerierRecord>;
  readonly radiusRequests: Store<RadiusRequestRecord>;
  readonly radiusServers: Store<RadiusServerRecord>;
  readonly accountingRecords: Store<AccountingRecord>;
  readonly accountingQueue: Store<AccountingMessage>;

  /** `decisions` is the greatest number of remembered group decisions. */
  constructor(decisions: number, feed?: ChangeFeed) {
    this.ports = new Store('ports', feed);
    this.authenticators = new Store('authenticators', feed);
    this.conversations = new Store('conversations', feed);
    this.sessions = new Store('sessions', feed);
    this.memberships = new Store('memberships', feed);
    this.pending = new Store('pending', feed);
    this.questions = new Store('questions', feed);
    this.decisions = new DecisionCache(decisions, feed);
    this.grants = new Store('grants', feed);
    this.forwardings = new Store('forwardings', feed);
    this.queriers = new Store('queriers', feed);
    this.upstreamGroups = new Store('upstream-groups', feed);
    this.upstreamQueriers = new Store('upstream-queriers', feed);
    this.radiusRequests = new Store('radius-requests', feed);
    this.radiusServers = new Store('radius-servers', feed);
    this.accountingRecords = new Store('accounting-records', feed);
    this.accountingQueue = new Store('accounting-queue', feed);
  }
}
