/**
 * The values of a configuration file by their keys, so that two files can be compared: which keys are not what
 * they were. Secrets count by what their files hold, not by the names of these.
 */
import type { z } from 'zod';
import { sameBytes } from '../../wire/bytes.ts';
import type { Config, RadiusServerConfig } from '../config.ts';
import { keyInfo } from '../schema/key.ts';
import { fileSchema } from '../schema/schema.ts';

/** A key whose value is another one. */
export interface ChangedKey {
  /** As in docs/configuration.md: `ports.NAME.mode`. */
  readonly key: string;
  /** Where in the file: `ports.swp1.mode`. */
  readonly at: string;
}

/**
 * The keys that differ, in the schema's order. An entry of a mapping by name or of a list that is there in one
 * file alone changes the key of that mapping or list, and so does another order of a list.
 */
export function changedKeys(before: Config, after: Config): ChangedKey[] {
  const old = valuesOf(before.keys);
  const values = valuesOf(after.keys);
  const changed = new Map<string, ChangedKey>();
  const note = (key: string, at: string) => {
    if (!changed.has(at)) changed.set(at, { key, at });
  };
  for (const [at, { key, value }] of [...old, ...values]) {
    // Keys of an entry that is new or gone: the entry says it all.
    if (old.has(at) !== values.has(at)) continue;
    if (old.get(at)?.value !== value || values.get(at)?.value !== value) note(key, at);
  }
  for (const { key, at } of changedSecrets(before, after)) note(key, at);
  return [...changed.values()];
}

interface Value {
  readonly key: string;
  readonly value: string;
}

function valuesOf(file: object): Map<string, Value> {
  const values = new Map<string, Value>();
  collect(fileSchema.shape, file as Fields, '', '', values);
  return values;
}

type Fields = Readonly<Record<string, unknown>>;

function collect(
  keys: Readonly<Record<string, z.ZodType>>,
  fields: Fields | undefined,
  key: string,
  at: string,
  values: Map<string, Value>,
): void {
  for (const [name, schema] of Object.entries(keys)) {
    const info = keyInfo(schema);
    const value = fields?.[name];
    const [keyHere, here] = [key + name, at + name];
    if (info.keys === undefined) values.set(here, { key: keyHere, value: textOf(value) });
    else if (info.holds === 'one') {
      if (info.required !== true)
        values.set(here, { key: keyHere, value: value === undefined ? '' : 'there' });
      collect(info.keys, value as Fields | undefined, `${keyHere}.`, `${here}.`, values);
    } else if (info.holds === 'named') {
      const entries = Object.entries((value ?? {}) as Readonly<Record<string, Fields>>);
      values.set(here, { key: keyHere, value: textOf(entries.map(([entry]) => entry)) });
      for (const [entry, of] of entries)
        collect(info.keys, of, `${keyHere}.NAME.`, `${here}.${entry}.`, values);
    } else {
      const entries = ((value ?? []) as readonly Fields[]).map(
        (of, place) => [nameOf(of, place), of] as const,
      );
      values.set(here, { key: keyHere, value: textOf(entries.map(([entry]) => entry)) });
      for (const [entry, of] of entries) collect(info.keys, of, `${keyHere}[].`, `${here}.${entry}.`, values);
    }
  }
}

/** An entry of a list is known by its name, where it has one. */
function nameOf(entry: Fields, place: number): string {
  return typeof entry['name'] === 'string' ? entry['name'] : String(place);
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) =>
      part instanceof Map ? [...part] : part instanceof Set ? [...part] : part,
    ) ?? ''
  );
}

function* changedSecrets(before: Config, after: Config): Generator<ChangedKey> {
  const servers = new Map(before.radius.servers.map((server) => [server.name, server]));
  for (const server of after.radius.servers) {
    const old = servers.get(server.name);
    if (old === undefined) continue;
    const at = `radius.servers.${server.name}`;
    if (!sameBytes(old.secret, server.secret)) {
      yield { key: 'radius.servers[].secret_file', at: `${at}.secret_file` };
    }
    for (const [part, key] of TLS_PARTS) {
      if (textOf(old.tls?.[part]) !== textOf(server.tls?.[part]))
        yield { key: `radius.servers[].tls.${key}`, at: `${at}.tls.${key}` };
    }
  }
  const clients = new Map(before.radius.dynamicAuthorization.clients.map((client) => [client.name, client]));
  for (const { name, secret } of after.radius.dynamicAuthorization.clients) {
    const old = clients.get(name);
    const key = 'radius.dynamic_authorization.clients';
    if (old !== undefined && !sameBytes(old.secret, secret))
      yield { key: `${key}[].secret_file`, at: `${key}.${name}.secret_file` };
  }
  if (!isSame(before.ha?.key, after.ha?.key)) yield { key: 'ha.key_file', at: 'ha.key_file' };
  if (!isSame(before.http.token, after.http.token)) yield { key: 'http.token_file', at: 'http.token_file' };
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  // Where one is not there, the key that names its file has changed.
  return a === undefined || b === undefined || sameBytes(a, b);
}

const TLS_PARTS: readonly (readonly [keyof NonNullable<RadiusServerConfig['tls']>, string])[] = [
  ['ca', 'ca_file'],
  ['certificate', 'certificate_file'],
  ['key', 'key_file'],
];
