/** When a process that hands over is told to end meanwhile. */
import { describe, expect, it } from 'vitest';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import type { Newcomer } from '../../../daemon/upgrade/hand-over.ts';
import { HANDOVER_PROTOCOL } from '../../../daemon/upgrade/handover-message.ts';
import type { PairIncumbent } from '../../../daemon/upgrade/replace-standby.ts';
import { Upgrade } from '../../../daemon/upgrade/upgrade.ts';
import { RECORDS_VERSION } from '../../../replication/record-version.ts';
import { configOf } from '../world.ts';

/** A process that says what is asked of it, or nothing at all. */
function newcomer(answers: boolean): Newcomer & { ended: number } {
  let listener: Parameters<Newcomer['listen']>[0] | undefined;
  const tell = (message: { say: string }) => setImmediate(() => listener?.message(message));
  const next: Readonly<Record<string, string>> = { complete: 'prepared', take: 'ready', go: 'serving' };
  return {
    pid: 4711,
    ended: 0,
    listen: (to) => {
      listener = to;
      const records = { records: RECORDS_VERSION, leastReader: 1, oldestRead: 1 };
      if (answers) tell({ say: 'hello', ...{ protocol: HANDOVER_PROTOCOL, program: '9.9.9', ...records } });
    },
    say: ({ say }) => {
      const answer = next[say];
      if (answer !== undefined) tell({ say: answer });
      if (say === 'go') tell({ say: 'began' });
    },
    send: () => true,
    drained: () => Promise.resolve(),
    give: () => {},
    end() {
      this.ended++;
      return Promise.resolve();
    },
  };
}

function upgradeTo(to: Newcomer): Upgrade {
  const incumbent = {
    fed: emptyStores(configOf()),
    begin: () => ({ facts: {}, descriptors: [] }),
    lull: () => Promise.resolve(),
    rest: () => ({ facts: {}, descriptors: [] }),
    goOn: () => {},
  };
  const daemon = { incumbent: { alone: incumbent }, describe: () => 'serving' };
  return new Upgrade(daemon, silentLog, () => to);
}

it('starts no process where this one could not be replaced', async () => {
  let started = 0;
  const ofPair = { objection: () => 'no standby is in step' } as unknown as PairIncumbent;
  const upgrade = new Upgrade({ incumbent: { ofPair }, describe: () => 'serving: br0' }, silentLog, () => {
    started++;
    return newcomer(true);
  });
  const refused = 'no standby is in step; the daemon goes on as before, serving: br0';
  expect(await upgrade.run()).toEqual({ refused });
  expect(started).toBe(0);
  expect(upgrade.isRunning).toBe(false);
});

describe('an upgrade whose old process is told to end', () => {
  it('leaves it nothing to put in order once the other one serves', async () => {
    const to = newcomer(true);
    const upgrade = upgradeTo(to);
    expect(await upgrade.run()).toMatchObject({ pid: 4711 });
    expect(await upgrade.abandon()).toBe(true);
    expect(to.ended).toBe(0);
  });

  it('ends the other one where that does not serve yet, and begins no other', async () => {
    const to = newcomer(false);
    const upgrade = upgradeTo(to);
    const result = upgrade.run();
    expect(await upgrade.abandon()).toBe(false);
    expect(await result).toEqual({ refused: expect.stringContaining('told to end') });
    expect(to.ended).toBe(1);
    expect(await upgrade.run()).toEqual({ refused: 'this process is about to end' });
  });

  it('is none where there was none', async () => {
    expect(await upgradeTo(newcomer(false)).abandon()).toBe(false);
  });
});
