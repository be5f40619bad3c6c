/**
 * The simplest accounting server: answers each Accounting-Request at once, keeps nothing. For one client with one
 * secret:
 *
 *   answerer ADDRESS SECRET-FILE
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';

const [address = '', secretFile = ''] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 });
socket.on('message', (request, from) => {
  const [code, id = 0] = request;
  if (code !== RadiusCode.AccountingRequest) return;
  const answer = { code: RadiusCode.AccountingResponse, id, attributes: [] };
  const authenticator = request.subarray(4, 20);
  socket.send(
    signReply(answer, authenticator, secret, { messageAuthenticator: false }),
    from.port,
    from.address,
  );
});
socket.bind(1813, address, () => process.stdout.write('answering\n'));
