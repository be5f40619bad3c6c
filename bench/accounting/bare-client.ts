/**
 * The bare accounting client: signs the same messages and sends them one window at a time, from memory, and from one
 * socket. It keeps nothing and sends nothing again.
 *
 *   bare-client ADDRESS SECRET-FILE COUNT WINDOW
 *
 * Prints JSON: how long it took, and how many were not answered.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { Stores } from '../../daemon/core/stores.ts';
import { attributesOf } from '../../radius/attribute-octets.ts';
import { signAccountingRequest, verifyReply } from '../../radius/sign.ts';
import { MessageMaker } from './messages.ts';

/** What came of it. */
export interface BareOutcome {
  readonly seconds: number;
  readonly unanswered: number;
}

const [address = '', secretFile = '', count = '0', window = '64'] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const stores = new Stores(1000);
new MessageMaker(stores, Date.now()).make(Number(count));
const messages = [...stores.accountingQueue.values()];
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
/** By identifier: the authenticator that its answer is made over, and when it left. */
const open = new Map<number, { readonly authenticator: Uint8Array; readonly at: number }>();
let next = 0;
let id = 0;
let unanswered = 0;
let begin = 0;

function fill(): void {
  while (open.size < Number(window) && next < messages.length) {
    while (open.has(id)) id = (id + 1) & 0xff;
    const attributes = attributesOf(messages[next++]?.attributes ?? []);
    const request = signAccountingRequest({ id, attributes }, secret);
    open.set(id, { authenticator: request.slice(4, 20), at: performance.now() });
    id = (id + 1) & 0xff;
    socket.send(request);
  }
  if (open.size > 0 || next < messages.length) return;
  const outcome: BareOutcome = { seconds: (performance.now() - begin) / 1000, unanswered };
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
}

socket.on('message', (reply) => {
  const asked = open.get(reply[1] ?? 0);
  if (asked === undefined) return;
  const verdict = verifyReply(asked.authenticator, reply, secret, { requireMessageAuthenticator: false });
  if (verdict !== 'ok') return;
  open.delete(reply[1] ?? 0);
  fill();
});
setInterval(() => {
  for (const [key, { at }] of [...open]) {
    if (performance.now() - at < GIVE_UP_MS) continue;
    open.delete(key);
    unanswered++;
  }
  fill();
}, 200);
socket.bind(0, () =>
  socket.connect(1813, address, () => {
    begin = performance.now();
    fill();
  }),
);

const GIVE_UP_MS = 3_000;
