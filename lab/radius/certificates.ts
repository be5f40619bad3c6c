/** Certificates for a lab, signed by its authority: for servers, for castgate itself and for subscribers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../processes.ts';

export interface CertificatePlan {
  readonly name: string;
  readonly use: 'serverAuth' | 'clientAuth';
  /** DNS names in it; with some hundred the certificate is larger than a RADIUS packet. */
  readonly names: readonly string[];
}

/** Writes ca.pem and ca.key of a new authority, valid for two weeks. */
export async function makeAuthority(folder: string): Promise<void> {
  const file = (what: string) => join(folder, what);
  writeFileSync(
    file('ca.cnf'),
    '[req]\ndistinguished_name = name\n[name]\n[authority]\nbasicConstraints = critical,CA:true\nkeyUsage = critical,keyCertSign\n',
  );
  await run([
    ...['openssl', 'req', '-x509', '-config', file('ca.cnf'), '-extensions', 'authority', ...NEW_KEY],
    ...['-subj', '/CN=castgate lab authority', '-days', '14'],
    ...['-keyout', file('ca.key'), '-out', file('ca.pem')],
  ]);
}

/** Writes NAME.pem and NAME.key into the folder of an authority (ca.pem, ca.key). */
export async function makeCertificate(folder: string, plan: CertificatePlan): Promise<void> {
  const { name, use, names } = plan;
  const file = (what: string) => join(folder, what);
  const alternatives =
    names.length === 0 ? '' : `subjectAltName = ${names.map((n) => `DNS:${n}`).join(',')}\n`;
  writeFileSync(
    file(`${name}.cnf`),
    `[req]\ndistinguished_name = name\n[name]\n[one]\nbasicConstraints = CA:false\nextendedKeyUsage = ${use}\n${alternatives}`,
  );
  const request = ['openssl', 'req', '-config', file(`${name}.cnf`), ...NEW_KEY, '-subj', `/CN=${name}`];
  await run([...request, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)]);
  const sign = ['openssl', 'x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem')];
  const how = ['-CAkey', file('ca.key'), '-CAcreateserial', '-days', '14'];
  const extensions = ['-extfile', file(`${name}.cnf`), '-extensions', 'one'];
  await run([...sign, ...how, ...extensions, '-out', file(`${name}.pem`)]);
}

/** So many names that a certificate with them has more than four kilobytes. */
export function manyNames(): readonly string[] {
  return Array.from({ length: 160 }, (_, i) => `name-number-${i}.castgate.example`);
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
