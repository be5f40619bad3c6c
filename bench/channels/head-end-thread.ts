/** The head-end's thread: sends until its process ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { enterNamespace, PacketPort } from '../../lab/hosts/packet-port.ts';
import { channelFrame } from './channels.ts';
import { type HeadEndData, Place, SLOTS } from './head-end.ts';

const MAC = Uint8Array.of(0x02, 0xca, 0x57, 0x00, 0x00, 0x01);
const IDLE_MS = 1;

const { shared, namespace, interfaces } = workerData as HeadEndData;
enterNamespace(namespace);
const port = new PacketPort(interfaces, 'none');
const indexes = interfaces.map((name) => port.indexOf(name));
const frames: (Uint8Array | undefined)[] = [];
parentPort?.postMessage('ready');

for (let slot = 0; ; ) {
  Atomics.wait(shared, Place.Never, 0, (shared[Place.PauseUs] ?? 0) / 1000 || IDLE_MS);
  const ifindex = indexes[shared[Place.Interface] ?? 0] ?? 0;
  let left = shared[Place.Burst] ?? 0;
  for (let looked = 0; looked < SLOTS && left > 0; looked++) {
    slot = (slot + 1) % SLOTS;
    const group = Atomics.load(shared, Place.Slots + slot) - 1;
    if (group < 0) continue;
    let frame = frames[group];
    if (frame === undefined) {
      frame = channelFrame(MAC, group);
      frames[group] = frame;
    }
    port.send(ifindex, frame);
    Atomics.add(shared, Place.Sent, 1);
    left--;
  }
}
