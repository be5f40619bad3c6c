/** The lab of real hosts: which kernels speak what, who may have which channel, and what each of them has received. */
import type { GroupRow } from '../../daemon/show/show-rows.ts';
import type { Castgate } from '../castgate.ts';
import { ask } from '../control.ts';
import type { Lab, LabPlan } from '../lab.ts';
import type { LineProgram } from '../line-program.ts';
import { pause, until } from '../processes.ts';
import type { HostSpec } from '../topology.ts';

/** IPv4 and IPv6 groups: everybody may have it, nobody, all but those named, and one that is permitted for seconds. */
export const NEWS = ['239.1.1.1', 'ff15::101'] as const;
export const FILM = ['239.1.1.2', 'ff15::102'] as const;
export const SPORT = ['239.1.1.3', 'ff15::103'] as const;
export const BRIEF = ['239.1.1.4', 'ff15::104'] as const;

/** Alone on their ports, one of each version; and two behind a hub, of different versions. */
export const HOSTS: readonly (HostSpec & { readonly igmpVersion: 1 | 2 | 3; readonly mldVersion: 1 | 2 })[] =
  [
    { name: 'one', port: 'swp1', igmpVersion: 1, mldVersion: 1 },
    { name: 'two', port: 'swp2', igmpVersion: 2, mldVersion: 2 },
    { name: 'three', port: 'swp3', igmpVersion: 3, mldVersion: 2 },
    { name: 'left', port: 'swp4', igmpVersion: 3, mldVersion: 2 },
    { name: 'right', port: 'swp4', igmpVersion: 2, mldVersion: 1 },
  ];

/** Of the two behind the hub `right` may not have SPORT. */
export const PLAN: LabPlan = {
  ipv6: true,
  hosts: HOSTS,
  users: HOSTS.map(({ name }) => ({ name, password: `${name}-password` })),
  permissions: HOSTS.flatMap(({ name: account }) => [
    ...NEWS.map((group) => ({ account, group, holdsS: 600 })),
    ...BRIEF.map((group) => ({ account, group, holdsS: 6 })),
    ...(account === 'right' ? [] : SPORT.map((group) => ({ account, group, holdsS: 600 }))),
  ]),
  channels: [...NEWS, ...FILM, ...SPORT, ...BRIEF],
  rate: 50,
  octets: 400,
};

/**
 * A host of IGMPv1 answers within 10 s, whatever it was told (RFC 9776 §7.2.1), so a membership has to hold longer; a
 * round sees two such intervals and many queries.
 */
export const SETTINGS = {
  multicast: {
    query_interval: '2s',
    query_response_interval: '500ms',
    membership_interval: '14s',
    // The router upstream asks every 10 s: with that a host of IGMPv1 may be silent for 20.
    querier: { election: false },
  },
  authenticator: { quiet_period: '1s' },
} as const;

export const MEMBERSHIP_MS = 14_000;
/** On a machine that has other things to do. */
const PATIENCE_MS = 60_000;

interface Counts {
  readonly packets: number;
  readonly missing: number;
  readonly lastAtMs: number | null;
}

/** A host that is in, with the player on it. */
export class Viewer {
  readonly name: string;
  readonly #player: LineProgram;
  readonly #daemon: Castgate;
  readonly #mac: string;

  private constructor(name: string, mac: string, player: LineProgram, daemon: Castgate) {
    this.name = name;
    this.#mac = mac;
    this.#player = player;
    this.#daemon = daemon;
  }

  /** Logs the host in. */
  static async enter(lab: Lab, daemon: Castgate, name: string): Promise<Viewer> {
    const host = lab.topology.host(name);
    const credentials = { method: 'md5', identity: name, password: `${name}-password` } as const;
    const supplicant = await lab.startSupplicant(name, credentials);
    await lab.topology.plugIn(host);
    await supplicant.authenticated(PATIENCE_MS);
    return new Viewer(name, host.mac, await lab.startReceiver(name), daemon);
  }

  async join(group: string): Promise<void> {
    await this.#player.ask(`join ${group}`);
  }

  /** How many datagrams of the group were missing while it was received. */
  async leave(group: string): Promise<number> {
    return Number((await this.#player.ask(`leave ${group}`))['missing']);
  }

  async counts(group: string): Promise<Counts> {
    const all = (await this.#player.ask('counts'))['channels'] as Record<string, Counts>;
    const counts = all[group];
    if (counts === undefined) throw new Error(`${this.name} has not joined ${group}`);
    return counts;
  }

  /** More of it arrives, now. */
  async receives(group: string): Promise<void> {
    const { packets } = await this.counts(group);
    await until(`${group} at ${this.name}`, PATIENCE_MS, async () =>
      (await this.counts(group)).packets > packets ? (true as const) : undefined,
    );
  }

  async isRefused(group: string): Promise<string> {
    return until(`a refusal of ${group} for ${this.name}`, PATIENCE_MS, async () => {
      const row = await this.row(group);
      return row?.state === 'refused' ? (row.reason ?? undefined) : undefined;
    });
  }

  /** castgate knows that the host does not receive it any more. */
  async hasEnded(group: string): Promise<void> {
    await until(`the end of ${group} for ${this.name}`, PATIENCE_MS, async () =>
      (await this.row(group)) === undefined ? (true as const) : undefined,
    );
  }

  async row(group: string): Promise<GroupRow | undefined> {
    const answer = await ask(this.#daemon.socket, 'groups', PATIENCE_MS);
    if (answer === undefined || !('result' in answer)) throw new Error('castgate does not answer');
    const rows = answer.result as readonly GroupRow[];
    return rows.find((row) => row.mac === this.#mac && row.group === group);
  }
}

/** What came of a group while nobody of the port received it: waits until nothing more has come for a while. */
export async function silence(look: () => number, what: string): Promise<void> {
  for (let tries = 0, before = look(); tries < 40; tries++) {
    await pause(250);
    const now = look();
    if (now === before) return;
    before = now;
  }
  throw new Error(`${what} does not end`);
}
