/** All that the page shows, as one object: the rows of `castgate show`. */

import type { SwitchReadings } from '../core/parts.ts';
import type { Node } from '../node.ts';
import { accountingRows, groupRows, portRows, radiusRows, sessionRows } from '../show/show.ts';
import type { AccountingRow, GroupRow, HaRow, PortRow, RadiusRow, SessionRow } from '../show/show-rows.ts';

export interface PageState {
  readonly name: string;
  readonly version: string;
  /** The node's clock, from which ages are counted. */
  readonly at: number;
  readonly serving: boolean;
  readonly idle: string | null;
  /** Whether actions are possible at all, by whoever has the token. */
  readonly actions: boolean;
  readonly ha: HaRow | null;
  readonly ports: readonly PortRow[];
  readonly sessions: readonly SessionRow[];
  readonly groups: readonly GroupRow[];
  readonly radius: readonly RadiusRow[];
  readonly accounting: readonly AccountingRow[];
}

export interface PageSource {
  readonly node: Node;
  readonly readings: SwitchReadings;
  readonly name: string;
  readonly version: string;
  readonly actions: boolean;
}

export function pageState({ node, readings, name, version, actions }: PageSource): PageState {
  const { serving, idle, ha } = node;
  const core = serving?.core;
  return {
    name,
    version,
    at: serving?.now() ?? Date.now(),
    serving: serving !== undefined,
    idle: idle ?? null,
    actions,
    ha: ha ?? null,
    ports: core === undefined ? [] : portRows(core),
    sessions: core === undefined ? [] : sessionRows(core, readings).slice(0, MAX_ROWS),
    groups: core === undefined ? [] : groupRows(core, readings).slice(0, MAX_ROWS),
    radius: core === undefined ? [] : radiusRows(core),
    accounting: core === undefined ? [] : accountingRows(core, node.accountingDisk),
  };
}

/** More than anybody looks at. */
const MAX_ROWS = 2000;
