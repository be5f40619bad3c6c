/**
 * A subscriber's 802.1X client: wpa_supplicant on the wired interface of its namespace, EAP-MD5,
 * PEAP, TTLS or TLS.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError, LabProcess, run, until } from '../processes.ts';

export interface Credentials {
  readonly method: 'md5' | 'peap' | 'ttls' | 'tls';
  readonly identity: string;
  readonly password: string;
  /** What is said outside of the tunnel; PEAP only. */
  readonly anonymousIdentity?: string;
  /** The authority that the server's certificate is checked against; PEAP only. */
  readonly caFile?: string;
  /** Path of a certificate and its key without the ending; TLS only. */
  readonly certificate?: string;
}

export class Supplicant {
  readonly namespace: string;
  readonly #identity: string;
  readonly #controlFolder: string;
  readonly #process: LabProcess;
  #conversations = 0;

  private constructor(identity: string, namespace: string, controlFolder: string, process: LabProcess) {
    this.#identity = identity;
    this.namespace = namespace;
    this.#controlFolder = controlFolder;
    this.#process = process;
    process.onLine((line) => {
      if (line.includes('CTRL-EVENT-EAP-STARTED')) this.#conversations++;
    });
  }

  /** EAP conversations that it has begun. */
  get conversations(): number {
    return this.#conversations;
  }

  /**
   * Starts it; resolves when it listens. Where the link is up it waits two seconds for the authenticator to
   * begin before it does so itself. `folder` is made for its files.
   */
  static async start(credentials: Credentials, folder: string, namespace: string): Promise<Supplicant> {
    mkdirSync(folder, { mode: 0o700, recursive: true });
    const configuration = join(folder, 'wpa_supplicant.conf');
    const controlFolder = join(folder, 'control');
    writeFileSync(configuration, supplicantFile(credentials, controlFolder), { mode: 0o600 });
    const process = LabProcess.start(
      `wpa_supplicant of ${credentials.identity}`,
      ['wpa_supplicant', '-D', 'wired', '-i', 'eth0', '-c', configuration],
      namespace,
    );
    await process.waitForLine(/Associated with/, 5_000);
    return new Supplicant(credentials.identity, namespace, controlFolder, process);
  }

  /** The command line that reaches this supplicant, for a person to use. */
  get controlCommand(): string {
    return `ip netns exec ${this.namespace} wpa_cli -p ${this.#controlFolder} -i eth0`;
  }

  /** Resolves when EAP has succeeded; throws LabError when it has failed, and at the time limit. */
  async authenticated(timeoutMs: number): Promise<void> {
    const end = await this.#process
      .waitForLine(/CTRL-EVENT-EAP-(SUCCESS|FAILURE)/, timeoutMs)
      .catch(() => 'nothing was decided');
    if (!end.includes('SUCCESS'))
      throw new LabError(
        `${this.#identity} is not logged in: ${end.includes('FAILURE') ? 'refused' : `${end} within ${timeoutMs / 1000} s`}`,
        this.#process.tail(),
      );
    await this.paeState('AUTHENTICATED', timeoutMs);
  }

  /** Resolves when the next EAP conversation has succeeded. */
  async authenticatedAgain(timeoutMs: number): Promise<void> {
    await this.#process.waitForNextLine(/CTRL-EVENT-EAP-SUCCESS/, timeoutMs);
  }

  /** Resolves when the server or the authenticator has said no; throws LabError at the time limit. */
  async refused(timeoutMs: number): Promise<void> {
    await this.#process.waitForLine(/CTRL-EVENT-EAP-FAILURE/, timeoutMs);
  }

  /** Waits until the supplicant's PAE machine is in that state. */
  async paeState(wanted: string, timeoutMs: number): Promise<void> {
    await until(
      `wpa_supplicant in ${this.namespace} to be ${wanted}`,
      timeoutMs,
      async () => ((await this.status()).get('Supplicant PAE state') === wanted ? true : undefined),
      () => this.#process.tail(),
    );
  }

  /** What `wpa_cli status` says. */
  async status(): Promise<ReadonlyMap<string, string>> {
    const text = await this.#control('status');
    return new Map(
      text
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  /** Sends EAPOL-Logoff. */
  async logoff(): Promise<void> {
    await this.#order('logoff');
  }

  /** Lets it authenticate again after `logoff`. */
  async logon(): Promise<void> {
    await this.#order('logon');
  }

  /** Gives another password from now on; the next login uses it. */
  async usePassword(password: string): Promise<void> {
    await this.#order('set_network', '0', 'password', `"${password}"`);
  }

  tail(): readonly string[] {
    return this.#process.tail();
  }

  /** Ends it without an EAPOL-Logoff, as when the host loses power. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }

  async #order(...command: readonly string[]): Promise<void> {
    const answer = await this.#control(...command);
    if (!answer.includes('OK'))
      throw new LabError(`wpa_cli ${command[0]} in ${this.namespace}: ${answer.trim()}`);
  }

  async #control(...command: readonly string[]): Promise<string> {
    const where = ['-p', this.#controlFolder, '-i', 'eth0'];
    return run(['wpa_cli', ...where, ...command], { namespace: this.namespace });
  }
}

/** Its configuration file; without a folder for its control socket, of which eapol_test has none. */
export function supplicantFile(credentials: Credentials, controlFolder: string | undefined): string {
  const network = methodLines(credentials);
  return [
    ...(controlFolder === undefined ? [] : [`ctrl_interface=${controlFolder}`]),
    'ap_scan=0',
    'fast_reauth=0',
    'network={',
    ...[
      'key_mgmt=IEEE8021X',
      'eapol_flags=0',
      `identity="${credentials.identity}"`,
      `password="${credentials.password}"`,
      ...network,
    ].map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

function methodLines(credentials: Credentials): readonly string[] {
  const { method, anonymousIdentity, caFile, certificate } = credentials;
  if (method === 'md5') return ['eap=MD5'];
  const inner = { peap: ['phase2="auth=MSCHAPV2"'], ttls: ['phase2="autheap=MSCHAPV2"'], tls: [] };
  return [
    `eap=${method.toUpperCase()}`,
    ...inner[method],
    ...(anonymousIdentity === undefined ? [] : [`anonymous_identity="${anonymousIdentity}"`]),
    ...(caFile === undefined ? [] : [`ca_cert="${caFile}"`]),
    ...(certificate === undefined
      ? []
      : [`client_cert="${certificate}.pem"`, `private_key="${certificate}.key"`]),
  ];
}
