/** Set elements octet by octet; the vectors are what nft 1.0.6 sends and gets (strace), but for its hints. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SourcesIn } from '../../../switch/linux/bridge/mdb-way.ts';
import {
  channelElement,
  channelElements,
  hostElements,
  portElement,
  refusalCounters,
  ruleset,
  setNames,
  versionChain,
} from '../../../switch/linux/filter/ruleset.ts';
import { littleEndian, type Message, messages } from '../../../switch/linux/netlink/message.ts';
import {
  decodeElements,
  decodeNamedCounter,
  decodeRule,
  encodeDeleteTable,
  encodeDumpCounters,
  encodeDumpElements,
  encodeDumpRules,
  encodeGetElement,
  encodeSetChanges,
} from '../../../switch/linux/netlink/nft.ts';
import type { SourceFilter } from '../../../switch/switch.ts';
import { fromHex, toHex } from '../../../wire/bytes.ts';

const hex = (...lines: string[]) => lines.join('').replaceAll(/\s/g, '');
const read = (...lines: string[]): Message[] => [...messages(fromHex(lines.join('')) ?? new Uint8Array(0))];
const CASTGATE = '0d000100 63617374 67617465 00000000';
const BEGIN = '14000000 1000 0100 00000000 00000000 00 00 000a';
const END = '14000000 1100 0100 00000000 00000000 00 00 000a';

describe.skipIf(!littleEndian)('set elements', () => {
  const [hostIn, hostOut] = hostElements('swp1', '02:00:00:00:01:01');

  it('adds in a batch of which the last change asks for an answer', () => {
    const one = (flags: string, name: string) =>
      hex(
        `5c000000 0c0a ${flags} 00000000 00000000 07000000 ${CASTGATE}`,
        name,
        '28000380 24000180 20000180 1c000100 73777031 00000000 00000000 00000000 02000000 01010000',
      );
    const changes = [
      { change: 'add', ...hostIn },
      { change: 'add', ...hostOut },
    ] as const;
    expect(toHex(encodeSetChanges('castgate', changes))).toBe(
      hex(
        BEGIN,
        one('0104', '0d000200 686f7374 735f696e 00000000'),
        one('0504', '0e000200 686f7374 735f6f75 74000000'),
        END,
      ),
    );
  });

  it('removes', () => {
    expect(toHex(encodeSetChanges('castgate', [{ change: 'remove', ...hostIn }]))).toBe(
      hex(
        BEGIN,
        '5c000000 0e0a 0500 00000000 00000000 07000000',
        CASTGATE,
        '0d000200 686f7374 735f696e 00000000 28000380 24000180 20000180 1c000100',
        '73777031 00000000 00000000 00000000 02000000 01010000',
        END,
      ),
    );
  });

  it('puts neighbours of one kind into one message, keeps the order of the others, and splits what is too much', () => {
    const element = (number: number) => channelElement('swp1', `239.1.${number >> 8}.${number & 255}`);
    const kinds = (changes: Parameters<typeof encodeSetChanges>[1]) =>
      [...messages(encodeSetChanges('castgate', changes))]
        .slice(1, -1)
        .map(({ type, flags, body }) => [type & 0xff, flags & 4, Math.round(body.length / 36)]);
    const add = (number: number) => ({ change: 'add', ...element(number) }) as const;
    const remove = (number: number) => ({ change: 'remove', ...element(number) }) as const;
    expect(kinds([add(1), add(2), remove(1), add(3)])).toEqual([
      [12, 0, 3],
      [14, 0, 2],
      [12, 4, 2],
    ]);
    const many = kinds(Array.from({ length: 1100 }, (_, i) => add(i)));
    expect(many.map(([, ack]) => ack)).toEqual([0, 0, 4]);
    for (const [, , size] of many) expect((size ?? 0) * 36).toBeLessThan(65_536);
  });

  it('asks for one element, for all, for counters, for rules; deletes the table', () => {
    const { set, key } = channelElement('swp1', 'ff3e::1');
    expect(toHex(encodeGetElement('castgate', set, key))).toBe(
      hex(
        '64000000 0d0a 0100 00000000 00000000 07000000',
        CASTGATE,
        '0e000200 6368616e 6e656c73 36000000 30000380 2c000180 28000180 24000100',
        '73777031 00000000 00000000 00000000 ff3e0000 00000000 00000000 00000001',
      ),
    );
    expect(toHex(encodeDumpElements('castgate', 'channels6'))).toBe(
      hex('34000000 0d0a 0103 00000000 00000000 07000000', CASTGATE, '0e000200 6368616e 6e656c73 36000000'),
    );
    expect(toHex(encodeDumpCounters('castgate'))).toBe(
      hex('2c000000 130a 0103 00000000 00000000 07000000', CASTGATE, '08000300 00000001'),
    );
    expect(toHex(encodeDumpRules('castgate'))).toBe(
      hex('24000000 070a 0103 00000000 00000000 07000000', CASTGATE),
    );
    expect(toHex(encodeDeleteTable('castgate'))).toBe(
      hex(BEGIN, '24000000 020a 0500 00000000 00000000 07000000', CASTGATE, END),
    );
  });

  it('reads an element with its counter', () => {
    const [message] = read(
      '90000000 0c0a 0000 01000000 e4780000 07000005 0d000100 63617374 67617465 00000000',
      '0e000200 6368616e 6e656c73 36000000 5c000300 58000100 28000100 24000100',
      '73777031 00000000 00000000 00000000 ff3e0000 00000000 00000000 00000001',
      '2c000700 0c000100 636f756e 74657200 1c000200 0c000100 00000000 00001b58 0c000200 00000000 00000007',
    );
    expect(message === undefined ? [] : [...decodeElements(message)]).toEqual([
      { key: channelElement('swp1', 'ff3e::1').key, counter: { octets: 7000, packets: 7 } },
    ]);
  });

  it('reads a named counter and a rule', () => {
    const [counter] = read(
      '64000000 120a 0208 00000000 ea780000 07000005 0d000100 63617374 67617465 00000000 08000200 70696d00',
      '08000300 00000001 0c000600 00000000 00000001 08000500 00000000',
      '1c000400 0c000100 00000000 000001f4 0c000200 00000000 00000005',
    );
    expect(counter === undefined ? undefined : decodeNamedCounter(counter)).toEqual({
      name: 'pim',
      counter: { octets: 500, packets: 5 },
    });
    const [rule] = read(
      '3c000000 060a 0000 00000000 00000000 07000000',
      CASTGATE,
      '0b000200 66726f6d5f7800 00 0c000300 00000000 0000000e',
    );
    expect(rule === undefined ? undefined : decodeRule(rule)).toBe('from_x/000000000000000e');
    for (const decode of [decodeNamedCounter, decodeRule]) {
      expect(decode({ type: 3, flags: 0, sequence: 0, body: new Uint8Array(40) })).toBeUndefined();
    }
  });

  it('never throws on what is cut or scrambled (property)', () => {
    const type = fc.constantFrom(0x0a0c, 0x0a12, 0x0a06);
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 200 }), (number, body) => {
        const message = { type: number, flags: 0, sequence: 0, body };
        decodeNamedCounter(message);
        decodeRule(message);
        for (const _ of decodeElements(message)) void _;
      }),
    );
  });
});

describe('the table', () => {
  it('has keys of the width that the kernel wants', () => {
    expect(portElement('occupied', 'swp1')).toEqual({
      set: 'occupied',
      key: fromHex('73777031000000000000000000000000'),
    });
    expect(channelElement('swp1', '239.1.1.1')).toEqual({
      set: 'channels4',
      key: fromHex('73777031000000000000000000000000ef010101'),
    });
    // The longest name that an interface may have.
    expect(toHex(portElement('uplinks', 'a'.repeat(15)).key)).toBe(`${'61'.repeat(15)}00`);
  });

  it.each([
    { sourcesIn: 'database', fence: false },
    { sourcesIn: 'table', fence: false },
    { sourcesIn: 'database', fence: true },
    { sourcesIn: 'table', fence: true },
  ] as const)(
    'names each counter and set that the code uses, and replaces one of before: %o',
    ({ sourcesIn, fence }) => {
      const text = ruleset({ sourcesIn, fence }, ['swp1', 'swp2']);
      expect(text).toMatch(
        /^add table bridge castgate\ndelete table bridge castgate\ntable bridge castgate \{\n/,
      );
      for (const name of refusalCounters) {
        expect(text).toContain(`counter ${name} { }`);
        if (sourcesIn === 'table' || name !== 'other_sources')
          expect(text).toContain(`counter name ${name} ${name === 'monitored_senders' ? 'accept' : 'drop'}`);
      }
      const sets = [...text.matchAll(/^ {2}(?:set|map) (\w+) /gm)].map(([, name]) => name);
      expect(sets.sort()).toEqual([...setNames(sourcesIn)].sort());
      for (const name of sets) expect(text).toContain(`@${name}`);
      expect(text).toContain(`chain ${versionChain({ sourcesIn, fence })} { }`);
      expect(versionChain({ sourcesIn, fence })).toMatch(/^made_of_[0-9a-f]{8}$/);
      expect(text).toMatch(/\n}\nadd element bridge castgate subscribers { "swp1", "swp2" }\n$/);
      expect(text.includes('jump fence')).toBe(fence);
    },
  );

  it('is a table without elements where there are no ports', () => {
    expect(ruleset({ sourcesIn: 'database', fence: true }, [])).toMatch(/\n}\n$/);
  });

  it('has another name for another text', () => {
    const names = [false, true].flatMap((fence) => [
      versionChain({ sourcesIn: 'table', fence }),
      versionChain({ sourcesIn: 'database', fence }),
    ]);
    expect(new Set(names).size).toBe(4);
  });

  it('with a fence, looks at its mark before it counts or judges anything, and clears it before and behind', () => {
    const text = ruleset({ sourcesIn: 'database', fence: true }, ['swp1']);
    for (const chain of ['from_subscriber', 'to_subscriber']) {
      expect(text).toMatch(new RegExp(`chain ${chain} \\{\n    jump fence\n`));
    }
    expect(text).toMatch(/chain fence \{\n {4}meta mark & 0x08000000 == 0 counter drop\n {4}meta mark set/);
    expect(text.match(/meta mark set meta mark & 0xf7ffffff/g)).toHaveLength(4);
  });

  it('holds the sources of a port only where the database cannot', () => {
    const port = '73777031000000000000000000000000';
    const elements = (filters: SourceFilter[], sourcesIn: SourcesIn, group = '232.1.1.1') =>
      [...channelElements('swp1', group, filters, sourcesIn)].map(({ set, key }) => {
        expect(toHex(key).startsWith(port)).toBe(true);
        return `${set} ${toHex(key).slice(port.length)}`;
      });
    const include = (...sources: string[]) => ({ mode: 'include', sources }) as const;
    const exclude = (...sources: string[]) => ({ mode: 'exclude', sources }) as const;
    expect(elements([], 'table')).toEqual([]);
    expect(elements([include('10.0.0.9')], 'database')).toEqual(['channels4 e8010101']);
    expect(elements([exclude()], 'table')).toEqual(['channels4 e8010101']);
    expect(elements([include('10.0.0.9', '10.0.0.8')], 'table')).toEqual([
      'channels4 e8010101',
      'include4 e8010101',
      'included4 e80101010a000008',
      'included4 e80101010a000009',
    ]);
    // Another VLAN of the port: what any of both wants.
    expect(elements([include('10.0.0.9'), include('10.0.0.8')], 'table')).toHaveLength(4);
    expect(elements([include('10.0.0.9'), exclude('10.0.0.9', '10.0.0.8')], 'table')).toEqual([
      'channels4 e8010101',
      'excluded4 e80101010a000008',
    ]);
    expect(elements([exclude('2001:db8::9')], 'table', 'ff3e::1')).toEqual([
      'channels6 ff3e0000000000000000000000000001',
      'excluded6 ff3e000000000000000000000000000120010db8000000000000000000000009',
    ]);
  });
});
