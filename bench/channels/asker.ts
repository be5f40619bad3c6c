/**
 * The bare RADIUS client: asks the server what castgate would ask it for a join, signed and in full, and takes
 * the time from handing the datagram to the socket to having the answer. What castgate adds to that is its own.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { questionAttributes } from '../../auth/admission/group-question.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signAccessRequest, verifyReply } from '../../radius/sign.ts';
import type { SessionRecord } from '../../session/records.ts';
import { macAt } from '../../wire/address.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { accountOf, macOf } from '../auth/supplicants.ts';
import { groupAddress } from './channels.ts';
import { pairOf, type WatchPlan } from './viewers.ts';

export interface AskPlan extends WatchPlan {
  /** At most 256: one source port, as many identifiers. */
  readonly inFlight: number;
  readonly accounts: number;
}

export interface AskOutcome {
  readonly seconds: number;
  readonly roundTripMs: readonly number[];
  /** Not answered within the time limit, or not by a verified Access-Accept. */
  readonly failed: number;
}

interface Open {
  readonly authenticator: Uint8Array;
  readonly at: number;
}

export class Asker {
  readonly #socket: Socket;
  readonly #secret: Uint8Array;
  #receive: (bytes: Uint8Array) => void = () => {};

  private constructor(socket: Socket, secret: Uint8Array) {
    this.#socket = socket;
    this.#secret = secret;
    socket.on('message', (bytes) => this.#receive(bytes));
  }

  /** Connects in the calling thread's namespace. */
  static connect(address: string, port: number, secret: Uint8Array): Promise<Asker> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, () => socket.connect(port, address, () => resolve(new Asker(socket, secret))));
    });
  }

  /** Asks every pair's question. */
  ask(plan: AskPlan): Promise<AskOutcome> {
    const roundTripMs: number[] = [];
    const open = new Map<number, Open>();
    const begin = performance.now();
    let next = plan.first;
    let id = 0;
    let failed = 0;
    return new Promise((resolve) => {
      const fill = () => {
        while (open.size < plan.inFlight && next < plan.first + plan.count) {
          while (open.has(id)) id = (id + 1) & 0xff;
          const authenticator = randomBytes(16);
          const attributes = question(plan, next++);
          const bytes = signAccessRequest({ id, authenticator, attributes }, this.#secret);
          open.set(id, { authenticator, at: performance.now() });
          id = (id + 1) & 0xff;
          this.#socket.send(bytes);
        }
        if (open.size > 0) return;
        clearInterval(overdue);
        resolve({ seconds: (performance.now() - begin) / 1000, roundTripMs, failed });
      };
      const overdue = setInterval(() => {
        for (const [key, { at }] of [...open]) {
          if (performance.now() - at < GIVE_UP_MS) continue;
          failed++;
          open.delete(key);
        }
        fill();
      }, 100);
      this.#receive = (bytes) => {
        const at = performance.now();
        const reply = decodeRadius(bytes);
        const asked = isMalformed(reply) ? undefined : open.get(reply.id);
        if (isMalformed(reply) || asked === undefined) return;
        open.delete(reply.id);
        const verdict = verifyReply(asked.authenticator, bytes, this.#secret, {
          requireMessageAuthenticator: true,
        });
        if (verdict === 'ok' && reply.code === RadiusCode.AccessAccept) roundTripMs.push(at - asked.at);
        else failed++;
        fill();
      };
      fill();
    });
  }
}

/** The question in the form that castgate's configuration in the bench gives it. */
function question(plan: AskPlan, pair: number) {
  const { viewer, group } = pairOf(plan, pair);
  const mac = macAt(macOf(viewer), 0);
  const account = accountOf(viewer, plan.accounts);
  const session: SessionRecord = {
    v: 1,
    key: `bench/0/${mac}`,
    port: 'bench',
    vlan: 0,
    mac,
    account,
    userName: Buffer.from(account),
    acctSessionId: 'BE7C40000000BE7C',
    acctMultiSessionId: '02CA570000FE02CB0000000100000000',
    classes: [],
    state: undefined,
    server: 'lab',
    startedAt: 0,
    authenticatedAt: 0,
    endsAt: undefined,
    interimMs: undefined,
  };
  const form = {
    encoding: 'h3c',
    nativeVendor: 32473,
    serviceType: 'authorize-only',
    nas: { identifier: 'lab-switch', address: '198.18.0.1' },
  } as const;
  const place = { port: 'bench', mac, portNumber: 1, portMac: '02:ca:57:00:00:80' };
  const attributes = questionAttributes(form, session, place, groupAddress(group), undefined);
  if (attributes === undefined) throw new Error(`no encoding for ${groupAddress(group)}`);
  return attributes;
}

const GIVE_UP_MS = 3000;
