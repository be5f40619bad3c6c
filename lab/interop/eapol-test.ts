/**
 * eapol_test: wpa_supplicant's EAP with a RADIUS client of its own, straight to the server. What it cannot do, a
 * subscriber behind castgate cannot do either.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Credentials, supplicantFile } from '../hosts/supplicant.ts';
import { attempt, lastLines } from '../processes.ts';
import type { FreeRadius } from '../radius/freeradius.ts';

/** Undefined: it got in; else what it said last. */
export async function eapolTest(
  credentials: Credentials,
  folder: string,
  namespace: string,
  radius: FreeRadius,
): Promise<string | undefined> {
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const file = join(folder, 'eapol_test.conf');
  writeFileSync(file, supplicantFile(credentials, undefined), { mode: 0o600 });
  const server = ['-a', radius.plan.listen, '-p', '1812', '-s', readFileSync(radius.secretFile, 'utf8')];
  // -n: EAP-MD5 makes no keys, and a wire needs none.
  const command = ['eapol_test', '-n', '-c', file, ...server, '-t', '20'];
  const { code, stdout } = await attempt(command, { namespace, timeoutMs: 30_000 });
  return code === 0 && stdout.trimEnd().endsWith('SUCCESS') ? undefined : lastLines(stdout).join(' / ');
}
