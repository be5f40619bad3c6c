/** Processor time of a process, all its threads together, by /proc/PID/stat. */
import { readFileSync } from 'node:fs';

/** User and system seconds since its start. Throws where there is no such process. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold spaces: the fields are counted from behind it, the state being field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** USER_HZ, the same on every Linux machine that Node runs on. */
const TICKS_PER_SECOND = 100;
