/**
 * The lab's RADIUS server: FreeRADIUS in a namespace of its own, with a configuration and a server
 * certificate made for this lab. Everything it keeps is in its folder, among it the accounting records
 * that tests read.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabProcess } from '../processes.ts';
import { makeAuthority, makeCertificate, manyNames } from './certificates.ts';
import { type DetailRecord, parseDetailFile } from './detail-file.ts';
import { freeRadiusFiles, type RadiusPlan } from './freeradius-files.ts';

export class FreeRadius {
  readonly plan: RadiusPlan;
  /** For supplicants that check the server's certificate. */
  readonly caFile: string;
  /** Holds the shared secret, for castgate's configuration. */
  readonly secretFile: string;
  /** The detail file of Accounting-Requests. */
  readonly accountingFile: string;
  /** Where its files are. */
  readonly folder: string;
  readonly #namespace: string;
  #process: LabProcess | undefined;

  private constructor(plan: RadiusPlan, folder: string, namespace: string) {
    this.plan = plan;
    this.folder = folder;
    this.#namespace = namespace;
    this.caFile = join(folder, 'ca.pem');
    this.secretFile = join(folder, 'secret');
    this.accountingFile = join(folder, 'accounting.detail');
  }

  /** Writes the configuration and starts the server; resolves when it answers. Throws LabError. */
  static async start(plan: RadiusPlan, folder: string, namespace: string): Promise<FreeRadius> {
    const server = new FreeRadius(plan, folder, namespace);
    mkdirSync(folder, { mode: 0o700 });
    for (const [name, content] of freeRadiusFiles(plan, folder))
      writeFileSync(join(folder, name), content, { mode: 0o600 });
    writeFileSync(server.secretFile, plan.secret, { mode: 0o600 });
    await makeCertificates(folder);
    if (plan.streams === true) {
      await makeCertificate(folder, { name: 'large', use: 'serverAuth', names: manyNames() });
      await makeCertificate(folder, { name: 'castgate', use: 'clientAuth', names: [] });
    }
    await server.resume();
    return server;
  }

  /** Starts it again after `halt`, with the same configuration. */
  async resume(): Promise<void> {
    if (this.#process?.running === true) return;
    const process = LabProcess.start(
      'FreeRADIUS',
      ['freeradius', '-f', '-d', this.folder, '-l', 'stdout'],
      this.#namespace,
    );
    this.#process = process;
    await process.waitForLine(/Ready to process requests/, 10_000);
  }

  /** Takes the server away: from now on nobody answers. */
  async halt(): Promise<void> {
    await this.#process?.stop('SIGTERM');
  }

  /** SIGSTOP and SIGCONT: it reads nothing meanwhile. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.signal(name);
  }

  /** SIGKILL: it forgets every conversation. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** Accounting-Requests in the order in which the server wrote them down. */
  accountingRecords(): readonly DetailRecord[] {
    return this.#detail('accounting.detail');
  }

  /** Access-Requests, where the plan has them recorded. */
  accessRequests(): readonly DetailRecord[] {
    return this.#detail('requests.detail');
  }

  tail(): readonly string[] {
    return this.#process?.tail() ?? [];
  }

  #detail(name: string): readonly DetailRecord[] {
    try {
      return parseDetailFile(readFileSync(join(this.folder, name), 'utf8'));
    } catch {
      return []; // made with the first record
    }
  }
}

/** A certificate authority and a server certificate below it, valid for two weeks. */
async function makeCertificates(folder: string): Promise<void> {
  await makeAuthority(folder);
  await makeCertificate(folder, { name: 'server', use: 'serverAuth', names: ['radius.castgate.example'] });
}
