/** Who lives in a simulated world: accounts with their permissions, and subscribers on the ports. */
import type { Random } from '../../random.ts';
import type { Plan } from '../plan.ts';
import type { AccessPolicy } from './access-policy.ts';
import { GROUPS } from './channels.ts';
import { type HostWorld, type Identity, Subscriber } from './subscriber.ts';

/** Accounts, and who may receive what: of some pairs never, of some from the beginning, of some with the login. */
export function openAccounts(policy: AccessPolicy, random: Random, rights = false): void {
  for (const name of ['alice', 'bob', 'carol', 'dave']) {
    policy.accounts.set(name, {
      name,
      password: `the password of ${name}`,
      rounds: random.whole(1, 3),
      timeout: random.pick(['none', 'none', 'again', 'end']),
      seconds: random.pick([30, 45, 90]),
    });
    for (const group of GROUPS) {
      if (random.chance(0.7)) policy.permit(name, group, random.pick([undefined, undefined, 15, 40]));
    }
    if (!rights) continue;
    for (const group of GROUPS) {
      const kind = random.pick([undefined, undefined, 'watch', 'preview'] as const);
      if (kind !== undefined) policy.rights.set(`${name} ${group}`, kind);
    }
    const limit = random.pick([undefined, undefined, 2, 4]);
    if (limit !== undefined) policy.limits.set(name, limit);
  }
}

/** Subscribers, several behind one port; one in ten has no account. */
export function settle(plan: Plan, random: Random, policy: AccessPolicy, world: HostWorld): Subscriber[] {
  return Array.from({ length: plan.subscribers }, (_, i) => {
    const account = random.chance(0.1) ? undefined : random.pick([...policy.accounts.values()]);
    return new Subscriber(
      {
        mac: `02:00:00:00:01:${(i + 1).toString(16).padStart(2, '0')}`,
        ...addressIn(random.chance(0.3) ? 6 : 4, i + 1),
        vlan: random.chance(0.15) ? 7 : 0,
        version: random.chance(0.3) ? 2 : 3,
      },
      random.pick(plan.ports),
      account?.name ?? 'nobody',
      account?.password ?? '',
      world,
    );
  });
}

/** What the host speaks about groups, and from where. */
export function addressIn(family: 4 | 6, number: number): Pick<Identity, 'family' | 'ip'> {
  return { family, ip: family === 4 ? `10.77.0.${number}` : `fe80::${number}` };
}
