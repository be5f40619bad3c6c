/** A table that another version of castgate has made becomes this one's, and what is open does not notice. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SwitchStartError } from '../../../switch/linux/preflight.ts';
import { WaitingNft } from '../../../switch/linux/waiting-nft.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, SOURCE, SwitchRig } from './switch-rig.ts';
import { udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const ANYWHERE = { prefix: undefined, ports: [] };
const RULES = [
  { permit: false, direction: 'in', protocol: 6, from: ANYWHERE, to: ANYWHERE },
  { permit: true, direction: 'in', protocol: undefined, from: ANYWHERE, to: ANYWHERE },
] as const;
const MONITORED = { open: true, vlan: undefined, bridge: undefined, monitored: true };
const host1 = { port: 'swp1', vlan: 0, mac: HOST1, filter: RULES };
const kept = {
  hosts: [host1],
  channels: [{ port: 'swp1', vlan: 0, group: '239.1.1.1', filter: ANY }],
  services: [{ key: 'swp2', ...MONITORED }],
};

/** A version without ports in monitor mode, with a set, a chain and rules that this one does not know. */
const OTHER_VERSION = `
  own=$(nft list table bridge castgate | sed -n 's/.*chain \\(made_of_[0-9a-f]*\\) .*/\\1/p')
  nft -f - <<END
delete chain bridge castgate $own
add chain bridge castgate made_of_00000000
flush chain bridge castgate from_host
add rule bridge castgate from_host iifname . ether saddr vmap @filters_in
add rule bridge castgate from_host accept
delete set bridge castgate monitored_ports
add set bridge castgate later { type ifname; }
add element bridge castgate later { "swp2" }
add chain bridge castgate of_later
add rule bridge castgate of_later drop
add rule bridge castgate from_uplink iifname @later goto of_later
END`;

describe.skipIf(reason !== undefined)(`the table of another version ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-ve');
  });
  afterEach(() => rig.dispose());

  /** What is counted comes and goes with the kernel's own queries. */
  const ruleset = async () =>
    (await rig.sw('nft list table bridge castgate')).replace(/packets \d+ bytes \d+/g, '');
  const fromHost1 = (text: string) =>
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', text, SOURCE));
  const channel = (text: string) => rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', text));
  const passes = async (text: string) => {
    fromHost1(text);
    channel(text);
    await until(
      'both pass',
      () => rig.taps.up.withText(text).length === 1 && rig.taps.h1.withText(text).length === 1,
    );
  };
  /** A switch that serves, rests, and whose table is then made another version's. */
  const rested = async () => {
    const sw = rig.start();
    expect(sw.openHost(host1)).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.1.1.1', ANY)).toBeUndefined();
    expect(sw.setPortService('swp2', MONITORED)).toBeUndefined();
    await passes('before');
    const text = await ruleset();
    sw.rest();
    rig.swNow(OTHER_VERSION);
    expect(await ruleset()).not.toBe(text);
    return { sw, text };
  };
  const countersOf = (sw: SwitchRig['switch']) => [
    sw?.hostCounters(host1),
    sw?.channelCounter('swp1', 0, '239.1.1.1'),
  ];
  const next = () => rig.make();

  it('the next process of an upgrade changes it when it is to serve, in one transaction, counters and all', async () => {
    const { sw, text } = await rested();
    const others = await ruleset();
    const counted = countersOf(sw);
    expect(counted[1]).toMatchObject({ packets: 1 });
    const heir = next();
    rig.lab.within('sw', () => heir.prepare([], kept));
    expect(await ruleset()).toBe(others);
    heir.renewTable();
    expect(sorted(await ruleset())).toEqual(sorted(text));
    expect(countersOf(heir)).toEqual(counted);
    await passes('after');
    expect(heir.channelCounter('swp1', 0, '239.1.1.1').packets).toBe(2);
    heir.renewTable();
    heir.stop({ cleanup: false });
  });

  it('is refused before anything changes where a set holds something else in both', async () => {
    await rested();
    rig.swNow(`nft -f - <<END
flush chain bridge castgate before_bridge
flush chain bridge castgate from_bridge
delete set bridge castgate uplinks
add set bridge castgate uplinks { type ether_addr; }
END`);
    const others = await ruleset();
    const heir = next();
    let refused: unknown;
    try {
      rig.lab.within('sw', () => heir.prepare([], kept));
    } catch (cause) {
      refused = cause;
    }
    expect(refused).toBeInstanceOf(SwitchStartError);
    expect(String(refused)).toMatch(/nftables table of another version: nft: /);
    expect(await ruleset()).toBe(others);
    heir.stop({ cleanup: false });
  });

  it('the process that goes on where that one failed takes it back', async () => {
    const { sw, text } = await rested();
    const counted = countersOf(sw);
    rig.clear();
    sw.goOn();
    // At once: a set that the other version has not would be missing until then.
    expect(sw.setPortService('swp2', MONITORED)).toBeUndefined();
    await until('repaired', () => rig.kinds().includes('repaired'), 3000);
    expect(sorted(await ruleset())).toEqual(sorted(text));
    expect(countersOf(sw)).toEqual(counted);
    await passes('again');
  });

  it('an nft that waits for its text takes it while this process does nothing else', async () => {
    const isThere = (table: string) => () => {
      try {
        rig.swNow(`nft list table bridge ${table} >/dev/null 2>&1`);
        return true;
      } catch {
        return false;
      }
    };
    const nft = rig.lab.within('sw', () => new WaitingNft());
    await pause(100);
    expect(nft.say('add table bridge said', isThere('said'), 5000)).toBe(true);
    expect(nft.say('add table bridge again', isThere('again'), 100)).toBe(false);
    const wrong = rig.lab.within('sw', () => new WaitingNft());
    expect(wrong.say('no text of nft', isThere('wrong'), 100)).toBe(false);
  });

  it('a start after it goes on with its elements and counters', async () => {
    const { sw, text } = await rested();
    const counted = countersOf(sw);
    sw.stop({ cleanup: false });
    const later = next();
    rig.switch = later;
    rig.lab.within('sw', () => later.start(kept));
    later.setPortService('swp2', MONITORED);
    expect(sorted(await ruleset())).toEqual(sorted(text));
    expect(countersOf(later)).toEqual(counted);
    await passes('after');
  });
});

/** Sets and chains that are made anew stand in another place. */
function sorted(ruleset: string): string[] {
  return ruleset
    .split('\n\n')
    .map((block) => block.replace(/^table .*\n|\n}\n?$/g, '').trim())
    .sort();
}
