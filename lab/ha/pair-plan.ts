/** Who is there while nodes fail: accounts, hosts, channels, and who may see what. */
import type { Permission, RadiusUser } from '../radius/freeradius-files.ts';
import type { PairPlan } from './pair-topology.ts';

export const NEWS = '239.1.1.1';
export const FILM = '239.1.1.2';
export const SPORT = '239.1.1.3';
export const KIDS = '239.1.1.4';
/** A channel that nobody may see. */
export const VAULT = '239.1.1.9';
export const CHANNELS = [NEWS, FILM, SPORT, KIDS, VAULT];

/** A subscriber with wpa_supplicant and the kernel's own IGMP. */
export interface Person {
  readonly name: string;
  readonly method: 'md5' | 'peap';
  readonly igmpVersion?: 2 | 3;
  /** Watched from the first round to the last. */
  readonly watches: readonly string[];
  /** May be joined as well. */
  readonly may: readonly string[];
}

/** Logged in from the first round to the last: none of them may ever be asked again. */
export const RESIDENTS: readonly Person[] = [
  { name: 'ann', method: 'md5', watches: [NEWS, FILM], may: [] },
  { name: 'ben', method: 'peap', watches: [NEWS], may: [] },
  { name: 'cem', method: 'md5', igmpVersion: 2, watches: [SPORT], may: [] },
  { name: 'dora', method: 'md5', watches: [], may: [FILM, SPORT, KIDS] },
  { name: 'emil', method: 'md5', watches: [], may: [NEWS, KIDS] },
];
/** Goes from channel to channel through the fault. */
export const ZAPPER = 'dora';
/** Talks to the head-end all the time. */
export const CALLER = 'ben';
/** Leaves one channel and joins another at the fault. */
export const SWITCHER = 'emil';
/** Logs in with wpa_supplicant about the time of the fault, and off again at the end of the round. */
export const NEWCOMER: Person = { name: 'finn', method: 'md5', watches: [], may: [NEWS] };
/** Has no account and joins channels all the same. */
export const INTRUDER = 'xena';
/** Log in at moments around the fault. */
export const CROWD_IN: readonly string[] = ['p1', 'p2', 'p3', 'p4'];
/** Logs off at the fault. */
export const CROWD_OUT = 'q1';
export const CROWD: readonly string[] = [...CROWD_IN, CROWD_OUT];

export const PAIR_PLAN: PairPlan = {
  hosts: [
    ...[...RESIDENTS, NEWCOMER].map(({ name, igmpVersion }) =>
      igmpVersion === undefined ? { name } : { name, igmpVersion },
    ),
    { name: INTRUDER },
  ],
  crowd: CROWD,
};

export const USERS: readonly RadiusUser[] = [
  ...[...RESIDENTS, NEWCOMER].map(({ name }) => name),
  ...CROWD,
].map((name) => ({ name, password: passwordOf(name), class: `class-of-${name}` }));

export const PERMISSIONS: readonly Permission[] = [...RESIDENTS, NEWCOMER].flatMap(({ name, watches, may }) =>
  [...watches, ...may].map((group) => ({ account: name, group, holdsS: 600, class: `${name}-${group}` })),
);

/** The password of every account in the pair's lab. */
export function passwordOf(account: string): string {
  return `${account}-password`;
}
