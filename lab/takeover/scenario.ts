/** What goes on on the connection while its node is killed. */

/** What a cable does to packets, in each direction. */
export interface BadLink {
  /** Part of the packets that is lost: 0 to 1. */
  readonly loss: number;
  /** Each packet takes so long, give or take the jitter: they overtake each other. */
  readonly delayMs: number;
  readonly jitterMs: number;
}

export interface TakeoverScenario {
  readonly name: string;
  readonly server: 'counting' | 'freeradius';
  readonly messages: 'small' | 'large';
  /** Octets that the server reads in a millisecond. */
  readonly pace?: number;
  /** It reads nothing from so long before the kill until so long after it, in milliseconds. */
  readonly stopped?: { readonly beforeMs: number; readonly afterMs: number };
  readonly link?: BadLink;
  /** Questions in a second. */
  readonly rate: number;
}

export const TAKEOVER_SCENARIOS: readonly TakeoverScenario[] = [
  { name: 'small messages', server: 'counting', messages: 'small', rate: 250 },
  { name: 'small messages, slow reader', server: 'counting', messages: 'small', rate: 250, pace: 60 },
  {
    name: 'small messages, loss and reordering',
    server: 'counting',
    messages: 'small',
    rate: 200,
    link: { loss: 0.02, delayMs: 2, jitterMs: 1.5 },
  },
  { name: '4,096-octet messages', server: 'counting', messages: 'large', rate: 200 },
  { name: '4,096-octet messages, slow reader', server: 'counting', messages: 'large', rate: 120, pace: 600 },
  {
    name: '4,096-octet messages, closed window',
    server: 'counting',
    messages: 'large',
    rate: 200,
    stopped: { beforeMs: 400, afterMs: 300 },
  },
  {
    name: '4,096-octet messages, loss and reordering',
    server: 'counting',
    messages: 'large',
    rate: 100,
    link: { loss: 0.01, delayMs: 2, jitterMs: 1.5 },
  },
  { name: 'FreeRADIUS, small messages', server: 'freeradius', messages: 'small', rate: 150 },
  { name: 'FreeRADIUS, 4,096-octet messages', server: 'freeradius', messages: 'large', rate: 100 },
];
