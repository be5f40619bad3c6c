/** What goes on on the connections of a node while it is taken away, and how it is. */

/** What a cable does to packets, in each direction. */
export interface BadLink {
  /** Part of the packets that is lost: 0 to 1. */
  readonly loss: number;
  /** Each packet takes so long, give or take the jitter: they overtake each other. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

/**
 * `kill`: SIGKILL of its castgate. `order`: `castgate demote`. `freeze`: SIGSTOP of its castgate, which is woken when
 * the other node serves. `cut`: all of its links at once.
 */
export type Fault = 'kill' | 'order' | 'freeze' | 'cut';

export interface TakeoverScenario {
  readonly name: string;
  readonly server: 'counting' | 'freeradius';
  readonly messages: 'small' | 'large';
  readonly family: 4 | 6;
  readonly fault: Fault;
  /** Octets that the server reads in a millisecond. */
  readonly pace?: number;
  /** It reads nothing from so long before the fault until so long after it, in milliseconds. */
  readonly stopped?: { readonly beforeMs: number; readonly afterMs: number };
  readonly link?: BadLink;
  /** Packets come to the node that stands by first. */
  readonly standbyFirst?: boolean;
  /** Questions in a second. */
  readonly rate: number;
}

const LOSSY: BadLink = { loss: 0.02, delayMs: 2, jitterMs: 1.5 };
const LOSSY_LARGE: BadLink = { loss: 0.01, delayMs: 2, jitterMs: 1.5 };
const CLOSED = { beforeMs: 400, afterMs: 300 };
const KILLED = { family: 4, fault: 'kill' } as const;
const SMALL = { ...KILLED, server: 'counting', messages: 'small' } as const;
const LARGE = { ...KILLED, server: 'counting', messages: 'large' } as const;
const REAL_SMALL = { ...KILLED, server: 'freeradius', messages: 'small' } as const;
const REAL_LARGE = { ...KILLED, server: 'freeradius', messages: 'large' } as const;

/** `kill -9`: half of the rounds are FreeRADIUS's, half the counting server's. */
const KILLS: readonly TakeoverScenario[] = [
  { ...SMALL, name: 'small messages', rate: 250 },
  { ...SMALL, name: 'small messages, slow reader', rate: 250, pace: 60 },
  { ...SMALL, name: 'small messages, loss and reordering', rate: 200, link: LOSSY },
  { ...LARGE, name: '4,096-octet messages', rate: 200 },
  { ...LARGE, name: '4,096-octet messages, slow reader', rate: 120, pace: 600 },
  { ...LARGE, name: '4,096-octet messages, closed window', rate: 200, stopped: CLOSED },
  { ...LARGE, name: '4,096-octet messages, loss and reordering', rate: 100, link: LOSSY_LARGE },
  { ...REAL_SMALL, name: 'FreeRADIUS, small messages', rate: 150 },
  { ...REAL_SMALL, name: 'FreeRADIUS, small messages, loss and reordering', rate: 150, link: LOSSY },
  { ...REAL_LARGE, name: 'FreeRADIUS, 4,096-octet messages', rate: 100 },
  { ...REAL_LARGE, name: 'FreeRADIUS, 4,096-octet messages, closed window', rate: 100, stopped: CLOSED },
  {
    ...REAL_LARGE,
    name: 'FreeRADIUS, 4,096-octet messages, loss and reordering',
    rate: 80,
    link: LOSSY_LARGE,
  },
];

/** Other ways to lose a node, and IPv6. */
const OTHERS: readonly TakeoverScenario[] = [
  ...(
    [
      ['order', 'order to stand by'],
      ['freeze', 'SIGSTOP'],
      ['cut', 'links cut'],
    ] as const
  ).flatMap(([fault, words]) => [
    { ...SMALL, fault, name: `${words}, small messages`, rate: 250 },
    { ...SMALL, fault, name: `${words}, small messages, loss and reordering`, rate: 200, link: LOSSY },
    { ...LARGE, fault, name: `${words}, 4,096-octet messages`, rate: 200 },
    { ...REAL_SMALL, fault, name: `${words}, FreeRADIUS, small messages`, rate: 150 },
  ]),
  { ...SMALL, family: 6, name: 'IPv6, small messages', rate: 250 },
  { ...SMALL, family: 6, name: 'IPv6, small messages, loss and reordering', rate: 200, link: LOSSY },
  { ...SMALL, family: 6, fault: 'order', name: 'IPv6, order to stand by', rate: 250 },
  { ...SMALL, family: 6, fault: 'freeze', name: 'IPv6, SIGSTOP', rate: 250 },
  { ...SMALL, family: 6, fault: 'cut', name: 'IPv6, links cut', rate: 250 },
  { ...LARGE, family: 6, name: 'IPv6, 4,096-octet messages', rate: 200 },
  { ...REAL_SMALL, family: 6, name: 'IPv6, FreeRADIUS, small messages', rate: 150 },
];

/** Everything as above, with the standby in the way of the packets. */
const STANDBY_FIRST: readonly TakeoverScenario[] = [...KILLS, ...OTHERS].map((scenario) => ({
  ...scenario,
  name: `standby first, ${scenario.name}`,
  standbyFirst: true,
}));

export type SetName = 'kill' | 'others' | 'standby-first';

export const TAKEOVER_SETS: Readonly<Record<SetName, readonly TakeoverScenario[]>> = {
  kill: KILLS,
  others: OTHERS,
  'standby-first': STANDBY_FIRST,
};
