/**
 * Shared secrets come from files of their own, so that a configuration can be shown and kept anywhere.
 * One line end after the secret belongs to the editor and not to the secret.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A secret, or why there is none; `remarks` are not reason enough to refuse it. */
export type SecretFile =
  | { readonly secret: Uint8Array; readonly remarks: readonly string[] }
  | { readonly refused: string };

/** Reads the secret in `path`. Never throws. */
export function readSecret(path: string): SecretFile {
  let handle: number;
  try {
    // Without waiting: a pipe would hold the whole program up until somebody writes to it.
    handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    return { refused: `${path}: ${reason(cause)}` };
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) return { refused: `${path} is not a plain file` };
    if (stat.size > MAX_FILE_OCTETS)
      return { refused: `${path} holds ${stat.size} octets: too many for a secret` };
    const octets = new Uint8Array(MAX_FILE_OCTETS);
    const secret = withoutLineEnd(octets.subarray(0, readSync(handle, octets)));
    if (secret.length === 0) return { refused: `${path} is empty: put the server's shared secret in it` };
    return { secret, remarks: remarksOn(path, secret, stat.mode) };
  } catch (cause) {
    return { refused: `${path}: ${reason(cause)}` };
  } finally {
    closeSync(handle);
  }
}

/** The system's errors for files in plain words. */
export function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

function withoutLineEnd(b: Uint8Array): Uint8Array {
  let end = b.length;
  if (b[end - 1] === LF) end--;
  if (end < b.length && b[end - 1] === CR) end--;
  return b.slice(0, end);
}

function remarksOn(path: string, secret: Uint8Array, mode: number): string[] {
  const remarks: string[] = [];
  const others = mode & 0o066;
  if (others !== 0) remarks.push(`${path} is open to others than its owner: chmod 600 ${path}`);
  if (secret.length <= SHORT_SECRET_OCTETS) {
    remarks.push(
      `the secret in ${path} has ${secret.length} octets: use more than ${SHORT_SECRET_OCTETS}, best 32`,
    );
  }
  if (secret.includes(LF))
    remarks.push(`the secret in ${path} has several lines: all of them are taken as the secret`);
  return remarks;
}

/** Guessable off line from one captured packet (draft-ietf-radext-deprecating-radius). */
const SHORT_SECRET_OCTETS = 12;
const MAX_FILE_OCTETS = 4096;
const LF = 0x0a;
const CR = 0x0d;
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the path is too long',
};
