/**
 * A real way into a telephone network: kamailio takes SIP over WebSocket and asks for a password,
 * rtpengine turns a browser's media into a phone's, and baresip is the phone. All of it on free ports
 * of 127.0.0.1, from a folder of its own.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, freePort, isFree, killTree, type Program, startProgram, until } from "../programs";
import { Machine } from "./machine";
import { SipPhone } from "./sip-phone";

/** Numbers kept free for plays and films; what is said about each is what the gateway does. */
export const numbers = {
  phone: "+46701740605",
  busy: "+46701740606",
  declined: "+46701740607",
  notFound: "+46701740608",
  unavailable: "+46701740609",
  broken: "+46701740610",
  /** Not even a 100. */
  silent: "+46701740611",
  /** The {@link Machine}: it plays before it is answered. */
  machine: "+46701740612",
} as const;

/** What it takes to call through it. */
export interface GatewayAccess {
  url: string;
  user: string;
  password: string;
  fromDomain: string;
}

export class Gateway {
  readonly access: GatewayAccess;
  #kamailio: Program | undefined;

  private constructor(
    readonly phone: SipPhone,
    readonly machine: Machine,
    private readonly folder: string,
    private readonly ports: Ports,
    private readonly rtpengine: Program,
  ) {
    this.access = { url: `ws://127.0.0.1:${ports.ws}`, user: "carillon", password, fromDomain: realm };
  }

  static async start(): Promise<Gateway> {
    const folder = mkdtempSync(join(tmpdir(), "carillon-gateway-"));
    const machine = await Machine.start();
    const ports = { ...(await freePorts()), machine: machine.port };
    const rtpengine = startRtpengine(ports);
    const phone = await SipPhone.start(join(folder, "phone"), ports.phone);
    const gateway = new Gateway(phone, machine, folder, ports, rtpengine);
    try {
      // kamailio asks for it once when it starts, and then does without for a minute.
      await until("rtpengine", () => boundUdp(ports.ng));
      await gateway.startKamailio();
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  /** It comes (back): media and the phone have not noticed. */
  async startKamailio(): Promise<void> {
    const path = join(this.folder, "kamailio.cfg");
    writeFileSync(path, kamailioConfig(this.ports));
    const state = ["-Y", this.folder, "-w", this.folder, "-P", join(this.folder, "kamailio.pid")];
    const kamailio = startProgram(findProgram("kamailio"), ["-f", path, "-DD", "-E", ...state]);
    this.#kamailio = kamailio;
    await until("kamailio", async () => {
      if (kamailio.process.exitCode !== null) throw new Error(`kamailio ended:\n${kamailio.output()}`);
      return fetch(`http://127.0.0.1:${this.ports.ws}/`).then(
        () => true,
        () => false,
      );
    });
  }

  /** `kill -9` of what the WebSockets end at. The media and the phone go on. */
  async killKamailio(): Promise<void> {
    const kamailio = this.#kamailio;
    if (!kamailio) return;
    this.#kamailio = undefined;
    killTree(kamailio.pid);
    await kamailio.exited;
    await until("the end of kamailio", () => isFree(this.ports.ws));
  }

  async restartKamailio(): Promise<void> {
    await this.killKamailio();
    await this.startKamailio();
  }

  /** For somebody who wonders why a test failed: the end of what each of them wrote. */
  log(): string {
    const logs = [this.rtpengine.output(), this.#kamailio?.output() ?? "", this.phone.output()];
    return logs.map((text) => text.slice(-logged)).join("\n");
  }

  async stop(): Promise<void> {
    await this.killKamailio();
    await this.phone.stop();
    this.machine.stop();
    killTree(this.rtpengine.pid);
    await this.rtpengine.exited;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Characters. */
const logged = 6_000;
const realm = "trunk.test";
const password = "the password of the trunk";

interface Ports {
  ws: number;
  udp: number;
  ng: number;
  phone: number;
  machine: number;
  /** The first of {@link mediaPorts}. */
  media: number;
}

const mediaPorts = 200;

async function freePorts(): Promise<Omit<Ports, "machine">> {
  const [ws, udp, ng, phone, media] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  return { ws, udp, ng, phone, media };
}

function startRtpengine({ ng, media }: Ports): Program {
  return startProgram(findProgram("rtpengine"), [
    ...["--config-file=none", "--foreground", "--log-stderr", "--log-level=6"],
    // Without its module in the kernel.
    ...["--table=-1", "--interface=127.0.0.1", `--listen-ng=127.0.0.1:${ng}`, "--delete-delay=0"],
    ...[`--port-min=${media}`, `--port-max=${media + mediaPorts}`],
  ]);
}

/** The file, with the names in it defined. */
function kamailioConfig({ ws, udp, ng, phone, machine }: Ports): string {
  const values: Record<string, string | number> = {
    WS_PORT: ws,
    UDP_PORT: udp,
    NG_PORT: ng,
    PHONE_PORT: phone,
    MACHINE_PORT: machine,
    REALM: realm,
    PASSWORD: password,
    BUSY: numbers.busy,
    DECLINED: numbers.declined,
    NOT_FOUND: numbers.notFound,
    UNAVAILABLE: numbers.unavailable,
    BROKEN: numbers.broken,
    SILENT: numbers.silent,
    MACHINE: numbers.machine,
  };
  const text = readFileSync(new URL("kamailio.cfg", import.meta.url), "utf8");
  return text.replace(new RegExp(`\\b(${Object.keys(values).join("|")})\\b`, "g"), (name) =>
    String(values[name]),
  );
}

/** Whether something listens on that UDP port of this machine. */
function boundUdp(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/udp", "utf8").includes(`0100007F:${hex} `);
}
