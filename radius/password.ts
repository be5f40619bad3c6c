/**
 * User-Password as it travels: hidden by a chain of MD5 over secret and Request Authenticator, RFC 2865 §5.2.
 * castgate sends one only where MAC authentication by PAP is set up; sign.ts hides it while signing.
 */
import { concatBytes } from '../wire/bytes.ts';
import { DIGEST_LENGTH, putMd5 } from './digest.ts';

/** The greatest password, RFC 2865 §5.2. */
export const USER_PASSWORD_MAX_LENGTH = 128;

/** The hidden form of a password: 16 to 128 octets, a multiple of 16. A longer one is the caller's bug and throws. */
export function hidePassword(
  password: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  if (password.length > USER_PASSWORD_MAX_LENGTH) {
    throw new RangeError(`a User-Password of ${password.length} octets`);
  }
  const out = new Uint8Array(hiddenPasswordLength(password.length));
  out.set(password);
  chain(out, out, authenticator, secret);
  return out;
}

/** Octets of the hidden form of a password of `length` octets. */
export function hiddenPasswordLength(length: number): number {
  return Math.max(1, Math.ceil(length / DIGEST_LENGTH)) * DIGEST_LENGTH;
}

/** The password of a hidden form without the padding; undefined where the length is none of a hidden form. */
export function revealPassword(
  hidden: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | undefined {
  if (hidden.length === 0 || hidden.length > USER_PASSWORD_MAX_LENGTH) return undefined;
  if (hidden.length % DIGEST_LENGTH !== 0) return undefined;
  const out = Uint8Array.from(hidden);
  chain(out, hidden, authenticator, secret);
  let length = out.length;
  while (length > 0 && out[length - 1] === 0) length--;
  return out.subarray(0, length);
}

/** Lays the key stream over `out`; each block's key is made of the hidden block before it. */
function chain(out: Uint8Array, hidden: Uint8Array, authenticator: Uint8Array, secret: Uint8Array): void {
  const key = new Uint8Array(DIGEST_LENGTH);
  for (let at = 0; at < out.length; at += DIGEST_LENGTH) {
    const before = at === 0 ? authenticator : hidden.subarray(at - DIGEST_LENGTH, at);
    putMd5(concatBytes(secret, before), key, 0);
    for (let i = 0; i < DIGEST_LENGTH; i++) out[at + i] = (out[at + i] ?? 0) ^ (key[i] ?? 0);
  }
}

/** The answer to a challenge: MD5 over identifier, password and challenge (RFC 1994 §4.1, also of EAP-MD5). */
export function chapResponse(id: number, password: Uint8Array, challenge: Uint8Array): Uint8Array {
  const response = new Uint8Array(DIGEST_LENGTH);
  putMd5(concatBytes(Uint8Array.of(id), password, challenge), response, 0);
  return response;
}
