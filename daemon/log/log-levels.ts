/** `castgate log`: shows and changes how much each part of the running daemon says. */
import { FACILITIES, LOG_LEVELS, type OpenLogger } from './log.ts';

/** Changes a part's level, or that of `all`; gives the levels of all parts as they are then. */
export function logLevels(
  log: Pick<OpenLogger, 'levels' | 'setLevel'>,
  { facility, level }: Readonly<Record<string, unknown>>,
): object {
  if (facility === undefined && level === undefined) return { ...log.levels };
  const wanted = LOG_LEVELS.find((one) => one === level);
  if (wanted === undefined) return { refused: `a level is one of ${LOG_LEVELS.join(', ')}` };
  const chosen = FACILITIES.filter((one) => one === facility || facility === 'all');
  if (chosen.length === 0) return { refused: `a facility is one of ${FACILITIES.join(', ')}, all` };
  for (const one of chosen) log.setLevel(one, wanted);
  return { ...log.levels };
}
