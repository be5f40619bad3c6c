/** Placeholder while accounting/ lands. */

import type { TerminateCause } from '../radius/values.ts';
import type { GrantRecord, SessionRecord } from '../session/records.ts';

import type { CoreParts } from './parts.ts';
import type { Radius } from './radius.ts';

export class Books {
  readonly parts: CoreParts;
  constructor(parts: CoreParts, _radius: Radius) {
    this.parts = parts;
  }
  on(_now: number): void {}
  off(_now: number): void {}
  startSession(_now: number, _session: SessionRecord): void {}
  stopSession(_now: number, _session: SessionRecord, _cause: TerminateCause): void {}
  startChannel(_now: number, _grant: GrantRecord, _session: SessionRecord, _alone: boolean): void {}
  stopChannel(_now: number, _grant: GrantRecord, _cause: TerminateCause): void {}
  answered(_now: number, _token: string): void {}
  unanswered(_now: number, _token: string): void {}
  flush(_now: number): void {}
  handleTimeout(_now: number): void {}
  nextTimeout(): number | undefined {
    return undefined;
  }
}
