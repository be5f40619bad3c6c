/**
 * Which groups come down each host's cable, counted by nftables before the host's own IP filters: a channel
 * that leaks to a host that does not listen is seen as well.
 */
import { run } from '../processes.ts';
import type { PairTopology } from './pair-topology.ts';

export class CablesSeen {
  readonly #topology: PairTopology;

  private constructor(topology: PairTopology) {
    this.#topology = topology;
  }

  /** Loads the counters into each host's namespace. */
  static async start(topology: PairTopology): Promise<CablesSeen> {
    for (const { namespace } of topology.hosts) await run(['nft', '-f', '-'], { input: RULES, namespace });
    return new CablesSeen(topology);
  }

  /** Datagrams by group that have come to a host since the last `forget`. */
  async groups(host: string): Promise<ReadonlyMap<string, number>> {
    const { namespace } = this.#topology.host(host);
    const text = await run(['nft', '-j', 'list', 'set', 'netdev', 'cable', 'seen'], { namespace });
    const found = new Map<string, number>();
    const listed = JSON.parse(text) as {
      nftables: { set?: { elem?: { elem?: { val: string; counter?: { packets: number } } }[] } }[];
    };
    for (const { set } of listed.nftables)
      for (const { elem } of set?.elem ?? [])
        if (elem !== undefined) found.set(elem.val, elem.counter?.packets ?? 0);
    return found;
  }

  /** Begins to count anew, at all hosts. */
  async forget(): Promise<void> {
    await Promise.all(
      this.#topology.hosts.map(({ namespace }) =>
        run(['nft', 'flush', 'set', 'netdev', 'cable', 'seen'], { namespace }),
      ),
    );
  }
}

const RULES = `table netdev cable {
	set seen {
		type ipv4_addr
		flags dynamic
		counter
	}
	chain arriving {
		type filter hook ingress device eth0 priority 0;
		ip daddr 239.0.0.0/8 update @seen { ip daddr }
	}
}
`;
