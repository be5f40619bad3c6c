/** Certificates and keys for RADIUS over TLS: files in PEM that servers name, and what is made of them. */
import { readFileSync, statSync } from 'node:fs';
import type { FileConfig } from './schema/schema.ts';
import { reason } from './secret.ts';

export interface TlsConfig {
  readonly port: number;
  /** In PEM. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** In the server's certificate; undefined: its address. */
  readonly name: string | undefined;
}

/** A file's octets, or why there are none. */
export type PemFile = { readonly pem: Uint8Array } | { readonly refused: string };

/** Which key of `tls` names which part. */
export const TLS_FILES = { ca_file: 'ca', certificate_file: 'certificate', key_file: 'key' } as const;
export type TlsPart = (typeof TLS_FILES)[keyof typeof TLS_FILES];

/** Under which name a part is kept among the secrets. */
export function tlsFileName(server: string, part: TlsPart): string {
  return `tls ${part}/${server}`;
}

/** Reads a file in PEM. Never throws. */
export function readPem(path: string): PemFile {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { refused: `${path} is not a plain file` };
    if (stat.size > MAX_FILE_OCTETS)
      return { refused: `${path} holds ${stat.size} octets: too many for PEM` };
    const pem = readFileSync(path);
    if (!pem.includes('-----BEGIN ')) return { refused: `${path} holds no PEM (-----BEGIN …)` };
    return { pem };
  } catch (cause) {
    return { refused: `${path}: ${reason(cause)}` };
  }
}

/** The section's keys as the daemon's; `fileOf` gives what was read for a name of tlsFileName(). */
export function toTls(
  server: string,
  section: FileConfig['radius']['servers'][number]['tls'],
  fileOf: (name: string) => Uint8Array,
): TlsConfig {
  const part = (of: TlsPart) => new TextDecoder().decode(fileOf(tlsFileName(server, of)));
  const { port, name } = section;
  return { port, name, ca: part('ca'), certificate: part('certificate'), key: part('key') };
}

/** The shared secret of RADIUS over TLS, RFC 6614 §2.3: what protects there is TLS. */
export const RADSEC = new TextEncoder().encode('radsec');
const MAX_FILE_OCTETS = 1 << 20;
