/**
 * Every key of the configuration file: its meaning, default, unit and range. Keys that nobody knows are
 * refused. What relates several keys to each other is checked in checks.ts.
 */
import { z } from 'zod';
import {
  channelsSection,
  limitsSection,
  previewsSection,
  profilesSection,
  silenceKeys,
} from './channel-keys.ts';
import {
  absolutePath,
  address,
  addresses,
  addressOr,
  bridgeByVlan,
  byInterface,
  byName,
  choice,
  duration,
  filePath,
  filterRules,
  flag,
  interfaceName,
  interfaceNames,
  listOf,
  optionalAddress,
  optionalChoice,
  optionalDuration,
  optionalFilePath,
  optionalFlag,
  optionalListOf,
  optionalPath,
  optionalSection,
  optionalText,
  optionalWhole,
  requiredSection,
  section,
  serverNames,
  text,
  whole,
} from './key.ts';
import { multicastSection } from './multicast-keys.ts';

const HOST_MODE = {
  about:
    'multi-auth: each host logs in; single-host: one at a time; multi-host: the first opens the port for all; multi-domain: one for data, one for voice',
  of: ['multi-auth', 'single-host', 'multi-host', 'multi-domain'] as const,
};
const METHODS = {
  about: 'how hosts log in: 802.1X, by their MAC address (MAB), or the one after the other',
  of: ['dot1x', 'mab', 'dot1x-mab', 'mab-dot1x'] as const,
};
const PRIORITY = {
  about: 'which method counts where a host that is in by its MAC address begins 802.1X',
  of: ['dot1x', 'mab'] as const,
};
const MAB_AFTER = {
  about: 'with dot1x-mab: how long 802.1X is tried before the MAC address is',
  min: '1s',
  max: '65535s',
};
const GUEST_VLAN = { about: 'VLAN of a port where nobody speaks 802.1X', min: 1, max: 4094 };
const AUTH_FAIL_VLAN = { about: 'VLAN of a port where RADIUS rejects whoever is there', min: 1, max: 4094 };
const CRITICAL_VLAN = { about: 'VLAN of a port while no RADIUS server answers', min: 1, max: 4094 };
const AUTH_FAIL_AFTER = {
  about: 'rejects in a row after which a port goes to auth_fail_vlan',
  min: 1,
  max: 100,
};
const IDLE_TIMEOUT = {
  about:
    'a session ends after so long without a packet of its host; Idle-Timeout of the Access-Accept overrules it',
  min: '10s',
  max: '30d',
  zero: 'never',
};
const HANDSHAKE_PERIOD = {
  about:
    'how often a host that is in and sends nothing is asked by ARP or neighbour discovery whether it is still there',
  min: '5s',
  max: '1d',
  zero: 'not at all',
};
const HANDSHAKE_TRIES = {
  about:
    'questions in a row without any frame of the host after which its session ends, if it ever answered one',
  min: 1,
  max: 10,
};
const REAUTH_WITHOUT_RADIUS = {
  about: 'how long a session goes on after a re-authentication was due that no RADIUS server answers',
  min: '1s',
  max: '30d',
  zero: 'it ends',
};
const EAPOL_VERSION = { about: 'EAPOL version in frames that castgate sends', min: 1, max: 3 };
const DESTINATION = {
  about: 'where EAPOL to a known supplicant goes: its own MAC address, or the PAE group address',
  of: ['unicast', 'group'] as const,
};
const QUIET_PERIOD = {
  about: 'how long a host is ignored after a reject (802.1X quietPeriod)',
  min: '1s',
  max: '65535s',
  zero: 'not at all',
};
const TX_PERIOD = {
  about: 'how long to wait for an answer to EAP-Request/Identity (txPeriod)',
  min: '100ms',
  max: '65535s',
};
const SUPP_TIMEOUT = {
  about: 'how long to wait for an answer to any other EAP-Request (suppTimeout)',
  min: '100ms',
  max: '65535s',
};
const SERVER_TIMEOUT = {
  about: 'how long to wait for RADIUS during a login (serverTimeout)',
  min: '100ms',
  max: '65535s',
};
const MAX_REQ = { about: 'how often an EAP-Request is sent before giving up (maxReq)', min: 1, max: 10 };
const REAUTH_MAX = {
  about: 'how many silent rounds of asking for an identity before the host is dropped (reAuthMax)',
  min: 1,
  max: 10,
};
const REAUTH_ENABLED = { about: 'log hosts in again from time to time (reAuthEnabled)' };
const REAUTH_PERIOD = {
  about: 'how often; Session-Timeout of the Access-Accept overrules it (reAuthPeriod)',
  min: '1s',
  max: '30d',
};

/** The whole file. Durations become milliseconds. */
export const fileSchema = z.strictObject({
  bridge: interfaceName({ about: 'the Linux bridge that all ports belong to' }),
  ports: byInterface(
    'subscriber ports, by interface name; a key here overrides `authenticator` for that port',
    {
      mode: choice({
        about:
          'auto: 802.1X decides; monitor: the same is said and counted, and everybody let through; force-authorized: always open; force-unauthorized: always shut',
        of: ['auto', 'monitor', 'force-authorized', 'force-unauthorized'],
        fallback: 'auto',
      }),
      host_mode: optionalChoice(HOST_MODE),
      methods: optionalChoice(METHODS),
      priority: optionalChoice(PRIORITY),
      mab_after: optionalDuration(MAB_AFTER),
      idle_timeout: optionalDuration(IDLE_TIMEOUT),
      handshake_period: optionalDuration(HANDSHAKE_PERIOD),
      handshake_tries: optionalWhole(HANDSHAKE_TRIES),
      guest_vlan: optionalWhole(GUEST_VLAN),
      auth_fail_vlan: optionalWhole(AUTH_FAIL_VLAN),
      critical_vlan: optionalWhole(CRITICAL_VLAN),
      auth_fail_after: optionalWhole(AUTH_FAIL_AFTER),
      max_hosts: optionalWhole({ about: 'hosts on this port at one time', min: 1, max: 4096 }),
      eapol_version: optionalWhole(EAPOL_VERSION),
      destination: optionalChoice(DESTINATION),
      quiet_period: optionalDuration(QUIET_PERIOD),
      tx_period: optionalDuration(TX_PERIOD),
      supp_timeout: optionalDuration(SUPP_TIMEOUT),
      server_timeout: optionalDuration(SERVER_TIMEOUT),
      max_req: optionalWhole(MAX_REQ),
      reauth_max: optionalWhole(REAUTH_MAX),
      reauth_enabled: optionalFlag(REAUTH_ENABLED),
      reauth_period: optionalDuration(REAUTH_PERIOD),
      reauth_without_radius: optionalDuration(REAUTH_WITHOUT_RADIUS),
    },
  ),
  vlan_bridges: bridgeByVlan({
    about: 'bridges that stand for VLANs: a port is moved there instead, for a bridge without VLANs',
  }),
  uplinks: interfaceNames({ about: 'ports towards the multicast routers; never asked to authenticate' }),
  nas: requiredSection('how RADIUS servers know this switch; at least one of the two', {
    identifier: optionalText({ about: 'NAS-Identifier', max: 253 }),
    address: optionalAddress({ about: 'NAS-IP-Address or NAS-IPv6-Address; not a link-local one' }),
  }),
  state_directory: absolutePath({
    about: 'where records and the accounting queue are kept',
    max: 4000,
    fallback: '/var/lib/castgate',
  }),
  control_socket: absolutePath({
    about: 'Unix socket on which `castgate show` asks the daemon',
    max: 107,
    fallback: '/run/castgate/control.sock',
  }),
  http: section('where the daemon answers browsers and Prometheus', {
    enabled: flag({ about: 'answer at all', fallback: true }),
    address: addressOr({ about: 'local address to answer on', fallback: '127.0.0.1' }),
    port: whole({ about: 'TCP port', min: 1, max: 65535, fallback: 8021 }),
    token_file: optionalText({
      about:
        'file that holds the token for actions on the page, 16 octets or more; without it the page is read-only',
      max: 4095,
    }),
  }),
  restart: section('how a daemon that starts again takes up what the last one left', {
    warm: flag({
      about: 'keep sessions and channels over a restart, by a journal in the state directory',
      fallback: true,
    }),
    max_age: duration({
      about: 'an older journal is not used; logoffs and leaves of that time went unheard',
      min: '1s',
      max: '1d',
      fallback: '10m',
    }),
  }),
  ha: optionalSection('a second node that takes over; without this section the node is alone', {
    node: text({ about: "this node's name; the two nodes have different ones", max: 32 }),
    address: address({ about: 'own address on the link between the nodes' }),
    peer: address({ about: "the other node's address on that link" }),
    port: whole({ about: 'TCP port of the link, on both nodes', min: 1, max: 65535, fallback: 4750 }),
    key_file: filePath({
      about:
        'file that holds the key of both nodes, 32 octets or more; a relative path starts at the folder of this file',
    }),
    mode: choice({
      about: 'sync: what others could believe waits until the other node knows it; async: it does not wait',
      of: ['sync', 'async'],
      fallback: 'sync',
    }),
    lease: duration({
      about: 'the ports of a node whose daemon hangs for longer than this go silent, by the kernel',
      min: '50ms',
      max: '10s',
      fallback: '250ms',
    }),
    alone_after: duration({
      about: 'how long effects wait for a standby that answers no more, until the active goes on alone',
      min: '100ms',
      max: '1m',
      fallback: '1s',
    }),
    standby_first: flag({
      about:
        'packets on connections with connection_backup come to the node that stands by, which passes them on (docs/connection-backup.md)',
      fallback: false,
    }),
    vrrp_instance: text({ about: 'the VRRP instance of keepalived that decides', max: 64 }),
    notify_fifo: optionalPath({
      about: "keepalived's vrrp_notify_fifo, from which castgate hears who is master",
    }),
    priority_file: optionalPath({
      about:
        "keepalived's track_file, into which castgate writes a weight: this node can, cannot, or should at once",
    }),
  }),
  log: section('what the daemon says, as JSON lines on standard output', {
    level: choice({
      about: 'the least that is said',
      of: ['debug', 'info', 'warn', 'error'],
      fallback: 'info',
    }),
  }),
  authenticator: section('802.1X on all subscriber ports', {
    host_mode: choice({ ...HOST_MODE, fallback: 'multi-auth' }),
    methods: choice({ ...METHODS, fallback: 'dot1x' }),
    priority: choice({ ...PRIORITY, fallback: 'dot1x' }),
    mab_after: duration({ ...MAB_AFTER, fallback: '30s' }),
    mab: section('MAC authentication bypass: user name and password are the MAC address', {
      method: choice({
        about: 'how it is asked',
        of: ['pap', 'chap', 'eap-md5'],
        fallback: 'pap',
      }),
      format: choice({
        about: 'how the address is written: 0200000001ab, 02-00-00-00-01-AB or 02:00:00:00:01:ab',
        of: ['plain', 'hyphens', 'colons'],
        fallback: 'plain',
      }),
    }),
    mac_move: choice({
      about:
        'a MAC address that is in on another port: deny its login, or move it where the account is the same',
      of: ['deny', 'move'],
      fallback: 'deny',
    }),
    unknown_filter: choice({
      about: 'a login whose Filter-Id is not under filters: refuse it, or let the host in as if it had none',
      of: ['refuse', 'ignore'],
      fallback: 'refuse',
    }),
    eapol_version: whole({ ...EAPOL_VERSION, fallback: 2 }),
    destination: choice({ ...DESTINATION, fallback: 'unicast' }),
    quiet_period: duration({ ...QUIET_PERIOD, fallback: '60s' }),
    tx_period: duration({ ...TX_PERIOD, fallback: '30s' }),
    supp_timeout: duration({ ...SUPP_TIMEOUT, fallback: '30s' }),
    server_timeout: duration({ ...SERVER_TIMEOUT, fallback: '30s' }),
    max_req: whole({ ...MAX_REQ, fallback: 2 }),
    reauth_max: whole({ ...REAUTH_MAX, fallback: 2 }),
    reauth_enabled: flag({ ...REAUTH_ENABLED, fallback: true }),
    reauth_period: duration({ ...REAUTH_PERIOD, fallback: '1h' }),
    reauth_without_radius: duration({ ...REAUTH_WITHOUT_RADIUS, fallback: '0s' }),
    guest_vlan: optionalWhole(GUEST_VLAN),
    auth_fail_vlan: optionalWhole(AUTH_FAIL_VLAN),
    critical_vlan: optionalWhole(CRITICAL_VLAN),
    auth_fail_after: whole({ ...AUTH_FAIL_AFTER, fallback: 3 }),
    idle_timeout: duration({ ...IDLE_TIMEOUT, fallback: '0s' }),
    handshake_period: duration({ ...HANDSHAKE_PERIOD, fallback: '0s' }),
    handshake_tries: whole({ ...HANDSHAKE_TRIES, fallback: 3 }),
    login_rate_per_port: whole({
      about: 'hosts that were never in before and may begin to log in on one port, a second',
      min: 1,
      max: 100000,
      fallback: 100,
    }),
    login_rate: whole({
      about: 'the same on the whole switch; half of it is shared out among the ports',
      min: 1,
      max: 1000000,
      fallback: 2000,
    }),
    max_hosts_per_port: whole({ about: 'hosts on one port at one time', min: 1, max: 4096, fallback: 32 }),
    max_hosts: whole({ about: 'hosts on the whole switch at one time', min: 1, max: 65536, fallback: 4096 }),
    max_monitored_hosts: whole({
      about:
        'hosts without a login that are kept in mind on ports in monitor mode; further ones pass unlisted',
      min: 1,
      max: 65536,
      fallback: 1024,
    }),
    max_monitored_hosts_per_port: whole({
      about: 'the same for one port, so that a flood on it leaves room for the others',
      min: 1,
      max: 65536,
      fallback: 256,
    }),
  }),
  radius: requiredSection('RADIUS servers and how they are asked', {
    servers: listOf('the servers', {
      name: text({ about: 'how lists, logs and `castgate show radius` name it', max: 64 }),
      address: address({ about: 'where it is' }),
      auth_port: whole({
        about: 'UDP port for authentication and authorization',
        min: 1,
        max: 65535,
        fallback: 1812,
      }),
      acct_port: whole({ about: 'UDP port for accounting', min: 1, max: 65535, fallback: 1813 }),
      transport: choice({
        about:
          'how it is reached; over tls on tls.port alone, with the secret `radsec` where no secret_file is named',
        of: ['udp', 'tcp', 'tls'],
        fallback: 'udp',
      }),
      secret_file: optionalFilePath({
        about: 'file that holds the shared secret; a relative path starts at the folder of this file',
      }),
      tls: section('RADIUS over TLS: what both ends show to each other', {
        port: whole({ about: 'TCP port of the server', min: 1, max: 65535, fallback: 2083 }),
        ca_file: optionalFilePath({ about: 'certificates, in PEM, that the server’s must come from' }),
        certificate_file: optionalFilePath({ about: 'castgate’s own certificate, in PEM, with its chain' }),
        key_file: optionalFilePath({ about: 'the private key of that certificate, in PEM' }),
        name: optionalText({ about: 'name in the server’s certificate; its address by default', max: 253 }),
      }),
      status_server: optionalFlag({
        about:
          'it answers Status-Server: its silence is understood in two seconds; true by default over tcp and tls',
      }),
      require_message_authenticator: flag({
        about: 'drop answers without Message-Authenticator (the remedy for Blast-RADIUS)',
        fallback: true,
      }),
      source_address: optionalAddress({ about: 'local address to send from; the kernel chooses by default' }),
      connection_backup: flag({
        about:
          'the other node goes on with the TCP connections to it, from source_address, where this one fails (docs/connection-backup.md)',
        fallback: false,
      }),
    }),
    source_ports: optionalWhole({
      about:
        'first of the local UDP ports to send from; the kernel chooses by default, 20000 where there is a second node',
      min: 1024,
      max: 60000,
    }),
    authentication: serverNames({ about: 'servers for logins, in order of use; all by default' }),
    authorization: serverNames({ about: 'servers for group questions, in order of use; all by default' }),
    accounting: serverNames({ about: 'servers for accounting, in order of use; all by default' }),
    selection: choice({
      about: 'which server of a list is asked: the first that lives, or the one with the least in flight',
      of: ['order', 'load'],
      fallback: 'order',
    }),
    retransmit: section('when a request is sent again (RFC 5080 §2.2.1); accounting never gives up', {
      initial: duration({ about: 'first wait (IRT)', min: '100ms', max: '60s', fallback: '2s' }),
      max_interval: duration({ about: 'longest wait (MRT)', min: '100ms', max: '5m', fallback: '16s' }),
      max_count: whole({
        about: 'transmissions of one request, all servers together, before it is given up (MRC)',
        min: 1,
        max: 20,
        fallback: 5,
      }),
      max_duration: duration({
        about: 'time of one request, all servers together, before it is given up (MRD)',
        min: '100ms',
        max: '10m',
        fallback: '30s',
      }),
    }),
    max_source_ports: whole({
      about: 'UDP sockets, or connections, for each server and kind; each carries 256 requests at a time',
      min: 1,
      max: 1024,
      fallback: 128,
    }),
    chargeable_user_identity: flag({
      about:
        'ask servers for Chargeable-User-Identity (RFC 4372); one that they give is told to accounting anyway',
      fallback: false,
    }),
    attributes: optionalListOf('attributes of the site’s own in requests', {
      attribute: text({ about: 'its number, or vendor and number as in "9/1"', max: 12 }),
      type: choice({
        about: 'how the value is written',
        of: ['text', 'integer', 'address', 'hex'],
        fallback: 'text',
      }),
      value: text({
        about: 'the value; text may hold {account}, {port}, {mac}, {nas}, {session}, {multi_session}',
        max: 253,
      }),
      login: flag({ about: 'in requests for logins', fallback: true }),
      group: flag({ about: 'in questions about groups', fallback: true }),
      accounting: flag({ about: 'in accounting', fallback: true }),
    }),
    dynamic_authorization: section('requests of RADIUS towards castgate: Disconnect and CoA (RFC 5176)', {
      clients: optionalListOf('who may send them; without any, castgate does not listen', {
        name: text({ about: 'how logs name it', max: 64 }),
        address: address({ about: 'where its requests come from' }),
        secret_file: filePath({
          about:
            'file that holds the secret shared with it; a relative path starts at the folder of this file',
        }),
        require_message_authenticator: flag({
          about: 'drop its requests without Message-Authenticator; one that is there is always checked',
          fallback: false,
        }),
      }),
      listen: addresses({ about: 'local addresses to listen on; all if none is named' }),
      port: whole({ about: 'UDP port to listen on', min: 1, max: 65535, fallback: 3799 }),
      window: duration({
        about:
          'how far Event-Timestamp of a request may be from now; as long, copies of it are known as such',
        min: '10s',
        max: '1h',
        fallback: '5m',
      }),
      require_event_timestamp: flag({
        about: 'drop requests without Event-Timestamp, which anybody who saw them could send again later',
        fallback: true,
      }),
      port_bounce: duration({
        about: 'how long the link of a port is down that is to be bounced',
        min: '1s',
        max: '60s',
        fallback: '10s',
      }),
    }),
  }),
  groups: section('which account may receive which multicast group', {
    encoding: choice({
      about:
        "how a channel is written in RADIUS: H3C's attributes 98 and 100, Huawei's 98 and 97, Framed-IP-Address as D-Link does, or castgate's own",
      of: ['h3c', 'huawei', 'dlink', 'native'],
      fallback: 'h3c',
    }),
    native_vendor: whole({
      about: "the vendor number of castgate's own attributes; the default is the one for examples (RFC 5612)",
      min: 1,
      max: 16777215,
      fallback: 32473,
    }),
    service_type: choice({
      about: 'Service-Type of the question',
      of: ['authorize-only', 'call-check', 'none'],
      fallback: 'authorize-only',
    }),
    patience: duration({
      about: 'how long a join waits for RADIUS before it is refused with radius-timeout',
      min: '100ms',
      max: '5m',
      fallback: '5s',
    }),
    max_tries: whole({
      about: 'how often a question is sent within that time, at most',
      min: 1,
      max: 20,
      fallback: 3,
    }),
    default_permit: duration({
      about: 'how long a permission holds when the Access-Accept has no Session-Timeout',
      min: '1s',
      max: '30d',
      fallback: '5m',
    }),
    max_permit: duration({
      about: 'the longest that any permission holds, whatever the server says',
      min: '1s',
      max: '30d',
      fallback: '24h',
    }),
    deny: duration({
      about: 'how long a denial is remembered',
      min: '100ms',
      max: '24h',
      zero: 'each join asks again',
      fallback: '30s',
    }),
    timeout_hold: duration({
      about: 'how long a silent server is remembered, so that repeated joins do not ask again at once',
      min: '100ms',
      max: '1h',
      zero: 'each join asks again',
      fallback: '5s',
    }),
    ...silenceKeys,
    cache_size: whole({ about: 'decisions that are remembered', min: 16, max: 4194304, fallback: 65536 }),
  }),
  channels: channelsSection,
  profiles: profilesSection,
  filters: byName('packet filters by the Filter-Id that the Access-Accept of a login says', {
    rules: filterRules({
      about:
        'IPFilterRule of RFC 6733, the first that matches counts: permit in tcp from any to 192.0.2.0/24 80',
    }),
  }),
  previews: previewsSection,
  limits: limitsSection,
  multicast: multicastSection,
  accounting: section('what is told to RADIUS about use', {
    enabled: flag({ about: 'send accounting at all', fallback: true }),
    interim_interval: duration({
      about: 'time between interim records',
      min: '1s',
      max: '7d',
      zero: 'none, unless the server asks for them',
      fallback: '10m',
    }),
    note_interval: duration({
      about: 'how often counters are noted between records: a power cut or a takeover loses no more',
      min: '1s',
      max: '1d',
      zero: 'only with interim records',
      fallback: '1m',
    }),
    sessions: flag({ about: 'records of 802.1X sessions', fallback: true }),
    channels: flag({ about: 'records of each channel of each host', fallback: true }),
    refusals: flag({ about: 'a record of each refused join of a host that is in', fallback: false }),
    to_servers: flag({
      about: 'tell RADIUS servers; false needs export_file: what is there is done',
      fallback: true,
    }),
    export_file: optionalPath({ about: 'the same records as JSON lines in this file' }),
    export_size: whole({
      about: 'MiB of the file; then it is renamed to FILE.1, and so on',
      min: 1,
      max: 65536,
      fallback: 64,
    }),
    export_keep: whole({ about: 'renamed files that are kept', min: 1, max: 1000, fallback: 10 }),
    queue_limit: whole({
      about: 'records that wait for a server at one time; past it, interim records are left out first',
      min: 100,
      max: 10000000,
      fallback: 100000,
    }),
    max_rate: whole({
      about: 'records sent in a second, at most: after an outage servers are not flooded',
      min: 10,
      max: 100000,
      fallback: 1000,
    }),
    disk_limit: whole({
      about: 'MiB of the state directory for records that wait; past it they are kept in memory alone',
      min: 16,
      max: 65536,
      fallback: 256,
    }),
  }),
});

/** The file's content after defaults: keys as written, durations in milliseconds. */
export type FileConfig = z.infer<typeof fileSchema>;
