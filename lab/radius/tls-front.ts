/**
 * A TLS server in front of FreeRADIUS that resumes sessions, which FreeRADIUS 3.2 itself does not: it passes what comes on
 * to the TCP listeners behind it, and tells how each session began.
 *
 *   node dist/lab/radius/tls-front.js ADDRESS PORT FOLDER
 *
 * FOLDER is FreeRADIUS's, with its certificates. On standard input: report.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { emit, serveCommands } from '../line-program.ts';

/** What it has seen since its start. */
export interface FrontReport {
  /** Of each session, in order. */
  readonly handshakes: readonly ('full' | 'resumed')[];
  /** TCP connections, also those without a session. */
  readonly connections: number;
}

function main([address = '', port = '', folder = '']: readonly string[]): void {
  const file = (name: string) => readFileSync(join(folder, name));
  const handshakes: FrontReport['handshakes'][number][] = [];
  let connections = 0;
  const server = createServer(
    {
      cert: file('server.pem'),
      key: file('server.key'),
      ca: file('ca.pem'),
      requestCert: true,
      sessionTimeout: TICKET_SECONDS,
    },
    (socket) => {
      handshakes.push(socket.isSessionReused() ? 'resumed' : 'full');
      socket.on('error', () => {});
      // Both of castgate's connections come to one port: the first packet tells which of FreeRADIUS's two is meant.
      socket.once('data', (first) => {
        const behind = connect(first[0] === ACCOUNTING_REQUEST ? 1813 : 1812, address);
        behind.on('error', () => socket.destroy());
        behind.write(first);
        socket.pipe(behind).pipe(socket);
      });
    },
  );
  server.on('connection', () => {
    connections++;
  });
  server.on('tlsClientError', () => {});
  server.listen(Number(port), address, () => emit({ event: 'ready' }));
  serveCommands(
    (verb) => {
      if (verb !== 'report') throw new Error('report');
      return { report: { handshakes, connections } };
    },
    () => process.exit(0),
  );
}

const ACCOUNTING_REQUEST = 4;
const TICKET_SECONDS = 3600;

main(process.argv.slice(2));
