/** What castgate says of sessions that ran when the machine lost power: from the disk alone, once. */
import { describe, expect, it } from 'vitest';
import { Core } from '../../../daemon/core/core.ts';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { AccountingDisk } from '../../../daemon/spool/accounting-disk.ts';
import { MemorySegments } from '../../../lab/ledger/memory-segments.ts';
import { Random } from '../../../lab/random.ts';
import { attributesOf } from '../../../radius/attribute-octets.ts';
import { AttributeType, firstInteger, firstText } from '../../../radius/attributes.ts';
import { decodeRadius } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { Feed } from '../../../session/feed.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { configOf, type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';
const fed = () => emptyStores(configOf());

/** alice is in, receives news and has been counted once; the disk has all of it. */
function interrupted(): { w: World; alice: Host; disk: MemorySegments } {
  const w = new World({ accounting: { interim_interval: '60s' } });
  w.server.users.set('alice', []);
  w.server.permit('alice', NEWS);
  const alice = w.host('alice');
  alice.login();
  alice.join(NEWS);
  w.pass(5);
  w.switch.deliver(NEWS, '198.51.100.7', 1_000);
  w.pass(70_000);
  w.switch.deliver(NEWS, '198.51.100.7', 500);
  w.pass(5_000);
  const disk = new MemorySegments((run) => run());
  const keeper = new AccountingDisk(disk, 1 << 28, silentLog);
  keeper.follow({ stores: w.core.stores, feed: new Feed() });
  keeper.endTurn(w.now);
  disk.cutPower(new Random(1));
  return { w, alice, disk };
}

/** The next start: messages in the order in which servers get them, answered at once. */
function nextStart(w: World, disk: MemorySegments, now: number) {
  const keeper = new AccountingDisk(disk, 1 << 28, silentLog);
  const { stores, feed } = fed();
  keeper.load({ stores, feed });
  const random = (length: number) => new Uint8Array(length).fill(9);
  const core = new Core(w.config, { readings: w.switch, log: silentLog, random, stores });
  const said: {
    status: number;
    id: string;
    cause: number;
    seconds: number;
    delay: number;
    output: number;
  }[] = [];
  core.start(now, keeper.aliveAt);
  keeper.endTurn(now);
  for (let effects = core.drainEffects(); effects.length > 0; effects = core.drainEffects()) {
    for (const effect of effects) {
      if (effect.kind !== 'datagram') continue;
      const packet = decodeRadius(effect.bytes);
      if (isMalformed(packet)) throw new Error(packet.malformed);
      const number = (type: number) => firstInteger(packet.attributes, type) ?? -1;
      said.push({
        status: number(AttributeType.AcctStatusType),
        id: firstText(packet.attributes, AttributeType.AcctSessionId) ?? '',
        cause: number(AttributeType.AcctTerminateCause),
        seconds: number(AttributeType.AcctSessionTime),
        delay: number(AttributeType.AcctDelayTime),
        output: number(AttributeType.AcctOutputOctets),
      });
      const answer = w.sign(packet, { code: 5, attributes: [] });
      core.datagram(now, effect.server, effect.port, effect.socket, answer);
    }
    keeper.endTurn(now);
  }
  return { said, core, keeper };
}

describe('sessions that ran when the machine lost power', () => {
  it('end with NAS-Reboot when they were last known to run, then Accounting-On', () => {
    const { w, alice, disk } = interrupted();
    const id = w.session(alice)?.acctSessionId;
    const hour = w.now + 3_600_000;
    const { said, core } = nextStart(w, disk, hour);
    expect(said.map(({ status }) => status)).toEqual([
      AcctStatusType.Stop,
      AcctStatusType.Stop,
      AcctStatusType.AccountingOn,
    ]);
    const [channel, session, on] = said;
    expect(channel).toMatchObject({ cause: TerminateCause.NasReboot, output: 1_000 });
    expect(session).toMatchObject({ id, cause: TerminateCause.NasReboot, seconds: 75 });
    expect([channel?.delay, session?.delay, on?.delay]).toEqual([3_600, 3_600, 0]);
    expect(core.stores.accountingRecords.size).toBe(0);
    expect(core.stores.accountingQueue.size).toBe(0);
  });

  it('end once: what was acknowledged before the next power cut is not said again', () => {
    const { w, disk } = interrupted();
    const first = nextStart(w, disk, w.now + 60_000);
    disk.cutPower(new Random(2));
    const second = nextStart(w, disk, w.now + 120_000);
    expect(first.said).toHaveLength(3);
    expect(second.said.map(({ status }) => status)).toEqual([AcctStatusType.AccountingOn]);
  });

  it('end with the same words where the machine died again before a server heard of it', () => {
    const { w, disk } = interrupted();
    const keeper = new AccountingDisk(disk, 1 << 28, silentLog);
    const { stores, feed } = fed();
    keeper.load({ stores, feed });
    const random = (length: number) => new Uint8Array(length).fill(9);
    const core = new Core(w.config, { readings: w.switch, log: silentLog, random, stores });
    core.start(w.now + 60_000, keeper.aliveAt);
    const meant = [...stores.accountingQueue.values()].filter(({ status }) => status === 'stop');
    // Dies before its turn was written.
    disk.cutPower(new Random(3));
    const { said } = nextStart(w, disk, w.now + 120_000);
    expect(said.filter(({ status }) => status === AcctStatusType.Stop)).toHaveLength(meant.length);
    expect(said.map(({ seconds }) => seconds).slice(0, 2)).toEqual(
      meant.map(({ attributes }) => firstInteger(attributesOf(attributes), AttributeType.AcctSessionTime)),
    );
  });

  it('what waited for a server still waits, with the time of its event', () => {
    const { w, alice, disk } = interrupted();
    w.server.alive = false;
    alice.leave(NEWS);
    w.pass(30_000);
    const keeper = new AccountingDisk(disk, 1 << 28, silentLog);
    keeper.follow({ stores: w.core.stores, feed: new Feed() });
    keeper.endTurn(w.now);
    disk.cutPower(new Random(4));
    const { said } = nextStart(w, disk, w.now + 600_000);
    const stops = said.filter(({ status }) => status === AcctStatusType.Stop);
    expect(stops[0]).toMatchObject({ cause: TerminateCause.UserRequest, delay: 630, output: 1_500 });
    expect(stops[1]).toMatchObject({ cause: TerminateCause.NasReboot });
  });
});

describe('accounting and the disk', () => {
  it('no message goes to a server before the disk has it; all else goes at once', () => {
    const later: (() => void)[] = [];
    const disk = new MemorySegments((run) => later.push(run));
    const keeper = new AccountingDisk(disk, 1 << 28, silentLog);
    const { stores, feed } = fed();
    keeper.load({ stores, feed });
    const sent: string[] = [];
    const sender = keeper.gate({ send: (_server, port, socket) => sent.push(`${port} ${socket}`) });
    const message = {
      v: 1 as const,
      key: '1',
      status: 'start' as const,
      about: 'x',
      eventAt: 0,
      attributes: [],
    };
    stores.accountingQueue.put('1', message);
    keeper.endTurn(1);
    sender.send('r', 'auth', 1, new Uint8Array());
    sender.send('r', 'acct', 2, new Uint8Array());
    expect(sent).toEqual(['auth 1']);
    stores.accountingQueue.put('2', { ...message, key: '2' });
    keeper.endTurn(2);
    sender.send('r', 'acct', 3, new Uint8Array());
    later.shift()?.();
    expect(sent).toEqual(['auth 1', 'acct 2']);
    later.shift()?.();
    expect(sent).toEqual(['auth 1', 'acct 2', 'acct 3']);
    sender.send('r', 'acct', 4, new Uint8Array());
    expect(sent).toHaveLength(4);
  });

  it('a disk that refuses holds nothing up, and is loud; one that fills up is loud before', () => {
    const lines: string[] = [];
    const say = (event: string, fields?: object) =>
      lines.push(`${event} ${Reflect.get(fields ?? {}, 'state')}`);
    const disk = new MemorySegments((run) => run());
    const log = { debug: say, info: say, warn: say, error: say };
    const keeper = new AccountingDisk(disk, 10_000, log);
    const { stores, feed } = fed();
    keeper.load({ stores, feed });
    const sent: number[] = [];
    const sender = keeper.gate({ send: (_server, _port, socket) => sent.push(socket) });
    for (let i = 0; i < 60; i++) {
      const attributes = [{ type: 1, value: new Uint8Array(150) }];
      const key = String(i).padStart(16, '0');
      stores.accountingQueue.put(key, { v: 1, key, status: 'start', about: key, eventAt: 0, attributes });
      keeper.endTurn(i);
      keeper.alive(i);
      sender.send('r', 'acct', i, new Uint8Array());
    }
    expect(lines).toEqual(['accounting-disk nearly-full', 'accounting-disk disk-limit']);
    expect(keeper.state).toBe('full');
    expect(sent).toHaveLength(60);
  });
});
