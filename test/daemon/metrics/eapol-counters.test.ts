/** EAPOL frames by the definitions of dot1xAuthStatsTable, IEEE8021-PAE-MIB, and MAC authentication. */
import { beforeEach, describe, expect, it } from 'vitest';
import { EAPOL_COUNTERS } from '../../../daemon/metrics/mib-counters.ts';
import { portRows } from '../../../daemon/show/show.ts';
import { EapType } from '../../../eapol/eap.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import { AttributeType, firstText } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { type Host, World } from '../world.ts';
import { metricsOf, seriesOf } from './fixture.ts';

let w: World;
let alice: Host;

beforeEach(() => {
  w = new World();
  w.server.users.set('alice', []);
  alice = w.host('alice');
});

/** What the frames of one port were counted as meanwhile, by the object of the MIB. */
function counted(act: () => void): Record<string, number> {
  const read = () =>
    Object.entries(EAPOL_COUNTERS).map(
      ([name, [object]]) => [object, w.core.tally.of('swp1', name)] as const,
    );
  const before = new Map(read());
  act();
  return Object.fromEntries(
    read().flatMap(([object, n]) =>
      n === before.get(object) ? [] : [[object, n - (before.get(object) ?? 0)]],
    ),
  );
}

const raw = (...octets: number[]) => alice.send(EtherType.Eapol, Uint8Array.from(octets));

describe('an EAPOL frame is counted as what it is', () => {
  it('conformance 1: of a type that is not known, or with a length that is not true, it is none of the valid ones', () => {
    expect(counted(() => raw(2, 77, 0, 0))).toEqual({ dot1xAuthInvalidEapolFramesRx: 1 });
    expect(counted(() => raw(2, 0, 0, 9, 1))).toEqual({ dot1xAuthEapLengthErrorFramesRx: 1 });
    expect(counted(() => raw(2, 1, 0))).toEqual({ dot1xAuthEapLengthErrorFramesRx: 1 });
  });

  it('a Start, and the Request/Identity that follows it', () => {
    expect(counted(() => alice.start())).toEqual({
      dot1xAuthEapolFramesRx: 1,
      dot1xAuthEapolStartFramesRx: 1,
      dot1xAuthEapolFramesTx: 1,
      dot1xAuthEapolReqIdFramesTx: 1,
    });
  });

  it('an identity, the request of a method, its response and the Success', () => {
    alice.heard();
    alice.start();
    const identity = () => {
      alice.identity(alice.heard()[0]?.id ?? -1);
      w.pass(5);
    };
    expect(counted(identity)).toEqual({
      dot1xAuthEapolFramesRx: 1,
      dot1xAuthEapolRespIdFramesRx: 1,
      dot1xAuthEapolFramesTx: 1,
      dot1xAuthEapolReqFramesTx: 1,
    });
    const response = () => {
      alice.respond(alice.heard()[0]?.id ?? -1, EapType.Md5Challenge, Uint8Array.of(1, 0x55));
      w.pass(5);
    };
    expect(counted(response)).toEqual({
      dot1xAuthEapolFramesRx: 1,
      dot1xAuthEapolRespFramesRx: 1,
      dot1xAuthEapolFramesTx: 1,
    });
    expect(w.session(alice)).toBeDefined();
    expect(counted(() => alice.logoff())).toEqual({
      dot1xAuthEapolFramesRx: 1,
      dot1xAuthEapolLogoffFramesRx: 1,
    });
  });

  it('one that castgate has no use for is valid all the same', () => {
    expect(counted(() => alice.eapol(EapolType.Key))).toEqual({ dot1xAuthEapolFramesRx: 1 });
    expect(counted(() => alice.eapol(EapolType.Packet, Uint8Array.of(2, 1)))).toEqual({
      dot1xAuthEapolFramesRx: 1,
    });
  });
});

it('MAC authentication is counted and shown', async () => {
  w = new World({ authenticator: { methods: 'mab' } });
  const printer = w.host('printer');
  w.server.script = ({ port, packet }) => {
    if (port === 'acct') return 'policy';
    const isKnown = firstText(packet.attributes, AttributeType.UserName) === printer.mac.replaceAll(':', '');
    return { code: isKnown ? RadiusCode.AccessAccept : RadiusCode.AccessReject, attributes: [] };
  };
  printer.send(EtherType.Arp, new Uint8Array(28));
  w.pass(5);
  expect(w.session(printer)).toBeDefined();
  const stranger = w.host('stranger');
  stranger.send(EtherType.Arp, new Uint8Array(28));
  w.pass(5);
  expect(portRows(w.core)[0]?.mab).toEqual({ asked: 2, accepted: 1, rejected: 1 });
  const { text } = await metricsOf(w.core).metrics.exposition();
  expect(seriesOf(text, 'castgate_mab_total{port="swp1",outcome="rejected"}')).toBe(1);
});
