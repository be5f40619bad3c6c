/**
 * FreeRADIUS's configuration for the lab, written out of a plan: who may log in and who may receive which
 * channel. Logins are EAP-MD5 and PEAP-MSCHAPv2; a channel question is an Access-Request without EAP that
 * carries a group in any of castgate's encodings: H3C's attribute 98 or 100, Huawei's 98 with 97 for a source,
 * castgate's own, or Framed-IP-Address as D-Link's switches do. Invariant: an Access-Accept names the
 * account that was proved (the inner identity where there is a tunnel), and every reply is signed with
 * Message-Authenticator, also those that FreeRADIUS 3.2.1 would leave unsigned.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../switch/native.ts';

/** An account that can log in. */
export interface RadiusUser {
  readonly name: string;
  readonly password: string;
  /** Session-Timeout of the login in seconds; none when left out. */
  readonly sessionTimeoutS?: number;
  /** What the end of Session-Timeout means: log in again, or the end (RFC 2865 §5.29). */
  readonly whenOver?: 'reauthenticate' | 'end';
  /** Acct-Interim-Interval in seconds. */
  readonly interimS?: number;
  /** Text of the Class attribute; none when left out. */
  readonly class?: string;
  /** Further attributes of the Accept, as a users file has them: `Castgate-Right += "watch 239.1.0.0/16"`. */
  readonly replies?: readonly string[];
}

/** One account's right to one channel. */
export interface Permission {
  readonly account: string;
  readonly group: string;
  /** For this source alone; without it, for all of them. Only where the encoding tells. */
  readonly source?: string;
  /** Further attributes of the answer, as a users file has them. */
  readonly replies?: readonly string[];
  /** Session-Timeout of the answer in seconds: how long it holds. */
  readonly holdsS: number;
  readonly class?: string;
}

export interface RadiusPlan {
  readonly secret: string;
  /** Address of the switch: the only client. */
  readonly client: string;
  readonly listen: string;
  /** The same of IPv6, where the server has it. */
  readonly ipv6?: { readonly client: string; readonly listen: string };
  readonly users: readonly RadiusUser[];
  readonly permissions: readonly Permission[];
  /** Keep each Access-Request in requests.detail. */
  readonly recordRequests: boolean;
  /**
   * Listen on TCP too, and on TLS by the certificates `large` and `castgate` (lab/radius/certificates.ts); offer EAP-TTLS
   * and EAP-TLS.
   */
  readonly streams?: boolean;
  /** A server of its own machine may ask it too: one that ends TLS for it (lab/radius/tls-front.ts). */
  readonly behindFront?: boolean;
}

/** File name to content, for one folder; `folder` is that folder's path. The certificate is made apart. */
export function freeRadiusFiles(plan: RadiusPlan, folder: string): ReadonlyMap<string, string> {
  return new Map([
    ['radiusd.conf', mainFile(plan, folder)],
    ['logins', plan.users.map(loginEntry).join('\n')],
    ['login-replies', plan.users.map(loginReplyEntry).join('\n')],
    ['channels', plan.permissions.map(channelEntry).join('\n')],
    ['dictionary', DICTIONARY],
  ]);
}

function loginEntry(user: RadiusUser): string {
  return `${user.name}\tCleartext-Password := ${quoted(user.password)}\n`;
}

function loginReplyEntry(user: RadiusUser): string {
  return entry(user.name, undefined, [
    user.class === undefined ? undefined : `Class := ${octets(user.class)}`,
    user.sessionTimeoutS === undefined ? undefined : `Session-Timeout := ${user.sessionTimeoutS}`,
    user.whenOver === undefined
      ? undefined
      : `Termination-Action := ${user.whenOver === 'reauthenticate' ? 'RADIUS-Request' : 'Default'}`,
    user.interimS === undefined ? undefined : `Acct-Interim-Interval := ${user.interimS}`,
    ...(user.replies ?? []),
  ]);
}

function channelEntry(permission: Permission): string {
  const { account, group, source } = permission;
  const channel = source === undefined ? group : `${group}@${source}`;
  return entry(`${account}/${channel}`, 'Auth-Type := Accept', [
    `Session-Timeout := ${permission.holdsS}`,
    permission.class === undefined ? undefined : `Class := ${octets(permission.class)}`,
    ...(permission.replies ?? []),
  ]);
}

function entry(key: string, check: string | undefined, replies: readonly (string | undefined)[]): string {
  const given = replies.filter((reply) => reply !== undefined);
  return `${key}${check === undefined ? '' : `\t${check}`}\n${given.map((reply) => `\t${reply}`).join(',\n')}\n`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function octets(text: string): string {
  return `0x${Buffer.from(text, 'utf8').toString('hex')}`;
}

function mainFile(plan: RadiusPlan, folder: string): string {
  return `# Written by castgate's lab; gone when the lab is.
prefix = /usr
libdir = /usr/lib/freeradius
name = freeradius
logdir = ${folder}
run_dir = ${folder}
pidfile = ${folder}/freeradius.pid
max_request_time = 30
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
proxy_requests = no

log {
	destination = stdout
	colourise = no
	auth = yes
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = yes
}
client switch {
	ipaddr = ${plan.client}
	proto = *
	secret = ${quoted(plan.secret)}
	require_message_authenticator = yes
}
${plan.ipv6 === undefined ? '' : client6(plan.secret, plan.ipv6.client)}${plan.behindFront === true ? frontClient(plan) : ''}${plan.streams === true ? tlsClients(plan) : ''}thread pool {
	start_servers = 2
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 4
	max_requests_per_server = 0
}
modules {
	eap {
		default_eap_type = md5
		timer_expire = 60
		max_sessions = 65536
		md5 {
		}
		mschapv2 {
		}
		tls-config server_side {
			private_key_file = ${folder}/${plan.streams === true ? 'large' : 'server'}.key
			certificate_file = ${folder}/${plan.streams === true ? 'large' : 'server'}.pem
			ca_file = ${folder}/ca.pem
			tls_min_version = "1.2"
			tls_max_version = "1.2"
			cipher_list = "DEFAULT"
			fragment_size = 1024
		}
		peap {
			tls = server_side
			default_eap_type = mschapv2
			virtual_server = tunnel
		}
${plan.streams === true ? MORE_METHODS : ''}	}
	mschap {
		use_mppe = yes
	}
	pap {
	}
	chap {
	}
	files logins {
		usersfile = ${folder}/logins
	}
	# In post-auth, so that what belongs into the Accept is not in the Challenges: there Session-Timeout
	# would be an EAP timer (RFC 3580, 3.17).
	files login_replies {
		postauth_usersfile = ${folder}/login-replies
		key = "%{%{session-state:User-Name}:-%{User-Name}}"
	}
	files channels {
		usersfile = ${folder}/channels
		key = "%{User-Name}/%{Tmp-String-0}"
	}
	files channels_of_sources {
		usersfile = ${folder}/channels
		key = "%{User-Name}/%{Tmp-String-0}@%{Tmp-String-1}"
	}
	detail accounting_records {
		filename = ${folder}/accounting.detail
		permissions = 0600
	}
	detail requests {
		filename = ${folder}/requests.detail
		# A long record takes several writes, and there are several threads.
		locking = yes
		permissions = 0600
	}
	always reject {
		rcode = reject
	}
	always ok {
		rcode = ok
	}
}
policy {
	channel_question {
		if (&Castgate-Group) {
			update request {
				&Tmp-String-0 := "%{Castgate-Group}"
			}
			if (&Castgate-Source) {
				update request {
					&Tmp-String-1 := "%{Castgate-Source}"
				}
			}
		}
		elsif (&H3C-IPv6-Multicast-Receive-Group) {
			update request {
				&Tmp-String-0 := "%{H3C-IPv6-Multicast-Receive-Group}"
			}
		}
		elsif (&H3C-IPv4-Multicast-Receive-Group) {
			update request {
				&Tmp-String-0 := "%{H3C-IPv4-Multicast-Receive-Group}"
			}
		}
		elsif (&Huawei-Multicast-Receive-Group) {
			update request {
				&Tmp-String-0 := "%{Huawei-Multicast-Receive-Group}"
			}
			if (&Huawei-Multicast-Source-Group && (&Huawei-Multicast-Source-Group =~ /^([^ ]+) /)) {
				update request {
					&Tmp-String-1 := "%{1}"
				}
			}
		}
		elsif (&Framed-IP-Address) {
			update request {
				&Tmp-String-0 := "%{Framed-IP-Address}"
			}
		}
		else {
			reject
		}
		if (&Tmp-String-1) {
			channels_of_sources
		}
		if (!&Tmp-String-1 || notfound || noop) {
			channels
		}
		if (notfound || noop) {
			update reply {
				&Reply-Message := "%{User-Name} may not receive %{Tmp-String-0}"
			}
			reject
		}
	}
	sign {
		update reply {
			&Message-Authenticator := 0x00
		}
	}
}
server lab {
${listened(plan).map(datagramListeners).join('')}${
  plan.streams === true
    ? listened(plan)
        .map((at) => streamListeners(at, folder))
        .join('')
    : ''
}	authorize {
${plan.recordRequests ? '\t\trequests\n' : ''}		if (&EAP-Message) {
			eap {
				ok = return
			}
			logins
		}
		# MAC authentication: the address is user name and password.
		elsif (&User-Password || &CHAP-Password) {
			chap
			logins
			pap
		}
		else {
			channel_question
		}
	}
	authenticate {
		eap
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
	}
	post-auth {
		if (&EAP-Message) {
			update reply {
				&User-Name := "%{%{session-state:User-Name}:-%{User-Name}}"
			}
			login_replies
		}
		sign
		Post-Auth-Type REJECT {
			eap
			sign
		}
		Post-Auth-Type Challenge {
			sign
		}
	}
	preacct {
		ok
	}
	accounting {
		accounting_records
	}
}
# What runs inside PEAP's tunnel: here the inner identity is the User-Name.
server tunnel {
	authorize {
		eap {
			ok = return
		}
		logins
	}
	authenticate {
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}
	post-auth {
		update outer.session-state {
			&User-Name := &User-Name
		}
	}
}
`;
}

const MORE_METHODS = `		ttls {
			tls = server_side
			default_eap_type = mschapv2
			virtual_server = tunnel
		}
		tls {
			tls = server_side
		}
`;

/** The addresses that it listens on. */
function listened(plan: RadiusPlan): readonly string[] {
  return plan.ipv6 === undefined ? [plan.listen] : [plan.listen, plan.ipv6.listen];
}

function client6(secret: string, address: string): string {
  return `client switch-by-ipv6 {
	ipaddr = ${address}
	proto = *
	secret = ${quoted(secret)}
	require_message_authenticator = yes
}
`;
}

function frontClient({ secret, listen }: RadiusPlan): string {
  return `client front {
	ipaddr = ${listen}
	proto = tcp
	secret = ${quoted(secret)}
	require_message_authenticator = yes
}
`;
}

function datagramListeners(address: string): string {
  const one = (type: string, port: number) => `	listen {
		type = ${type}
		ipaddr = ${address}
		port = ${port}
	}
`;
  return one('auth', 1812) + one('acct', 1813);
}

function tlsClients(plan: RadiusPlan): string {
  const one = (name: string, address: string) => `	client ${name} {
		ipaddr = ${address}
		proto = tls
		secret = radsec
	}
`;
  const ipv6 = plan.ipv6 === undefined ? '' : one('switch-by-tls-and-ipv6', plan.ipv6.client);
  return `clients radsec {
${one('switch-by-tls', plan.client)}${ipv6}}
`;
}

function streamListeners(address: string, folder: string): string {
  const limit = 'limit {\n\t\t\tmax_connections = 256\n\t\t\tlifetime = 0\n\t\t\tidle_timeout = 0\n\t\t}';
  const tcp = (type: string, port: number) => `	listen {
		type = ${type}
		proto = tcp
		ipaddr = ${address}
		port = ${port}
		${limit}
	}
`;
  return `${tcp('auth', 1812)}${tcp('acct', 1813)}	listen {
		type = auth+acct
		proto = tcp
		ipaddr = ${address}
		port = 2083
		clients = radsec
		${limit}
		tls {
			private_key_file = ${folder}/server.key
			certificate_file = ${folder}/server.pem
			ca_file = ${folder}/ca.pem
			require_client_cert = yes
			tls_min_version = "1.2"
			tls_max_version = "1.3"
			cipher_list = "DEFAULT"
			fragment_size = 8192
		}
	}
`;
}
/** castgate's own attributes, as they are packaged. */
const DICTIONARY = readFileSync(join(packageRoot(), 'packaging/freeradius/dictionary.castgate'), 'utf8');
