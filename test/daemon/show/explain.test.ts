/** `castgate explain` over the core on virtual time. */
import { describe, expect, it } from 'vitest';
import { renderExplanation } from '../../../cli/show/explain.ts';
import type { Explanation } from '../../../daemon/channels/channels.ts';
import { explain, type ServingCore } from '../../../daemon/show/explain.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import { type Host, World } from '../world.ts';

const right = (words: string) => vendorSpecific(32473, 5, new TextEncoder().encode(words));

function world(...rights: readonly string[]): [World, Host, ServingCore] {
  const w = new World({ channels: { never: ['239.9.0.0/16'] }, limits: { groups_per_account: 1 } });
  w.server.users.set('alice', rights.map(right));
  w.server.permit('alice', '239.1.1.1');
  const alice = w.host('alice');
  alice.login();
  return [w, alice, { core: w.core, now: () => w.now, turn: (think) => w.turn(() => think(w.now)) }];
}

async function about(by: ServingCore, host: Host, group: string, more: object = {}): Promise<Explanation> {
  const { port, mac, vlan } = host;
  const answer = await explain({ port, mac, vlan, group, ...more }, by);
  if ('refused' in answer) throw new Error(answer.refused);
  return answer;
}

const said = ({ steps }: Explanation) => steps.map(({ step, answer }) => `${step}: ${answer}`);

describe('castgate explain', () => {
  it('goes the way of a join and asks nobody', async () => {
    const [w, alice, by] = world('watch 239.2.0.0/16', 'forbid 239.2.2.2', 'preview 239.3.0.0/16');
    const verdict = async (group: string, host = alice) => {
      const { verdict: what, reason, detail } = await about(by, host, group);
      return [what, reason, detail];
    };
    expect(await verdict('239.1.1.1')).toEqual(['ask', null, null]);
    expect(await verdict('239.2.1.1')).toEqual(['grant', null, null]);
    expect(await verdict('239.2.2.2')).toEqual(['refuse', 'forbidden', null]);
    expect(await verdict('239.9.1.1')).toEqual(['refuse', 'never-list', null]);
    expect(await verdict('232.1.1.1')).toEqual(['refuse', 'ssm-needs-source', null]);
    expect(await verdict('239.2.1.1', w.host('stranger'))).toEqual(['refuse', 'no-session', null]);
    expect(await verdict('239.3.1.1')).toEqual(['grant', null, null]);
    expect(w.server.questions()).toEqual([]);
    expect([w.core.stores.grants.size, w.core.stores.questions.size, w.core.stores.previews.size]).toEqual([
      0, 0, 0,
    ]);
  });

  it('says each step with its answer, and the same verdict as the join that follows', async () => {
    const [w, alice, by] = world('watch 239.2.0.0/16');
    alice.join('239.2.1.1');
    expect(said(await about(by, alice, '239.2.1.1'))).toEqual([
      'membership: the host wants it',
      'grant: for 0 s, by rights',
    ]);
    expect(said(await about(by, alice, '239.2.1.2'))).toEqual([
      'membership: the host has not asked for it, or has left',
      'session: account alice',
      'group: can be had',
      'lists and rights: permitted (rights)',
      'limits: account-group-limit: 1 of 1 groups',
    ]);
    alice.join('239.2.1.2');
    expect(w.logged('join-refused')).toMatchObject([
      { reason: 'account-group-limit', detail: '1 of 1 groups' },
    ]);
    const text = renderExplanation(await about(by, alice, '239.2.1.2'));
    expect(text).toContain('a join would be refused: account-group-limit (1 of 1 groups)');
  });

  it('puts the question to RADIUS where it is told to', async () => {
    const [w, alice, by] = world();
    const asking = about(by, alice, '239.1.1.1', { ask: true });
    w.pass(100);
    const answer = await asking;
    expect(w.server.questions()).toEqual(['alice 239.1.1.1']);
    expect(answer.verdict).toBe('grant');
    expect(said(answer)).toContain('remembered answer: permitted for 300 s more');
    const denied = about(by, alice, '239.1.1.2', { ask: true });
    w.pass(100);
    expect(await denied).toMatchObject({ verdict: 'refuse', reason: 'radius-reject' });
  });

  it('refuses what is no host of this switch', async () => {
    const [, alice, by] = world();
    const { mac } = alice;
    for (const params of [
      { port: 'swp9', mac, group: '239.1.1.1' },
      { port: 'swp1', mac: 'alice', group: '239.1.1.1' },
      { port: 'swp1', mac, group: '10.0.0.1' },
      { port: 'swp1', mac, group: '239.1.1.1', source: 7 },
      { port: 'swp1', mac, group: '239.1.1.1', vlan: 'x' },
      {},
    ])
      expect(await explain(params, by)).toMatchObject({ refused: expect.any(String) });
  });
});
