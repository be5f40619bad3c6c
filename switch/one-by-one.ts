/** Many operations the slow way: what applyAll of a switch means. */
import type { OperationFailure, Switch, SwitchFailure, SwitchOperation } from './switch.ts';

/** The four operations of a switch. */
export type Operator = Pick<Switch, 'openHost' | 'closeHost' | 'setForwarding' | 'clearForwarding'>;

export function applyOne(target: Operator, operation: SwitchOperation): SwitchFailure | undefined {
  if (operation.kind === 'open-host') return target.openHost(operation.host);
  if (operation.kind === 'close-host') return target.closeHost(operation.host);
  const { port, vlan, group, filter } = operation;
  if (filter === undefined) return target.clearForwarding(port, vlan, group);
  return target.setForwarding(port, vlan, group, filter);
}

export function applyOneByOne(target: Operator, operations: readonly SwitchOperation[]): OperationFailure[] {
  return operations.flatMap((operation) => {
    const failure = applyOne(target, operation);
    return failure === undefined ? [] : [{ operation, failure }];
  });
}
