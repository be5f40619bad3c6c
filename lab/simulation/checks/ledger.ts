/**
 * The accounting that all servers together have taken in, as a billing system would read it: what came twice
 * is one message, each record is begun once, goes up and ends once.
 */
import { AttributeType, firstInteger, firstText, firstValue } from '../../../radius/attributes.ts';
import { encodeRadius, type RadiusPacket } from '../../../radius/packet.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { toHex } from '../../../wire/bytes.ts';
import { must } from './violation.ts';

/** What was said of one Acct-Session-Id. */
export interface Booking {
  readonly id: string;
  readonly account: string;
  readonly station: string;
  readonly startedAt: number;
  /** Event-Timestamp of the newest message about it, in seconds. */
  heardAt: number;
  stop: { readonly cause: number | undefined; readonly at: number } | undefined;
  input: number;
  output: number;
}

export class Ledger {
  readonly bookings = new Map<string, Booking>();
  /** Accounting-On messages. */
  ons = 0;
  /** Messages that were the same as one before but for their delay. */
  repeated = 0;
  /** Interim messages that another message overtook. */
  overtaken = 0;
  /**
   * Ids of which a node that did not know everything may say something else than the one before it: they may
   * end twice, and their octets may fall.
   */
  readonly loose = new Set<string>();
  readonly #seen = new Set<string>();

  /** Takes a verified Accounting-Request; servers share one ledger, as they share a database. */
  enter(packet: RadiusPacket): void {
    const attributes = packet.attributes.filter(({ type }) => type !== AttributeType.AcctDelayTime);
    const content = toHex(encodeRadius({ ...packet, id: 0, authenticator: ZEROS, attributes }));
    if (this.#seen.has(content)) {
      this.repeated++;
      return;
    }
    this.#seen.add(content);
    const status = firstInteger(attributes, AttributeType.AcctStatusType);
    const id = firstText(attributes, AttributeType.AcctSessionId) ?? '';
    const at = firstInteger(attributes, AttributeType.EventTimestamp) ?? 0;
    switch (status) {
      case AcctStatusType.AccountingOn:
        this.ons++;
        return;
      case AcctStatusType.Start:
        // An older state may bring back a login in the middle, with the id that its session was to have.
        if (this.loose.has(id) && this.bookings.has(id)) return;
        must(!this.bookings.has(id), () => `accounting of ${id} was begun twice`);
        this.bookings.set(id, {
          id,
          account: firstText(attributes, AttributeType.UserName) ?? '',
          station: firstText(attributes, AttributeType.CallingStationId) ?? '',
          startedAt: at,
          heardAt: at,
          stop: undefined,
          input: 0,
          output: 0,
        });
        return;
      case AcctStatusType.InterimUpdate:
      case AcctStatusType.Stop:
        this.#goesOn(id, at, status === AcctStatusType.Stop, attributes);
        return;
      default:
        must(false, () => `Acct-Status-Type ${status} for ${id}`);
    }
  }

  #goesOn(id: string, at: number, stops: boolean, attributes: RadiusPacket['attributes']): void {
    const booking = this.bookings.get(id);
    must(booking !== undefined, () => `accounting of ${id} goes on without a Start`);
    if (this.loose.has(id) && booking.stop !== undefined) return;
    const input = octetsOf(attributes, AttributeType.AcctInputOctets, AttributeType.AcctInputGigawords);
    const output = octetsOf(attributes, AttributeType.AcctOutputOctets, AttributeType.AcctOutputGigawords);
    if (booking.stop !== undefined) {
      // The network may let an Interim arrive behind the Stop that took its place.
      must(!stops, () => `accounting of ${id} ended twice, with different words`);
      must(at <= booking.stop.at, () => `accounting of ${id} went on after its end`);
      this.overtaken++;
      return;
    }
    // One that was sent again when a node went on may be overtaken by the next: its time says which is newer.
    if (at < booking.heardAt && !stops) {
      this.overtaken++;
      return;
    }
    booking.heardAt = at;
    must(
      this.loose.has(id) || (input >= booking.input && output >= booking.output),
      () => `octets of ${id} fell from ${booking.input}/${booking.output} to ${input}/${output}`,
    );
    booking.input = input;
    booking.output = output;
    const cause = firstInteger(attributes, AttributeType.AcctTerminateCause);
    if (stops) booking.stop = { cause, at };
  }
}

function octetsOf(attributes: RadiusPacket['attributes'], low: number, high: number): number {
  must(firstValue(attributes, low) !== undefined, () => 'an Interim or Stop without octets');
  return (firstInteger(attributes, high) ?? 0) * 2 ** 32 + (firstInteger(attributes, low) ?? 0);
}

const ZEROS = new Uint8Array(16);
