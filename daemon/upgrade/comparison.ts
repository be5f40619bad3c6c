/** Configurations of two processes, compared by digests: what is in them is told to nobody. */
import { createHash } from 'node:crypto';
import type { Config } from '../../config/config.ts';

/** Of all of it, what the files of secrets hold included. */
export function configDigest(config: Config): string {
  const { file: _, ...rest } = config;
  return createHash('sha256').update(JSON.stringify(rest, plain)).digest('hex');
}

/** Of each key of the section `ha`, its secret included: another version may know more of them. */
export function haDigests({ ha = {} }: { readonly ha?: object | undefined }): Record<string, string> {
  const digest = (value: unknown) =>
    createHash('sha256')
      .update(JSON.stringify(value, plain) ?? '')
      .digest('hex');
  return Object.fromEntries(Object.entries(ha).map(([key, value]) => [key, digest(value)]));
}

/** What the switch is set up by. */
export function switchOptions({ ports, uplinks, vlanBridges, multicast }: Config): string {
  return JSON.stringify([
    ports.map(({ name, mode }) => [name, mode]),
    uplinks,
    [...vlanBridges],
    multicast.hashMax,
    multicast.maxGroupsPerPort,
  ]);
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value instanceof Map || value instanceof Set ? [...value] : value;
}
