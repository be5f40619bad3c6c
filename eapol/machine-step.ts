/** What the machines of one authenticator share while they run: its record, the moment, and what they ask for. */
import type { AuthenticatorAction, AuthenticatorCounter } from './authenticator-actions.ts';
import type { AuthenticatorRecord, AuthenticatorTimers } from './authenticator-record.ts';

export interface MachineStep {
  readonly record: AuthenticatorRecord;
  readonly timers: AuthenticatorTimers;
  readonly now: number;
  /** Appended to, in order. */
  readonly actions: AuthenticatorAction[];
}

/** Counts at the transition that defines the counter. */
export function count({ actions }: MachineStep, counter: AuthenticatorCounter): void {
  actions.push({ kind: 'count', counter });
}
