/** Subscribers as senders on a real bridge: each MAC address to its own channels, from its own port, and to no others. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseChannelRange } from '../../../auth/rights/channel-range.ts';
import type { ChannelRange } from '../../../session/records.ts';
import type { SwitchOperation } from '../../../switch/switch.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SwitchRig } from './switch-rig.ts';
import { udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };
const GROUP = '239.9.1.1';
const GROUP6 = 'ff15::901';
/** Nested, with host bits, once and for all of a prefix, beside one source: what a server may say. */
const RIGHTS = [
  '239.9.1.1',
  '239.9.0.0/16',
  '239.9.1.0/24',
  'ff15::/16',
  'ff15::901',
  '232.1.1.1 from 10.0.0.1',
];

function ranges(...texts: readonly string[]): ChannelRange[] {
  return texts.map((text) => {
    const range = parseChannelRange(text);
    if (range === undefined) throw new Error(text);
    return range;
  });
}

describe.skipIf(reason !== undefined)(`subscribers that may send ${reason ?? ''}`, () => {
  let rig: SwitchRig;
  beforeAll(async () => {
    rig = await SwitchRig.create('cgt-se');
    rig.start();
  });
  afterAll(() => rig.dispose());
  beforeEach(() => rig.clear());
  afterEach(() => {
    for (const host of [host1, host2, { ...host1, mac: HOST2 }]) sw().closeHost(host);
    for (const group of [GROUP, GROUP6]) sw().clearForwarding('swp2', 0, group);
  });

  const sw = () => {
    if (rig.switch === undefined) throw new Error('no switch');
    return rig.switch;
  };
  const send = (
    group: string,
    text: string,
    source = group.includes(':') ? 'fe80::1' : '10.0.0.1',
    mac = HOST1,
  ) => rig.taps.h1.send('eth0', udp(source, mac, group, text));
  const arrived = (where: 'h1' | 'h2' | 'up', text: string) => rig.taps[where].withText(text).length;
  /** Sends, and behind it something that passes: what came of the first by then is all that comes. */
  const reaches = async (group: string, source?: string, mac?: string) => {
    rig.clear();
    send(group, 'channel', source, mac);
    send('224.0.0.251', 'behind it');
    await until('what is behind it', () => arrived('up', 'behind it') === 1);
    return arrived('up', 'channel');
  };
  const elements = async () => {
    const sets = await Promise.all(
      ['senders4', 'senders6', 'sources_of4', 'sources_of6'].map((set) =>
        rig.sw(`nft list set bridge castgate ${set}`),
      ),
    );
    return (
      sets
        .join('')
        .match(/"swp\d" \. [^,}]+/g)
        ?.map((line) => line.trim()) ?? []
    );
  };

  it('conformance 60: passes multicast of a host that may send to the group, and of nobody else', async () => {
    sw().openHost({ ...host1, sends: ranges(...RIGHTS) });
    const before = sw().refusals().get('senders')?.packets ?? 0;
    expect(await reaches(GROUP)).toBe(1);
    expect(await reaches('239.9.200.7')).toBe(1);
    expect(await reaches(GROUP6)).toBe(1);
    expect(await reaches('232.1.1.1')).toBe(1);
    expect(await reaches('239.10.1.1')).toBe(0);
    expect(await reaches('ff18::1')).toBe(0);
    expect(await reaches('232.1.1.1', '10.0.0.2')).toBe(0);
    expect((sw().refusals().get('senders')?.packets ?? 0) - before).toBe(3);
    // Its neighbour behind the same port, and it on another port, are others.
    sw().openHost({ ...host1, mac: HOST2 });
    expect(await reaches(GROUP, undefined, HOST2)).toBe(0);
    sw().closeHost({ ...host1, mac: HOST2 });
    sw().closeHost(host1);
    expect(await elements()).toEqual([]);
    sw().openHost({ ...host2, mac: HOST1 });
    rig.taps.h2.send('eth0', udp('10.0.0.1', HOST1, GROUP, 'elsewhere'));
    await pause(30);
    expect(arrived('up', 'elsewhere')).toBe(0);
    sw().closeHost({ ...host2, mac: HOST1 });
  });

  it('a channel from one subscriber reaches another who was granted it, and no third port', async () => {
    sw().openHost({ ...host1, sends: ranges(GROUP, GROUP6) });
    sw().openHost(host2);
    for (const group of [GROUP, GROUP6]) {
      send(group, `early ${group}`);
      expect(sw().setForwarding('swp2', 0, group, ANY)).toBeUndefined();
      send(group, `granted ${group}`);
      await until('at the other one', () => arrived('h2', `granted ${group}`) === 1);
      expect(arrived('h2', `early ${group}`)).toBe(0);
      expect(sw().channelCounter('swp2', 0, group).packets).toBe(1);
    }
  });

  it('what a host may send to changes while it is open, all at once, and is put back where it was taken', async () => {
    sw().openHost({ ...host1, sends: ranges('239.9.1.0/24', 'ff15::/16') });
    expect(
      sw().openHost({ ...host1, sends: ranges('239.9.0.0/16', '239.10.1.1 from 10.0.0.1') }),
    ).toBeUndefined();
    expect(await elements()).toHaveLength(2);
    expect([await reaches('239.9.7.7'), await reaches(GROUP6), await reaches('239.10.1.1')]).toEqual([
      1, 0, 1,
    ]);
    expect(sw().hostCounters(host1)?.input.packets).toBeGreaterThan(0);
    await rig.sw(`nft delete element bridge castgate senders4 '{ "swp1" . ${HOST1} . 239.9.0.0/16 }'`);
    await rig.sw(`nft add element bridge castgate senders6 '{ "swp2" . ${HOST2} . ff15::/16 }'`);
    expect(sw().audit()).toEqual(['nftables sets: 1 put back, 1 removed']);
    expect(await reaches('239.9.7.7')).toBe(1);
    expect(sw().audit()).toEqual([]);
    expect(sw().openHost(host1)).toBeUndefined();
    expect(await elements()).toEqual([]);
    expect(await reaches('239.9.7.7')).toBe(0);
  });

  it('many at once, as at a takeover: each host with its own, also the one that the bridge refuses', async () => {
    const host = (number: number) => ({ port: 'swp1', vlan: 0, mac: `02:00:00:00:0a:0${number}` });
    await rig.sw(`bridge fdb add ${host(2).mac} dev up0 master static`);
    const open = (number: number, ...of: string[]): SwitchOperation => {
      return { kind: 'open-host', host: { ...host(number), sends: ranges(...of) } };
    };
    const failed = sw().applyAll([
      open(1, GROUP),
      open(2, GROUP, GROUP6),
      open(3, '239.9.0.0/16', GROUP6),
      open(4),
      open(3, '239.9.0.0/16'),
      { kind: 'close-host', host: host(1) },
    ]);
    expect(failed.map(({ failure }) => failure.errno)).toEqual(['EEXIST']);
    expect(await elements()).toEqual([`"swp1" . ${host(3).mac} . 239.9.0.0/16`]);
    expect(sw().audit()).toEqual([]);
    const close = [1, 3, 4].map((number): SwitchOperation => ({ kind: 'close-host', host: host(number) }));
    expect(sw().applyAll(close)).toEqual([]);
    expect(await elements()).toEqual([]);
    expect(sw().audit()).toEqual([]);
    await rig.sw(`bridge fdb del ${host(2).mac} dev up0 master static`);
  });

  it('a daemon that starts again goes on with them, and takes away what it does not know', async () => {
    sw().openHost({ ...host1, sends: ranges(GROUP) });
    sw().openHost({ ...host2, sends: ranges(GROUP6) });
    sw().stop({ cleanup: false });
    expect(await reaches(GROUP)).toBe(1);
    const next = rig.make();
    rig.switch = next;
    rig.lab.within('sw', () => next.start({ hosts: [{ ...host1, sends: ranges(GROUP) }], channels: [] }));
    expect(await elements()).toEqual([`"swp1" . ${HOST1} . ${GROUP}`]);
    expect(await reaches(GROUP)).toBe(1);
  });
});
