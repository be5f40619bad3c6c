/** What people, operators and faults do to the switch while a run goes on; each is drawn with a weight. */
import { hostKey } from '../../session/records.ts';
import { type IpAddress, ipFamily } from '../../wire/address.ts';
import { ANY_SOURCE_GROUPS, GROUPS, NETWORK_SOURCES, SOURCE_GROUPS } from './outside/channels.ts';
import type { Subscriber } from './outside/subscriber.ts';
import { SERVERS } from './plan.ts';
import type { World } from './world.ts';

/** Lets one thing happen, and gives its name. */
export function act(world: World): string {
  const { random } = world;
  if (random.chance(world.plan.link.cut)) world.pair.link?.cut('cut');
  let draw = random.fraction() * TOTAL;
  for (const [name, weight, run] of ACTIONS) {
    draw -= weight;
    if (draw > 0) continue;
    run(world, random.pick(world.subscribers));
    return name;
  }
  return 'nothing';
}

type Action = readonly [string, number, (world: World, subscriber: Subscriber) => void];

const ACTIONS: readonly Action[] = [
  ['somebody logs in', 12, (_, who) => !who.silent && who.start()],
  ['somebody logs off', 2, (_, who) => !who.silent && who.state === 'in' && who.logoff()],
  ['somebody joins', 14, join],
  ['somebody leaves', 6, leave],
  ['somebody zaps', 8, zap],
  ['a channel is sent', 30, sendChannel],
  ['somebody sends', 10, (world) => world.sendUnicast()],
  ['a port loses its cable', 1, (world) => flap(world)],
  ['an operator shuts a port', 0.5, (world) => world.shutPort(world.random.pick(world.plan.ports))],
  ['somebody falls silent', 1, (world, who) => world.plan.calm || fallSilent(world, who)],
  ['somebody moves', 0.5, (world, who) => world.plan.calm || move(world, who)],
  ['somebody is somebody else', 0.7, otherAccount],
  ['somebody forgets the password', 0.7, forgetPassword],
  ['a server ends a session', 0.7, disconnect],
  ['an operator asks for a login', 2, askAgain],
  ['a permission changes', 3, changePermission],
  ['a server gives or takes a channel', 3, changeChannel],
  ['the router asks', 2, (world) => world.queryUpstream(world.random.chance(0.1) ? 2 : 3)],
  ['a server falls silent', 2, silenceServer],
  ['the standby ends', 0.5, (world) => world.pair.restartStandby()],
  ['the switch refuses something', 0.7, (world) => world.plan.calm || world.refuse(1)],
];
const TOTAL = ACTIONS.reduce((sum, [, weight]) => sum + weight, 0);

function join(world: World, who: Subscriber): void {
  const { random } = world;
  if (who.silent || who.wishes.size >= 4) return;
  const { version, family } = who.identity;
  if (version === 3 && random.chance(0.4)) {
    const sources = NETWORK_SOURCES[family].filter(() => random.chance(0.6));
    if (sources.length > 0) who.want(random.pick(SOURCE_GROUPS[family]), sources);
    return;
  }
  const mapped = random.chance(0.15) ? SOURCE_GROUPS[family].slice(0, 1) : [];
  who.want(random.pick([...ANY_SOURCE_GROUPS[family], ...mapped]), undefined);
}

function leave(world: World, who: Subscriber): void {
  const groups = [...who.wishes.keys()];
  if (!who.silent && groups.length > 0) who.want(world.random.pick(groups), 'nothing');
}

function zap(world: World, who: Subscriber): void {
  const all = ANY_SOURCE_GROUPS[who.identity.family];
  const groups = [...who.wishes.keys()].filter((group) => all.includes(group));
  const others = all.filter((group) => !who.wishes.has(group));
  if (who.silent || groups.length === 0 || others.length === 0) return;
  who.zap(world.random.pick(groups), world.random.pick(others));
}

function flap(world: World): void {
  const { random, agenda } = world;
  const port = random.pick(world.plan.ports);
  world.setCarrier(port, false);
  agenda.after(random.pick([5, 500, 8000]), `${port} gets its cable back`, () =>
    world.setCarrier(port, true),
  );
}

function fallSilent(world: World, who: Subscriber): void {
  if (who.silent) return;
  who.silent = true;
  who.mark('silent');
  who.doubt();
  world.agenda.after(world.random.pick([2000, 30_000, 90_000]), `${who.name} wakes`, () => wake(who));
}

/** Hears and speaks again; it cannot know whether it is still in. */
export function wake(who: Subscriber): void {
  if (!who.silent) return;
  who.silent = false;
  who.mark('silent');
  if (who.wantsIn) who.start();
}

/** The host is taken to another port, whose other end says nothing of it. */
function move(world: World, who: Subscriber): void {
  const others = world.plan.ports.filter((port) => port !== who.port);
  if (others.length === 0) return;
  world.moved(who);
  who.lostCarrier();
  who.mark('unplugged', 'switch-trouble');
  who.port = world.random.pick(others);
  if (who.wantsIn && !who.silent) who.start();
}

function otherAccount(world: World, who: Subscriber): void {
  const account = world.random.pick([...world.policy.accounts.values()]);
  who.account = account.name;
  who.password = account.password;
  who.mark('other-account');
  if (who.wantsIn && !who.silent) who.start();
}

function forgetPassword(world: World, who: Subscriber): void {
  who.mark('rejected');
  who.password = who.password === WRONG ? world.passwordOf(who.account) : WRONG;
  if (who.state === 'out' && who.wantsIn && !who.silent) who.start();
}

function askAgain(world: World, who: Subscriber): void {
  const { active } = world.pair;
  if (active === undefined) return;
  who.mark('asked-by-operator');
  const key = hostKey(who.port, who.identity.vlan, who.mac);
  active.turn((now) => active.core.reauthenticate(now, key));
}

function disconnect(world: World): void {
  const sessions = [...(world.pair.active?.stores.sessions.values() ?? [])];
  if (sessions.length > 0) {
    world.dynamic.disconnect(world.random.pick(sessions), world.random.chance(0.3));
  }
}

function changePermission(world: World): void {
  const { random, policy } = world;
  change(world, random.pick([...policy.accounts.keys()]), random.pick(GROUPS));
}

/** A permission changes, and the server tells the switch at once. */
function changeChannel(world: World): void {
  const { random, policy, pair, dynamic } = world;
  // Of those that somebody receives more often than of others.
  const { account, group } = random.chance(0.6)
    ? random.pick([...(pair.active?.stores.grants.values() ?? []), anyPair(world)])
    : anyPair(world);
  if (!policy.accounts.has(account)) return;
  // What comes with the logins of the account changes with them.
  if (policy.rights.has(`${account} ${group}`)) return;
  const verb = change(world, account, group);
  if (verb !== undefined) dynamic.change({ verb, account, group });
}

function anyPair({ random, policy }: World): { readonly account: string; readonly group: IpAddress } {
  return { account: random.pick([...policy.accounts.keys()]), group: random.pick(GROUPS) };
}

function change(world: World, account: string, group: IpAddress): 'grant' | 'revoke' | undefined {
  const { random, policy } = world;
  if (policy.permits.has(`${account} ${group}`)) {
    policy.withdraw(world.agenda.now, account, group);
    for (const who of world.subscribers) who.mark('withdrawn');
    return 'revoke';
  }
  if (!policy.everPermitted.has(`${account} ${group}`)) return undefined;
  policy.permit(account, group, random.pick([undefined, 15, 40]));
  world.dynamic.permittedAnew(account, group);
  return 'grant';
}

function silenceServer(world: World): void {
  const { random } = world;
  if (world.plan.radius.silence) world.radius.silence(random.pick(SERVERS), random.pick([500, 3000, 20_000]));
}

function sendChannel(world: World): void {
  const group = world.random.pick(GROUPS);
  world.sendChannel(group, world.random.pick(NETWORK_SOURCES[ipFamily(group)]));
}

const WRONG = 'not the password';
