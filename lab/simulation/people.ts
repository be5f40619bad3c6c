/** Who lives in a simulated world: accounts with their permissions, and subscribers on the ports. */
import type { IpAddress } from '../../wire/address.ts';
import type { AccessPolicy } from './access-policy.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';
import { type HostWorld, Subscriber } from './subscriber.ts';

/** Accounts, and who may receive what: of some pairs never, of some from the beginning. */
export function openAccounts(policy: AccessPolicy, random: Random): void {
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
  }
}

/** Subscribers, several behind one port; one in ten has no account. */
export function settle(plan: Plan, random: Random, policy: AccessPolicy, world: HostWorld): Subscriber[] {
  return Array.from({ length: plan.subscribers }, (_, i) => {
    const account = random.chance(0.1) ? undefined : random.pick([...policy.accounts.values()]);
    return new Subscriber(
      {
        mac: `02:00:00:00:01:${(i + 1).toString(16).padStart(2, '0')}`,
        ip: `10.77.0.${i + 1}`,
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

export const ANY_SOURCE_GROUPS: readonly IpAddress[] = ['239.1.1.1', '239.1.1.2', '239.1.1.3', '239.1.1.4'];
export const SOURCE_GROUPS: readonly IpAddress[] = ['232.1.1.1', '232.1.1.2'];
export const GROUPS: readonly IpAddress[] = [...ANY_SOURCE_GROUPS, ...SOURCE_GROUPS];
/** Where channels come from. */
export const NETWORK_SOURCES: readonly IpAddress[] = ['10.9.0.1', '10.9.0.2', '10.9.0.3'];
