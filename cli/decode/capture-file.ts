/**
 * Capture files, read through libpcap (package `pcap`): classic pcap and pcapng, Ethernet, Linux cooked v1 and
 * v2, raw IP. The package reuses one buffer, says nothing of a file that ends inside a frame, and keeps the
 * file open for good; here each frame is copied out once, a cut file is an error, and the file gets closed.
 * Times are microseconds, which is all that libpcap hands on of a nanosecond file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

/** What stands before the packet in each frame of a file. */
export type LinkType = 'ethernet' | 'linux-sll' | 'linux-sll2' | 'raw-ip';

/** One frame of a capture. */
export interface CapturedFrame {
  /** From 1, as Wireshark counts. */
  readonly number: number;
  /** Microseconds since 1970. */
  readonly timeUs: number;
  readonly linkType: LinkType;
  /** How many octets of the frame are in the file. */
  readonly capturedLength: number;
  /** How many octets it had on the wire. */
  readonly length: number;
  /** The frame's own copy, `capturedLength` octets. */
  readonly data: Uint8Array;
}

/** The file cannot be read, is no capture, or ends inside a frame. `message` says it in one line, with the path. */
export class CaptureFileError extends Error {}

/**
 * Hands over every frame in order, then resolves with their number. Rejects with CaptureFileError, also after
 * the last whole frame of a cut file, and with what `onFrame` throws; no frame is handed over after that.
 */
export async function readCapture(path: string, onFrame: (frame: CapturedFrame) => void): Promise<number> {
  const layout = inspect(path);
  const session = open(path);
  const linkType = LINK_TYPES.get(session.link_type);
  if (linkType === undefined) {
    session.on('complete', () => release(session));
    throw new CaptureFileError(
      `${path}: link type ${session.link_type.replace(/^.* /, '')} is not one of Ethernet, Linux cooked, raw IP`,
    );
  }
  // The package looks at these two when it begins to read, one turn of the event loop after opening.
  session.buf = Buffer.alloc(MAX_FRAME_LENGTH);
  let frames = 0;
  let octets = 0;
  let failure: unknown;
  return new Promise((resolve, reject) => {
    session.on('packet', ({ buf, header }) => {
      if (failure !== undefined) return;
      const capturedLength = header.readUInt32LE(8);
      frames++;
      octets += RECORD_HEADER_LENGTH + capturedLength;
      try {
        onFrame({
          number: frames,
          timeUs: header.readUInt32LE(0) * 1_000_000 + header.readUInt32LE(4),
          linkType,
          capturedLength,
          length: header.readUInt32LE(12),
          data: new Uint8Array(buf.subarray(0, capturedLength)),
        });
      } catch (cause) {
        // Thrown on into libpcap's callback it would end the process.
        failure = cause;
      }
    });
    session.on('complete', () => {
      release(session);
      if (failure !== undefined) return reject(failure);
      const end = FILE_HEADER_LENGTH + octets;
      if (layout.endsInside || (layout.format === 'pcap' && end !== layout.size)) {
        const after = frames === 1 ? '1 frame' : `${frames} frames`;
        return reject(new CaptureFileError(`${path}: cut off or damaged after ${after}`));
      }
      resolve(frames);
    });
  });
}

/** What is read of the file besides libpcap, which cannot tell the end of a file from damage. */
interface Layout {
  readonly format: 'pcap' | 'pcapng';
  readonly size: number;
  /** The last block of a pcapng file does not end where the file does. */
  readonly endsInside: boolean;
}

function inspect(path: string): Layout {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new CaptureFileError(`${path}: ${reason(cause)}`);
  }
  try {
    const stat = fstatSync(file);
    if (stat.isDirectory()) throw new CaptureFileError(`${path}: is a directory`);
    if (!stat.isFile()) throw new CaptureFileError(`${path}: is not a regular file`);
    const head = at(file, 0, FILE_HEADER_LENGTH);
    if (head.length >= 4 && PCAP_MAGICS.has(head.readUInt32LE(0))) {
      if (head.length === FILE_HEADER_LENGTH) return { format: 'pcap', size: stat.size, endsInside: false };
      throw new CaptureFileError(`${path}: cut off inside its file header`);
    }
    if (head.length >= 12 && head.readUInt32LE(0) === PCAPNG_SECTION_HEADER) {
      return { format: 'pcapng', size: stat.size, endsInside: endsInsideBlock(file, stat.size) };
    }
    throw new CaptureFileError(`${path}: is no pcap or pcapng file`);
  } finally {
    closeSync(file);
  }
}

/** Walks the block lengths of a pcapng file (draft-ietf-opsawg-pcapng §3.1). */
function endsInsideBlock(file: number, size: number): boolean {
  let little = true;
  let place = 0;
  while (place < size) {
    const head = at(file, place, 12);
    if (head.length < 12) return true;
    if (head.readUInt32LE(0) === PCAPNG_SECTION_HEADER) little = head.readUInt32LE(8) === PCAPNG_BYTE_ORDER;
    const length = little ? head.readUInt32LE(4) : head.readUInt32BE(4);
    if (length < 12 || length % 4 !== 0) return true;
    place += length;
  }
  return place !== size;
}

function at(file: number, place: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, place));
}

function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  return cause instanceof Error ? cause.message : String(cause);
}

/** What is used of the package's session; its own types leave out half of it. */
interface OfflineSession {
  /** A name, or `Unknown linktype <number>`. */
  readonly link_type: string;
  buf: Buffer;
  readonly header: Buffer;
  readonly session: { dispatch(buf: Buffer, header: Buffer): number };
  on(event: 'packet', listener: (packet: { buf: Buffer; header: Buffer }) => void): void;
  on(event: 'complete', listener: () => void): void;
  close(): void;
}

function open(path: string): OfflineSession {
  let pcap: { createOfflineSession(path: string): OfflineSession };
  try {
    pcap = createRequire(import.meta.url)('pcap');
  } catch (cause) {
    throw new CaptureFileError(
      `${path}: package pcap does not load (built? libpcap0.8 installed?): ${reason(cause).split('\n')[0]}`,
    );
  }
  try {
    return pcap.createOfflineSession(path);
  } catch (cause) {
    throw new CaptureFileError(`${path}: ${reason(cause)}`);
  }
}

/** close() only asks for the end; the next dispatch sees that and closes the file. */
function release(session: OfflineSession): void {
  session.close();
  session.session.dispatch(session.buf, session.header);
}

/** libpcap's own limit for what a file may call one frame (MAXIMUM_SNAPLEN). */
const MAX_FRAME_LENGTH = 262_144;
const FILE_HEADER_LENGTH = 24;
const RECORD_HEADER_LENGTH = 16;
/** Microseconds and nanoseconds, either byte order. */
const PCAP_MAGICS: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1]);
const PCAPNG_SECTION_HEADER = 0x0a0d0d0a;
const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;
const LINK_TYPES: ReadonlyMap<string, LinkType> = new Map<string, LinkType>([
  ['LINKTYPE_ETHERNET', 'ethernet'],
  ['LINKTYPE_LINUX_SLL', 'linux-sll'],
  ['LINKTYPE_RAW', 'raw-ip'],
  // The package has no names for DLT_LINUX_SLL2, DLT_IPV4 and DLT_IPV6.
  ['Unknown linktype 276', 'linux-sll2'],
  ['Unknown linktype 228', 'raw-ip'],
  ['Unknown linktype 229', 'raw-ip'],
]);
