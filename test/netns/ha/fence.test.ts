/**
 * The fence of a LinuxSwitch with real frames: what passes with a lease and without, when its process is
 * killed or frozen, and when someone flushes the rules.
 */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LEASE_TABLE } from '../../../switch/linux/fence.ts';
import type { LinuxSwitch } from '../../../switch/linux/linux-switch.ts';
import { packageRoot } from '../../../switch/native.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from '../switch/switch-rig.ts';
import { ethernet, igmp, ip, Tap, udp } from '../switch/tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };
/** Longer than any test: what shuts the ports is then something else. */
const LONG_MS = 600_000;
const NONE = { octets: 0, packets: 0 };

describe.skipIf(reason !== undefined)(`the fence ${reason ?? ''}`, () => {
  let rig: SwitchRig;
  let bridge: Tap;
  let round = 0;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-fe');
    bridge = new Tap(rig.lab, 'sw');
  });
  afterEach(async () => {
    bridge.close();
    await rig.dispose();
  });

  const ALL = ['from', 'to', 'channel', 'self'];
  /** Sends four frames: from a host, to it, of a channel, and from the switch itself to the host. What arrived? */
  const send = () => {
    const text = `round ${++round};`;
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', `${text} from`, SOURCE));
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', `${text} to`, HOST1));
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', `${text} channel`));
    bridge.send('br0', udp('10.0.0.5', '02:00:00:00:05:05', '10.0.0.1', `${text} self`, HOST1));
    const at = (tap: Tap, what: string) => tap.withText(`${text} ${what}`).length > 0;
    return () => ALL.filter((what) => at(what === 'from' ? rig.taps.up : rig.taps.h1, what));
  };
  /** One round, with all that passes of it. */
  const passes = async (wanted = ALL) => {
    const arrived = send();
    await until(`${wanted} pass`, () => arrived().length === wanted.length);
    expect(arrived()).toEqual(wanted);
  };
  const isShut = async (what: string) => {
    const rounds: (() => string[])[] = [];
    for (let i = 0; i < 4; i++) {
      rounds.push(send());
      await pause(15);
    }
    expect(
      rounds.flatMap((arrived) => arrived()),
      what,
    ).toEqual([]);
  };
  /** Waits until nothing passes any more. */
  const shuts = (what: string) =>
    until(what, async () => {
      const arrived = send();
      await pause(15);
      return arrived().length === 0;
    });
  const program = (sw: LinuxSwitch) => {
    expect(sw.openHost(host1)).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.1.1.1', ANY)).toBeUndefined();
  };
  const start = () => {
    const sw = rig.start({ fence: true });
    program(sw);
    return sw;
  };

  it('is shut at the start, opens with the lease, shuts when it is dropped, and counts only what passed', async () => {
    const sw = start();
    await isShut('at the start');
    expect(sw.hostCounters(host1)).toEqual({ input: NONE, output: NONE });
    expect(sw.channelCounter('swp1', 0, '239.1.1.1')).toEqual(NONE);
    expect(sw.renewLease(LONG_MS)).toBeUndefined();
    await passes();
    expect(sw.hostCounters(host1)).toMatchObject({ input: { packets: 1 }, output: { packets: 2 } });
    expect(sw.channelCounter('swp1', 0, '239.1.1.1').packets).toBe(1);
    expect(sw.dropLease()).toBeUndefined();
    await isShut('dropped');
    expect(sw.dropLease()).toBeUndefined();
    expect(sw.hostCounters(host1)).toMatchObject({ input: { packets: 1 }, output: { packets: 2 } });
    expect(sw.channelCounter('swp1', 0, '239.1.1.1').packets).toBe(1);
    // What is programmed behind the shut fence is there when it opens, and only that.
    expect(sw.openHost(host2)).toBeUndefined();
    expect(sw.clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
    expect(sw.audit()).toEqual([]);
    sw.renewLease(LONG_MS);
    await passes(['from', 'to', 'self']);
    rig.taps.h2.send('eth0', udp('10.0.0.2', HOST2, '10.0.0.9', 'second host', SOURCE));
    await until('the second host', () => rig.taps.up.withText('second host').length === 1);
  });

  it('shuts when the lease runs out, and is opened by a new one only', async () => {
    const sw = start();
    expect(sw.extendLease(LONG_MS)).toMatchObject({ errno: 'ESTALE' });
    await isShut('nothing to extend');
    expect(sw.renewLease(LONG_MS)).toBeUndefined();
    await passes();
    // A lease may also become shorter: it ends where the last call says.
    expect(sw.extendLease(120)).toBeUndefined();
    await shuts('it ran out');
    await isShut('ran out');
    expect(sw.extendLease(LONG_MS)).toMatchObject({ errno: 'ESTALE' });
    await isShut('nothing to extend');
    expect(sw.renewLease(120)).toBeUndefined();
    for (let i = 0; i < 30; i++) {
      expect(sw.extendLease(2000)).toBeUndefined();
      await passes();
    }
  });

  it('reports frames and links behind a shut fence, and sends none to subscribers', async () => {
    const sw = start();
    await until('the ports are told', () => rig.events.length >= 3);
    rig.clear();
    rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1));
    rig.taps.h1.send('eth0', ethernet('01:80:c2:00:00:03', HOST1, 0x888e, Uint8Array.of(1, 1, 0, 0)));
    rig.taps.up.send('eth0', ip('10.0.0.9', SOURCE, '224.0.0.1', 2, igmp('query', '0.0.0.0'), 1));
    await until('frames come', () => rig.kinds().filter((kind) => kind === 'frame').length === 3);
    const hello = ethernet('02:00:00:00:01:01', SOURCE, 0x888e, Uint8Array.of(1, 0, 0, 0));
    expect(sw.sendFrame('swp1', 0, hello)).toMatchObject({ errno: 'ENETDOWN' });
    expect(sw.sendFrame('up0', 0, hello)).toBeUndefined();
    await until('the uplink is not fenced', () => rig.taps.up.frames.some(({ frame }) => frame[12] === 0x88));
    await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'down');
    await until('down', () => rig.events.some((event) => event.kind === 'link' && !event.up));
    await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'up');
    await until('up', () => rig.events.some((event) => event.kind === 'link' && event.up));
    sw.renewLease(LONG_MS);
    expect(sw.sendFrame('swp1', 0, hello)).toBeUndefined();
    await until('the frame', () =>
      rig.taps.h1.frames.some(({ frame }) => frame[12] === 0x88 && frame[14] === 1),
    );
  });

  it('takes no notice of a mark that a packet brings along, and leaves the other bits alone', async () => {
    const sw = start();
    await rig.sw(`nft -f - <<'END'
      table bridge other {
        counter before { }
        counter behind { }
        chain marks { type filter hook prerouting priority -300; iifname "up0" meta mark set 0x0f000001; iifname "swp1" meta mark set 0x0f000001; }
        chain late { type filter hook postrouting priority 250; oifname "swp1" meta mark set 0x0f000001; }
        chain looks { type filter hook prerouting priority 0; iifname "swp1" udp dport 5000 meta mark 0x07000001 counter name before; }
        chain leaves { type filter hook postrouting priority 400; oifname "swp1" udp dport 5000 meta mark 0x07000001 counter name behind; }
      }
END`);
    await isShut('marked by someone else');
    sw.renewLease(LONG_MS);
    await passes();
    const counters = await rig.sw('nft list counters table bridge other');
    expect(counters).toMatch(/counter before \{\s+packets 1 /);
    expect(counters).toMatch(/counter behind \{\s+packets 3 /);
  });

  it('lets nothing pass while someone flushes the rules, and has them back behind a shut fence', async () => {
    const sw = start();
    for (let i = 0; i < 2; i++) {
      rig.clear();
      await rig.sw('nft flush ruleset');
      expect(await rig.sw('nft list tables')).not.toContain('table bridge castgate\n');
      await isShut('flushed');
      await until('repaired', () => rig.kinds().includes('repaired'), 3000);
      expect(rig.events).toContainEqual({ kind: 'repaired', what: 'nftables table: loaded again' });
      await isShut('repaired');
    }
    expect(await rig.sw('nft list table bridge castgate')).toContain('jump fence');
    sw.renewLease(LONG_MS);
    await passes();
    // Nobody else changes the owned table.
    for (const change of [`delete table bridge ${LEASE_TABLE}`, `flush set bridge ${LEASE_TABLE} lease`]) {
      await expect(rig.sw(`nft ${change}`)).rejects.toThrow('Operation not permitted');
    }
    await passes();
  });

  it('goes with its process: shut at once by SIGKILL, by the end of the lease for one that is frozen', async () => {
    const holder = (leaseMs: number) => {
      const script = `${packageRoot()}/test/netns/ha/fence-holder.mjs`;
      const child = rig.lab.spawn('sw', process.execPath, script, rig.stateDirectory, `${leaseMs}`);
      const said: string[] = [];
      child.stdout?.on('data', (text: Buffer) => said.push(...text.toString().trim().split('\n')));
      child.stderr?.on('data', (text: Buffer) => said.push(text.toString()));
      const says = (line: string) => until(`${line} of ${said}`, () => said.includes(line));
      return { child, says, ended: once(child, 'exit') };
    };
    const killed = holder(LONG_MS);
    await killed.says('open');
    await passes();
    killed.child.kill('SIGKILL');
    await killed.ended;
    await isShut('killed');
    expect(await rig.sw('nft list tables')).toBe('table bridge castgate\n');
    expect(await rig.sw('bridge fdb show br br0')).toContain(`${HOST1} dev swp1`);

    // The next one takes the ports over as they are, and is frozen.
    const frozen = holder(200);
    await frozen.says('open');
    await passes();
    frozen.child.kill('SIGSTOP');
    await shuts('frozen');
    await isShut('frozen');
    frozen.child.kill('SIGCONT');
    await frozen.says('stale');
    await isShut('woken up');

    // While it lives nobody else gets its ports.
    const second = () => rig.start({ fence: true });
    expect(second).toThrow(/^nftables table castgate_lease: /);
    await isShut('with a second one');
    frozen.child.kill('SIGKILL');
    await frozen.ended;
    const sw = second();
    await isShut('of a third one');
    expect(sw.renewLease(LONG_MS)).toBeUndefined();
    await isShut('with a lease, but nothing opened');
    program(sw);
    await passes();
  });

  it('takes over what a switch without a fence left behind, and the other way round', async () => {
    const kept = {
      hosts: [host1],
      channels: [{ port: 'swp1', vlan: 0, group: '239.1.1.1', filter: ANY }],
    };
    const takeOver = (fence: boolean) => {
      rig.switch?.stop({ cleanup: false });
      const next = rig.make({ fence });
      rig.switch = next;
      rig.lab.within('sw', () => next.start(kept));
      return next;
    };
    program(rig.start());
    await passes();
    const fenced = takeOver(true);
    await isShut('fenced now');
    expect(fenced.audit()).toEqual([]);
    expect(fenced.renewLease(LONG_MS)).toBeUndefined();
    await passes();
    // A fenced one takes over from a fenced one with the counters of its accounts.
    const before = fenced.channelCounter('swp1', 0, '239.1.1.1');
    expect(before.packets).toBeGreaterThan(0);
    const next = takeOver(true);
    await isShut("the lease was the other one's");
    expect(next.channelCounter('swp1', 0, '239.1.1.1')).toEqual(before);
    expect(takeOver(false).audit()).toEqual([]);
    await passes();
    expect(await rig.sw('nft list tables')).toBe('table bridge castgate\n');
  });

  it('ends with the switch: shut without a cleanup, and nothing left with one', async () => {
    start().renewLease(LONG_MS);
    await passes();
    rig.switch?.stop({ cleanup: false });
    await isShut('stopped');
    expect(await rig.sw('nft list tables')).toBe('table bridge castgate\n');
    const sw = start();
    sw.stop({ cleanup: true });
    expect(await rig.sw('nft list tables')).toBe('');
    expect(sw.renewLease(1)).toMatchObject({ errno: 'ENOTSUP' });
    const lone = rig.start();
    program(lone);
    for (const failed of [lone.renewLease(1), lone.extendLease(1), lone.dropLease()]) {
      expect(failed).toMatchObject({ errno: 'ENOTSUP' });
    }
    await passes();
  });
});
