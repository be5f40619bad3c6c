/** A port that is shut stays shut: over a restart, a takeover, an upgrade, and whoever sets its link up. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Core } from '../../../daemon/core/core.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { portRows } from '../../../daemon/show/show.ts';
import { PAE_GROUP_ADDRESS } from '../../../daemon/subscribers/eapol-frames.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import { AttributeType, firstInteger, text, vendorSpecific } from '../../../radius/attributes.ts';
import { AcctStatusType, CISCO_AVPAIR, TerminateCause, Vendor } from '../../../radius/values.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { DynamicClient, withClient } from '../radius/dynamic-client.ts';
import { type Host, World } from '../world.ts';

let w: World;
let alice: Host;

beforeEach(() => {
  w = new World(withClient());
  w.server.users.set('alice', []);
  alice = w.host('alice');
  alice.login();
});

/** RADIUS shuts the port that alice is in on. */
function shutByRadius(): void {
  const pair = new TextEncoder().encode('subscriber:command=disable-host-port');
  const outcome = new DynamicClient(w).coa(
    text(AttributeType.UserName, 'alice'),
    vendorSpecific(Vendor.Cisco, CISCO_AVPAIR, pair),
  );
  expect(outcome).toBe('ack');
}

const shut = (port = 'swp1') =>
  w.turn(() => w.core.operate(w.now, () => w.core.links.shut(w.now, port, 'operator')));
const open = (port = 'swp1') => w.turn(() => w.core.operate(w.now, () => w.core.links.open(port)));
const row = () => portRows(w.core).find(({ port }) => port === 'swp1');

/** Nobody gets in, and the link does not stay up. */
function expectShut(): void {
  expect(w.switch.isUp('swp1')).toBe(false);
  w.switch.setLink('swp1', true);
  expect(w.switch.isUp('swp1')).toBe(false);
  expect(row()).toMatchObject({ up: false, hosts: 0 });
  expect(alice.login()).toBeUndefined();
  expect(w.session(alice)).toBeUndefined();
}

describe.each([
  ['a CoA-Request', shutByRadius, 'radius'],
  ['an operator', shut, 'operator'],
] as const)('a port that %s shut', (_, shutIt, by) => {
  it('has nobody in, for this cause', () => {
    shutIt();
    expect(w.session(alice)).toBeUndefined();
    w.pass(10);
    const stops = w.server.accounting(AcctStatusType.Stop);
    expect(stops.map(({ attributes }) => firstInteger(attributes, AttributeType.AcctTerminateCause))).toEqual(
      [TerminateCause.PortAdministrativelyDisabled],
    );
    expect(row()).toMatchObject({ shutBy: by });
    expect(w.logged('port-shut')).toMatchObject([{ port: 'swp1', by }]);
  });

  it('is shut for as long as nobody opens it, whoever sets its link up', () => {
    shutIt();
    w.pass(3_600_000);
    expectShut();
    expect(w.logged('shut-port-was-set-up')).toMatchObject([{ port: 'swp1' }]);
    open();
    expect(row()).toMatchObject({ up: true, shutBy: null });
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('is shut for the next process, which opens it when it is told to', () => {
    shutIt();
    w.takeOver(withClient());
    expectShut();
    open();
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('is shut for the process that has followed it', () => {
    shutIt();
    w.takeOverFollowing();
    expectShut();
  });

  it("is shut after a reload, and no port of castgate's any more where that has no such port", () => {
    shutIt();
    w.reconfigure(withClient());
    expectShut();
    w.reconfigure({ ...withClient(), ports: { swp2: {} } });
    expect(w.core.stores.shutPorts.size).toBe(0);
  });
});

it('is shut where the process died before it had taken the link down', () => {
  // No turn ends: the records are written, and nothing is done.
  w.core.operate(w.now, () => w.core.links.shut(w.now, 'swp1', 'operator'));
  expect(w.switch.isUp('swp1')).toBe(true);
  w.takeOver(withClient());
  expectShut();
});

it('is shut at a switch that followed the records, and whose link was set up before it served', () => {
  shut();
  const told = w.replayed();
  open();
  expect(w.switch.isUp('swp1')).toBe(true);
  w.core = new Core(w.config, {
    readings: w.switch,
    log: silentLog,
    random: (n) => new Uint8Array(n),
    stores: told,
  });
  w.turn(() => w.core.resume(w.now, 'new', true));
  expectShut();
});

it('is not bounced: it would come up after that', () => {
  shut();
  w.turn(() => w.core.operate(w.now, () => w.core.links.bounce(w.now, 'swp1')));
  w.pass(3_600_000);
  expectShut();
});

it('stays shut where it was bounced just before', () => {
  w.turn(() => w.core.operate(w.now, () => w.core.links.bounce(w.now, 'swp1')));
  shut();
  w.pass(3_600_000);
  expectShut();
});

it('gets nobody in whose Start was on its way when it was shut', () => {
  const start = encodeEapol({ version: 2, type: EapolType.Start, body: new Uint8Array(0) });
  const frame = encodeEthernet({
    src: alice.mac,
    dst: PAE_GROUP_ADDRESS,
    etherType: EtherType.Eapol,
    payload: start,
  });
  shut();
  w.turn(() => w.core.switchEvent(w.now, { kind: 'frame', port: 'swp1', vlan: 0, frame }));
  expect(w.core.stores.authenticators.size).toBe(0);
  expect(row()?.drops).toEqual({ 'port-shut': 1 });
});
