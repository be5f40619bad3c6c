/**
 * Two nodes in one process, on the real clock: switches in memory with a fence, one wire for the uplinks, one for
 * each subscriber port that both hear, a RADIUS server on the loopback. Tests wait for what is to come about.
 */
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Config, HaConfig } from '../../../config/config.ts';
import { parseConfig } from '../../../config/load.ts';
import { HaNode } from '../../../daemon/ha/node.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import type { HaRow } from '../../../daemon/show/show-rows.ts';
import { decodeEap, EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { decodeEapol, EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../../igmp/group-packet.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import { decodeEthernet, EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { SECRET, TestServer } from '../radius-server.ts';

export class TestNode {
  readonly name: string;
  readonly bridge: MemorySwitch;
  readonly node: HaNode;
  readonly directory: string;
  readonly config: Config & { readonly ha: HaConfig };
  /** Events that its log was told, with their fields. */
  readonly log: { readonly event: string; readonly [field: string]: unknown }[] = [];

  constructor(config: Config & { readonly ha: HaConfig }, directory: string) {
    this.name = config.ha.node;
    this.config = config;
    this.directory = directory;
    this.config = config;
    const ports = config.ports.map((port) => port.name);
    this.bridge = new MemorySwitch(
      { ports, uplinks: config.uplinks, fence: { now: () => performance.now() } },
      (events) => this.node.switchEvents(events),
    );
    const say = (event: string, fields?: object) => this.log.push({ event, ...fields });
    this.node = new HaNode(config, { ...silentLog, info: say, warn: say, error: say }, this.bridge);
  }

  /** What `castgate show ha` says. */
  get row(): HaRow {
    const rows = this.node.handlers()['ha']?.({}) as readonly HaRow[];
    const [row] = rows;
    if (row === undefined) throw new Error('no row');
    return row;
  }

  promote(): unknown {
    return this.node.handlers()['promote']?.({});
  }

  demote(): unknown {
    return this.node.handlers()['demote']?.({});
  }

  /** What keepalived would read. */
  get weight(): number {
    return Number(readFileSync(join(this.directory, 'priority'), 'utf8'));
  }
}

export class TestPair {
  readonly a: TestNode;
  b: TestNode;
  readonly server = new TestServer();
  /** False: claims do not pass. */
  uplinkWire = true;
  /** Of the link between them. */
  readonly linkPort: number;
  readonly #socket: Socket;
  readonly #directory: string;
  readonly #wires: NodeJS.Timeout;
  /** EAP packets that were sent to each MAC address. */
  readonly #heard: { readonly to: Mac; readonly by: string; readonly eap: Uint8Array }[] = [];

  private constructor(
    socket: Socket,
    directory: string,
    linkPort: number,
    nodes: readonly [TestNode, TestNode],
  ) {
    this.linkPort = linkPort;
    this.#socket = socket;
    this.#directory = directory;
    [this.a, this.b] = nodes;
    this.#wires = setInterval(() => this.#carry(), 1);
  }

  /** `more`: keys of the section `ha`; `of` those that lie in a node's own folder. */
  static async open(
    more: Readonly<Record<string, unknown>> = {},
    of: (place: string) => Readonly<Record<string, unknown>> = () => ({}),
  ): Promise<TestPair> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const link = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'castgate-pair-'));
    const node = (name: string, own: number, other: number) => {
      const place = join(directory, name);
      mkdirSync(place);
      const file = {
        bridge: 'br0',
        ports: { swp1: {}, swp2: {} },
        uplinks: ['up0'],
        nas: { identifier: 'pair' },
        state_directory: place,
        ha: {
          node: name,
          address: `127.0.0.${own}`,
          peer: `127.0.0.${other}`,
          port: link,
          key_file: 'key',
          vrrp_instance: 'v',
          priority_file: join(place, 'priority'),
          ...more,
          ...of(place),
        },
        radius: {
          source_ports: 20_000 + (link % 8_000),
          max_source_ports: 4,
          servers: [
            {
              name: 'r1',
              address: '127.0.0.1',
              source_address: '127.0.0.1',
              auth_port: socket.address().port,
              acct_port: socket.address().port,
              secret_file: 's',
            },
          ],
        },
      };
      const loaded = parseConfig(JSON.stringify(file), 'pair.yaml', (path) => ({
        secret: path.endsWith('key') ? new Uint8Array(32).fill(5) : SECRET,
        remarks: [],
      }));
      if (!('config' in loaded) || loaded.config.ha === undefined) throw new Error(JSON.stringify(loaded));
      return new TestNode({ ...loaded.config, ha: loaded.config.ha }, place);
    };
    const pair = new TestPair(socket, directory, link, [node('a', 11, 12), node('b', 12, 11)]);
    socket.on('message', (bytes, from) => {
      const code = bytes[0];
      const asked = { at: performance.now(), server: 'r1', socket: from.port, bytes: Uint8Array.from(bytes) };
      const answer = pair.server.receive({ ...asked, port: code === 4 ? 'acct' : 'auth' });
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
    return pair;
  }

  async close(): Promise<void> {
    clearInterval(this.#wires);
    for (const one of [this.a, this.b]) {
      await one.node.stop(true);
      one.node.closed();
      // Who was never started has nobody who speaks for it.
      if (!existsSync(join(one.directory, 'priority'))) continue;
      // The last word is the guard's.
      await until(() => one.weight === -254);
    }
    this.#socket.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Another process of node b, which is at its cables from now on; nothing is started. */
  anotherB(): TestNode {
    this.b = new TestNode(this.b.config, this.b.directory);
    return this.b;
  }

  /** A frame of a host: both nodes hear it. */
  send(port: string, mac: Mac, etherType: number, payload: Uint8Array, dst: Mac = PAE_GROUP): void {
    for (const { bridge } of [this.a, this.b]) {
      bridge.receive(port, 0, encodeEthernet({ src: mac, dst, etherType, payload }));
    }
  }

  eapol(port: string, mac: Mac, type: number, body: Uint8Array = new Uint8Array(0)): void {
    this.send(port, mac, EtherType.Eapol, encodeEapol({ version: 2, type, body }));
  }

  join(port: string, mac: Mac, group: IpAddress): void {
    const record = { type: RecordType.ToExclude, group, sources: [], auxWords: 0 };
    const message = { kind: 'record-report', version: 3, records: [record] } as const;
    const payload = encodeIgmpPacket({ src: '10.0.0.9', dst: '224.0.0.22', message });
    this.send(port, mac, EtherType.Ipv4, payload, groupMac('224.0.0.22'));
  }

  /** Logs a host in; resolves at its EAP-Success. */
  async login(port: string, mac: Mac, account: string): Promise<void> {
    this.eapol(port, mac, EapolType.Start);
    for (;;) {
      const eap = decodeEap(await this.heard(mac));
      if (isMalformed(eap)) throw new Error(eap.malformed);
      if (eap.code === EapCode.Success) return;
      expect(eap.code).toBe(EapCode.Request);
      this.respond(port, mac, eap.id, eap.type ?? 0, account);
    }
  }

  /** Answers a request. */
  respond(port: string, mac: Mac, id: number, type: number, account: string): void {
    const typeData = type === EapType.Identity ? new TextEncoder().encode(account) : Uint8Array.of(1, 0x55);
    this.eapol(port, mac, EapolType.Packet, encodeEap({ code: EapCode.Response, id, type, typeData }));
  }

  /** The next EAP packet to a host. */
  async heard(mac: Mac): Promise<Uint8Array> {
    const find = () => this.#heard.findIndex(({ to }) => to === mac);
    await until(() => find() >= 0);
    const [found] = this.#heard.splice(find(), 1);
    return found?.eap ?? new Uint8Array(0);
  }

  /** Who has told a host anything, since the beginning. */
  get unread(): readonly { readonly to: Mac; readonly by: string }[] {
    return this.#heard;
  }

  #carry(): void {
    for (const [node, other] of [
      [this.a, this.b],
      [this.b, this.a],
    ] as const) {
      for (const { port, frame } of node.bridge.takeSent()) {
        if (port === 'up0') {
          if (this.uplinkWire) other.bridge.receive('up0', 0, frame);
          continue;
        }
        const eth = decodeEthernet(frame);
        if (isMalformed(eth) || eth.etherType !== EtherType.Eapol) continue;
        const pdu = decodeEapol(eth.payload);
        if (isMalformed(pdu) || pdu.type !== EapolType.Packet || eth.dst === PAE_GROUP) continue;
        this.#heard.push({ to: eth.dst, by: node.name, eap: Uint8Array.from(pdu.body) });
      }
    }
  }
}

/** Waits until it has come about; fails after 20 s. */
export async function until(come: () => boolean): Promise<void> {
  for (let i = 0; i < 4_000 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(come()).toBe(true);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const PAE_GROUP: Mac = '01:80:c2:00:00:03';
