/**
 * A journal with so many sessions and channels, as a daemon would have left it: the core itself lets them in,
 * with a RADIUS server that accepts everybody and everything. Run in the namespace of the switch whose ports
 * they are on:
 *
 *   population CONFIG SESSIONS CHANNELS    CHANNELS for each session
 *
 * Prints one line of JSON: how many octets of log a login and a join have made.
 */
import { randomFillSync } from 'node:crypto';
import { loadConfig } from '../../config/load.ts';
import { Core } from '../../daemon/core/core.ts';
import { endTurn } from '../../daemon/core/turn.ts';
import { emptyStores, SavedState } from '../../daemon/journal/saved-state.ts';
import { silentLog } from '../../daemon/log/log.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { AttributeType, eapMessage, splitEapMessage } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { ChangeLog } from '../../replication/change-log.ts';
import { linkId } from '../../switch/linux/link/link-id.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { addressOf, channelOf, macOf } from './places.ts';

function main([file = '', sessions = '0', channels = '0']: readonly string[]): void {
  const loaded = loadConfig(file);
  if (!('config' in loaded)) throw new Error(JSON.stringify(loaded.errors));
  const { config } = loaded;
  const secret = config.radius.servers[0]?.secret ?? new Uint8Array(1);
  const fed = emptyStores(config);
  const log = new ChangeLog(0, 'none');
  fed.feed.follow(log);
  let at = Date.now();
  const queue: (() => void)[] = [];
  const ports = config.ports.map((port) => port.name);
  const bridge = new SwitchOfLinks({ ports, uplinks: config.uplinks }, (events) => take(events));
  const random = (length: number) => randomFillSync(new Uint8Array(length));
  const core = new Core(config, { readings: bridge, log: silentLog, random, stores: fed.stores });
  const datagrams = {
    send: (server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array) => {
      const answer = accepted(bytes, secret);
      queue.push(() => core.datagram(at, server, port, socket, answer));
    },
  };
  const turn = (think: () => void) => {
    think();
    endTurn(core, bridge, datagrams, () => at);
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      next();
      endTurn(core, bridge, datagrams, () => at);
    }
    at += 0.05;
  };
  const take = (events: readonly SwitchEvent[]) => {
    for (const event of events) turn(() => core.switchEvent(at, event));
  };
  const send = (place: number, etherType: number, payload: Uint8Array, dst: Mac) => {
    const port = ports[place % ports.length] ?? '';
    bridge.receive(port, 0, encodeEthernet({ src: macOf(place), dst, etherType, payload }));
  };
  const eapol = (place: number, type: number, body: Uint8Array) =>
    send(place, EtherType.Eapol, encodeEapol({ version: 2, type, body }), PAE_GROUP);

  turn(() => core.start(at));
  bridge.start();
  log.seal();
  let loginOctets = 0;
  let joinOctets = 0;
  for (let place = 0; place < Number(sessions); place++) {
    eapol(place, EapolType.Start, new Uint8Array(0));
    const record = fed.stores.authenticators.get(`${ports[place % ports.length]}/0/${macOf(place)}`);
    const typeData = new TextEncoder().encode(`subscriber-${place}`);
    const id = record?.currentId ?? 0;
    eapol(
      place,
      EapolType.Packet,
      encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData }),
    );
    loginOctets += log.seal()?.octets.length ?? 0;
    for (let i = 0; i < Number(channels); i++) {
      join(addressOf(place), channelOf(place, i), (payload, dst) =>
        send(place, EtherType.Ipv4, payload, dst),
      );
    }
    joinOctets += log.seal()?.octets.length ?? 0;
    bridge.takeSent();
  }
  // What is accounted for has reached the server, as it has in a switch that has run for a while.
  while (fed.stores.accountingQueue.size > 0) {
    at += ACCOUNTING_PAUSE_MS;
    turn(() => core.handleTimeout(at));
    log.seal();
    bridge.takeSent();
  }
  if (fed.stores.sessions.size !== Number(sessions)) {
    throw new Error(`${fed.stores.sessions.size} of ${sessions} got in`);
  }
  if (fed.stores.grants.size !== Number(sessions) * Number(channels)) {
    throw new Error(`${fed.stores.grants.size} channels of ${sessions} × ${channels}`);
  }
  const saved = new SavedState(config, silentLog);
  saved.begin(fed);
  saved.end(true);
  const { size } = fed.stores.grants;
  process.stdout.write(
    `${JSON.stringify({ grants: size, loginOctets: loginOctets / Number(sessions), joinOctets: joinOctets / size })}\n`,
  );
}

/** The daemon that goes on will look whether the links are the same. */
class SwitchOfLinks extends MemorySwitch {
  override linkId(port: string): string | undefined {
    return linkId(port);
  }
}

function join(src: IpAddress, group: IpAddress, send: (payload: Uint8Array, dst: Mac) => void): void {
  const record = { type: RecordType.ToExclude, group, sources: [], auxWords: 0 };
  const message = { kind: 'record-report', version: 3, records: [record] } as const;
  send(encodeIgmpPacket({ src, dst: REPORTS, message }), groupMac(REPORTS));
}

/** Yes to everything. */
function accepted(bytes: Uint8Array, secret: Uint8Array): Uint8Array {
  const packet = decodeRadius(bytes);
  if (isMalformed(packet)) throw new Error(packet.malformed);
  const { id, authenticator } = packet;
  if (packet.code === RadiusCode.AccountingRequest) {
    const answer = { code: RadiusCode.AccountingResponse, id, attributes: [] };
    return signReply(answer, authenticator, secret, { messageAuthenticator: false });
  }
  const eap = eapMessage(packet.attributes);
  const success = encodeEap({ code: EapCode.Success, id: eap?.[1] ?? 0 });
  const attributes = eap === undefined ? [HOLDS] : splitEapMessage(success);
  return signReply({ code: RadiusCode.AccessAccept, id, attributes }, authenticator, secret);
}

const ACCOUNTING_PAUSE_MS = 100;
const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const REPORTS: IpAddress = '224.0.0.22';
/** A day: nobody is asked again meanwhile. */
const HOLDS = { type: AttributeType.SessionTimeout, value: Uint8Array.of(0, 1, 0x51, 0x80) };

main(process.argv.slice(2));
