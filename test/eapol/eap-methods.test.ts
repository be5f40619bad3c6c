import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import { identityOf, md5ChallengeOf, nakDesiredTypes, tlsFlagsOf } from '../../eapol/eap-methods.ts';
import { fromHex, toHex } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';

function packet(code: number, type: number, hex: string): EapPacket {
  const typeData = fromHex(hex) ?? new Uint8Array();
  const decoded = decodeEap(encodeEap({ code, id: 1, type, typeData }));
  if (isMalformed(decoded)) throw new Error(decoded.malformed);
  return decoded;
}

const success = decodeEap(encodeEap({ code: EapCode.Success, id: 1 })) as EapPacket;

describe('EAP methods from outside', () => {
  it('identity is of responses only, and may be empty', () => {
    const identity = identityOf(packet(EapCode.Response, EapType.Identity, '616c696365'));
    expect(toHex(identity ?? new Uint8Array())).toBe('616c696365');
    expect(identityOf(packet(EapCode.Response, EapType.Identity, ''))?.length).toBe(0);
    expect(identityOf(packet(EapCode.Request, EapType.Identity, '61'))).toBeUndefined();
    expect(identityOf(packet(EapCode.Response, EapType.Nak, '61'))).toBeUndefined();
    expect(identityOf(success)).toBeUndefined();
  });

  it('a Nak names types', () => {
    expect(nakDesiredTypes(packet(EapCode.Response, EapType.Nak, '190d'))).toEqual([25, 13]);
    expect(nakDesiredTypes(packet(EapCode.Response, EapType.Nak, '00'))).toEqual([0]);
    expect(nakDesiredTypes(packet(EapCode.Request, EapType.Nak, '00'))).toBeUndefined();
    expect(nakDesiredTypes(packet(EapCode.Response, EapType.Identity, '00'))).toBeUndefined();
  });

  it('an MD5 challenge has a value and a name', () => {
    const challenge = md5ChallengeOf(packet(EapCode.Request, EapType.Md5Challenge, '02abcd6e6173'));
    expect(toHex(challenge?.value ?? new Uint8Array())).toBe('abcd');
    expect(toHex(challenge?.name ?? new Uint8Array())).toBe('6e6173');
    expect(md5ChallengeOf(packet(EapCode.Request, EapType.Md5Challenge, '03abcd'))).toBeUndefined();
    expect(md5ChallengeOf(packet(EapCode.Request, EapType.Md5Challenge, ''))).toBeUndefined();
    expect(md5ChallengeOf(packet(EapCode.Request, EapType.Tls, '02abcd'))).toBeUndefined();
  });

  it('the TLS family has flags, and a length with the L bit', () => {
    const first = tlsFlagsOf(packet(EapCode.Request, EapType.Tls, 'c00000100016'));
    expect(first).toMatchObject({ flags: 0xc0, length: 4096, data: Uint8Array.of(0x16) });
    const start = tlsFlagsOf(packet(EapCode.Request, EapType.Peap, '20'));
    expect(start).toMatchObject({ flags: 0x20, length: undefined, data: new Uint8Array() });
    expect(tlsFlagsOf(packet(EapCode.Request, EapType.Ttls, '80000010'))).toBeUndefined();
    expect(tlsFlagsOf(packet(EapCode.Response, EapType.Fast, ''))).toBeUndefined();
    expect(tlsFlagsOf(packet(EapCode.Response, EapType.MsChapV2, '20'))).toBeUndefined();
    expect(tlsFlagsOf(success)).toBeUndefined();
  });

  it('never throw on any packet', () => {
    const type = fc.constantFrom(...Object.values(EapType));
    fc.assert(
      fc.property(fc.constantFrom(1, 2), type, fc.uint8Array({ maxLength: 20 }), (code, kind, data) => {
        const p = packet(code, kind, toHex(data));
        for (const read of [identityOf, nakDesiredTypes, md5ChallengeOf, tlsFlagsOf]) {
          expect(['undefined', 'object']).toContain(typeof read(p));
        }
      }),
    );
  });
});
