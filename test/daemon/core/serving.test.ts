/** Turns of a node that serves: frames that came together, a bug in one of them, and when an order counts as done. */
import { afterEach, describe, expect, it } from 'vitest';
import { Stores } from '../../../daemon/core/stores.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { orderHandlers } from '../../../daemon/operator/orders.ts';
import { type Commit, Serving } from '../../../daemon/serving.ts';
import { EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import { hostKey } from '../../../session/records.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../../switch/switch.ts';
import type { Mac } from '../../../wire/address.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { configOf } from '../world.ts';

const ALICE: Mac = '02:00:00:00:00:0a';
const BOB: Mac = '02:00:00:00:00:0b';
const CAROL: Mac = '02:00:00:00:00:0c';

function start(port: string, mac: Mac): SwitchEvent {
  const payload = encodeEapol({ version: 2, type: EapolType.Start, body: new Uint8Array() });
  const frame = encodeEthernet({ dst: '01:80:c2:00:00:03', src: mac, etherType: EtherType.Eapol, payload });
  return { kind: 'frame', port, vlan: 0, frame };
}

/** A frame at which the core breaks, as no frame should make it. */
function buggy(port: string): SwitchEvent {
  return {
    kind: 'frame',
    port,
    vlan: 0,
    get frame(): Uint8Array {
      throw new Error('a bug');
    },
  };
}

describe('frames that came together', () => {
  let serving: Serving | undefined;
  afterEach(() => serving?.close());

  function serve() {
    const config = configOf({ accounting: { enabled: false } });
    const stores = new Stores(config.groups.cacheSize);
    const errors: object[] = [];
    const seen = { turns: 0, errors, stores };
    const ports = config.ports.map(({ name }) => name);
    const bridge = new MemorySwitch({ ports, uplinks: config.uplinks }, (events) =>
      serving?.switchEvents(events),
    );
    serving = new Serving({
      config,
      log: { ...silentLog, error: (event, fields) => errors.push({ event, ...fields }) },
      bridge,
      stores,
      saved: () => {},
      watch: {
        arrived: () => {},
        dealtWith: () => {},
        began: () => {},
        changed: () => {},
        happened: () => {},
        ended: () => {
          seen.turns++;
        },
      },
    });
    bridge.start();
    seen.turns = 0;
    const { core } = serving;
    return {
      ...seen,
      seen,
      serving,
      core,
      knows: (port: string, mac: Mac) => stores.authenticators.has(hostKey(port, 0, mac)),
    };
  }

  it('are one turn for each port', () => {
    const { serving, seen, knows } = serve();
    serving.switchEvents([start('swp1', ALICE), start('swp1', BOB), start('swp2', CAROL)]);
    expect(seen.turns).toBe(2);
    expect([knows('swp1', ALICE), knows('swp1', BOB), knows('swp2', CAROL)]).toEqual([true, true, true]);
  });

  it('a bug in one of them shuts the port, and the others are heard', () => {
    const { serving, seen, core, knows } = serve();
    serving.switchEvents([start('swp1', ALICE), buggy('swp1'), start('swp1', BOB), start('swp2', CAROL)]);
    expect(seen.errors).toMatchObject([
      { event: 'internal-error', port: 'swp1', error: expect.stringContaining('a bug') },
    ]);
    expect(core.tally.of('swp1', 'internal-error')).toBe(1);
    expect([knows('swp1', ALICE), knows('swp1', BOB), knows('swp2', CAROL)]).toEqual([false, true, true]);
    expect(seen.turns).toBe(2);
  });

  it('a bug in each of them is told each time, and what comes after is heard', () => {
    const { serving, seen, core, knows } = serve();
    serving.switchEvents([...Array.from({ length: 20 }, () => buggy('swp1')), start('swp1', ALICE)]);
    expect(seen.errors).toHaveLength(20);
    expect(core.tally.of('swp1', 'internal-error')).toBe(20);
    expect(knows('swp1', ALICE)).toBe(true);
  });
});

describe('an order to a node that has a standby', () => {
  const closing: Serving[] = [];
  afterEach(() => {
    for (const serving of closing.splice(0)) serving.close();
  });

  function serve() {
    const config = configOf({ accounting: { enabled: false } });
    const standby = { sealed: 0, committed: 0, mayAct: true };
    const commit: Commit = {
      seal: () => ++standby.sealed,
      get committed() {
        return standby.committed;
      },
      get mayAct() {
        return standby.mayAct;
      },
      turned: () => {},
    };
    const ports = config.ports.map(({ name }) => name);
    const bridge = new MemorySwitch({ ports, uplinks: config.uplinks }, () => {});
    const stores = new Stores(config.groups.cacheSize);
    const serving = new Serving({ config, log: silentLog, bridge, stores, saved: () => {}, commit });
    closing.push(serving);
    const node = { serving, idle: undefined } as Parameters<typeof orderHandlers>[0];
    let answer: unknown;
    const order = async () => {
      answer = await orderHandlers(node)['port-shut']?.({ port: 'swp1' });
    };
    return { standby, serving, order, answer: () => answer };
  }

  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('is told as done once the standby has it', async () => {
    const { standby, serving, order, answer } = serve();
    void order();
    await settle();
    expect(answer()).toBeUndefined();
    // An acknowledgement counts for nothing while it is in doubt whether this node serves.
    standby.committed = standby.sealed;
    standby.mayAct = false;
    serving.release();
    await settle();
    expect(answer()).toBeUndefined();
    standby.mayAct = true;
    serving.release();
    await settle();
    expect(answer()).toEqual({ done: ['swp1'] });
  });

  it('is told as not known where the node stops serving before', async () => {
    const { serving, order, answer } = serve();
    void order();
    await settle();
    serving.close();
    await settle();
    expect(answer()).toMatchObject({ refused: expect.stringContaining('look there') });
  });
});
