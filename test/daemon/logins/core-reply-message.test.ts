/** Reply-Message beside EAP (RFC 3579 §2.6.5): for whoever reads a log of RADIUS, never for the supplicant. */
import { expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, text } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { World } from '../world.ts';

const WORDS = 'your subscription ends tomorrow';

it('conformance 31: Reply-Message of a challenge, an accept and a reject is discarded', () => {
  const w = new World();
  w.server.users.set('alice', []);
  const heard: Uint8Array[] = [];
  w.server.script = ({ packet }) => {
    if (packet.code !== RadiusCode.AccessRequest) return 'policy';
    const answer = w.server.policy(packet);
    const message = text(AttributeType.ReplyMessage, WORDS);
    return answer && { ...answer, attributes: [message, ...answer.attributes, message] };
  };
  const words = new TextEncoder().encode(WORDS);
  for (const [name, code] of [
    ['alice', EapCode.Success],
    ['mallory', EapCode.Failure],
  ] as const) {
    const host = w.host(name);
    host.start();
    // The frames themselves, as they reach the host.
    for (let rounds = 0; rounds < 10; rounds++) {
      const frames = w.switch.takeSent();
      heard.push(...frames.map(({ frame }) => frame));
      if (frames.length === 0) break;
      for (const { frame } of frames) {
        if (frame[18] !== EapCode.Request) continue;
        const [id = 0, type = 0] = [frame[19], frame[22]];
        if (type === 1) host.identity(id);
        else host.respond(id, type, Uint8Array.of(1, 0x55));
      }
      w.pass(2);
    }
    const codes = heard.map((frame) => frame[18]);
    expect(codes).toContain(code);
  }
  expect(heard.length).toBeGreaterThan(4);
  // No Notification either, in which a NAS could show it.
  for (const frame of heard) {
    expect(Buffer.from(frame).includes(Buffer.from(words))).toBe(false);
    expect(frame[18] === EapCode.Request && frame[22] === 2).toBe(false);
  }
});
