/**
 * All state of a node that outlives a frame: one store a kind of record, all on one change feed. Who
 * follows the feed from the start, or takes a snapshot and follows from there, holds the same state.
 */

import { DecisionCache } from '../../auth/admission/decision-cache.ts';
import type { DynamicReplyRecord } from '../../auth/dynamic/dynamic-gate.ts';
import type { FallbackRecord } from '../../auth/fallback.ts';
import type { MabRecord } from '../../auth/mab/mab-record.ts';
import type { ReportSourceRecord } from '../../auth/report-sources.ts';
import type { ConnectionRecord, PlaceRecord, SentRecord } from '../../connection-backup/records.ts';
import type { AuthenticatorRecord } from '../../eapol/authenticator-record.ts';
import type { MembershipRecord } from '../../igmp/membership.ts';
import type { UpstreamQuerierRecord, UpstreamRecord } from '../../igmp/querier/proxy-reporter.ts';
import type { QuerierRecord } from '../../igmp/querier/querier.ts';
import type { OtherQuerierRecord } from '../../igmp/querier/querier-election.ts';
import type { RouterPortRecord } from '../../igmp/querier/router-ports.ts';
import type { SpecificQueryRecord } from '../../igmp/querier/specific-queries.ts';
import type { RadiusRequestRecord, RadiusServerRecord } from '../../radius/client/request-record.ts';
import type { TicketRecord } from '../../radius/stream/tickets.ts';
import type { ReplicatedStore, ReplicatedStores } from '../../replication/replicated-stores.ts';
import type {
  AccountingMessage,
  AccountingRecord,
  AcquaintanceRecord,
  ActivityRecord,
  ConversationRecord,
  CounterGeneration,
  ForwardingRecord,
  GrantRecord,
  HandshakeRecord,
  MonitoredHostRecord,
  OptimismRecord,
  PendingRecord,
  PortBounceRecord,
  PortRecord,
  PortServiceRecord,
  PreviewRecord,
  QuestionRecord,
  SessionRecord,
  ShutPortRecord,
} from '../../session/records.ts';
import { type ChangeFeed, Store } from '../../session/store.ts';

export class Stores implements ReplicatedStores {
  readonly ports: Store<PortRecord>;
  readonly portServices: Store<PortServiceRecord>;
  readonly authenticators: Store<AuthenticatorRecord>;
  readonly conversations: Store<ConversationRecord>;
  readonly mabs: Store<MabRecord>;
  readonly acquaintances: Store<AcquaintanceRecord>;
  readonly activities: Store<ActivityRecord>;
  readonly handshakes: Store<HandshakeRecord>;
  readonly fallbacks: Store<FallbackRecord>;
  readonly monitoredHosts: Store<MonitoredHostRecord>;
  readonly sessions: Store<SessionRecord>;
  readonly memberships: Store<MembershipRecord>;
  readonly pending: Store<PendingRecord>;
  readonly questions: Store<QuestionRecord>;
  readonly decisions: DecisionCache;
  readonly grants: Store<GrantRecord>;
  readonly forwardings: Store<ForwardingRecord>;
  readonly previews: Store<PreviewRecord>;
  readonly optimism: Store<OptimismRecord>;
  readonly reportSources: Store<ReportSourceRecord>;
  readonly queriers: Store<QuerierRecord>;
  readonly otherQueriers: Store<OtherQuerierRecord>;
  readonly routerPorts: Store<RouterPortRecord>;
  readonly specificQueries: Store<SpecificQueryRecord>;
  readonly upstreamGroups: Store<UpstreamRecord>;
  readonly upstreamQueriers: Store<UpstreamQuerierRecord>;
  readonly radiusRequests: Store<RadiusRequestRecord>;
  readonly radiusServers: Store<RadiusServerRecord>;
  readonly accountingRecords: Store<AccountingRecord>;
  readonly counterGenerations: Store<CounterGeneration>;
  readonly accountingQueue: Store<AccountingMessage>;
  readonly dynamicReplies: Store<DynamicReplyRecord>;
  readonly portBounces: Store<PortBounceRecord>;
  readonly shutPorts: Store<ShutPortRecord>;
  readonly connections: Store<ConnectionRecord>;
  readonly connectionPlaces: Store<PlaceRecord>;
  readonly connectionMessages: Store<SentRecord>;
  readonly tlsTickets: Store<TicketRecord>;
  readonly #feed: ChangeFeed | undefined;
  /** By name; also those that only a later version knows, which are kept and handed on. */
  readonly #all = new Map<string, ReplicatedStore>();
  readonly #derivedFrom: Pick<Store<object>, 'ledBy'>[] = [];

  /** `decisions` is the greatest number of remembered group decisions. */
  constructor(decisions: number, feed?: ChangeFeed) {
    this.#feed = feed;
    this.ports = this.#keep<PortRecord>('ports');
    this.portServices = this.#keep<PortServiceRecord>('port-services');
    this.authenticators = this.#keep<AuthenticatorRecord>('authenticators');
    this.conversations = this.#keep<ConversationRecord>('conversations');
    this.mabs = this.#keep<MabRecord>('mabs');
    this.acquaintances = this.#keep<AcquaintanceRecord>('acquaintances');
    this.activities = this.#keep<ActivityRecord>('activities');
    this.handshakes = this.#keep<HandshakeRecord>('handshakes');
    this.fallbacks = this.#keep<FallbackRecord>('fallbacks');
    this.monitoredHosts = this.#keep<MonitoredHostRecord>('monitored-hosts');
    this.sessions = this.#keep<SessionRecord>('sessions');
    this.memberships = this.#keep<MembershipRecord>('memberships');
    this.pending = this.#keep<PendingRecord>('pending');
    this.questions = this.#keep<QuestionRecord>('questions');
    this.decisions = new DecisionCache(decisions, feed);
    this.#all.set(this.decisions.name, this.decisions);
    this.grants = this.#keep<GrantRecord>('grants');
    this.forwardings = this.#keep<ForwardingRecord>('forwardings');
    this.previews = this.#keep<PreviewRecord>('previews');
    this.optimism = this.#keep<OptimismRecord>('optimism');
    this.reportSources = this.#keep<ReportSourceRecord>('report-sources');
    this.queriers = this.#keep<QuerierRecord>('queriers');
    this.otherQueriers = this.#keep<OtherQuerierRecord>('other-queriers');
    this.routerPorts = this.#keep<RouterPortRecord>('router-ports');
    this.specificQueries = this.#keep<SpecificQueryRecord>('specific-queries');
    this.upstreamGroups = this.#keep<UpstreamRecord>('upstream-groups');
    this.upstreamQueriers = this.#keep<UpstreamQuerierRecord>('upstream-queriers');
    this.radiusRequests = this.#keep<RadiusRequestRecord>('radius-requests');
    this.radiusServers = this.#keep<RadiusServerRecord>('radius-servers');
    this.accountingRecords = this.#keep<AccountingRecord>('accounting-records');
    this.counterGenerations = this.#keep<CounterGeneration>('counter-generations');
    this.accountingQueue = this.#keep<AccountingMessage>('accounting-queue');
    this.dynamicReplies = this.#keep<DynamicReplyRecord>('dynamic-replies');
    this.portBounces = this.#keep<PortBounceRecord>('port-bounces');
    this.shutPorts = this.#keep<ShutPortRecord>('shut-ports');
    this.connections = this.#keep<ConnectionRecord>('connections');
    this.connectionPlaces = this.#keep<PlaceRecord>('connection-places');
    this.connectionMessages = this.#keep<SentRecord>('connection-messages');
    this.tlsTickets = this.#keep<TicketRecord>('tls-tickets');
  }

  all(): IterableIterator<ReplicatedStore> {
    return this.#all.values();
  }

  /** Whose changes these are: `another` node's or process's, which whatever is derived from them follows, or `own` ones. */
  ledBy(leader: 'another' | 'own'): void {
    for (const store of this.#derivedFrom) store.ledBy(leader);
  }

  store(name: string): ReplicatedStore {
    const known = this.#all.get(name);
    if (known !== undefined) return known;
    this.#keep<object>(name);
    return this.store(name);
  }

  #keep<R extends object>(name: string): Store<R> {
    const store = new Store<R>(name, this.#feed);
    this.#derivedFrom.push(store);
    this.#all.set(name, {
      name,
      size: () => store.size,
      entries: () => store.entries(),
      apply: (key, record) => {
        if (record === undefined) store.delete(key);
        else store.put(key, record as R);
      },
    });
    return store;
  }
}
