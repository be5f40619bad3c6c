import { describe, expect, it } from 'vitest';
import { openLog } from '../../../daemon/log/log.ts';
import { limitPerPort } from '../../../daemon/log/log-limit.ts';

function limited(linesPerSecond: number) {
  const lines: { event: string; port?: string; host?: string; lines?: number }[] = [];
  const clock = { now: 5_000_000 };
  const log = openLog('info', (line) => lines.push(JSON.parse(line)));
  return { lines, clock, log: limitPerPort(log, () => clock.now, linesPerSecond) };
}

describe('the log of one port', () => {
  it('is bounded in each second, and says afterwards how much it left out', () => {
    const { lines, clock, log } = limited(3);
    for (let i = 0; i < 50; i++) log.info('join-refused', { port: 'swp1', group: `239.0.0.${i}` });
    log.info('session-ended', { host: 'swp1/0/02:00:00:00:00:01' });
    expect(lines).toHaveLength(3);
    clock.now += 1000;
    log.info('join-refused', { port: 'swp1' });
    expect(lines.slice(3)).toMatchObject([
      { event: 'log-lines-withheld', port: 'swp1', lines: 48 },
      { event: 'join-refused', port: 'swp1' },
    ]);
  });

  it('takes nothing from other ports, from lines about none, and from errors', () => {
    const { lines, log } = limited(1);
    log.warn('join-refused', { port: 'swp1' });
    log.warn('join-refused', { port: 'swp1' });
    log.error('internal-error', { port: 'swp1' });
    log.info('session-started', { host: 'swp2/0/02:00:00:00:00:01' });
    log.info('serving');
    log.info('radius-server', { server: 'r1', state: 'alive' });
    expect(lines.map(({ event }) => event)).toEqual([
      'join-refused',
      'internal-error',
      'session-started',
      'serving',
      'radius-server',
    ]);
  });
});
