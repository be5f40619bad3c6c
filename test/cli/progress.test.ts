import { describe, expect, it } from 'vitest';
import type { Output } from '../../cli/output.ts';
import { progress, whileWaiting } from '../../cli/progress.ts';

function terminal(errIsTerminal: boolean) {
  const said: string[] = [];
  const output: Output = { out: () => {}, err: (text) => said.push(text), errIsTerminal };
  return { said, output };
}

describe('long work', () => {
  it('says how far it is twice a second, over the same line, and takes it away', () => {
    const { said, output } = terminal(true);
    let now = 5_000;
    const { say, end } = progress(output, 'reading', () => now);
    say(1, 200);
    expect(said).toEqual([]);
    now += 600;
    say(50, 200);
    say(51, 200);
    now += 1_400;
    say(150, 200);
    end();
    end();
    expect(said).toEqual(['\r\x1b[Kreading: 25 %, 1 s', '\r\x1b[Kreading: 75 %, 2 s', '\r\x1b[K']);
  });

  it('says nothing where no person looks, nor of what is done at once', async () => {
    const file = terminal(false);
    let now = 0;
    const quiet = progress(file.output, 'reading', () => now);
    now += 10_000;
    quiet.say(1, 2);
    quiet.end();
    const quick = terminal(true);
    expect(await whileWaiting(quick.output, 'waiting', Promise.resolve(7))).toBe(7);
    expect([file.said, quick.said]).toEqual([[], []]);
  });

  it('says that it still waits', async () => {
    const { said, output } = terminal(true);
    let finish = (_: string) => {};
    const work = new Promise<string>((done) => {
      finish = done;
    });
    output.err('');
    const waited = whileWaiting(
      {
        ...output,
        err: (text) => {
          said.push(text);
          finish('done');
        },
      },
      'preparing',
      work,
    );
    expect(await waited).toBe('done');
    expect(said.join('').replace(/\d+/, 'n')).toBe('\r\x1b[Kpreparing: …, n s\r\x1b[K');
  });
});
