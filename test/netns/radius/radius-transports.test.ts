/**
 * RADIUS over UDP, TCP and TLS between real parts: FreeRADIUS with a listener for each, wpa_supplicants that use
 * every EAP method, certificates that need many fragments.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import type { Credentials, Supplicant } from '../../../lab/hosts/supplicant.ts';
import { Lab, type LabPlan } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { run, until } from '../../../lab/processes.ts';
import { makeCertificate, manyNames } from '../../../lab/radius/certificates.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const METHODS = ['md5', 'peap', 'ttls', 'tls'] as const;
const PLAN: LabPlan = {
  hosts: METHODS.map((method, i) => ({ name: method, port: `swp${i + 1}` })),
  users: METHODS.map((method) => ({ name: method, password: `${method}-password` })),
  permissions: [],
  channels: ['239.1.1.1'],
  streams: true,
};

let lab: Lab | undefined;
let castgate: Castgate | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined) {
    console.error(`castgate's last lines:\n${castgate.tail(30).join('\n')}`);
    console.error(`FreeRADIUS's last lines:\n${lab?.radius.tail().join('\n')}`);
  }
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

type Server = Readonly<Record<string, unknown>>;

function servers(on: Lab): { udp: Server; tcp: Server; tls: Server } {
  const common = { address: LabAddress.radius };
  const file = (name: string) => join(on.radius.folder, name);
  const tls = {
    ca_file: file('ca.pem'),
    certificate_file: file('castgate.pem'),
    key_file: file('castgate.key'),
    name: 'radius.castgate.example',
  };
  return {
    udp: { ...common, name: 'by-udp', secret_file: on.radius.secretFile, status_server: true },
    tcp: { ...common, name: 'by-tcp', secret_file: on.radius.secretFile, transport: 'tcp' },
    tls: { ...common, name: 'by-tls', transport: 'tls', tls },
  };
}

async function raise(list: (of: ReturnType<typeof servers>) => readonly Server[]): Promise<[Lab, Castgate]> {
  lab = await Lab.open(PLAN);
  castgate = await lab.startCastgate({ radius: { servers: list(servers(lab)) } });
  return [lab, castgate];
}

async function logIn(on: Lab, method: Credentials['method']): Promise<Supplicant> {
  const certificate = join(on.radius.folder, method);
  if (method === 'tls')
    await makeCertificate(on.radius.folder, { name: method, use: 'clientAuth', names: manyNames() });
  const supplicant = await on.startSupplicant(method, {
    method,
    identity: method,
    password: `${method}-password`,
    ...(method === 'tls' ? { certificate } : {}),
  });
  await on.topology.plugIn(on.topology.host(method));
  return supplicant;
}

describe.skipIf(notRoot || notBuilt)(`RADIUS transports${why}`, { timeout: 120_000 }, () => {
  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    it(`conformance 16, 35: ${transport}: every EAP method gets in, with certificates over four kilobytes`, async () => {
      const [on, daemon] = await raise((of) => [of[transport]]);
      for (const method of METHODS) {
        const supplicant = await logIn(on, method);
        await supplicant.authenticated(20_000);
      }
      const sessions = await daemon.sessions();
      expect(sessions.map(({ account, server }) => [account, server])).toEqual(
        METHODS.map((method) => [method, `by-${transport}`]),
      );
      await until('Start of each session at FreeRADIUS', 8_000, () =>
        on.radius.accountingRecords().filter((record) => record.text('Acct-Status-Type') === 'Start')
          .length === METHODS.length
          ? true
          : undefined,
      );
      const [row] = await daemon.radius();
      expect(row).toMatchObject({ retransmits: 0, timeouts: 0, discarded: {} });
    });
  }

  it('a server that shows no certificate of the authority gets nothing, and the next one does', async () => {
    const [on, daemon] = await raise((of) => [
      { ...of.tls, name: 'false-name', tls: { ...(of.tls['tls'] as object), name: 'another.example' } },
      of.tcp,
    ]);
    const supplicant = await logIn(on, 'md5');
    await supplicant.authenticated(20_000);
    expect((await daemon.sessions())[0]?.server).toBe('by-tcp');
    expect((await daemon.radius())[0]).toMatchObject({ server: 'false-name', state: 'dead', accepts: 0 });
  });

  it('a server that is gone and back again is connected to again, and logins wait for no timer of theirs', async () => {
    const [on, daemon] = await raise((of) => [of.tls, of.udp]);
    const peap = await logIn(on, 'peap');
    await peap.authenticated(20_000);
    expect((await daemon.sessions())[0]?.server).toBe('by-tls');
    await run(
      [
        'nft',
        'add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in tcp dport 2083 reject with tcp reset',
      ],
      { namespace: on.topology.radiusNamespace },
    );
    const md5 = await logIn(on, 'md5');
    await md5.authenticated(20_000);
    const by = (account: string) => async () =>
      (await daemon.sessions()).find((session) => session.account === account)?.server ?? undefined;
    expect(await by('md5')()).toBe('by-udp');
    await run(['nft', 'delete', 'table', 'inet', 't'], { namespace: on.topology.radiusNamespace });
    await until('the TLS server to be alive', 30_000, async () =>
      (await daemon.radius())[0]?.state === 'alive' ? (true as const) : undefined,
    );
    const ttls = await logIn(on, 'ttls');
    await ttls.authenticated(20_000);
    expect(await by('ttls')()).toBe('by-tls');
  });
});
