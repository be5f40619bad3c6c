/** The flood's thread: sends what is due by the clock, until its process ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { enterNamespace, PacketPort } from '../lab/packet-port.ts';
import { reportFrame } from './channels.ts';
import { FLOODS, type FloodData, FloodPlace } from './flood.ts';
import { macOf } from './supplicants.ts';

const { shared, namespace, interfaces } = workerData as FloodData;
enterNamespace(namespace);
const port = new PacketPort(interfaces, 'none');
const indexes = interfaces.map((name) => port.indexOf(name));
parentPort?.postMessage('ready');

let began = 0;
let sent = 0;
for (let number = 0; ; ) {
  Atomics.wait(shared, FloodPlace.Never, 0, pauseMs());
  const perSecond = Atomics.load(shared, FloodPlace.PerSecond);
  const now = performance.now();
  if (perSecond === 0 || began === 0) {
    began = perSecond === 0 ? 0 : now;
    sent = 0;
    continue;
  }
  const due = Math.floor(((now - began) / 1000) * perSecond);
  // After a long pause what was missed is skipped: no burst.
  if (due - sent > perSecond / 50) sent = due - Math.floor(perSecond / 50);
  const ifindex = indexes[shared[FloodPlace.Interface] ?? 0] ?? 0;
  for (; sent < due; sent++) {
    port.send(ifindex, frameOf(number++));
    Atomics.add(shared, FloodPlace.Sent, 1);
  }
}

function frameOf(number: number): Uint8Array {
  const kind = FLOODS[shared[FloodPlace.Kind] ?? 0];
  const viewer = shared[FloodPlace.Viewer] ?? 0;
  if (kind === 'strangers')
    return reportFrame(macOf(0x10_0000 + (number & 0xf_ffff)), number & 0x7ff, 'join');
  const frame = reportFrame(macOf(viewer), number & 0x7ff, 'join');
  if (kind === 'damaged') frame[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1;
  return frame;
}

function pauseMs(): number {
  return 0.2;
}
