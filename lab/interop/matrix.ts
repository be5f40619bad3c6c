/**
 * The matrix: every EAP method over every transport, between wpa_supplicant, castgate and FreeRADIUS, with
 * certificates of more than four kilobytes. One lab for a round; castgate is started anew for each transport.
 */
import { join } from 'node:path';
import type { ShowRows } from '../../daemon/show/show-rows.ts';
import type { Castgate } from '../castgate.ts';
import { ask } from '../control.ts';
import type { Credentials } from '../hosts/supplicant.ts';
import { Lab, type LabPlan } from '../lab.ts';
import { LabError, until } from '../processes.ts';
import { makeCertificate, manyNames } from '../radius/certificates.ts';
import { eapolTest } from './eapol-test.ts';
import { serverEntry, TRANSPORTS, type Transport } from './transport.ts';

/** One thing that was tried. */
export interface Cell {
  readonly transport: string;
  readonly method: string;
  readonly seconds: number;
  /** Undefined: it passed. */
  readonly why: string | undefined;
}

export const METHODS = ['md5', 'peap', 'ttls', 'tls'] as const;
type Method = (typeof METHODS)[number];

/** Plays the whole matrix once. `tell` hears of each cell as it ends. Throws LabError where there is no lab. */
export async function playMatrix(tell: (cell: Cell) => void): Promise<readonly Cell[]> {
  const lab = await Lab.open(PLAN);
  const cells: Cell[] = [];
  const told = (cell: Cell) => {
    cells.push(cell);
    tell(cell);
  };
  try {
    await makeCertificate(lab.radius.folder, { name: 'tls', use: 'clientAuth', names: manyNames() });
    for (const method of METHODS) {
      const folder = join(lab.workspace.directory, `eapol-test-${method}`);
      const credentials = { ...credentialsOf(lab, method), caFile: lab.radius.caFile };
      const { switchNamespace } = lab.topology;
      told(await cell(EAPOL_TEST, method, () => eapolTest(credentials, folder, switchNamespace, lab.radius)));
    }
    for (const transport of TRANSPORTS) await playTransport(lab, transport, told);
  } finally {
    lab.close();
  }
  return cells;
}

async function playTransport(lab: Lab, transport: Transport, told: (cell: Cell) => void): Promise<void> {
  let castgate: Castgate;
  try {
    const radius = { servers: [serverEntry(transport, lab.radius)] };
    castgate = await lab.startCastgate({ radius });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    for (const method of METHODS) told({ transport: transport.name, method, seconds: 0, why: error.message });
    return;
  }
  try {
    for (const method of METHODS) {
      told(await cell(transport.name, method, () => logIn(lab, castgate, transport, method)));
    }
  } finally {
    await castgate.stop();
  }
}

/** A subscriber gets in, castgate knows him, and the server has the Start of his session. */
async function logIn(
  lab: Lab,
  castgate: Castgate,
  transport: Transport,
  method: Method,
): Promise<string | undefined> {
  const host = lab.topology.host(method);
  const supplicant = await lab.startSupplicant(method, credentialsOf(lab, method));
  try {
    await lab.topology.plugIn(host);
    await supplicant.authenticated(PATIENCE_MS);
    const session = (await show(castgate, 'sessions')).find(({ mac }) => mac === host.mac);
    if (session?.authorized !== true) return 'castgate has no session that is authorized';
    if (session.account !== method) return `the account is ${session.account}`;
    if (session.server !== transport.name) return `the server is ${session.server}`;
    await until('the Start of the session at FreeRADIUS', PATIENCE_MS, async () =>
      lab.radius
        .accountingRecords()
        .some(
          (record) =>
            record.text('Acct-Status-Type') === 'Start' &&
            record.text('Acct-Session-Id') === session.acctSessionId,
        )
        ? true
        : undefined,
    );
    const [server] = await show(castgate, 'radius');
    const discarded = Object.keys(server?.discarded ?? {});
    if (discarded.length > 0) return `answers were discarded: ${discarded.join(', ')}`;
    return server?.timeouts === 0 ? undefined : 'requests were given up';
  } finally {
    await supplicant.kill();
    await lab.topology.unplug(host);
  }
}

/** Over its socket: a program for each question would take longer than the login on a busy machine. */
async function show<T extends 'sessions' | 'radius'>(castgate: Castgate, topic: T): Promise<ShowRows[T]> {
  const answer = await ask(castgate.socket, topic, PATIENCE_MS);
  if (answer === undefined || !('result' in answer)) throw new LabError(`castgate does not show ${topic}`);
  return answer.result as ShowRows[T];
}

async function cell(
  transport: string,
  method: Method,
  play: () => Promise<string | undefined>,
): Promise<Cell> {
  const begin = performance.now();
  let why: string | undefined;
  try {
    why = await play();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    why = [error.message, ...error.detail.slice(-3)].join(' / ');
  }
  return { transport, method, seconds: (performance.now() - begin) / 1000, why };
}

function credentialsOf(lab: Lab, method: Method): Omit<Credentials, 'caFile'> {
  const certificate = method === 'tls' ? { certificate: join(lab.radius.folder, 'tls') } : {};
  return { method, identity: method, password: passwordOf(method), ...certificate };
}

function passwordOf(method: Method): string {
  return `${method}-password`;
}

/** The column of the server's own yardstick. */
const EAPOL_TEST = 'eapol_test';
const PATIENCE_MS = 30_000;
const PLAN: LabPlan = {
  hosts: METHODS.map((name, i) => ({ name, port: `swp${i + 1}` })),
  users: METHODS.map((name) => ({ name, password: passwordOf(name) })),
  permissions: [],
  channels: [],
  streams: true,
};
