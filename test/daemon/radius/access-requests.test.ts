/** What every Access-Request has, whatever it asks: logins, MAC authentication, channels, Authorize-Only, an operator's test. */
import { describe, expect, it } from 'vitest';
import { Happenings } from '../../../daemon/operator/happenings.ts';
import { questionHandlers } from '../../../daemon/operator/questions.ts';
import { AttributeType, firstInteger, firstText, integer, octets, text } from '../../../radius/attributes.ts';
import { RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { verifyRequest } from '../../../radius/sign.ts';
import { ErrorCause, ServiceType } from '../../../radius/values.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { nodeOf } from '../operator/node.ts';
import { SECRET } from '../radius-server.ts';
import { World } from '../world.ts';
import { CLIENT, DynamicClient } from './dynamic-client.ts';

const NEWS = '239.1.1.1';

/** One of each kind has been asked; `mab` is how a MAC address is proved. */
async function asked(
  mab: string,
  server: object,
): Promise<readonly { readonly packet: RadiusPacket; readonly bytes: Uint8Array }[]> {
  const w = new World({
    ports: { swp1: {}, swp2: { methods: 'mab' } },
    authenticator: { mab: { method: mab } },
    radius: {
      servers: [{ name: 'r1', address: '198.18.0.2', secret_file: 'secret', ...server }],
      dynamic_authorization: { clients: [{ name: 'c1', address: CLIENT.address, secret_file: 'secret' }] },
    },
  });
  w.server.users.set('alice', []);
  w.server.permit('alice', NEWS);
  const alice = w.host('alice');
  alice.login();
  alice.join(NEWS);
  w.pass(5);
  w.host('printer', 'swp2').send(EtherType.Arp, new Uint8Array(28));
  w.pass(5);
  const authorized = new DynamicClient(w).coa(
    text(AttributeType.UserName, 'alice'),
    integer(AttributeType.ServiceType, ServiceType.AuthorizeOnly),
    octets(AttributeType.State, Uint8Array.of(7)),
  );
  expect(authorized).toBe(ErrorCause.RequestInitiated);
  const test = questionHandlers(nodeOf(w), new Happenings())['test']?.({ account: 'bob', group: NEWS });
  w.pass(5);
  await test;
  return w.server.asked.filter(({ packet }) => packet.code === RadiusCode.AccessRequest);
}

describe.each([
  ['pap', {}],
  ['chap', {}],
  ['eap-md5', {}],
  ['pap', { require_message_authenticator: false }],
])('with MAC addresses proved by %s, at a server with %j', (mab, server) => {
  it('conformance 15, 17, 27: it says which switch and host it is about, and is signed, first of all', async () => {
    const all = await asked(mab, server);
    const services = all.map(({ packet }) => firstInteger(packet.attributes, AttributeType.ServiceType));
    expect(new Set(services)).toEqual(
      new Set([ServiceType.Framed, ServiceType.CallCheck, ServiceType.AuthorizeOnly]),
    );
    // Two of the login, one of the channel, one of the MAC address, one that a CoA-Request began, and the test.
    expect(all.length).toBeGreaterThanOrEqual(6);
    for (const { packet, bytes } of all) {
      expect(packet.attributes[0]?.type).toBe(AttributeType.MessageAuthenticator);
      expect(verifyRequest(bytes, SECRET, { requireMessageAuthenticator: true })).toBe('ok');
      expect(firstText(packet.attributes, AttributeType.NasIdentifier)).toBe('test-switch');
      expect(firstText(packet.attributes, AttributeType.CallingStationId)).toMatch(
        /^([0-9A-F]{2}-){5}[0-9A-F]{2}$/,
      );
    }
  });
});
