/**
 * The configuration as the daemon sees it: camelCase, durations in milliseconds, every default filled in,
 * secrets read, lists of servers resolved. It is made from the file's own keys here and nowhere else.
 */
import type { HostMode, MacMove } from '../auth/admission/crowd.ts';
import type { SilencePolicy } from '../auth/admission/group-authorization.ts';
import type { GroupEncoding } from '../auth/admission/group-encoding.ts';
import type { FallbackVlans } from '../auth/fallback.ts';
import type { FilterForm } from '../auth/filter/filter-attributes.ts';
import type { MabMethod, MacFormat } from '../auth/mab/mab-request.ts';
import type { ExtraAttribute } from '../session/extra-attributes.ts';
import type { IpAddress } from '../wire/address.ts';
import { type ChannelsConfig, toChannelsConfig } from './channel-config.ts';
import { type DynamicAuthorizationConfig, toDynamicAuthorization } from './dynamic-authorization.ts';
import { toExtraAttributes } from './extra-attributes.ts';
import { type MulticastConfig, toMulticastConfig } from './multicast-config.ts';
import type { PortMode } from './port-mode.ts';
import type { FileConfig } from './schema/schema.ts';
import { RADSEC, type TlsConfig, toTls } from './tls.ts';

export interface Config {
  /** The file that it was read from. */
  readonly file: string;
  /** What is in it, after defaults. */
  readonly keys: FileConfig;
  readonly bridge: string;
  /** Subscriber ports in the file's order. */
  readonly ports: readonly PortConfig[];
  readonly uplinks: readonly string[];
  /** Bridges that stand for VLANs. */
  readonly vlanBridges: ReadonlyMap<number, string>;
  /** At least one of the two is there (RFC 2865 §4.1). */
  readonly nas: { readonly identifier: string | undefined; readonly address: IpAddress | undefined };
  readonly stateDirectory: string;
  readonly controlSocket: string;
  readonly http: HttpConfig;
  readonly restart: { readonly warm: boolean; readonly maxAgeMs: number };
  /** Undefined: a node alone. */
  readonly ha: HaConfig | undefined;
  readonly log: { readonly level: LogLevel };
  readonly authenticator: AuthenticatorConfig & {
    readonly macMove: MacMove;
    /** Hosts that were never in and may begin to log in, a second. */
    readonly loginRatePerPort: number;
    readonly loginRate: number;
    readonly mab: { readonly method: MabMethod; readonly format: MacFormat };
    readonly maxHostsPerPort: number;
    /** Of the whole switch. */
    readonly maxHosts: number;
    /** Of the whole switch: hosts without a login that ports in monitor mode are known to let through. */
    readonly maxMonitoredHosts: number;
    readonly maxMonitoredHostsPerPort: number;
  };
  readonly radius: RadiusConfig;
  readonly groups: GroupsConfig;
  readonly channels: ChannelsConfig;
  readonly multicast: MulticastConfig;
  readonly filters: FilterForm;
  readonly accounting: AccountingConfig;
}

/** Where the daemon answers browsers and Prometheus. */
export interface HttpConfig {
  readonly enabled: boolean;
  readonly address: IpAddress;
  readonly port: number;
  /** Undefined: nobody may do anything on the page. */
  readonly token: Uint8Array | undefined;
}

/** A node of two, of which one serves. */
export interface HaConfig {
  readonly node: string;
  readonly address: IpAddress;
  readonly peer: IpAddress;
  readonly port: number;
  /** At least 32 octets; the same on both nodes. */
  readonly key: Uint8Array;
  readonly mode: 'sync' | 'async';
  readonly leaseMs: number;
  readonly aloneAfterMs: number;
  /** Packets on connections that are backed up come to the standby first. */
  readonly standbyFirst: boolean;
  readonly vrrpInstance: string;
  readonly notifyFifo: string | undefined;
  readonly priorityFile: string | undefined;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LoginMethod = 'dot1x' | 'mab';

/** 802.1X's variables by the standard's names (802.1X-2004 §8.2.4.1.2, §8.2.9.1.2). */
export interface AuthenticatorConfig extends FallbackVlans {
  readonly hostMode: HostMode;
  /** In the order in which they are tried; at least one. */
  readonly methods: readonly LoginMethod[];
  readonly priority: LoginMethod;
  readonly mabAfterMs: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
  /** 0: not asked. */
  readonly handshakePeriodMs: number;
  readonly handshakeTries: number;
  readonly authFailAfter: number;
  readonly eapolVersion: number;
  /** Where EAPOL to a known supplicant is sent: its own MAC, or the PAE group address. */
  readonly destination: 'unicast' | 'group';
  readonly quietPeriodMs: number;
  readonly txPeriodMs: number;
  readonly suppTimeoutMs: number;
  readonly serverTimeoutMs: number;
  readonly maxReq: number;
  readonly reAuthMax: number;
  readonly reAuthEnabled: boolean;
  readonly reAuthPeriodMs: number;
  /** 0: a session does not go on where no server answers. */
  readonly reauthWithoutRadiusMs: number;
}

/** A subscriber port: the authenticator's values with the port's own over them. */
export interface PortConfig extends AuthenticatorConfig {
  readonly name: string;
  readonly mode: PortMode;
  readonly maxHosts: number;
}

export interface RadiusServerConfig {
  readonly name: string;
  readonly address: IpAddress;
  readonly authPort: number;
  readonly acctPort: number;
  /** At least one octet. */
  readonly secret: Uint8Array;
  readonly requireMessageAuthenticator: boolean;
  readonly sourceAddress: IpAddress | undefined;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Only for TLS. */
  readonly tls: TlsConfig | undefined;
  readonly statusServer: boolean;
  /** Its connections outlive the node. Only over TCP, from a source address, and on a node of two. */
  readonly connectionBackup: boolean;
}

export interface RadiusConfig {
  readonly servers: readonly RadiusServerConfig[];
  /** Servers in the order in which they are asked; never empty. */
  readonly authentication: readonly RadiusServerConfig[];
  readonly authorization: readonly RadiusServerConfig[];
  readonly accounting: readonly RadiusServerConfig[];
  /** RFC 5080 §2.2.1: IRT, MRT, MRC, MRD; for access requests. Accounting never gives up. */
  readonly retransmit: {
    readonly initialMs: number;
    readonly maxIntervalMs: number;
    readonly maxCount: number;
    readonly maxDurationMs: number;
  };
  readonly maxSourcePorts: number;
  /** First of the local ports; undefined: the kernel chooses. */
  readonly sourcePorts: number | undefined;
  readonly selection: 'order' | 'load';
  /** Ask for it, RFC 4372. */
  readonly chargeableUserIdentity: boolean;
  readonly attributes: readonly ExtraAttribute[];
  readonly dynamicAuthorization: DynamicAuthorizationConfig;
}

export interface GroupsConfig {
  readonly encoding: GroupEncoding;
  readonly nativeVendor: number;
  readonly silence: SilencePolicy;
  readonly serviceType: 'authorize-only' | 'call-check' | 'none';
  readonly patienceMs: number;
  /** How often a group question is sent before `patienceMs` is over, at most. */
  readonly maxTries: number;
  readonly defaultPermitMs: number;
  readonly maxPermitMs: number;
  readonly denyMs: number;
  readonly timeoutHoldMs: number;
  readonly cacheSize: number;
}

export interface AccountingConfig {
  readonly enabled: boolean;
  /** 0: no interim records unless the server asks for them. */
  readonly interimIntervalMs: number;
  /** 0: counters are noted with interim records alone. */
  readonly noteIntervalMs: number;
  readonly sessions: boolean;
  readonly channels: boolean;
  /** Of refused joins. */
  readonly refusals: boolean;
  /** False: what is in the export file is done. */
  readonly toServers: boolean;
  /** Undefined: no file. */
  readonly exportFile:
    | { readonly path: string; readonly maxOctets: number; readonly keep: number }
    | undefined;
  readonly queueLimit: number;
  /** Messages that are handed to servers in a second. */
  readonly maxRate: number;
  /** Octets of the queue's files. */
  readonly diskLimit: number;
}

/**
 * The file's keys as the daemon's. `secrets` are the octets of each server's secret, by its name. The file
 * has passed every check: a name that refers to nothing here is a bug and throws.
 */
export function toConfig(path: string, file: FileConfig, secrets: ReadonlyMap<string, Uint8Array>): Config {
  const { authenticator: a, radius: r, groups: g, multicast: m } = file;
  const authenticator: AuthenticatorConfig = authenticatorOf(a);
  const servers = r.servers.map((s): RadiusServerConfig => {
    return {
      name: s.name,
      address: s.address,
      authPort: s.auth_port,
      acctPort: s.acct_port,
      secret: s.secret_file === undefined ? RADSEC : known(secrets, s.name),
      requireMessageAuthenticator: s.require_message_authenticator,
      sourceAddress: s.source_address,
      transport: s.transport,
      tls: s.transport === 'tls' ? toTls(s.name, s.tls, (name) => known(secrets, name)) : undefined,
      statusServer: s.status_server ?? s.transport !== 'udp',
      connectionBackup: s.connection_backup,
    };
  });
  const byName = new Map(servers.map((server) => [server.name, server]));
  const listed = (names: readonly string[] | undefined) =>
    names?.map((name) => known(byName, name)) ?? servers;
  return {
    file: path,
    keys: file,
    bridge: file.bridge,
    ports: Object.entries(file.ports).map(([name, port]) => ({
      ...authenticator,
      ...authenticatorOf(port),
      name,
      mode: port.mode,
      maxHosts: port.max_hosts ?? a.max_hosts_per_port,
    })),
    uplinks: file.uplinks,
    vlanBridges: file.vlan_bridges,
    nas: { identifier: file.nas.identifier, address: file.nas.address },
    stateDirectory: file.state_directory,
    controlSocket: file.control_socket,
    http: {
      enabled: file.http.enabled,
      address: file.http.address,
      port: file.http.port,
      token: file.http.token_file === undefined ? undefined : known(secrets, HTTP_TOKEN),
    },
    restart: { warm: file.restart.warm, maxAgeMs: file.restart.max_age },
    ha: file.ha === undefined ? undefined : haOf(file.ha, known(secrets, HA_KEY)),
    log: { level: file.log.level },
    authenticator: {
      ...authenticator,
      macMove: a.mac_move,
      loginRatePerPort: a.login_rate_per_port,
      loginRate: a.login_rate,
      mab: a.mab,
      maxHostsPerPort: a.max_hosts_per_port,
      maxHosts: a.max_hosts,
      maxMonitoredHosts: a.max_monitored_hosts,
      maxMonitoredHostsPerPort: a.max_monitored_hosts_per_port,
    },
    radius: {
      servers,
      authentication: listed(r.authentication),
      authorization: listed(r.authorization),
      accounting: listed(r.accounting),
      retransmit: {
        initialMs: r.retransmit.initial,
        maxIntervalMs: r.retransmit.max_interval,
        maxCount: r.retransmit.max_count,
        maxDurationMs: r.retransmit.max_duration,
      },
      maxSourcePorts: r.max_source_ports,
      selection: r.selection,
      chargeableUserIdentity: r.chargeable_user_identity,
      attributes: toExtraAttributes(r.attributes),
      sourcePorts: r.source_ports ?? (file.ha === undefined ? undefined : HA_SOURCE_PORTS),
      dynamicAuthorization: toDynamicAuthorization(r.dynamic_authorization, (name) => known(secrets, name)),
    },
    groups: {
      encoding: g.encoding,
      nativeVendor: g.native_vendor,
      silence: { mode: g.when_silent, holdMs: g.silent_permit, staleMs: g.silent_stale },
      serviceType: g.service_type,
      patienceMs: g.patience,
      maxTries: g.max_tries,
      defaultPermitMs: g.default_permit,
      maxPermitMs: g.max_permit,
      denyMs: g.deny,
      timeoutHoldMs: g.timeout_hold,
      cacheSize: g.cache_size,
    },
    channels: toChannelsConfig(file),
    multicast: toMulticastConfig(m),
    filters: {
      named: new Map(Object.entries(file.filters).map(([id, { rules }]) => [id, rules])),
      unknown: a.unknown_filter,
    },
    accounting: {
      enabled: file.accounting.enabled,
      interimIntervalMs: file.accounting.interim_interval,
      noteIntervalMs: file.accounting.note_interval,
      sessions: file.accounting.sessions,
      channels: file.accounting.channels,
      refusals: file.accounting.refusals,
      // Without a file there must be servers.
      toServers: file.accounting.to_servers,
      exportFile:
        file.accounting.export_file === undefined
          ? undefined
          : {
              path: file.accounting.export_file,
              maxOctets: file.accounting.export_size * MEGABYTE,
              keep: file.accounting.export_keep,
            },
      queueLimit: file.accounting.queue_limit,
      maxRate: file.accounting.max_rate,
      diskLimit: file.accounting.disk_limit * MEGABYTE,
    },
  };
}

function haOf(ha: NonNullable<FileConfig['ha']>, key: Uint8Array): HaConfig {
  return {
    node: ha.node,
    address: ha.address,
    peer: ha.peer,
    port: ha.port,
    key,
    mode: ha.mode,
    leaseMs: ha.lease,
    aloneAfterMs: ha.alone_after,
    standbyFirst: ha.standby_first,
    vrrpInstance: ha.vrrp_instance,
    notifyFifo: ha.notify_fifo,
    priorityFile: ha.priority_file,
  };
}
const MEGABYTE = 1 << 20;

type AuthenticatorKeys = Pick<FileConfig['authenticator'], keyof FileConfig['authenticator'] & PortKey>;
type PortKey = keyof FileConfig['ports'][string];

/** Only what is written: a key that a port leaves out must not hide the value for all ports. */
function authenticatorOf(keys: AuthenticatorKeys): AuthenticatorConfig;
function authenticatorOf(keys: FileConfig['ports'][string]): Partial<AuthenticatorConfig>;
function authenticatorOf(
  keys: FileConfig['ports'][string] | AuthenticatorKeys,
): Partial<AuthenticatorConfig> {
  const all = {
    hostMode: keys.host_mode,
    methods: keys.methods?.split('-'),
    priority: keys.priority,
    mabAfterMs: keys.mab_after,
    idleTimeoutMs: keys.idle_timeout,
    handshakePeriodMs: keys.handshake_period,
    handshakeTries: keys.handshake_tries,
    guestVlan: keys.guest_vlan,
    authFailVlan: keys.auth_fail_vlan,
    criticalVlan: keys.critical_vlan,
    authFailAfter: keys.auth_fail_after,
    eapolVersion: keys.eapol_version,
    destination: keys.destination,
    quietPeriodMs: keys.quiet_period,
    txPeriodMs: keys.tx_period,
    suppTimeoutMs: keys.supp_timeout,
    serverTimeoutMs: keys.server_timeout,
    maxReq: keys.max_req,
    reAuthMax: keys.reauth_max,
    reAuthEnabled: keys.reauth_enabled,
    reAuthPeriodMs: keys.reauth_period,
    reauthWithoutRadiusMs: keys.reauth_without_radius,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Under which the key of both nodes stands among the secrets: no server can have this name. */
export const HA_KEY = '\0ha';
/** Under which the page's token stands there. */
export const HTTP_TOKEN = '\0http';
/** Below the ports that kernels give out by themselves. */
const HA_SOURCE_PORTS = 20000;

function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined)
    throw new Error(`configuration names '${name}', which the checks should have refused`);
  return value;
}
