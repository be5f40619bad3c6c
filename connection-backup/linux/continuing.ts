/**
 * A connection that another node made: its peer is asked where it stands, and from the answer a socket is made in
 * the middle of it. Where that cannot be, it ends here, and its owner has to find another way.
 */
import { Socket } from 'node:net';
import { type Continuation, type FallBack, judgeAnswer } from '../continuation.ts';
import type { ConnectionRecord } from '../records.ts';
import { plus } from '../sequence.ts';
import type { Connection, ConnectionContext } from './connection.ts';
import { restore } from './repair.ts';
import { messageOf } from './socket-option.ts';

/** Asks the peer where the connection stands, until it says so. */
export function askPeer(context: ConnectionContext, connection: Connection, attempt = 0): void {
  const { guard, now } = context;
  const { record, received, log } = connection;
  if (record === undefined) return;
  let began = performance.now();
  const timestamp = timestampAt(record, now());
  const known = {
    connection: record,
    sentBegin: log.begin,
    sentEnd: connection.handed,
    received,
  };
  try {
    connection.question = guard.question(
      {
        local: connection.local,
        remote: connection.remote,
        unacknowledged: plus(record.sentFrom, log.begin),
        awaited: plus(record.receivedFrom, received),
        window: record.ownWindow >> (record.options.windowScale?.own ?? 0),
        timestamp: record.options.timestamps ? timestamp : undefined,
      },
      (segment) => {
        const verdict = connection.question === undefined ? undefined : judgeAnswer(known, segment);
        if (verdict === undefined) return;
        connection.endQuestion();
        if (typeof verdict === 'string') fallBack(context, connection, verdict);
        else goOn(context, connection, verdict, began, attempt);
      },
    );
  } catch (cause) {
    fallBackSoon(context, connection, 'failed', messageOf(cause));
    return;
  }
  const ask = (tries: number) => {
    if (connection.question === undefined) return;
    if (performance.now() - began > SILENCE_MS) {
      connection.endQuestion();
      fallBack(context, connection, 'silent');
      return;
    }
    connection.question.ask();
    connection.timer = setTimeout(() => ask(tries + 1), tries < QUICK_ASKS ? QUICK_ASK_MS : SLOW_ASK_MS);
  };
  context.onceReachable(() => {
    began = performance.now();
    ask(0);
  });
}

/** Another way has to be found, but not now: whoever owns the connection is in the middle of taking his own records up. */
export function fallBackSoon(
  context: ConnectionContext,
  connection: Connection,
  why: FallBack,
  error?: string,
): void {
  setImmediate(() => fallBack(context, connection, why, error));
}

/** What was open on the connection is its owner's again. */
function fallBack(context: ConnectionContext, connection: Connection, why: FallBack, error?: string): void {
  connection.turn(() => {
    context.count({ kind: 'fell-back', key: connection.key, why, ...(error === undefined ? {} : { error }) });
    connection.end();
    connection.owner.lost('closed');
  });
}

/** The peer has said where it stands. */
function goOn(
  context: ConnectionContext,
  connection: Connection,
  { from, reached, window }: Continuation,
  began: number,
  attempt: number,
): void {
  const { native, now, stores } = context;
  const { key, log, record: before } = connection;
  if (before === undefined || connection.over) return;
  // What has come since it was asked for.
  if (attempt === 0) connection.lookAtSeen();
  const seen = connection.early.length;
  const at = now();
  const timestamp = timestampAt(before, at);
  const record: ConnectionRecord = {
    ...before,
    timestamp: { ...before.timestamp, value: timestamp, at },
    peerWindow: Math.max(before.peerWindow, window),
  };
  let socket: Socket;
  try {
    const fd = restore(native, record, {
      unacknowledged: plus(record.sentFrom, from),
      awaited: plus(record.receivedFrom, connection.received),
      underWay: log.between(from, reached),
      window,
      timestamp,
    });
    socket = new Socket({ fd, readable: true, writable: true });
    connection.adopt(socket, fd, from);
  } catch (cause) {
    fallBack(context, connection, 'failed', messageOf(cause));
    return;
  }
  connection.record = record;
  socket.setNoDelay(true);
  connection.listen(socket);
  const rest = log.between(reached, connection.handed);
  if (rest.length > 0) socket.write(rest);
  connection.flush();
  connection.turn(() => {
    log.acknowledged(from);
    stores.connections.put(key, record);
    connection.putPlace();
    context.opened(connection);
    if (attempt > 0) return;
    context.count({ kind: 'continued', key, resent: rest.length, seen, ms: performance.now() - began });
    connection.owner.continued();
  });
  // Not now: whoever owns the connection is in the middle of taking his own records up.
  setImmediate(() => connection.turn(() => connection.takeEarly()));
  watch(context, connection, attempt);
}

/** A peer that is not heard and takes nothing may have moved on while it was asked: it is asked again. */
function watch(context: ConnectionContext, connection: Connection, attempt: number): void {
  if (attempt >= MOST_ATTEMPTS) return;
  connection.timer = setTimeout(
    () => {
      if (connection.over || context.isClosed() || connection.heard || connection.acknowledged > 0) return;
      if (connection.handed === connection.log.begin) return;
      context.count({ kind: 'asked-again', key: connection.key });
      connection.vanish();
      askPeer(context, connection, attempt + 1);
    },
    WATCH_MS * 2 ** attempt,
  );
}

/** The own timestamp clock at a time, ahead of all that the peer can have heard of it (RFC 7323 §5.3). */
function timestampAt({ timestamp: { value, at: since, perMs } }: ConnectionRecord, at: number): number {
  const ahead = (Math.max(0, Math.round(at - since)) + TIMESTAMP_MARGIN_MS) * perMs;
  return plus(value, ahead + (ahead & 1));
}

const QUICK_ASK_MS = 5;
const QUICK_ASKS = 40;
const SLOW_ASK_MS = 50;
/** A peer that says nothing for so long has gone, or cannot be reached. */
const SILENCE_MS = 3_000;
const WATCH_MS = 150;
const MOST_ATTEMPTS = 5;
/** More than the clocks of both nodes can be apart. */
const TIMESTAMP_MARGIN_MS = 2_000;
