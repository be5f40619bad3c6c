/** The flood's thread: sends what is due by the clock, until its process ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { EapolType } from '../../eapol/eapol.ts';
import { eapolFrame } from '../../lab/hosts/eapol-frame.ts';
import { enterNamespace, PacketPort } from '../../lab/hosts/packet-port.ts';
import { macOf } from '../auth/supplicants.ts';
import { reportFrame } from './channels.ts';
import { FLOODS, type FloodData, FloodPlace, type FloodPlan } from './flood.ts';

const { shared, namespace, interfaces } = workerData as FloodData;
enterNamespace(namespace);
const port = new PacketPort(interfaces, 'none');
const indexes = interfaces.map((name) => port.indexOf(name));
parentPort?.postMessage('ready');

const PAUSE_MS = 0.2;
const DIFFERENT = 8192;
const made = new Map<string, readonly Uint8Array[]>();
let began = 0;
let sent = 0;
for (let number = 0; ; ) {
  Atomics.wait(shared, FloodPlace.Never, 0, PAUSE_MS);
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

/** The same thousands of frames over and over: to make each anew would cost more than to send it. */
function frameOf(number: number): Uint8Array {
  const kind = FLOODS[shared[FloodPlace.Kind] ?? 0] ?? 'strangers';
  const viewer = shared[FloodPlace.Viewer] ?? 0;
  let frames = made.get(`${kind}/${viewer}`);
  if (frames === undefined) {
    frames = Array.from({ length: DIFFERENT }, (_, i) => newFrame(kind, viewer, i));
    made.set(`${kind}/${viewer}`, frames);
  }
  return frames[number % DIFFERENT] ?? new Uint8Array();
}

function newFrame(kind: FloodPlan['kind'], viewer: number, number: number): Uint8Array {
  const stranger = macOf(0x10_0000 + number);
  if (kind === 'strangers') return reportFrame(stranger, number & 0x7ff, 'join');
  if (kind === 'starts') return eapolFrame(stranger, EapolType.Start, new Uint8Array());
  const frame = reportFrame(macOf(viewer), number & 0x7ff, 'join');
  if (kind === 'damaged') frame[frame.length - 1] = (frame.at(-1) ?? 0) ^ 1;
  return frame;
}
