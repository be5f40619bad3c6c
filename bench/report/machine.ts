/** What the figures were taken on: they mean nothing without it. */
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { run } from '../../lab/processes.ts';

export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly kernel: string;
  readonly node: string;
  readonly hostapd: string;
  readonly freeradius: string;
  /** Average number of waiting or running tasks in the minute before: what else the machine was doing. */
  readonly load: number;
}

/** Looks at this machine. */
export async function lookAtMachine(): Promise<Machine> {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown processor',
    processors: processors.length,
    kernel: release(),
    node: process.version,
    hostapd: (/hostapd v(\S+)/.exec(await versionOf('hostapd')) ?? [])[1] ?? 'unknown',
    freeradius: (/FreeRADIUS Version (\d[\d.]*\d)/.exec(await versionOf('freeradius')) ?? [])[1] ?? 'unknown',
    load: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
  };
}

/** The machine in a line. */
export function machineLine(machine: Machine): string {
  const { processor, processors, kernel, node, hostapd, freeradius, load } = machine;
  return `${processors} x ${processor}, Linux ${kernel}, Node ${node}, hostapd ${hostapd}, FreeRADIUS ${freeradius}, load before ${load}`;
}

/** Both print their version and, of hostapd, a status of 1. */
function versionOf(program: string): Promise<string> {
  return run(['sh', '-c', `${program} -v 2>&1 || true`]);
}
