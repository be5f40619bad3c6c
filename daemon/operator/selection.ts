/** Whom an order of the operator means. */
import { type IpAddress, ipBytes, isMulticastIp, type Mac } from '../../wire/address.ts';

/** Undefined: any. */
export interface Selection {
  readonly port: string | undefined;
  readonly mac: Mac | undefined;
  readonly account: string | undefined;
  readonly group: IpAddress | undefined;
}

/** Reads a selection out of a request; `refused` says in a line what is wrong with it. */
export function readSelection(
  params: Readonly<Record<string, unknown>>,
): Selection | { readonly refused: string } {
  const { port, mac, account, group } = params;
  for (const [name, value] of Object.entries({ port, mac, account, group })) {
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      return { refused: `${name} is a text` };
  }
  if (mac !== undefined && !MAC.test(String(mac)))
    return { refused: `'${String(mac)}' is not a MAC address: write it as 02:00:00:00:00:01` };
  if (group !== undefined && (ipBytes(String(group)) === undefined || !isMulticastIp(String(group))))
    return { refused: `'${String(group)}' is not the address of a multicast group` };
  return {
    port: text(port),
    mac: text(mac)?.toLowerCase(),
    account: text(account),
    group: text(group),
  };
}

/** Whether a host is meant; one whose account is not known has none. */
export function selects(
  selection: Selection,
  host: { readonly port: string; readonly mac: Mac; readonly account: string | undefined },
): boolean {
  const { port, mac, account } = selection;
  return (
    (port === undefined || port === host.port) &&
    (mac === undefined || mac === host.mac) &&
    (account === undefined || account === host.account)
  );
}

function text(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
