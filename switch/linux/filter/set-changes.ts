/** Changes of the table's sets: what differs, the way back, and removing what may be gone already. */
import type { Kernel } from '../kernel.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import type { SetChange, SetElement } from '../netlink/nft.ts';
import { elementName, TABLE } from './ruleset.ts';

/** What makes the table's sets hold `wanted` instead of `present`. */
export function changesBetween(present: Iterable<SetElement>, wanted: Iterable<SetElement>): SetChange[] {
  const before = [...present];
  if (before.length === 0) return [...wanted].map((element) => ({ change: 'add', ...element }));
  const surplus = new Map<string, SetElement>();
  for (const element of before) surplus.set(elementName(element), element);
  const added: SetChange[] = [];
  for (const element of wanted) {
    if (!surplus.delete(elementName(element))) added.push({ change: 'add', ...element });
  }
  // First what goes: a range must not overlap another, and a key means one thing.
  return [...surplus.values()].map((element): SetChange => ({ change: 'remove', ...element })).concat(added);
}

/** What takes the changes back. */
export function inverse(changes: readonly SetChange[]): SetChange[] {
  return changes
    .map((each): SetChange => ({ ...each, change: each.change === 'add' ? 'remove' : 'add' }))
    .reverse();
}

/** Elements that are gone already are no error. */
export function removeElements(kernel: Kernel, changes: readonly SetChange[]): Refusal | undefined {
  const refusal = kernel.changeSets(TABLE, changes);
  if (refusal?.errno !== 'ENOENT') return refusal;
  // A batch is all or nothing: with one element gone, each of the others goes alone.
  for (const change of changes) {
    const each = kernel.changeSets(TABLE, [change]);
    if (each !== undefined && each.errno !== 'ENOENT') return each;
  }
  return undefined;
}
