/**
 * A RADIUS server that takes its time: any EAP identity is challenged by MD5 and then let in, each answer so many
 * milliseconds after its request. For what many requests in flight at once need of a client.
 *
 *   node dist/lab/radius/slow-radius.js ADDRESS PORT SECRET DELAY_MS
 *
 * On standard input: counts.
 */
import { createSocket } from 'node:dgram';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { AttributeType, eapMessage, firstValue, octets, splitEapMessage } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { signReply, verifyRequest } from '../../radius/sign.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { emit, serveCommands } from '../line-program.ts';
import { IdsSeen } from './ids-seen.ts';

interface Waiting {
  readonly at: number;
  readonly port: number;
  readonly address: string;
  readonly request: RadiusPacket;
}

function serve(address: string, port: number, secret: Uint8Array, delayMs: number): void {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: BUFFER });
  const ids = new IdsSeen();
  const waiting: Waiting[] = [];
  let first = 0;
  let refused = 0;
  socket.on('message', (bytes, from) => {
    const request = decodeRadius(bytes);
    const believed =
      !isMalformed(request) && verifyRequest(bytes, secret, { requireMessageAuthenticator: true }) === 'ok';
    if (!believed) {
      refused++;
      return;
    }
    // A copy of a request that is being thought about is not another request.
    if (!ids.asked(from.port, request.id, request.authenticator)) return;
    waiting.push({ at: performance.now() + delayMs, port: from.port, address: from.address, request });
  });
  setInterval(() => {
    const now = performance.now();
    for (let next = waiting[first]; next !== undefined && next.at <= now; next = waiting[++first]) {
      ids.answered(next.port, next.request.id);
      socket.send(answerTo(next.request, secret), next.port, next.address);
    }
    if (first > 10_000) waiting.splice(0, first);
    if (waiting.length === 0 || first > 10_000) first = 0;
  }, TICK_MS);
  serveCommands(
    () => ({ ...ids.counts(), refused }),
    () => process.exit(0),
  );
  socket.bind(port, address, () => emit({ event: 'ready' }));
}

function answerTo(request: RadiusPacket, secret: Uint8Array): Uint8Array {
  const id = request.id;
  const identifier = eapMessage(request.attributes)?.[1] ?? 0;
  const state = firstValue(request.attributes, AttributeType.State);
  if (state !== undefined) {
    const success = encodeEap({ code: EapCode.Success, id: identifier });
    const attributes = splitEapMessage(success);
    return signReply({ code: RadiusCode.AccessAccept, id, attributes }, request.authenticator, secret);
  }
  const typeData = Uint8Array.of(16, ...request.authenticator);
  const next = (identifier + 1) & 0xff;
  const eap = encodeEap({ code: EapCode.Request, id: next, type: EapType.Md5Challenge, typeData });
  const attributes = [...splitEapMessage(eap), octets(AttributeType.State, request.authenticator)];
  return signReply({ code: RadiusCode.AccessChallenge, id, attributes }, request.authenticator, secret);
}

/** As much as the kernel gives; requests come in bursts. */
const BUFFER = 1 << 24;
const TICK_MS = 2;

const [address = '', port = '', secret = '', delayMs = ''] = process.argv.slice(2);
serve(address, Number(port), Buffer.from(secret), Number(delayMs));
