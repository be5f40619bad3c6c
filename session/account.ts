/**
 * An account name as text. RADIUS carries octets; castgate compares, keys and prints text, and two
 * different names must never become the same text.
 */
import { toHex } from '../wire/bytes.ts';

/** UTF-8 without control characters as it is; anything else as `0x…`, and so is a name that begins so. */
export function accountText(name: Uint8Array): string {
  const text = STRICT.decode(name, { stream: false });
  const plain = !text.includes('\ufffd') && !hasControl(text) && !text.startsWith('0x');
  return plain ? text : `0x${toHex(name)}`;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

const STRICT = new TextDecoder('utf-8', { ignoreBOM: true });
