/** The other end of sd_notify(3): a Unix datagram socket, which Node has none of, read by a few lines of Python. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../../lab/processes.ts';

const LISTEN = `
import json, os, socket, sys
end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
end.bind('\\0' + name[1:] if name[0] == '@' else name)
if name[0] != '@': os.chmod(name, 0o666)
print(json.dumps({'listening': True}), flush=True)
while True:
    print(json.dumps(end.recv(4096).decode()), flush=True)
`;

export interface DatagramListener {
  /** What came so far, one text a datagram. */
  readonly heard: readonly string[];
  close(): void;
}

/** `path`: a path, or `@name` of the abstract kind. Resolves when it listens. */
export async function listenForDatagrams(path: string): Promise<DatagramListener> {
  const child = spawn('python3', ['-c', LISTEN, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard: string[] = [];
  let listens = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said: unknown = JSON.parse(line);
    if (typeof said === 'string') heard.push(said);
    else listens = true;
  });
  await until('the listener', 10_000, () => listens || undefined);
  return { heard, close: () => void child.kill('SIGKILL') };
}
