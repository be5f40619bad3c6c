/**
 * Reads and checks a configuration file. Everything that is wrong is found in one go, each with its place in
 * the text; nothing is touched but the file and the secrets that it names.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { findings } from './checks.ts';
import { type Config, HA_KEY, HTTP_TOKEN, toConfig } from './config.ts';
import { dynamicSecretName } from './dynamic-authorization.ts';
import { asList, lookUp } from './file/content.ts';
import { closest } from './file/did-you-mean.ts';
import { type ConfigProblem, formatPath, type KeyPath } from './file/problem.ts';
import { type Position, YamlSource } from './file/source.ts';
import { infoAt, keysUnder, sectionWith } from './reference/reference.ts';
import { nounOf } from './schema/duration.ts';
import { fileSchema } from './schema/schema.ts';
import { readSecret, reason, type SecretFile } from './secret.ts';
import { type PemFile, readPem, TLS_FILES, tlsFileName } from './tls.ts';

/** A configuration, or all that is wrong with it. Warnings do not stop anything. */
export type LoadedConfig =
  | { readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly errors: readonly ConfigProblem[]; readonly warnings: readonly ConfigProblem[] };

/** Reads the file at `path` and the secrets that it names. Never throws for what is in them. */
export function loadConfig(
  path: string,
  secretIn: (path: string) => SecretFile = readSecret,
  pemIn: (path: string) => PemFile = readPem,
): LoadedConfig {
  const refused = (message: string): LoadedConfig => ({
    errors: [{ file: path, line: undefined, column: undefined, path: '', message }],
    warnings: [],
  });
  let octets: Uint8Array;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return refused('is not a plain file: name a configuration file');
    if (stat.size > MAX_FILE_OCTETS)
      return refused(`holds ${stat.size} octets: too many for a configuration`);
    octets = readFileSync(path);
  } catch (cause) {
    return refused(
      `${reason(cause)}: name a configuration file (castgate.example.yaml is one to start from)`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return refused('is not UTF-8 text');
  }
  return parseConfig(text, path, secretIn, pemIn);
}

/** Checks a configuration in text; `path` names it in messages and is where relative secret files start. */
export function parseConfig(
  text: string,
  path: string,
  secretIn: (path: string) => SecretFile,
  pemIn: (path: string) => PemFile = readPem,
): LoadedConfig {
  const source = new YamlSource(text);
  const problem = (at: Position, key: KeyPath, message: string): ConfigProblem => {
    return { file: path, line: at.line, column: at.column, path: formatPath(key), message };
  };
  const warnings = source.warnings.map((fault) => problem(fault, [], fault.message));
  if (source.faults.length > 0) {
    return { errors: source.faults.map((fault) => problem(fault, [], fault.message)), warnings };
  }
  const content = source.value ?? {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    const message = `expected keys such as bridge: and ports:, not ${nounOf(content)}`;
    return { errors: [problem({ line: 1, column: 1 }, [], message)], warnings };
  }

  const errors: ConfigProblem[] = [];
  const parsed = fileSchema.safeParse(content);
  for (const issue of parsed.error?.issues ?? []) errors.push(...explain(issue, content, source, problem));
  for (const finding of findings(content)) {
    const found = problem(source.valueAt(finding.path), finding.path, finding.message);
    (finding.severity === 'error' ? errors : warnings).push(found);
  }
  const secrets = new Map<string, Uint8Array>();
  for (const { key, file, name, least } of secretFiles(content)) {
    const at = source.valueAt(key);
    const read = secretIn(resolve(dirname(path), file));
    if ('refused' in read) {
      errors.push(problem(at, key, read.refused));
      continue;
    }
    if (read.secret.length < least) {
      errors.push(problem(at, key, `holds ${read.secret.length} octets: at least ${least} are needed`));
    }
    warnings.push(...read.remarks.map((remark) => problem(at, key, remark)));
    if (name !== undefined) secrets.set(name, read.secret);
  }
  for (const { key, file, name } of pemFiles(content)) {
    const read = pemIn(resolve(dirname(path), file));
    if ('refused' in read) errors.push(problem(source.valueAt(key), key, read.refused));
    else secrets.set(name, read.pem);
  }
  warnings.sort(byPlace);
  if (errors.length > 0 || !parsed.success) return { errors: errors.sort(byPlace), warnings };
  return { config: toConfig(path, parsed.data, secrets), warnings };
}

type ProblemAt = (at: Position, key: KeyPath, message: string) => ConfigProblem;

/** The schema's refusal in our words and at its place. */
function explain(
  issue: z.core.$ZodIssue,
  content: object,
  source: YamlSource,
  problem: ProblemAt,
): ConfigProblem[] {
  const path: KeyPath = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) =>
        problem(source.keyAt([...path, key]), [...path, key], unknownKey(path, key)),
      );
    case 'invalid_key':
      return issue.issues.map((inner) => problem(source.keyAt(path), path, inner.message));
    default: {
      const found = lookUp(content, path);
      if (found === undefined) {
        const about = infoAt(path)?.about ?? '';
        return [problem(source.valueAt(path), path, `required key is missing${about && ` (${about})`}`)];
      }
      const message =
        issue.code === 'invalid_type'
          ? `expected a ${EXPECTED[issue.expected] ?? issue.expected}, not ${nounOf(found)}`
          : issue.message;
      return [problem(source.valueAt(path), path, message)];
    }
  }
}

function unknownKey(path: KeyPath, key: string): string {
  const siblings = Object.keys(keysUnder(path) ?? {});
  if (key === 'secret' && siblings.includes('secret_file')) {
    return 'unknown key: secrets are read from files, write secret_file: PATH';
  }
  const elsewhere = sectionWith(key);
  const near = closest(key, siblings);
  if (near !== undefined) return `unknown key (did you mean ${near}?)`;
  if (elsewhere !== undefined) return `unknown key here (it belongs under ${elsewhere || 'the top level'})`;
  return `unknown key (known here: ${siblings.join(', ')})`;
}

/** A file that holds a secret: where it is named, whose it is, and how many octets it must have. */
interface NamedSecret {
  readonly key: KeyPath;
  readonly file: string;
  readonly name: string | undefined;
  readonly least: number;
}

function secretFiles(content: object): NamedSecret[] {
  const files: NamedSecret[] = [];
  const add = (key: KeyPath, name: string | undefined, least: number) => {
    const file = lookUp(content, key);
    if (typeof file === 'string' && file !== '' && !file.includes('\0'))
      files.push({ key, file, name, least });
  };
  asList(lookUp(content, ['radius', 'servers'])).forEach((server, index) => {
    const name = lookUp(server, ['name']);
    add(['radius', 'servers', index, 'secret_file'], typeof name === 'string' ? name : undefined, 1);
  });
  const clients: KeyPath = ['radius', 'dynamic_authorization', 'clients'];
  asList(lookUp(content, clients)).forEach((client, index) => {
    const name = lookUp(client, ['name']);
    const known = typeof name === 'string' ? dynamicSecretName(name) : undefined;
    add([...clients, index, 'secret_file'], known, 1);
  });
  add(['ha', 'key_file'], HA_KEY, HA_KEY_OCTETS);
  add(['http', 'token_file'], HTTP_TOKEN, HTTP_TOKEN_OCTETS);
  return files;
}

function pemFiles(content: object): { key: KeyPath; file: string; name: string }[] {
  return asList(lookUp(content, ['radius', 'servers'])).flatMap((server, index) => {
    const name = lookUp(server, ['name']);
    if (lookUp(server, ['transport']) !== 'tls' || typeof name !== 'string') return [];
    return Object.entries(TLS_FILES).flatMap(([key, part]) => {
      const file = lookUp(server, ['tls', key]);
      if (typeof file !== 'string' || file === '' || file.includes('\0')) return [];
      return [{ key: ['radius', 'servers', index, 'tls', key], file, name: tlsFileName(name, part) }];
    });
  });
}

function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

const MAX_FILE_OCTETS = 1 << 20;
/** What the link's cipher makes of it has 32 octets. */
const HA_KEY_OCTETS = 32;
/** Not to be guessed over the network. */
const HTTP_TOKEN_OCTETS = 16;
const EXPECTED: Readonly<Record<string, string>> = { object: 'mapping', record: 'mapping', array: 'list' };
