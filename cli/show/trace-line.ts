/** One step of a trace as a line for people: when, who, what, and all that is known of it. */
import { printable } from '../table.ts';

export function describeHappening(happening: Readonly<Record<string, unknown>>): string {
  const { at, event, host, port, vlan, mac, ...rest } = happening;
  const time = typeof at === 'number' ? new Date(at).toISOString().slice(11, 23) : '?';
  const place = [port, vlan, mac].every((part) => part !== undefined) ? `${port}/${vlan}/${mac}` : port;
  const who = String(host ?? place ?? '-');
  const fields = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  const line = [time, who.padEnd(WHO_WIDTH), String(event).padEnd(EVENT_WIDTH), ...fields].join('  ');
  return printable(line).trimEnd();
}

/** A port's name, a VLAN and a MAC address. */
const WHO_WIDTH = 24;
const EVENT_WIDTH = 16;
