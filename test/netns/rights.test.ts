/**
 * Rights to channels between real parts: each encoding against FreeRADIUS with the lab's policy, rights that come
 * with the login, previews, `castgate explain`. Each test raises a lab of its own.
 */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ofGroup, tally } from '../../lab/capture.ts';
import type { Castgate, CastgateSettings } from '../../lab/castgate.ts';
import { Lab, type LabPlan } from '../../lab/lab.ts';
import { builtProgram, LineProgram } from '../../lab/line-program.ts';
import { pause, until } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SSM = '232.1.1.1';
const OTHER_SSM = '232.1.1.2';
const NEWS6 = 'ff15::101';
const FROM = LabAddress.upstream;

const PLAN: LabPlan = {
  hosts: [{ name: 'alice', port: 'swp1' }],
  users: [{ name: 'alice', password: 'alice-password' }],
  permissions: [
    { account: 'alice', group: NEWS, holdsS: 600 },
    { account: 'alice', group: NEWS6, holdsS: 600 },
    { account: 'alice', group: SSM, source: FROM, holdsS: 600 },
    { account: 'alice', group: OTHER_SSM, source: '10.77.0.99', holdsS: 600 },
  ],
  channels: [NEWS, FILM, SSM, OTHER_SSM],
};

let lab: Lab | undefined;
let castgate: Castgate | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && castgate !== undefined)
    console.error(`castgate's last lines:\n${castgate.tail(40).join('\n')}`);
  await castgate?.stop();
  castgate = undefined;
  lab?.close();
  lab = undefined;
});

async function raise(plan: LabPlan, settings: CastgateSettings): Promise<[Lab, Castgate, LineProgram]> {
  lab = await Lab.open(plan);
  castgate = await lab.startCastgate(settings);
  const credentials = { method: 'md5', identity: 'alice', password: 'alice-password' } as const;
  const supplicant = await lab.startSupplicant('alice', credentials);
  await lab.topology.plugIn(lab.topology.host('alice'));
  await supplicant.authenticated(15_000);
  return [lab, castgate, await lab.startReceiver('alice')];
}

async function packets(player: LineProgram, channel: string): Promise<number> {
  const counts = (await player.ask('counts'))['channels'] as Record<string, { packets: number }>;
  return counts[channel]?.packets ?? 0;
}

const receives = (player: LineProgram, channel: string) =>
  until(`${channel} at alice`, 8_000, async () =>
    (await packets(player, channel)) > 0 ? (true as const) : undefined,
  );

const refusedFor = (of: Castgate, group: string) =>
  until(`a refusal of ${group}`, 8_000, async () => {
    const row = (await of.groups()).find((one) => one.group === group);
    return row?.state === 'refused' ? (row.reason ?? undefined) : undefined;
  });

/** What the Access-Requests without EAP carried of a channel. */
const ATTRIBUTES = {
  h3c: ['H3C-IPv4-Multicast-Receive-Group'],
  huawei: ['Huawei-Multicast-Receive-Group', 'Huawei-Multicast-Source-Group'],
  dlink: ['Framed-IP-Address'],
  native: ['Castgate-Group', 'Castgate-Source', 'Castgate-Family', 'Castgate-VLAN'],
} as const;

describe.skipIf(notRoot || notBuilt)(`rights to channels${why}`, { timeout: 60_000 }, () => {
  for (const encoding of ['h3c', 'huawei', 'dlink', 'native'] as const) {
    const perSource = encoding === 'huawei' || encoding === 'native';
    it(`${encoding}: FreeRADIUS permits and refuses${perSource ? ', each source by itself' : ''}`, async () => {
      const [on, daemon, alice] = await raise(PLAN, { groups: { encoding } });
      const cable = await on.capture('alice');
      await alice.ask(`join ${NEWS}`);
      await alice.ask(`join ${FILM}`);
      await receives(alice, NEWS);
      expect(await refusedFor(daemon, FILM)).toBe('radius-reject');
      await alice.ask(`join ${SSM} ${FROM}`);
      await alice.ask(`join ${OTHER_SSM} ${FROM}`);
      // Without words for the source, what is permitted for one source alone is permitted for none.
      if (perSource) await receives(alice, `${SSM} from ${FROM}`);
      else expect(await refusedFor(daemon, SSM)).toBe('radius-reject');
      expect(await refusedFor(daemon, OTHER_SSM)).toBe('radius-reject');
      const saw = await cable.finish();
      for (const group of [FILM, OTHER_SSM, ...(perSource ? [] : [SSM])])
        expect([group, tally(saw, ofGroup(group)).packets]).toEqual([group, 0]);
      const questions = on.radius
        .accessRequests()
        .map((request) => ATTRIBUTES[encoding].map((name) => request.text(name)))
        .filter(([group]) => group !== undefined);
      const expected: Record<typeof encoding, readonly (string | undefined)[]> = {
        h3c: [SSM],
        huawei: [SSM, `${FROM} ${SSM}`],
        dlink: [SSM],
        native: [SSM, FROM, '4', '0'],
      };
      expect(questions.find(([group]) => group === SSM)).toEqual(expected[encoding]);
      expect(questions.map(([group]) => group).sort()).toEqual([NEWS, FILM, SSM, OTHER_SSM].sort());
    });
  }

  it('come with the login: groups, prefixes, limits; a join costs no question, and explain says why', async () => {
    const users = [
      {
        name: 'alice',
        password: 'alice-password',
        replies: [
          `H3C-IPv4-Multicast-Receive-Group += ${NEWS}`,
          `Castgate-Right += "watch 239.1.1.2/31"`,
          `Castgate-Right += "others forbid"`,
          `Castgate-Max-Groups := 2`,
        ],
      },
    ];
    const [on, daemon, alice] = await raise({ ...PLAN, users, channels: [NEWS, FILM, '239.1.1.3'] }, {});
    const host = on.topology.host('alice');
    await alice.ask(`join ${NEWS}`);
    await alice.ask(`join ${FILM}`);
    await receives(alice, NEWS);
    await receives(alice, FILM);
    await alice.ask('join 239.1.1.3');
    expect(await refusedFor(daemon, '239.1.1.3')).toBe('account-group-limit');
    expect(await daemon.explain(host, '239.1.1.3')).toMatchObject({
      verdict: 'refuse',
      reason: 'account-group-limit',
      detail: '2 of 2 groups',
    });
    expect(await daemon.explain(host, '239.7.7.7', '--ask')).toMatchObject({ reason: 'forbidden' });
    expect(await daemon.explain(host, NEWS)).toMatchObject({ verdict: 'granted' });
    expect(await daemon.table('drift')).toContain('nothing was found changed');
    const questions = on.radius
      .accessRequests()
      .filter((request) => request.text('EAP-Message') === undefined);
    expect(questions).toEqual([]);
  });

  it('conformance 60: one who may send, by FreeRADIUS: its channel plays at the neighbour who may receive it, no other one', async () => {
    const [STUDIO, PIRATE] = ['239.9.1.1', '239.9.1.2'];
    const plan = {
      ...PLAN,
      hosts: [
        { name: 'alice', port: 'swp1' },
        { name: 'bob', port: 'swp2' },
      ],
      users: [
        { name: 'alice', password: 'alice-password', replies: ['Castgate-Right += "watch 239.9.0.0/16"'] },
        { name: 'bob', password: 'bob-password', replies: [`Castgate-Right += "send ${STUDIO}"`] },
      ],
      channels: [],
    };
    const [on, daemon, alice] = await raise(plan, {});
    const bob = on.topology.host('bob');
    const upstream = await on.capture(undefined);
    const channels = [bob.address, '50', '500', STUDIO, PIRATE];
    const studio = await LineProgram.start('sender', 'channel-source', channels, bob.namespace);
    for (const group of [STUDIO, PIRATE]) await alice.ask(`join ${group}`);
    const credentials = { method: 'md5', identity: 'bob', password: 'bob-password' } as const;
    const supplicant = await on.startSupplicant('bob', credentials);
    await on.topology.plugIn(bob);
    await supplicant.authenticated(15_000);
    await receives(alice, STUDIO);
    await until('drops of the other one', 8_000, async () =>
      /senders +[1-9]/.test(await daemon.table('refusals')) ? (true as const) : undefined,
    );
    const saw = await upstream.finish();
    expect(await packets(alice, PIRATE)).toBe(0);
    expect(tally(saw, ofGroup(STUDIO)).packets).toBeGreaterThan(0);
    expect(tally(saw, ofGroup(PIRATE)).packets).toBe(0);
    const row = (await daemon.sessions()).find(({ account }) => account === 'bob');
    expect(row?.sends).toEqual([STUDIO]);
    await studio.stop();
  });

  it('preview: by the answer of FreeRADIUS, ends by itself and is accounted for', async () => {
    const replies = ['Castgate-Access := "preview"', 'Castgate-Preview-Length := 2'];
    const permissions = [{ account: 'alice', group: NEWS, holdsS: 600, replies }];
    const [on, daemon, alice] = await raise({ ...PLAN, permissions }, {});
    await alice.ask(`join ${NEWS}`);
    await receives(alice, NEWS);
    const stop = await until('the Stop of the preview', 8_000, async () =>
      on.radius
        .accountingRecords()
        .find(
          (record) =>
            record.text('Acct-Status-Type') === 'Stop' &&
            record.text('H3C-IPv4-Multicast-Receive-Group') === NEWS,
        ),
    );
    expect(stop.text('Acct-Terminate-Cause')).toBe('Session-Timeout');
    expect(stop.octets('Output')).toBeGreaterThan(50_000);
    expect(await daemon.explain(on.topology.host('alice'), NEWS)).toMatchObject({
      reason: 'preview-interval',
    });
  });

  it('optimistic: opened while RADIUS is silent, taken back at its time, granted and accounted for when RADIUS is back', async () => {
    const optimistic = { channels: ['239.1.1.0/24'], wait: '500ms' };
    const [on, daemon, alice] = await raise(PLAN, { channels: { optimistic } });
    const starts = (group: string | undefined) =>
      on.radius
        .accountingRecords()
        .filter((record) => record.text('Acct-Status-Type') === 'Start')
        .filter((record) => record.text('H3C-IPv4-Multicast-Receive-Group') === group).length;
    const said = (cause: string) => () =>
      daemon.tail(100).find((line) => line.includes('"join-taken-back"') && line.includes(`"${cause}"`));
    await until('the Start of the session', 8_000, () => starts(undefined) === 1 || undefined);
    await on.radius.kill();
    await alice.ask(`join ${NEWS}`);
    await receives(alice, NEWS);
    const line = await until('it to be taken back', 8_000, said('unanswered'));
    // What leaked is counted on a real bridge.
    expect(JSON.parse(line)).toMatchObject({ group: NEWS, packets: expect.any(Number) });
    expect((JSON.parse(line) as { packets: number }).packets).toBeGreaterThan(0);
    await pause(200);
    const leaked = await packets(alice, NEWS);
    await pause(500);
    expect(await packets(alice, NEWS)).toBe(leaked);
    expect(starts(NEWS)).toBe(0);
    await on.radius.resume();
    await until('it to be granted', 20_000, async () =>
      (await packets(alice, NEWS)) > leaked ? (true as const) : undefined,
    );
    await until('its Start', 8_000, () => starts(NEWS) === 1 || undefined);

    await alice.ask(`join ${FILM}`);
    expect(await refusedFor(daemon, FILM)).toBe('radius-reject');
    expect(said('refused')()).toBeDefined();
    await pause(200);
    const few = await packets(alice, FILM);
    await pause(500);
    expect(await packets(alice, FILM)).toBe(few);
    expect(starts(FILM)).toBe(0);
  });
});
