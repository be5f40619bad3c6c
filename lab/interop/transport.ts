/** The ways from castgate to FreeRADIUS that the matrix goes, each as a server of castgate's configuration. */
import { join } from 'node:path';
import type { FreeRadius } from '../radius/freeradius.ts';
import { LabAddress } from '../topology.ts';

export interface Transport {
  /** As the table calls it, and castgate its server: `tls-ipv6`. */
  readonly name: string;
  readonly by: 'udp' | 'tcp' | 'tls';
  readonly address: string;
}

export const TRANSPORTS: readonly Transport[] = (['udp', 'tcp', 'tls'] as const).flatMap((by) => [
  { name: by, by, address: LabAddress.radius },
  { name: `${by}-ipv6`, by, address: LabAddress.radius6 },
]);

/** The server's entry under `radius.servers`. */
export function serverEntry(transport: Transport, radius: FreeRadius): Readonly<Record<string, unknown>> {
  const { name, by, address } = transport;
  if (by !== 'tls') return { name, address, transport: by, secret_file: radius.secretFile };
  const file = (which: string) => join(radius.folder, which);
  const tls = {
    ca_file: file('ca.pem'),
    certificate_file: file('castgate.pem'),
    key_file: file('castgate.key'),
    name: 'radius.castgate.example',
  };
  return { name, address, transport: by, tls };
}
