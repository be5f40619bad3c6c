/** Rules of packet filters as text, and the attributes that bring them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFilterRefusal, readFilter } from '../../../auth/filter/filter-attributes.ts';
import { formatFilterRule, parseFilterRule } from '../../../auth/filter/ip-filter-rule.ts';
import { AttributeType, octets, text } from '../../../radius/attributes.ts';
import { type FilterRule, passesUnmatched } from '../../../session/filter-rule.ts';

function rule(line: string): FilterRule {
  const read = parseFilterRule(line);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}

const ports = fc
  .tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 65535 }))
  .map(([a, b]) => (a === b ? `${a}` : `${Math.min(a, b)}-${Math.max(a, b)}`));
const ends = fc
  .tuple(
    fc.constantFrom('any', '192.0.2.0/24', '!10.0.0.0/8', '198.51.100.7'),
    fc.option(fc.array(ports, { minLength: 1, maxLength: 3 })),
  )
  .map(([address, list]) => (list === null ? address : `${address} ${list.join(',')}`));
const lines = fc
  .tuple(
    fc.constantFrom('permit', 'deny'),
    fc.constantFrom('in', 'out'),
    fc.constantFrom('tcp', '17', 'sctp'),
    ends,
    ends,
  )
  .map(
    ([action, direction, protocol, from, to]) => `${action} ${direction} ${protocol} from ${from} to ${to}`,
  );

describe('IPFilterRule as text', () => {
  it('is read with all its parts', () => {
    expect(rule('deny in tcp from 2001:DB8:0::1/32 1024-65535 to !2001:db8:1::/48 22,80-88 setup')).toEqual({
      permit: false,
      direction: 'in',
      protocol: 6,
      from: {
        prefix: { address: '2001:db8::', length: 32, inverted: false },
        ports: [{ first: 1024, last: 65535 }],
      },
      to: {
        prefix: { address: '2001:db8:1::', length: 48, inverted: true },
        ports: [
          { first: 22, last: 22 },
          { first: 80, last: 88 },
        ],
      },
      tcpFlags: { mask: 0x12, value: 0x02, differs: false },
    });
    expect(rule('permit out ip from any to any')).toMatchObject({ permit: true, protocol: undefined });
    expect(rule(' permit  in 1 from any to 10.1.2.3/9 icmptypes 8,0,13-14 ')).toMatchObject({
      to: { prefix: { address: '10.0.0.0', length: 9 } },
      icmpTypes: [8, 0, 13, 14],
    });
    expect(rule('deny in ip from any to any frag').fragments).toBe(true);
  });

  it('written and read again it is the same', () => {
    for (const line of [
      'deny in 6 from any to any established',
      'permit in 6 from any to any tcpflags fin,!syn',
      'deny in ip from any to any frag',
      'permit in 58 from fe80::/10 to any icmptypes 1,2,3',
    ]) {
      expect(rule(formatFilterRule(rule(line)))).toEqual(rule(line));
    }
    fc.assert(
      fc.property(lines, (line) => {
        expect(rule(formatFilterRule(rule(line)))).toEqual(rule(line));
      }),
    );
  });

  it('what cannot be carried out, or would match nothing, is refused and never left out', () => {
    for (const line of [
      '',
      'permit',
      'allow in ip from any to any',
      'permit both ip from any to any',
      'permit in ip from any',
      'permit in ip from assigned to any',
      'permit in ip from any to 10.0.0.256',
      'permit in ip from any to 10.0.0.0/33',
      'permit in ip from any to !0.0.0.0/0',
      'permit in ip from 10.0.0.1 to 2001:db8::1',
      'permit in ip from any to any 80',
      'permit in tcp from any to any 80-79',
      'permit in tcp from any to any 65536',
      'permit in udp from any to any established',
      'permit in tcp from any to any icmptypes 8',
      'permit in tcp from any 1 to any frag',
      'permit in tcp from any to any tcpflags tcp',
      'permit in tcp from any to any ipoptions ssrr',
      'permit in tcp from any to any tcpoptions mss',
      'permit in tcp from any to any log',
      'permit in 256 from any to any',
      'permit in ip from any to any frag extra',
    ]) {
      expect(parseFilterRule(line), line).toHaveProperty('problem');
    }
    fc.assert(
      fc.property(fc.string(), (line) => {
        parseFilterRule(line);
      }),
    );
    fc.assert(
      fc.property(lines, fc.nat(), fc.string(), (line, at, put) => {
        parseFilterRule(line.slice(0, at) + put + line.slice(at + 1));
      }),
    );
  });

  it('what no rule matches: as RFC 6733 §4.3.1 has it, for each direction', () => {
    const rules = [rule('deny out ip from any to any'), rule('permit in 6 from any to any')];
    expect([passesUnmatched(rules, 'in'), passesUnmatched(rules, 'out'), passesUnmatched([], 'in')]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('the attributes of a filter', () => {
  const WEB = rule('permit in tcp from any to any 80');
  const DNS = rule('permit in udp from any to any 53');
  const named = new Map([
    ['web', [WEB]],
    ['dns', [DNS]],
  ]);
  const form = { named, unknown: 'refuse' } as const;
  const id = (name: string) => text(AttributeType.FilterId, name);
  const literal = (value: string) => octets(AttributeType.NasFilterRule, new TextEncoder().encode(value));
  const WEB_TEXT = 'permit in tcp from any to any 80';
  const DNS_TEXT = 'permit in udp from any to any 53';

  it('names are looked up, in their order; one that is not there is refused, or passed over', () => {
    expect(readFilter([id('web'), id('dns')], form)).toEqual({ ids: ['web', 'dns'], rules: [WEB, DNS] });
    expect(readFilter([id('web'), id('mail')], form)).toBe('accept-filter-unknown');
    expect(readFilter([id('web'), id('mail')], { named, unknown: 'ignore' })).toMatchObject({ ids: ['web'] });
    expect(readFilter([id('mail')], { named, unknown: 'ignore' })).toBeUndefined();
    expect(readFilter([], form)).toBeUndefined();
  });

  it('rules are one text over all attributes, a NUL between them (RFC 4849 §2)', () => {
    const both = { ids: [], rules: [WEB, DNS] };
    expect(readFilter([literal(`${WEB_TEXT}\0${DNS_TEXT}\0`)], form)).toEqual(both);
    expect(
      readFilter([literal(WEB_TEXT.slice(0, 9)), literal(`${WEB_TEXT.slice(9)}\0${DNS_TEXT}`)], form),
    ).toEqual(both);
    expect(readFilter([literal(WEB_TEXT), literal(DNS_TEXT)], form)).toEqual(both);
    expect(readFilter([literal('\0')], form)).toBe('none');
    expect(readFilter([literal(' ')], form)).toBe('none');
    expect(readFilter([literal(`${WEB_TEXT}\0permit all`)], form)).toBe('accept-filter-rule');
  });

  it('Filter-Id counts where both are there, and what is too long is refused', () => {
    expect(readFilter([literal(DNS_TEXT), id('web')], form)).toMatchObject({ ids: ['web'] });
    const many = Array.from({ length: 129 }, () => WEB_TEXT).join('\0');
    expect(readFilter([literal(many)], form)).toBe('accept-filter-too-long');
    const list = Array.from({ length: 30 }, (_, i) => i + 1).join(',');
    const wide = readFilter([literal(`permit in tcp from any ${list} to any ${list}`)], form);
    expect(wide).toBe('accept-filter-too-long');
    expect(isFilterRefusal(wide)).toBe(true);
  });
});
