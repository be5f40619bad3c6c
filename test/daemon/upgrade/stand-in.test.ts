/** The new process on a node of a pair, over real sockets: what it objects to, and what becomes of it where it is left alone. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Config, HaConfig } from '../../../config/config.ts';
import { haDigests } from '../../../daemon/upgrade/comparison.ts';
import { HandoverChannel } from '../../../daemon/upgrade/handover-channel.ts';
import type { HandoverMessage } from '../../../daemon/upgrade/handover-message.ts';
import { type Estate, type Replacement, standIn } from '../../../daemon/upgrade/stand-in.ts';
import { FrameType } from '../../../replication/frame.ts';
import { RecordEncoder } from '../../../replication/record-codec.ts';
import { LEAST_READER, OWN_RECORDS, RECORDS_VERSION } from '../../../replication/record-version.ts';
import { loadNative } from '../../../switch/native.ts';
import { configOf } from '../world.ts';

const HA = { node: 'a', leaseMs: 250, key: new Uint8Array(32).fill(5) } as unknown as HaConfig;
const config: Config & { readonly ha: HaConfig } = { ...configOf(), ha: HA };
const BEGIN = {
  say: 'begin',
  pair: true,
  bridge: config.bridge,
  stateDirectory: config.stateDirectory,
  ha: haDigests(config),
  records: RECORDS_VERSION,
  leastReader: LEAST_READER,
  otherNode: OWN_RECORDS,
} as const;
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** The process before and the new one. */
function pair(replacement: Partial<Replacement> = {}) {
  const native = loadNative();
  const sockets = () => {
    const ends = new Int32Array(2);
    expect(native.socketPair(ends)).toBe(0);
    return [ends[0] ?? -1, ends[1] ?? -1] as const;
  };
  const [frames, itsFrames] = sockets();
  const [descriptors, itsDescriptors] = sockets();
  const said: HandoverMessage[] = [];
  const happened: string[] = [];
  let estate: Estate | undefined;
  const channel = new HandoverChannel(frames, descriptors, {
    message: (message) => said.push(message),
    frame: () => {},
    ended: () => {},
  });
  closing.push(() => channel.close());
  const goesOn = standIn({
    config,
    frames: itsFrames,
    descriptors: itsDescriptors,
    replacement: {
      check: () => happened.push('check'),
      stand: (left) => {
        happened.push('stand');
        estate = left;
        return Promise.resolve(undefined);
      },
      joined: () => Promise.resolve(undefined),
      begin: (control) => happened.push(control === undefined ? 'begin' : 'begin with its control socket'),
      ...replacement,
    },
  });
  const heard = async (say: string) => {
    for (let i = 0; i < 1_000 && !said.some((one) => one.say === say); i++)
      await new Promise((resolve) => setTimeout(resolve, 2));
    expect(said.map((one) => one.say)).toContain(say);
    return said.find((one) => one.say === say);
  };
  return { channel, happened, heard, goesOn, estate: () => estate };
}

async function taken(one: ReturnType<typeof pair>): Promise<void> {
  await one.heard('hello');
  one.channel.say(BEGIN);
  await one.heard('prepared');
  expect(one.happened).toEqual(['check']);
  const encoder = new RecordEncoder();
  encoder.text('activities');
  encoder.text('k');
  encoder.value({ v: 1, key: 'k' });
  one.channel.send(FrameType.Records, encoder.take());
  one.channel.give([1]);
  one.channel.say({ say: 'take', descriptors: 1, epoch: 7 });
}

describe('a process that stands by in the stead of another one', () => {
  it('looks first, takes part when it is told to, and goes on when the other one leaves', async () => {
    const one = pair();
    await taken(one);
    await one.heard('standing');
    await one.heard('ready');
    expect(one.estate()).toMatchObject({ facts: { epoch: 7 }, descriptors: [expect.any(Number)] });
    expect(one.estate()?.fed?.stores.activities.size).toBe(1);
    expect(one.happened).toEqual(['check', 'stand']);
    one.channel.give([2]);
    one.channel.say({ say: 'go', control: config.controlSocket });
    await one.heard('began');
    expect(await one.goesOn).toBe(true);
    expect(one.happened.at(-1)).toBe('begin with its control socket');
  });

  it.each([
    ['no pair', { pair: undefined }, /is no node of a pair/],
    ['another bridge', { bridge: 'br9' }, /it serves br9/],
    ['another state directory', { stateDirectory: '/other' }, /state_directory/],
    ['another key of ha', { ha: { ...haDigests(config), leaseMs: 'x' } }, /section ha .*leaseMs/],
    ['records of a later kind', { records: 99, leastReader: 99 }, /version 99 or later/],
    ['another node with such', { otherNode: { records: 99, leastReader: 99, oldestRead: 99 } }, /version 99/],
  ])('refuses %s before it has touched anything', async (_, other, why) => {
    const one = pair();
    await one.heard('hello');
    one.channel.say({ ...BEGIN, ...other });
    expect((await one.heard('refuse'))?.['why']).toMatch(why);
    expect(one.happened).toEqual([]);
  });

  it('does not mind keys of ha that only one of the versions knows', async () => {
    const one = pair();
    await one.heard('hello');
    const { leaseMs: _, ...fewer } = haDigests(config);
    one.channel.say({ ...BEGIN, ha: { ...fewer, tomorrow: 'x' } });
    await one.heard('prepared');
  });

  it('says why it cannot take part, or will never be in step', async () => {
    const one = pair({ stand: () => Promise.resolve('no bridge br0') });
    await taken(one);
    expect((await one.heard('refuse'))?.['why']).toBe('no bridge br0');
    const other = pair({ joined: () => Promise.resolve('of version 9') });
    await taken(other);
    expect((await other.heard('refuse'))?.['why']).toBe('of version 9');
    // Nobody is left to end it.
    other.channel.close();
    closing.pop();
    expect(await other.goesOn).toBe(undefined);
  });

  it('ends with the other one before it takes part, and goes on by itself afterwards', async () => {
    const before = pair();
    await before.heard('hello');
    before.channel.say(BEGIN);
    await before.heard('prepared');
    before.channel.close();
    expect(await before.goesOn).toBe(undefined);
    const joining = pair({ joined: () => new Promise(() => {}) });
    await taken(joining);
    await joining.heard('standing');
    joining.channel.close();
    expect(await joining.goesOn).toBe(true);
    const ready = pair();
    await taken(ready);
    await ready.heard('ready');
    ready.channel.close();
    expect(await ready.goesOn).toBe(true);
    expect(ready.happened.at(-1)).toBe('begin');
    closing.splice(0);
  });
});
