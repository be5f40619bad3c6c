/** Who may change sessions while they run (RFC 5176), out of the section `radius.dynamic_authorization`. */
import type { IpAddress } from '../wire/address.ts';
import type { FileConfig } from './schema/schema.ts';

/** Requests of RADIUS towards castgate. */
export interface DynamicAuthorizationConfig {
  /** Who may send them; none: castgate does not listen. */
  readonly clients: readonly DynamicClientConfig[];
  /** Local addresses to listen on; none: all. */
  readonly listen: readonly IpAddress[];
  readonly port: number;
  readonly windowMs: number;
  readonly requireEventTimestamp: boolean;
  readonly portBounceMs: number;
}

export interface DynamicClientConfig {
  readonly name: string;
  readonly address: IpAddress;
  /** At least one octet. */
  readonly secret: Uint8Array;
  readonly requireMessageAuthenticator: boolean;
}

/** Under which name the secret of a client is kept: servers have names of their own. */
export function dynamicSecretName(client: string): string {
  return `dynamic authorization/${client}`;
}

/** The section's keys as the daemon's; `secretOf` gives what was read for a name of dynamicSecretName(). */
export function toDynamicAuthorization(
  section: FileConfig['radius']['dynamic_authorization'],
  secretOf: (name: string) => Uint8Array,
): DynamicAuthorizationConfig {
  return {
    clients: section.clients.map((client) => ({
      name: client.name,
      address: client.address,
      secret: secretOf(dynamicSecretName(client.name)),
      requireMessageAuthenticator: client.require_message_authenticator,
    })),
    listen: section.listen,
    port: section.port,
    windowMs: section.window,
    requireEventTimestamp: section.require_event_timestamp,
    portBounceMs: section.port_bounce,
  };
}
