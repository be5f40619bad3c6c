/** Which keys of the configuration are other ones, and what each needs while castgate runs. */
import { describe, expect, it } from 'vitest';
import { changedKeys } from '../../config/file/changed-keys.ts';
import { changesOf } from '../../config/reference/reload-needs.ts';
import { configOf } from '../daemon/world.ts';

const server = (name: string, more: object = {}) => {
  return { name, address: '198.18.0.2', secret_file: 'secret', ...more };
};

describe('two configurations', () => {
  it('are the same where their keys are, in whatever words', () => {
    expect(changedKeys(configOf(), configOf())).toEqual([]);
    const written = configOf({ authenticator: { tx_period: '30s' }, multicast: {} });
    expect(changedKeys(configOf(), written)).toEqual([]);
  });

  it('differ by a key of a port, named by its place', () => {
    const before = configOf({ ports: { swp1: {}, swp2: {} } });
    const after = configOf({ ports: { swp1: {}, swp2: { max_req: 3 } } });
    expect(changedKeys(before, after)).toEqual([{ key: 'ports.NAME.max_req', at: 'ports.swp2.max_req' }]);
  });

  it('differ by the list, not by what is in it, where an entry comes or goes', () => {
    const before = configOf({ ports: { swp1: {}, swp2: {} } });
    const after = configOf({ ports: { swp1: {}, swp3: { mode: 'force-authorized' } } });
    expect(changedKeys(before, after)).toEqual([{ key: 'ports', at: 'ports' }]);
  });

  it('differ by the order of servers, which is the order of use', () => {
    const servers = [server('r1'), server('r2', { address: '198.18.0.3' })];
    const before = configOf({ radius: { servers } });
    const after = configOf({ radius: { servers: [...servers].reverse() } });
    expect(changedKeys(before, after)).toEqual([{ key: 'radius.servers', at: 'radius.servers' }]);
  });

  it('differ by what a file of a secret holds', () => {
    const before = configOf({ radius: { servers: [server('r1')] } });
    const renamed = { ...before, keys: before.keys };
    const [first] = before.radius.servers;
    if (first === undefined) throw new Error('there is one');
    const other = { ...first, secret: new TextEncoder().encode('another one') };
    const after = { ...renamed, radius: { ...before.radius, servers: [other] } };
    expect(changedKeys(before, after)).toEqual([
      { key: 'radius.servers[].secret_file', at: 'radius.servers.r1.secret_file' },
    ]);
  });

  it('say what each change needs', () => {
    const before = configOf();
    const after = configOf({ bridge: 'br1', uplinks: ['up1'], authenticator: { max_req: 4 } });
    expect(changesOf(before, after).map(({ at, needs }) => [at, needs])).toEqual([
      ['bridge', 'restart'],
      ['uplinks', 'upgrade'],
      ['authenticator.max_req', 'live'],
    ]);
  });
});
