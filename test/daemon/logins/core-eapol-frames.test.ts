/** How a port speaks EAPOL: to whom, and in which version (IEEE 802.1X-2020 §11.1, §11.3). */
import { describe, expect, it } from 'vitest';
import { PAE_GROUP_ADDRESS } from '../../../daemon/subscribers/eapol-frames.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import type { Mac } from '../../../wire/address.ts';
import { decodeEthernet, EtherType } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { type Host, World } from '../world.ts';

/** alice may log in. */
function world(authenticator: Readonly<Record<string, unknown>>): { w: World; alice: Host } {
  const w = new World({ authenticator });
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  w.switch.takeSent();
  return { w, alice };
}

const start = (version: number) => encodeEapol({ version, type: EapolType.Start, body: new Uint8Array(0) });

describe('EAPOL', () => {
  it.each([
    ['the host itself', 'unicast'],
    ['the PAE group address', 'group'],
  ])('goes to %s with destination %s, and is heard at both addresses of the port', (_, destination) => {
    const { w, alice } = world({ destination });
    const to: Mac[] = [];
    for (const dst of [PAE_GROUP_ADDRESS, w.switch.macOf('swp1') ?? '']) {
      alice.send(EtherType.Eapol, start(2), dst);
      for (const { frame } of w.switch.takeSent()) {
        const eth = decodeEthernet(frame);
        if (!isMalformed(eth)) to.push(eth.dst);
      }
    }
    const expected = destination === 'group' ? PAE_GROUP_ADDRESS : alice.mac;
    expect(to).toEqual([expected, expected]);
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
  });

  it.each([1, 2, 3])('leaves in version %i where that is configured, and is taken in any', (version) => {
    const { w, alice } = world({ eapol_version: version });
    for (const theirs of [1, 2, 3, 9]) {
      alice.send(EtherType.Eapol, start(theirs));
      expect(w.switch.takeSent().map(({ frame }) => frame[14])).toEqual([version]);
    }
  });
});
