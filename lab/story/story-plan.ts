/** The plan of the story: who is there, what is sent, who may see what. */
import type { LabPlan } from '../lab.ts';

export type HostName = 'alice' | 'bob' | 'carol';

/** The channels of the story: two that one account each may see, and one that nobody may. */
export const NEWS = '239.1.1.1';
export const FILM = '239.1.1.2';
export const VAULT = '239.1.1.3';

export const STORY_PLAN: LabPlan = {
  hosts: [
    { name: 'alice', port: 'swp1' },
    { name: 'bob', port: 'swp2', igmpVersion: 2 },
    { name: 'carol', port: 'swp3' },
  ],
  users: [
    { name: 'alice', password: 'alice-password', class: 'gold' },
    { name: 'bob', password: 'bob-password', class: 'silver' },
    { name: 'carol', password: 'carol-password' },
  ],
  permissions: [
    { account: 'alice', group: NEWS, holdsS: 600, class: 'news' },
    { account: 'bob', group: FILM, holdsS: 600, class: 'film' },
    { account: 'carol', group: NEWS, holdsS: 600 },
  ],
  channels: [NEWS, FILM, VAULT],
};
