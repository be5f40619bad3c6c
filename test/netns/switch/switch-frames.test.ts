/** A LinuxSwitch and frames that are its own: many sent at once, and the claims of another node. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../switch/native.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { ethernet, igmp, ip, udp } from './tap.ts';

const reason = whyNoNamespaces();
const CLAIM = 0x88b5;
const OWN = 0x88b6;

describe.skipIf(reason !== undefined)(`frames of the switch's own ${reason ?? ''}`, () => {
  let rig: SwitchRig;
  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-fr');
  });
  afterEach(() => rig.dispose());

  /** Numbers in the frames of this type that came to a tap, in their order. */
  const numbers = (tap: keyof SwitchRig['taps']) =>
    rig.taps[tap].frames
      .map(({ frame }) => Buffer.from(frame))
      .filter((frame) => frame.readUInt16BE(12) === OWN)
      .map((frame) => frame.readUInt32BE(14));
  const numbered = (number: number, length = 46) => {
    const payload = Buffer.alloc(length);
    payload.writeUInt32BE(number);
    return ethernet('ff:ff:ff:ff:ff:ff', SOURCE, OWN, payload);
  };

  it('sends many at once, in their order and whatever their length, with and without a tag', async () => {
    const sw = rig.start();
    const count = 3000;
    const frames = Array.from({ length: count }, (_, i) => numbered(i, 46 + (i % 700)));
    expect(sw.sendFrames('up0', 0, frames)).toBeUndefined();
    await until('all of them', () => numbers('up').length === count);
    expect(numbers('up')).toEqual(frames.map((_, i) => i));
    expect(rig.taps.up.frames.filter(({ frame }) => frame.length === 14 + 46 + 699)).toHaveLength(4);
    rig.clear();
    expect(sw.sendFrames('up0', 7, frames.slice(0, 5))).toBeUndefined();
    await until('tagged ones', () => numbers('up').length === 5);
    expect(sw.sendFrames('up0', 0, [])).toBeUndefined();
    expect(sw.sendFrames('swp9', 0, frames)).toMatchObject({ errno: 'ENODEV' });
  });

  it('tells what was refused, and sends the others', async () => {
    const sw = rig.start();
    const frames = [numbered(0), numbered(1, 9000), numbered(2), numbered(3, 9000), numbered(4)];
    expect(sw.sendFrames('up0', 0, frames)).toEqual({
      failed: 'send frames on up0: EMSGSIZE',
      errno: 'EMSGSIZE',
    });
    await until('those that fit', () => numbers('up').length === 3);
    expect(numbers('up')).toEqual([0, 2, 4]);
    await rig.sw('ip link set up0 down');
    expect(sw.sendFrames('up0', 0, frames)).toMatchObject({ errno: 'ENETDOWN' });
  });

  it('is fenced as single frames are', async () => {
    const sw = rig.start({ fence: true });
    expect(sw.sendFrames('swp1', 0, [numbered(1)])).toMatchObject({ errno: 'ENETDOWN' });
    expect(sw.sendFrames('up0', 0, [numbered(2)])).toBeUndefined();
    expect(sw.renewLease(60_000)).toBeUndefined();
    expect(sw.sendFrames('swp1', 0, [numbered(3)])).toBeUndefined();
    await until('both', () => numbers('h1').length === 1 && numbers('up').length === 1);
    expect([...numbers('up'), ...numbers('h1')]).toEqual([2, 3]);
  });

  it('refuses arguments that do not fit together', () => {
    const native = loadNative();
    const octets = new Uint8Array(120);
    for (const [lengths, from] of [
      [[60, 61], 0],
      [[13], 0],
      [[-60], 0],
      [[60], 2],
      [[60], -1],
    ] as const) {
      expect(native.packetSendMany(-1, 1, octets, Int32Array.from(lengths), from)).toBe(-22);
    }
    expect(native.packetSendMany(-1, 1, octets, Int32Array.from([60, 60]), 2)).toBe(0);
    expect(native.packetSendMany(-1, 1, octets, Int32Array.from([60, 60]), 0)).toBe(-9);
  });

  it('keeps the reports of a port that floods away for a moment: its EAPOL and other ports are heard on', async () => {
    const sw = rig.start({ framesPerPort: 500 });
    await until('the ports are told', () => rig.events.length >= 3);
    const report = (mac: string, group: string) => ip('10.0.0.1', mac, group, 2, igmp('v2', group), 1);
    const fifty = (group: string) => {
      for (let n = 0; n < 50; n++) rig.taps.h1.send('eth0', report(HOST1, group));
    };
    const start = (mac: string) =>
      ethernet('01:80:c2:00:00:03', mac, 0x888e, Uint8Array.of(2, 1, 0, 0, ...new Uint8Array(42)));
    const heard = (port: string, what: Uint8Array) =>
      rig.events.filter(
        (event) => event.kind === 'frame' && event.port === port && Buffer.from(what).equals(event.frame),
      ).length;
    const flood = async () => {
      for (let i = 0; !rig.kinds().includes('held-back') && i < 100; i++) {
        fifty('239.1.1.1');
        await pause(1);
      }
    };
    rig.clear();
    await flood();
    expect(rig.events).toContainEqual({ kind: 'held-back', port: 'swp1' });
    expect(heard('swp1', report(HOST1, '239.1.1.1'))).toBeGreaterThanOrEqual(500);
    fifty('239.1.1.2');
    rig.taps.h1.send('eth0', start(HOST1));
    rig.taps.h2.send('eth0', report(HOST2, '239.1.1.2'));
    await until(
      'the other two',
      () => heard('swp1', start(HOST1)) === 1 && heard('swp2', report(HOST2, '239.1.1.2')) === 1,
    );
    expect(heard('swp1', report(HOST1, '239.1.1.2'))).toBe(0);
    await until('it is heard again', () => {
      rig.taps.h1.send('eth0', report(HOST1, '239.1.1.3'));
      return heard('swp1', report(HOST1, '239.1.1.3')) > 0;
    });
    // Under another limit nothing is held back that was.
    rig.clear();
    await flood();
    expect(rig.kinds()).toContain('held-back');
    sw.hear('all', 0);
    fifty('239.1.1.4');
    await until('all of them', () => heard('swp1', report(HOST1, '239.1.1.4')) === 50);
  });

  it('hears claims of uplinks; those of a subscriber port it neither tells nor forwards, but counts', async () => {
    const sw = rig.start();
    sw.openHost({ port: 'swp1', vlan: 0, mac: HOST1 });
    await until('the ports are told', () => rig.events.length >= 3);
    rig.clear();
    const claim = (from: string) => ethernet('01:80:c2:00:00:0e', from, CLAIM, new Uint8Array(46).fill(1));
    const plain = (from: string) => ethernet(SOURCE, from, CLAIM, new Uint8Array(46).fill(2));
    rig.taps.h1.send('eth0', claim(HOST1));
    rig.taps.h1.send('eth0', plain(HOST1));
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'behind them', SOURCE));
    rig.taps.up.send('eth0', claim(SOURCE));
    await until('the claim of the uplink', () =>
      rig.events.some((event) => event.kind === 'frame' && event.port === 'up0'),
    );
    await until('what follows', () => rig.taps.up.withText('behind them').length === 1);
    await pause(20);
    const claims = rig.events.filter((event) => event.kind === 'frame' && event.frame[13] === 0xb5);
    expect(claims).toMatchObject([{ kind: 'frame', port: 'up0', vlan: 0 }]);
    const type = (frame: Uint8Array) => ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
    expect(rig.taps.up.frames.filter(({ frame }) => type(frame) === CLAIM)).toEqual([]);
    expect(sw.captureStatistics().strayClaims).toBe(2);
    // The bridge forwards nothing to 01:80:c2:00:00:0X, so only the other one reaches the rule.
    expect(sw.refusals().get('claims')?.packets).toBe(1);
  });
});
