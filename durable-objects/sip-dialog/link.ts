import { openSecret } from "../../core/applications/secret-box";
import { UserAgent } from "../../core/telephony/sip/user-agent";
import type { Trunk } from "../../core/telephony/trunk";
import { serverLimits } from "../../protocol";
import { openGateway, textOf } from "./gateway";
import type { LegData } from "./leg-data";
import { type Line, randomToken } from "./line";

const answerMs = serverLimits.trunkAnswerSeconds * 1_000;
const patientMs = 4_000;

interface Means extends Pick<Line, "clock" | "log"> {
  masterKey: string;
  leg(): LegData | undefined;
  /** The trunk that a connection is wanted to. */
  wanted(): Trunk | undefined;
  opened(agent: UserAgent): void;
  /** No connection came about, or it was gone at once. */
  failed(): void;
  lost(): void;
  /** Something is about to leave. */
  beforeSend(): void;
}

interface Connection {
  socket: WebSocket;
  agent: UserAgent;
  /** Something has come. */
  alive: boolean;
  /** When it was asked whether it is there, and has not answered. */
  asked?: number;
}

/** A leg's connection to its gateway, and SIP over it. */
export class Link {
  readonly #means: Means;
  #connection: Connection | null = null;
  #connecting = false;
  /** Attempts that failed, one after the other, and when the next one is due. */
  #attempts = 0;
  #retryAt: number | null = null;

  constructor(means: Means) {
    this.#means = means;
  }

  get agent(): UserAgent | undefined {
    return this.#connection?.agent;
  }

  due(): number[] {
    const asked = this.#connection?.asked;
    return [
      ...(this.#retryAt === null ? [] : [this.#retryAt]),
      ...(asked === undefined ? [] : [asked + answerMs]),
    ];
  }

  /** Connects, where that is wanted and there is none; after attempts that failed, when it is time. */
  async open(): Promise<void> {
    const { clock, wanted, log } = this.#means;
    const trunk = wanted();
    if (!trunk || this.#connection || this.#connecting) return;
    if (this.#retryAt !== null && clock() < this.#retryAt) return;
    this.#retryAt = null;
    this.#connecting = true;
    const started = clock();
    const opened = await openGateway(trunk.url, answerMs);
    this.#connecting = false;
    if ("problem" in opened) {
      log("warn", "sip.connect.failed", { trunk: trunk.name, detail: opened.problem });
      if (wanted()) this.#fail();
    } else if (!wanted()) {
      opened.socket.accept();
      opened.socket.close(1000);
    } else {
      log("info", "sip.connected", { trunk: trunk.name, ms: clock() - started });
      this.#start(opened.socket, trunk);
    }
  }

  #start(socket: WebSocket, trunk: Trunk): void {
    try {
      const agent = this.#run(socket, trunk);
      socket.accept();
      this.#means.opened(agent);
    } catch (error) {
      this.#means.log("warn", "sip.connection.failed", { trunk: trunk.name, error: String(error) });
      if (!this.#connection) socket.accept();
      socket.close(1000);
      this.close();
      this.#fail();
    }
  }

  /** The next trunk is tried at once. */
  anew(): void {
    this.close();
    this.#retryAt = null;
    this.#attempts = 0;
  }

  close(): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.agent.close();
    try {
      connection?.socket.close(1000);
    } catch {
      // It is closed.
    }
  }

  /** It is gone, or of no use. */
  drop(why: string): void {
    const connection = this.#connection;
    if (!connection) return;
    this.close();
    this.#means.log("warn", "sip.connection.lost", { detail: why });
    if (connection.alive) this.#means.lost();
    else this.#fail();
  }

  /** Asks the gateway whether it is there: any answer will do. */
  ask(): void {
    const connection = this.#connection;
    if (!connection) return;
    connection.asked ??= this.#means.clock();
    void connection.agent.options();
  }

  tick(): void {
    const asked = this.#connection?.asked;
    if (asked !== undefined && this.#means.clock() >= asked + answerMs) this.drop("no answer to OPTIONS");
  }

  #fail(): void {
    this.#attempts += 1;
    this.#retryAt = this.#means.clock() + Math.min(patientMs, 250 * 2 ** this.#attempts);
    this.#means.failed();
  }

  #run(socket: WebSocket, trunk: Trunk): UserAgent {
    const leg = this.#means.leg();
    if (!leg) throw new Error("no leg");
    const { dial, contactUser } = leg;
    const agent = new UserAgent({
      trunk,
      displayName: dial.displayName,
      contactUser,
      secure: trunk.url.startsWith("wss:"),
      send: (text) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      beforeSend: this.#means.beforeSend,
      password: () => openSecret(this.#means.masterKey, dial.applicationKey, trunk.password),
      randomToken,
      log: (event, fields) => this.#means.log("warn", event, fields),
      heard: () => {
        connection.alive = true;
        connection.asked = undefined;
        this.#attempts = 0;
      },
    });
    const connection: Connection = { socket, agent, alive: false };
    this.#connection = connection;
    const gone = (why: string) => this.#connection === connection && this.drop(why);
    socket.addEventListener("message", ({ data }) => void agent.receive(textOf(data)));
    socket.addEventListener("close", ({ code }) => gone(`closed: ${code}`));
    socket.addEventListener("error", () => gone("error"));
    return agent;
  }
}
