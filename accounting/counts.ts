/**
 * Octets and packets of accounting: sums over readings of the switch's counters. A counter that goes back (the
 * entry was made anew, the interface was replaced) begins at zero again; the sum goes on and never goes down.
 */
import { AttributeType, integer } from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import type { AccountingCounts } from '../session/records.ts';

/** Nothing counted. */
export const NO_COUNTS: AccountingCounts = {
  inputOctets: 0,
  outputOctets: 0,
  inputPackets: 0,
  outputPackets: 0,
};

/** The sum after `reading`, where `last` was the reading before. Input and output are counters of their own. */
export function addReading(
  counts: AccountingCounts,
  last: AccountingCounts,
  reading: AccountingCounts,
): AccountingCounts {
  const inputReset = reading.inputOctets < last.inputOctets || reading.inputPackets < last.inputPackets;
  const outputReset = reading.outputOctets < last.outputOctets || reading.outputPackets < last.outputPackets;
  const input = inputReset ? NO_COUNTS : last;
  const output = outputReset ? NO_COUNTS : last;
  return {
    inputOctets: counts.inputOctets + reading.inputOctets - input.inputOctets,
    outputOctets: counts.outputOctets + reading.outputOctets - output.outputOctets,
    inputPackets: counts.inputPackets + reading.inputPackets - input.inputPackets,
    outputPackets: counts.outputPackets + reading.outputPackets - output.outputPackets,
  };
}

/** Whether nothing was counted from the one to the other. */
export function sameCounts(a: AccountingCounts, b: AccountingCounts): boolean {
  return (
    a.inputOctets === b.inputOctets &&
    a.outputOctets === b.outputOctets &&
    a.inputPackets === b.inputPackets &&
    a.outputPackets === b.outputPackets
  );
}

/** The counts as attributes; Gigawords only where octets passed 2^32 (RFC 2869 §5.1, §5.2). */
export function countAttributes(counts: AccountingCounts): RadiusAttribute[] {
  const attributes = [
    integer(AttributeType.AcctInputOctets, low(counts.inputOctets)),
    integer(AttributeType.AcctOutputOctets, low(counts.outputOctets)),
    integer(AttributeType.AcctInputPackets, low(counts.inputPackets)),
    integer(AttributeType.AcctOutputPackets, low(counts.outputPackets)),
  ];
  const inputHigh = Math.floor(counts.inputOctets / WRAP);
  const outputHigh = Math.floor(counts.outputOctets / WRAP);
  if (inputHigh > 0) attributes.push(integer(AttributeType.AcctInputGigawords, inputHigh));
  if (outputHigh > 0) attributes.push(integer(AttributeType.AcctOutputGigawords, outputHigh));
  return attributes;
}

function low(count: number): number {
  return count % WRAP;
}

const WRAP = 2 ** 32;
