import { describe, expect, it } from 'vitest';
import { AttributeType, firstValue } from '../../../radius/attributes.ts';
import { World } from '../world.ts';

describe('NAS-Port and Called-Station-Id', () => {
  it('stay as they were in what is said of a session after a takeover, also when the port goes down then', () => {
    const w = new World();
    w.server.users.set('alice', []);
    const alice = w.host('alice');
    alice.login();
    w.pass(10);
    const of = (status: number) => {
      const attributes = w.server.accounting(status).at(-1)?.attributes ?? [];
      return [AttributeType.NasPort, AttributeType.CalledStationId].map((type) =>
        firstValue(attributes, type),
      );
    };
    const begun = of(1);
    expect(begun.every((value) => value !== undefined)).toBe(true);
    // The other node's interface has another number and another address.
    w.switch.portNumber = () => 4711;
    w.switch.macOf = () => '02:00:00:00:47:11';
    w.takeOver();
    w.switch.setLink('swp1', false);
    w.pass(10);
    expect(of(2)).toEqual(begun);
    w.switch.setLink('swp1', true);
    alice.login();
    w.pass(10);
    expect(of(1)).not.toEqual(begun);
  });
});
