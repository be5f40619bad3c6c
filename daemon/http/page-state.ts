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
    sessions: core === undefined ? [] : first(MAX_ROWS, sessionRows(core, readings)),
    groups: core === undefined ? [] : first(MAX_ROWS, groupRows(core, readings)),
    radius: core === undefined ? [] : radiusRows(core),
    accounting: core === undefined ? [] : accountingRows(core, node.accountingDisk),
  };
}

/** More than anybody looks at. */
const MAX_ROWS = 2000;

function first<R>(most: number, rows: Iterable<R>): R[] {
  const taken: R[] = [];
  for (const row of rows) {
    if (taken.length === most) break;
    taken.push(row);
  }
  return taken;
}
