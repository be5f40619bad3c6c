import { afterEach, beforeEach, expect } from 'vitest';
import { replayCapture } from '../../../cli/replay/replay.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { Vendor } from '../../../radius/values.ts';
import { eapEnd, identityResponse, loginQuestion, type Recording, scratch } from '../recording.ts';

export const HOST = '02:00:00:00:0a:01';
export const OTHER = '02:00:00:00:0a:02';
export const NEWS = '239.1.1.1';
export const CONFIG = `
bridge: br0
ports: {swp1: {}, swp2: {}, swp3: {}}
uplinks: [up0]
nas: {identifier: test-switch}
radius: {servers: [{name: lab, address: 198.18.0.2, secret_file: none}]}
groups: {patience: 1s}
`;

/** The files of the test that runs. */
export let folder: ReturnType<typeof scratch>;

/** To be called by every test file: a folder for each test. */
export function useScratch(): void {
  beforeEach(() => {
    folder = scratch();
  });
  afterEach(() => folder.remove());
}

export interface Line {
  readonly time: string;
  readonly frame: number | null;
  readonly decision: string;
  readonly [field: string]: unknown;
}

export async function run(
  capture: string | Uint8Array,
  config = CONFIG,
  ports: readonly string[] = [],
  json = true,
) {
  let out = '';
  let err = '';
  const path = typeof capture === 'string' ? capture : folder.file('capture.pcap', capture);
  const configFile = config.includes('\n') ? folder.file('castgate.yaml', config) : config;
  const code = await replayCapture(
    path,
    configFile,
    { json, ports },
    (said) => {
      out += said;
    },
    (said) => {
      err += said;
    },
  );
  return { code, out, err };
}

/** The decisions of a replay that goes well. */
export async function replay(
  capture: string | Uint8Array,
  config?: string,
  ports?: readonly string[],
): Promise<Line[]> {
  const { code, out, err } = await run(capture, config, ports);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out === ''
    ? []
    : out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

/** Decision, account, channel and reason, in words. */
export function words(lines: readonly Line[]): string[] {
  return lines
    .filter(({ decision }) => decision !== 'note')
    .map(({ decision, account, group, source, reason, cause, by }) =>
      [decision, account, group, source, reason, cause, by].filter((word) => word !== undefined).join(' '),
    );
}

export function notes(lines: readonly Line[]): string[] {
  return lines.flatMap(({ decision, note }) => (decision === 'note' ? [String(note)] : []));
}

export const SUCCESS = (id: number) => eapEnd(EapCode.Success, id);
export const group = (at: string) =>
  vendorSpecific(Vendor.H3c, 98, new Uint8Array(at.split('.').map(Number)));
export const join = (at: string, sources: string[] = []) => ({
  type: sources.length === 0 ? RecordType.ToExclude : RecordType.Allow,
  group: at,
  sources,
  auxWords: 0,
});
export const leave = (at: string) => ({ type: RecordType.ToInclude, group: at, sources: [], auxWords: 0 });

/** A login of one round: Start, identity, Accept. */
export function login(recording: Recording, at: number, mac: string, name: string, vlan?: number): Recording {
  const response = identityResponse(77, name);
  return recording
    .start(at, mac, vlan)
    .eap(at + 10, mac, response, vlan)
    .radius(at + 11, loginQuestion(name, mac, response), RadiusCode.AccessAccept, [SUCCESS(77)], 5);
}
