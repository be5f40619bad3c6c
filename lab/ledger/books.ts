/**
 * The books of all servers, as lab/simulation keeps them, and one promise more: (Acct-Session-Id,
 * Acct-Status-Type, Event-Timestamp) names a message for ever. Whatever comes again under a name says the same.
 */
import { AttributeType, firstInteger, firstText } from '../../radius/attributes.ts';
import { encodeRadius, type RadiusPacket } from '../../radius/packet.ts';
import { toHex } from '../../wire/bytes.ts';
import { Ledger } from '../simulation/checks/ledger.ts';
import { must } from '../simulation/checks/violation.ts';

export class Books extends Ledger {
  readonly #named = new Map<string, string>();

  override enter(packet: RadiusPacket): void {
    const { attributes } = packet;
    const id = firstText(attributes, AttributeType.AcctSessionId);
    const status = firstInteger(attributes, AttributeType.AcctStatusType);
    const at = firstInteger(attributes, AttributeType.EventTimestamp);
    must(id !== undefined && status !== undefined && at !== undefined, () => 'a message without a name');
    const rest = attributes.filter(({ type }) => type !== AttributeType.AcctDelayTime);
    const words = toHex(encodeRadius({ ...packet, id: 0, authenticator: ZEROS, attributes: rest }));
    const name = `${id} ${status} ${at}`;
    const before = this.#named.get(name);
    must(before === undefined || before === words, () => `${name} was said in two ways`);
    this.#named.set(name, words);
    super.enter(packet);
  }

  /** Messages, each counted once. */
  get messages(): number {
    return this.#named.size;
  }
}

const ZEROS = new Uint8Array(16);
