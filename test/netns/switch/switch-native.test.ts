/**
 * The native part where things go wrong: callbacks that throw, watches that are ended in every way there
 * is, wrong arguments, a flood. Each case runs in a process of its own, so that a crash is a result.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../switch/native.ts';
import { Namespaces, whyNoNamespaces } from '../namespaces.ts';

const reason = whyNoNamespaces();

/** What each case's script begins with. `everything` is a BPF program that takes every frame. */
const HEAD = `
const { readdirSync } = require('node:fs');
const native = require(${JSON.stringify(join(packageRoot(), 'switch/native/build/Release/castgate_native.node'))});
const everything = new Uint8Array(8);
new DataView(everything.buffer).setUint16(0, 6, true);
new DataView(everything.buffer).setUint32(4, 0x40000, true);
const frame = Buffer.alloc(60, 1);
const index = (name) => native.interfaceIndex(name);
const descriptors = () => readdirSync('/proc/self/fd').length;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (value) => process.stdout.write(JSON.stringify(value));
`;

describe.skipIf(reason !== undefined)(`the native part ${reason ?? ''}`, () => {
  let lab: Namespaces;

  beforeAll(async () => {
    lab = await Namespaces.create('cgt-na');
    await lab.add('a', 'b');
    // The kernel's own reports would be frames that no case sent.
    for (const namespace of ['a', 'b'])
      await lab.shell(
        namespace,
        'for each in all default; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done',
      );
    await lab.veth({ namespace: 'a', interface: 'eth0' }, { namespace: 'b', interface: 'eth0' });
  });
  afterAll(() => lab.dispose());

  /** Runs the script in namespace `a`; what it says. Rejects where it crashes, or takes more than 20 s. */
  const run = (script: string, ...flags: string[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const text = `${HEAD}(async () => {${script}})()`;
      const args = ['netns', 'exec', lab.name('a'), process.execPath, ...flags, '-e', text];
      execFile('ip', args, { timeout: 20_000 }, (error, stdout, stderr) => {
        if (error !== null) reject(new Error(`${error.signal ?? error.code}: ${stdout}${stderr}`));
        else resolve(JSON.parse(stdout));
      });
    });

  it('makes an exception of a callback an uncaughtException, and goes on', async () => {
    const found = await run(`
      const caught = [];
      let calls = 0;
      process.on('uncaughtException', (error) => caught.push(error.message));
      const fd = native.packetOpen(everything, 1 << 20);
      const watch = native.packetWatch(fd, () => { calls++; throw new Error('call ' + calls); });
      const sender = native.packetOpen(everything, 1 << 16);
      for (let i = 0; i < 3; i++) { native.packetSend(sender, index('lo'), frame); await pause(20); }
      native.unwatch(watch); native.close(sender);
      say({ caught, calls });
    `);
    expect(found).toEqual({ caught: ['call 1', 'call 2', 'call 3'], calls: 3 });
  });

  it('may be ended inside its own callback, with more frames waiting, and twice', async () => {
    const found = await run(`
      const before = descriptors();
      const fd = native.packetOpen(everything, 4 << 20);
      const sender = native.packetOpen(everything, 1 << 16);
      for (let i = 0; i < 1000; i++) native.packetSend(sender, index('lo'), frame);
      let calls = 0;
      let results;
      const watch = native.packetWatch(fd, () => { calls++; results = [native.unwatch(watch), native.unwatch(watch)]; });
      await pause(50);
      native.close(sender);
      say({ calls, results, again: native.unwatch(watch), leaked: descriptors() - before });
    `);
    expect(found).toEqual({ calls: 1, results: [0, 0], again: 0, leaked: 0 });
  });

  it('owns the descriptor while it watches it', async () => {
    const found = await run(`
      const fd = native.packetOpen(everything, 1 << 20);
      const watch = native.packetWatch(fd, () => undefined);
      const seen = { close: native.close(fd), second: native.packetWatch(fd, () => undefined) };
      native.unwatch(watch);
      say({ ...seen, afterwards: native.close(fd) });
    `);
    expect(found).toEqual({ close: -16, second: -16, afterwards: -9 });
  });

  it('leaks no descriptor in a hundred openings, nor in failed ones', async () => {
    const found = await run(`
      const before = descriptors();
      for (let i = 0; i < 100; i++) {
        native.unwatch(native.packetWatch(native.packetOpen(everything, 1 << 16), () => undefined));
        native.unwatch(native.netlinkWatch(native.netlinkOpen(0, 1, 1 << 16), () => undefined));
        native.packetOpen(new Uint8Array(7), 1 << 16);
        native.packetOpen(new Uint8Array(8).fill(255), 1 << 16);
        native.netlinkOpen(99, 0, 1 << 16);
        native.enterNetwork('/dev/null');
        if (i % 10 === 0) await pause(1);
      }
      await pause(20);
      say(descriptors() - before);
    `);
    expect(found).toBe(0);
  });

  it('closes a watch that was forgotten, when its handle is collected', async () => {
    const found = await run(
      `
      const before = descriptors();
      (() => { for (let i = 0; i < 50; i++) native.packetWatch(native.packetOpen(everything, 1 << 16), () => undefined); })();
      const open = descriptors() - before;
      for (let i = 0; i < 20 && descriptors() > before; i++) { global.gc(); await pause(10); }
      say({ open, left: descriptors() - before });
      `,
      '--expose-gc',
    );
    expect(found).toMatchObject({ open: expect.any(Number), left: 0 });
    expect((found as { open: number }).open).toBeGreaterThanOrEqual(50);
  });

  it('goes with its worker, under traffic', async () => {
    const found = await run(`
      const { Worker } = require('node:worker_threads');
      const before = descriptors();
      const sender = native.packetOpen(everything, 1 << 16);
      for (let round = 0; round < 5; round++) {
        const worker = new Worker(\`
          const native = require('\${require.resolve(${JSON.stringify(join(packageRoot(), 'switch/native/build/Release/castgate_native.node'))})}');
          const everything = new Uint8Array(\${JSON.stringify([...everything])});
          globalThis.kept = native.packetWatch(native.packetOpen(everything, 1 << 20), () => require('node:worker_threads').parentPort.postMessage(1));
        \`, { eval: true });
        const heard = new Promise((done) => worker.once('message', done));
        while (!(await Promise.race([heard, pause(2).then(() => 0)]))) native.packetSend(sender, index('lo'), frame);
        await worker.terminate();
      }
      native.close(sender);
      await pause(50);
      say({ heard: 5, leaked: Math.max(descriptors() - before - 2, 0) });
    `);
    expect(found).toEqual({ heard: 5, leaked: 0 });
  });

  it('answers wrong arguments with an errno', async () => {
    const found = await run(`
      const fd = native.packetOpen(everything, 1 << 16);
      say([
        native.packetOpen('x', 1), native.packetOpen(new Uint8Array(0), 1),
        native.packetWatch(fd), native.packetWatch(fd, 7), native.packetWatch(-1, () => undefined),
        native.packetSend(fd, 1, new Uint8Array(5)), native.packetSend(fd, 9999, frame), native.packetSend(-1, 1, frame),
        native.packetStatistics(fd, new Uint8Array(8)), native.packetStatistics(fd, new Int32Array(1)), native.packetStatistics(-1, new Int32Array(2)),
        native.unwatch(), native.unwatch({}), native.close(-1), native.close(),
        native.netlinkTransact(fd, new Uint8Array(0), new Uint8Array(10)), native.netlinkTransact(-1, new Uint8Array(4), new Uint8Array(65536)),
        native.interfaceIndex('no-such'), native.interfaceIndex('x'.repeat(40)), native.interfaceIndex(7),
        native.enterNetwork('/no/such'), native.enterNetwork('/dev/null'), native.enterNetwork(),
      ]);
    `);
    const [EBADF, EINVAL, ENODEV, ENXIO, ENOENT] = [-9, -22, -19, -6, -2];
    expect(found).toEqual([
      EINVAL,
      EINVAL,
      EINVAL,
      EINVAL,
      EBADF,
      EINVAL,
      ENXIO,
      EBADF,
      EINVAL,
      EINVAL,
      EBADF,
      EINVAL,
      EINVAL,
      EBADF,
      EBADF,
      EINVAL,
      EBADF,
      ENODEV,
      ENODEV,
      EINVAL,
      ENOENT,
      EINVAL,
      EINVAL,
    ]);
  });

  it('leaves the loop its timers under a flood, and loses nothing that fits the buffer', async () => {
    const flood = lab.spawn(
      'b',
      process.execPath,
      '-e',
      `${HEAD} const fd = native.packetOpen(everything, 1 << 16); const i = index('eth0');
       const end = Date.now() + 20000; while (Date.now() < end) for (let n = 0; n < 500; n++) native.packetSend(fd, i, frame);`,
    );
    try {
      // Ends only if timers have their turn while frames keep coming.
      const underFlood = await run(`
        const fd = native.packetOpen(everything, 4 << 20);
        let frames = 0;
        const watch = native.packetWatch(fd, (octets, meta, count) => { frames += count; });
        while (frames === 0) await pause(5);
        let turns = 0;
        for (let before = frames; turns < 50; before = frames) {
          await pause(5);
          if (frames > before) turns++;
        }
        native.unwatch(watch);
        say({ turns, many: frames > 1000 });
      `);
      expect(underFlood).toEqual({ turns: 50, many: true });
    } finally {
      flood.kill('SIGKILL');
    }
    const burst = await run(`
      const fd = native.packetOpen(everything, 4 << 20);
      let frames = 0;
      const watch = native.packetWatch(fd, (octets, meta, count) => { frames += count; });
      const sender = native.packetOpen(everything, 1 << 20);
      for (let n = 0; n < 2000; n++) native.packetSend(sender, index('lo'), frame);
      for (let before = -1; before < frames; ) { before = frames; await pause(100); }
      const counts = new Int32Array(2);
      native.packetStatistics(fd, counts);
      native.unwatch(watch); native.close(sender);
      say({ frames, lost: counts[1] });
    `);
    expect(burst).toEqual({ frames: 2000, lost: 0 });
  });
});
