/** The options by which commands say whom they mean. */
import { type Command, InvalidArgumentError } from 'commander';
import { ipBytes, isMulticastIp } from '../wire/address.ts';

export interface SelectionOptions {
  readonly port?: string;
  readonly mac?: string;
  readonly account?: string;
  readonly group?: string;
}

type Name = keyof SelectionOptions;

/** Adds options of these names. */
export function withSelection(command: Command, names: readonly Name[]): Command {
  for (const name of names) {
    const [flags, about, parse] = OPTIONS[name];
    if (parse === undefined) command.option(flags, about);
    else command.option(flags, about, parse);
  }
  return command;
}

/** Only what was said, for a request to the daemon. */
export function selectionOf({ port, mac, account, group }: SelectionOptions): Record<string, string> {
  const said = Object.entries({ port, mac, account, group }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(said) as Record<string, string>;
}

/** Rows that have all the values that were asked for. */
export function selected(rows: readonly object[], selection: Readonly<Record<string, string>>): object[] {
  return rows.filter((row) =>
    Object.entries(selection).every(([name, value]) => Reflect.get(row, name) === value),
  );
}

/** In the form in which the daemon writes it; also 02-00-… and 0200.0000.0001. */
export function parseMac(text: string): string {
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, '');
  if (!/^[0-9a-f]{12}$/.test(digits)) throw new InvalidArgumentError('Write it as 02:00:00:00:00:01.');
  return digits.replace(/..(?!$)/g, '$&:');
}

export function parseGroup(text: string): string {
  if (ipBytes(text) === undefined || !isMulticastIp(text))
    throw new InvalidArgumentError('That is not the address of a multicast group.');
  return text;
}

const OPTIONS: Readonly<Record<Name, readonly [string, string, ((text: string) => string)?]>> = {
  port: ['-p, --port <name>', 'only this port'],
  mac: ['-m, --mac <address>', 'only the host with this MAC address', parseMac],
  account: ['-a, --account <name>', 'only this account'],
  group: ['-g, --group <address>', 'only this multicast group', parseGroup],
};
