/**
 * What passes a real bridge with a LinuxSwitch on it: hosts, channels, sources, and nothing else.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pause, until, whyNoNamespaces } from './namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { ethernet, udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };

describe.skipIf(reason !== undefined)(`forwarding on a real bridge ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeAll(async () => {
    rig = await SwitchRig.create('cgt-fw');
    rig.start();
  });
  afterAll(() => rig.dispose());
  beforeEach(() => rig.clear());
  afterEach(() => {
    for (const host of [host1, host2]) rig.switch?.closeHost(host);
  });

  it('lets a host on a locked port through only with its MAC', async () => {
    const sw = rig.switch;
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'before', SOURCE));
    await pause(30);
    expect(rig.taps.up.withText('before')).toHaveLength(0);

    expect(sw?.openHost(host1)).toBeUndefined();
    expect(sw?.openHost(host1)).toBeUndefined();
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'open', SOURCE));
    rig.taps.h1.send('eth0', udp('10.0.0.1', '02:00:00:00:01:02', '10.0.0.9', 'stranger', SOURCE));
    await until('the open host is heard', () => rig.taps.up.withText('open').length === 1);
    await pause(30);
    expect(rig.taps.up.withText('stranger')).toHaveLength(0);

    expect(sw?.closeHost(host1)).toBeUndefined();
    expect(sw?.closeHost(host1)).toBeUndefined();
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'closed', SOURCE));
    await pause(30);
    expect(rig.taps.up.withText('closed')).toHaveLength(0);
  });

  it('forwards a channel within a second of the start, to its port only, until it is taken back', async () => {
    const sw = rig.switch;
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'early'));
    await pause(30);
    expect(rig.taps.h1.withText('early')).toHaveLength(0);

    expect(sw?.setForwarding('swp1', 0, '239.1.1.1', ANY)).toBeUndefined();
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'granted'));
    await until('the channel arrives', () => rig.taps.h1.withText('granted').length === 1);
    await pause(30);
    expect(rig.taps.h2.withText('granted')).toHaveLength(0);

    expect(sw?.clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
    expect(sw?.clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'revoked'));
    await pause(30);
    expect(rig.taps.h1.withText('revoked')).toHaveLength(0);
  });

  it('reports EAPOL to the group address and to a unicast MAC of a bridged port', async () => {
    const start = Uint8Array.of(1, 1, 0, 0);
    rig.taps.h1.send('eth0', ethernet('01:80:c2:00:00:03', HOST1, 0x888e, start));
    rig.taps.h1.send('eth0', ethernet(rig.switch?.macOf('swp1') ?? '', HOST1, 0x888e, start));
    await until('two frames', () => rig.kinds().filter((kind) => kind === 'frame').length === 2);
    for (const event of rig.events) expect(event).toMatchObject({ kind: 'frame', port: 'swp1', vlan: 0 });
  });
});
