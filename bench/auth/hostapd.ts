/**
 * The peer of the authentications: hostapd with its wired driver, as Debian has it. It authenticates and asks
 * the same RADIUS server, and opens no port: its driver has none.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabProcess } from '../../lab/processes.ts';
import type { FreeRadius } from '../../lab/radius/freeradius.ts';
import { LabAddress } from '../../lab/topology.ts';
import type { BenchNetwork } from '../network.ts';

export class Hostapd {
  readonly process: LabProcess;

  private constructor(process: LabProcess) {
    this.process = process;
  }

  /** Starts it on its port; resolves when it serves. It knows no station: its table takes 2,007 and forgets none. */
  static async start(
    directory: string,
    network: BenchNetwork,
    radius: FreeRadius,
    accounting: boolean,
  ): Promise<Hostapd> {
    const file = join(mkdtempSync(join(directory, 'hostapd-')), 'hostapd.conf');
    const secret = readFileSync(radius.secretFile, 'utf8');
    writeFileSync(file, configuration(network.hostapdPort, secret, accounting), { mode: 0o600 });
    const process = LabProcess.start('hostapd', ['hostapd', file], network.switchNamespace);
    await process.waitForLine(/AP-ENABLED/, 5_000);
    return new Hostapd(process);
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM', 2_000);
  }
}

function configuration(port: string, secret: string, accounting: boolean): string {
  const acct = `acct_server_addr=${LabAddress.radius}\nacct_server_port=1813\nacct_server_shared_secret=${secret}\n`;
  return `interface=${port}
driver=wired
ieee8021x=1
eapol_version=2
eap_reauth_period=0
use_pae_group_addr=0
max_num_sta=2007
own_ip_addr=${LabAddress.switchOnRadiusLink}
nas_identifier=peer
auth_server_addr=${LabAddress.radius}
auth_server_port=1812
auth_server_shared_secret=${secret}
${accounting ? acct : ''}`;
}
