/**
 * Whether a request was meant for this daemon. A page from elsewhere can have a name of its own resolve to the
 * address here (DNS rebinding) and would then read the answers; its requests carry that name. Who asks by an
 * address, or as localhost, was not led here by a name.
 */
import { isIP } from 'node:net';

/** `header` is the Host of a request; `names` are further ones that the configuration knows. */
export function isOwnHost(header: string | undefined, names: readonly string[] = []): boolean {
  const host = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(header ?? '');
  const name = (host?.[1] ?? host?.[2] ?? '').toLowerCase();
  if (host?.[1] !== undefined) return isIP(name) === 6;
  return isIP(name) === 4 || name === 'localhost' || names.some((own) => own.toLowerCase() === name);
}
