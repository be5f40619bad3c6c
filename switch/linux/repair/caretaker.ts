/**
 * Keeps bridge, ports and tables as castgate wants them while the switch runs: follows the kernel's news of
 * interfaces, looks each second at what nobody tells of, puts right what someone else changed, and tells.
 */
import type { SwitchEvent } from '../../switch.ts';
import type { Kernel } from '../kernel.ts';
import { forgetLinkGroups } from '../link/link-membership.ts';
import { LinkWatch } from '../link/link-watch.ts';
import type { Link } from '../netlink/link.ts';
import type { PortState } from '../port/port-state.ts';
import { type Inspection, inspectMacs, inspectMemberships, inspectSets, isLarge } from './inspection.ts';
import { type Expectation, reconcileMacs, reconcileMemberships, reconcileSets } from './reconcile.ts';
import { expectation, type Running } from './running.ts';
import { Untouched } from './untouched.ts';

/** One after the other compares one of the kernel's tables with what castgate has opened. */
const RECONCILERS: readonly ((kernel: Kernel, expected: Expectation) => string | undefined)[] = [
  reconcileSets,
  reconcileMacs,
  reconcileMemberships,
];

/** The same for large tables, a page at a time. */
const INSPECTIONS = [inspectSets, inspectMacs, inspectMemberships] as const;

export class Caretaker {
  readonly #running: Running;
  readonly #bridge: string;
  readonly #tell: (event: SwitchEvent) => void;
  readonly #linkWatch: LinkWatch;
  #timer: NodeJS.Timeout | undefined;
  #audits = 0;
  readonly #sets = new Untouched(MOST_TRUSTED);
  #inspection: Inspection | undefined;

  /** Hears of changes from now on, also of those that come before begin(). */
  constructor(running: Running, bridge: string, tell: (event: SwitchEvent) => void) {
    this.#running = running;
    this.#bridge = bridge;
    this.#tell = tell;
    const { guard } = running;
    this.#linkWatch = new LinkWatch({
      link: (link) => this.#linkNews(link),
      address: (ifindex) => {
        if (ifindex === guard.bridge.index) guard.bridgeHasAddress();
      },
      lost: () => this.#lookAtAll(),
    });
  }

  /** Begins to look by itself. */
  begin(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    // Closes its socket.
    this.#inspection?.return(undefined);
    this.#inspection = undefined;
    this.#linkWatch.close();
  }

  /** Looks at bridge and nftables table now. */
  lookAtGuard(): void {
    for (const what of this.#auditGuard()) this.#tell({ kind: 'repaired', what });
  }

  /** Compares all tables now; what was put right, a line each. */
  audit(): string[] {
    const lines = [...this.#auditGuard()];
    for (const look of RECONCILERS) lines.push(...this.#reconcile(look));
    return lines;
  }

  /** As audit(), but large tables a page at a time. */
  async inspect(): Promise<string[]> {
    const lines = [...this.#auditGuard()];
    for (const inspect of INSPECTIONS) {
      while (this.#inspection !== undefined) await turn();
      const inspection = inspect(this.#running);
      this.#inspection = inspection;
      let step = inspection.next();
      for (; step.done !== true; step = inspection.next()) await turn();
      this.#inspection = undefined;
      if (step.value !== undefined) lines.push(step.value);
    }
    return lines;
  }

  /** True where something had to be put right. */
  lookAtBridge(): boolean {
    const repaired = this.#running.guard.repairBridge();
    if (repaired !== undefined) this.#tell({ kind: 'repaired', what: repaired });
    return repaired !== undefined;
  }

  #linkNews(link: Link): void {
    if (link.name === this.#bridge) {
      this.lookAtBridge();
      return;
    }
    const { ports } = this.#running;
    const renamed = ports.numbered(link.index);
    if (renamed !== undefined && renamed.name !== link.name) this.#lookAtPort(renamed);
    const port = ports.named(link.name);
    if (port !== undefined) this.#lookAtPort(port);
  }

  /** Compares a port with what it should be: tells that it went, came, went up or down, or was put right. */
  #lookAtPort(port: PortState): void {
    const { kernel, guard, frames, ports } = this.#running;
    const known = port.link;
    const link = kernel.link(port.name);
    const present = link?.port !== undefined && link.master === (port.awayIn ?? guard.bridge.index);
    if (known !== undefined && (!present || link.index !== known.index)) this.#forget(port, known);
    if (!present) return;
    if (port.link === undefined) {
      if (guard.setPort(link, port.role) !== undefined) return;
      ports.put(link);
      frames.steer(ports.indexes());
      if (port.subscriber) for (const look of RECONCILERS) look(kernel, expectation(this.#running));
      this.#tell({ kind: 'port-ready', port: port.name });
      this.#tell({ kind: 'link', port: port.name, up: link.up });
      return;
    }
    port.link = link;
    const repaired = guard.repairPort(link, port.role);
    if (repaired !== undefined) {
      // A port that was open may have learned who is behind it.
      reconcileMacs(kernel, expectation(this.#running));
      this.#tell({ kind: 'repaired', what: repaired });
    }
    if (known?.up === link.up) return;
    if (!link.up && port.role === 'open') forgetLinkGroups(this.#running, port);
    this.#tell({ kind: 'link', port: port.name, up: link.up });
  }

  /** Forgets what was on a port that is gone; the bridge has forgotten it with the port. */
  #forget(port: PortState, link: Link): void {
    const { kernel, guard, ports } = this.#running;
    ports.forget(port, link, (vlan) => guard.vlanOf(link, vlan));
    reconcileSets(kernel, expectation(this.#running));
    this.#tell({ kind: 'port-gone', port: port.name });
  }

  #lookAtAll(): void {
    this.lookAtBridge();
    for (const port of this.#running.ports.all()) this.#lookAtPort(port);
  }

  /** Each second bridge and table, which nobody tells of; each ten seconds one of the bigger tables. */
  #look(): void {
    this.lookAtGuard();
    this.#audits++;
    if (this.#audits % LOOKS_PER_RECONCILIATION !== 0) return;
    const look = RECONCILERS[(this.#audits / LOOKS_PER_RECONCILIATION) % RECONCILERS.length];
    if (look === undefined || !isLarge(this.#running)) {
      if (look !== undefined)
        for (const what of this.#reconcile(look)) this.#tell({ kind: 'repaired', what });
    } else if (look === reconcileSets) this.#inspectSets();
    else this.#inspect(INSPECTIONS[RECONCILERS.indexOf(look)]?.(this.#running));
  }

  /** Reads them only where somebody else may have changed them: with many hosts, reading is what costs. */
  #inspectSets(): void {
    const { kernel, fence } = this.#running;
    if (this.#inspection !== undefined) return;
    const others = kernel.othersCommits(fence?.commits ?? 0);
    if (!this.#sets.isRight(others)) {
      this.#inspect(inspectSets(this.#running), () => this.#sets.foundRight(others));
    }
  }

  /** One page a turn of the event loop. `right`: nothing was wrong. */
  #inspect(inspection: Inspection | undefined, right: () => void = () => {}): void {
    if (inspection === undefined || this.#inspection !== undefined) return;
    this.#inspection = inspection;
    const step = () => {
      if (this.#inspection !== inspection) return;
      const { done, value } = inspection.next();
      if (done !== true) {
        setImmediate(step);
        return;
      }
      this.#inspection = undefined;
      if (value === undefined) right();
      else this.#tell({ kind: 'repaired', what: value });
    };
    step();
  }

  *#auditGuard(): Generator<string> {
    const { guard } = this.#running;
    if (guard.repairTable()) {
      this.#reconcile(reconcileSets);
      yield 'nftables table: loaded again';
    }
    const bridge = guard.repairBridge();
    if (bridge !== undefined) yield bridge;
  }

  #reconcile(look: (typeof RECONCILERS)[number]): string[] {
    const line = look(this.#running.kernel, expectation(this.#running));
    return line === undefined ? [] : [line];
  }
}

/** Lets the event loop do what else there is. */
function turn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

const LOOK_INTERVAL_MS = 1000;
const LOOKS_PER_RECONCILIATION = 10;
/** Ten minutes: each table's turn comes every half minute. */
const MOST_TRUSTED = 20;
