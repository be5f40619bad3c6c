/**
 * Which link an interface has, from sysfs: its number, which a new interface of the same name does not have,
 * and the kernel's count of carrier changes. Readable before the switch starts, unlike what netlink tells.
 */
import { readFileSync } from 'node:fs';

/** Undefined where there is no such interface in this namespace. */
export function linkId(name: string): string | undefined {
  try {
    const read = (file: string) => readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
    return `${read('ifindex')}/${read('carrier_changes')}`;
  } catch {
    return undefined;
  }
}
