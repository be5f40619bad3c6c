/** The TLS front before a lab's FreeRADIUS, as who asks it sees it. */
import { join } from 'node:path';
import { LineProgram } from '../line-program.ts';
import { LabAddress } from '../topology.ts';
import type { FreeRadius } from './freeradius.ts';
import type { FrontReport } from './tls-front.ts';

/** Starts it where the server is, whose plan has `streams` and `behindFront`. */
export function startFront(radius: FreeRadius, namespace: string): Promise<LineProgram> {
  const args = [LabAddress.radius, String(PORT), radius.folder];
  return LineProgram.start('TLS front', 'radius/tls-front', args, namespace);
}

/** The section `tls` of a server's entry by which castgate reaches it; its secret is FreeRADIUS's. */
export function frontSection({ folder }: FreeRadius): Readonly<Record<string, unknown>> {
  const file = (name: string) => join(folder, name);
  return {
    port: PORT,
    ca_file: file('ca.pem'),
    certificate_file: file('castgate.pem'),
    key_file: file('castgate.key'),
    name: 'radius.castgate.example',
  };
}

export async function reportOf(front: LineProgram): Promise<FrontReport> {
  return (await front.ask('report'))['report'] as FrontReport;
}

const PORT = 2084;
