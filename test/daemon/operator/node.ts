/** A node that serves with a world's core: what the control socket's handlers are given. */
import type { Node } from '../../../daemon/node.ts';
import type { World } from '../world.ts';

export function nodeOf(w: World): Node {
  const serving = {
    core: w.core,
    turn: (think: (now: number) => void) => w.turn(() => think(w.now)),
    settled: () => true,
  };
  return { serving, idle: undefined, ha: undefined } as unknown as Node;
}

/** A node that stands by. */
export const IDLE = { serving: undefined, idle: 'this node is standby' } as unknown as Node;
