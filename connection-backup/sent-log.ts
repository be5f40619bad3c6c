/**
 * What was sent on a connection and is not acknowledged by the peer: messages with their boundaries, in the order
 * of the stream, each a record. A message is dropped once the peer has all of it (US8572270B2, claim 1 and the
 * abstract's deletion by boundary), never a part of one.
 */
import type { RecordMap } from '../wire/records.ts';
import type { SentRecord } from './records.ts';

export class SentLog {
  readonly #connection: string;
  readonly #records: RecordMap<SentRecord>;
  readonly #messages: SentRecord[] = [];
  #begin: number;
  #end: number;

  /** Nothing is kept; the next message begins at this position. */
  constructor(connection: string, records: RecordMap<SentRecord>, acknowledged: number) {
    this.#connection = connection;
    this.#records = records;
    this.#begin = acknowledged;
    this.#end = acknowledged;
  }

  /**
   * Goes on with the records that there are, which another node has made. Undefined: they do not follow on each other
   * from `acknowledged` on, or one has not the octets that its positions say.
   */
  static resumed(
    connection: string,
    records: RecordMap<SentRecord>,
    acknowledged: number,
  ): SentLog | undefined {
    const log = new SentLog(connection, records, acknowledged);
    const messages = [...records.values()]
      .filter((record) => record.connection === connection)
      .sort((a, b) => a.begin - b.begin);
    for (const message of messages) {
      const { begin, end, octets } = message;
      if (begin !== log.#end || !(octets instanceof Uint8Array) || end !== begin + octets.length)
        return undefined;
      log.#messages.push(message);
      log.#end = end;
    }
    return log;
  }

  /** Position of the first octet that is kept. */
  get begin(): number {
    return this.#begin;
  }

  /** Position behind the last octet. */
  get end(): number {
    return this.#end;
  }

  /** What is kept, in order. */
  get messages(): readonly SentRecord[] {
    return this.#messages;
  }

  /** Takes a message, which gets the next place in the stream. */
  append(octets: Uint8Array): SentRecord {
    const record: SentRecord = {
      v: 1,
      key: `${this.#connection}#${this.#end}`,
      connection: this.#connection,
      begin: this.#end,
      end: this.#end + octets.length,
      octets,
    };
    this.#messages.push(record);
    this.#end = record.end;
    this.#records.put(record.key, record);
    return record;
  }

  /** The peer has everything before `position`: drops the messages that it has whole. True where there were any. */
  acknowledged(position: number): boolean {
    let whole = 0;
    for (let next = this.#messages[whole]; next !== undefined; next = this.#messages[whole]) {
      if (next.end > position) break;
      this.#records.delete(next.key);
      this.#begin = next.end;
      whole++;
    }
    this.#messages.splice(0, whole);
    return whole > 0;
  }

  /** The octets from one position up to another, both within what is kept. */
  between(from: number, to: number): Uint8Array {
    const out = new Uint8Array(to - from);
    for (const { begin, end, octets } of this.#messages) {
      if (end <= from || begin >= to) continue;
      out.set(octets.subarray(Math.max(0, from - begin), to - begin), Math.max(0, begin - from));
    }
    return out;
  }
}
