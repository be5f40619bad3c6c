/** A dynamic authorization client (RFC 5176) beside the RADIUS server: takes a channel away while it plays. */
import { createSocket, type Socket } from 'node:dgram';
import { AttributeType, integer, text, vendorSpecific } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signDynamicRequest, verifyReply } from '../../radius/sign.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { groupAddress } from './channels.ts';

export class Revoker {
  readonly #socket: Socket;
  readonly #secret: Uint8Array;
  #id = 0;

  private constructor(socket: Socket, secret: Uint8Array) {
    this.#socket = socket;
    this.#secret = secret;
    // Whoever refuses a request does not acknowledge it, and that is what counts.
    socket.on('error', () => {});
  }

  /** Connects in the calling thread's namespace. */
  static connect(address: string, secret: Uint8Array): Promise<Revoker> {
    const socket = createSocket('udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, () =>
        socket.connect(PORT, address, () => {
          socket.off('error', reject);
          resolve(new Revoker(socket, secret));
        }),
      );
    });
  }

  /** Sends the CoA-Request at once; true once a signed CoA-ACK has come, false for anything else. */
  revoke(account: string, group: number): Promise<boolean> {
    this.#id = (this.#id + 1) & 0xff;
    const id = this.#id;
    const attributes = [
      text(AttributeType.UserName, account),
      integer(AttributeType.EventTimestamp, Math.floor(Date.now() / 1000)),
      vendorSpecific(CISCO, CISCO_AV_PAIR, Buffer.from('castgate:channels=revoke')),
      vendorSpecific(H3C, H3C_RECEIVE_GROUP, Uint8Array.from(groupAddress(group).split('.'), Number)),
    ];
    const request = signDynamicRequest({ code: RadiusCode.CoaRequest, id, attributes }, this.#secret);
    return new Promise((resolve) => {
      const end = (acknowledged: boolean) => {
        clearTimeout(timer);
        this.#socket.off('message', hear);
        resolve(acknowledged);
      };
      const hear = (bytes: Uint8Array) => {
        const reply = decodeRadius(bytes);
        if (isMalformed(reply) || reply.id !== id) return;
        const options = { requireMessageAuthenticator: false };
        const signed = verifyReply(request.subarray(4, 20), bytes, this.#secret, options) === 'ok';
        end(signed && reply.code === RadiusCode.CoaAck);
      };
      const timer = setTimeout(() => end(false), GIVE_UP_MS);
      this.#socket.on('message', hear);
      this.#socket.send(request);
    });
  }
}

const PORT = 3799;
const CISCO = 9;
const CISCO_AV_PAIR = 1;
const H3C = 25506;
const H3C_RECEIVE_GROUP = 98;
const GIVE_UP_MS = 3000;
