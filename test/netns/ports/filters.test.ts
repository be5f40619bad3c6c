/**
 * Packet filters between real parts: FreeRADIUS gives a login its filter, radclient changes it and the port's bridge
 * while the session runs. What may pass is asked by UDP and TCP. In network namespaces.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Castgate } from '../../../lab/castgate.ts';
import { Lab } from '../../../lab/lab.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { run, until } from '../../../lab/processes.ts';
import { radclient } from '../../../lab/radius/radclient.ts';
import { LabAddress } from '../../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

let lab: Lab | undefined;
let castgate: Castgate | undefined;
let web: ChildProcess | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined)
    console.error(`castgate's last lines:\n${castgate.tail(20).join('\n')}`);
  web?.kill();
  web = undefined;
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

const SERVER = "require('net').createServer((s) => s.end('hello')).listen(8080, () => console.log('ready'))";
const CLIENT = `const s = require('net').connect(8080, '${LabAddress.upstream}');
  s.on('data', () => { console.log('connected'); process.exit(0); });
  s.on('error', (e) => { console.log(e.code); process.exit(0); });
  setTimeout(() => { console.log('silence'); process.exit(0); }, 1500);`;

describe.skipIf(notRoot || notBuilt)(`packet filters from RADIUS${why}`, { timeout: 90_000 }, () => {
  it('conformance 48: come with the login, change by CoA with the VLAN, and what cannot be is refused whole', async () => {
    lab = await Lab.open({
      hosts: [{ name: 'alice', port: 'swp1' }],
      users: [
        {
          name: 'alice',
          password: 'alice-password',
          replies: [
            `NAS-Filter-Rule += "deny in udp from any to any"`,
            `NAS-Filter-Rule += "permit in tcp from any to ${LabAddress.upstream}/32 8080"`,
          ],
        },
      ],
      permissions: [],
      channels: [],
    });
    const on = lab;
    const inSwitch = { namespace: on.topology.switchNamespace };
    await run(['ip', 'link', 'add', 'br-away', 'type', 'bridge'], inSwitch);
    await run(['ip', 'link', 'set', 'br-away', 'up'], inSwitch);
    const daemon = await on.startCastgate({
      vlan_bridges: { 99: 'br-away' },
      filters: { 'udp-only': { rules: ['permit in udp from any to any'] } },
      radius: {
        dynamic_authorization: {
          clients: [{ name: 'lab', address: LabAddress.radius, secret_file: on.radius.secretFile }],
          listen: [LabAddress.switchOnRadiusLink],
        },
      },
    });
    castgate = daemon;
    web = spawn('ip', ['netns', 'exec', on.topology.upstreamNamespace, process.execPath, '-e', SERVER]);
    await new Promise((ready) => web?.stdout?.once('data', ready));
    await on.topology.plugIn(on.topology.host('alice'));
    const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
    const alice = await on.startSupplicant('alice', credentials);
    await alice.authenticated(20_000);
    const player = await on.startReceiver('alice');
    const inHost = { namespace: on.topology.host('alice').namespace };
    const echoes = async () =>
      Number((await player.ask(`echo ${LabAddress.upstream} 3`, 15_000))['returned']) > 0;
    const connects = async () => (await run([process.execPath, '-e', CLIENT], inHost)).trim() === 'connected';
    const may = async () => ({ udp: await echoes(), tcp: await connects() });
    const coa = (...attributes: string[]) =>
      radclient(
        on.topology.radiusNamespace,
        `${LabAddress.switchOnRadiusLink}:3799`,
        'coa',
        on.radius.plan.secret,
        ['User-Name = "alice"', ...attributes],
      );
    expect(await may()).toEqual({ udp: false, tcp: true });
    const [before] = await daemon.sessions();

    const named = await coa('Filter-Id = "udp-only"');
    expect(named, named.output).toMatchObject({ code: 'CoA-ACK' });
    expect(await may()).toEqual({ udp: true, tcp: false });

    const unknown = await coa('Session-Timeout = 7', 'Filter-Id = "unheard-of"');
    expect(unknown, unknown.output).toMatchObject({ code: 'CoA-NAK', errorCause: 'Invalid-Attribute-Value' });
    expect(await may()).toEqual({ udp: true, tcp: false });

    const literal = await coa(
      'NAS-Filter-Rule += "permit in tcp from any to any 8080"',
      `NAS-Filter-Rule += "permit out tcp from ${LabAddress.upstream} 8080 to any"`,
    );
    expect(literal, literal.output).toMatchObject({ code: 'CoA-ACK' });
    expect(await may()).toEqual({ udp: false, tcp: true });

    const moved = await coa(
      'Tunnel-Type = VLAN',
      'Tunnel-Medium-Type = IEEE-802',
      'Tunnel-Private-Group-Id = "99"',
      'Filter-Id = "udp-only"',
    );
    expect(moved, moved.output).toMatchObject({ code: 'CoA-ACK' });
    await until('the port in the other bridge', 8_000, async () =>
      (await run(['ip', 'link', 'show', 'swp1'], inSwitch)).includes('master br-away')
        ? (true as const)
        : undefined,
    );
    const [after] = await daemon.sessions();
    expect(after?.acctSessionId).toBe(before?.acctSessionId);
    await daemon.stop();
  });
});
