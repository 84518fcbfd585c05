import { openSecret } from "../../core/applications/secret-box";
import { UserAgent } from "../../core/telephony/sip/user-agent";
import type { Trunk } from "../../core/telephony/trunk";
import { serverLimits } from "../../protocol";
import { openGateway, textOf } from "./gateway";
import type { LegData } from "./leg-data";
import { type Line, randomToken } from "./line";

const answerMs = serverLimits.trunkAnswerSeconds * 1_000;
/** Between two attempts in a call, at most; a connection that lasts for so long is one that works. */
const patientMs = 4_000;
/** Between two attempts to say good-bye. */
const [leastMs, mostMs] = [500, 60_000];

export interface LinkMeans extends Pick<Line, "clock" | "log"> {
  masterKey: string;
  leg(): LegData | undefined;
  /** The trunk that a connection is wanted to. */
  wanted(): Trunk | undefined;
  opened(agent: UserAgent): void;
  /** The connection is gone, or none came about. The next one is wanted by `open`, or when it is `due`. */
  lost(): void;
  /** Something is about to leave. */
  beforeSend(): void;
}

interface Connection {
  socket: WebSocket;
  agent: UserAgent;
  since: number;
  /** Something has come. */
  alive: boolean;
  /** When it was asked whether it is there, and has not answered. */
  asked?: number;
}

/** A leg's connection to its gateway, and SIP over it. */
export class Link {
  #means: LinkMeans;
  #connection: Connection | null = null;
  #connecting = false;
  /** Connections that did not last, one after the other, and when the next one is due. */
  #attempts = 0;
  /** It does, as far as is known. */
  #answersOptions = true;
  #retryAt: number | null = null;

  constructor(means: LinkMeans) {
    this.#means = means;
  }

  get agent(): UserAgent | undefined {
    return this.#connection?.agent;
  }

  /** It is somebody else's from now on. */
  handTo(means: LinkMeans): void {
    this.#means = means;
  }

  due(): number[] {
    if (this.#connection) {
      const { asked } = this.#connection;
      return asked === undefined ? [] : [asked + answerMs];
    }
    const waits = this.#retryAt !== null && !this.#connecting && this.#means.wanted();
    return waits ? [this.#retryAt ?? 0] : [];
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
      if (wanted()) this.#lose(false);
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
      this.#lose(false);
    }
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
    const { alive, since } = connection;
    this.#means.log("warn", "sip.connection.lost", { detail: why });
    if (alive && this.#means.clock() >= since + patientMs) this.#attempts = 0;
    this.#lose(alive);
  }

  /** Asks the gateway whether it is there: any answer will do. */
  ask(): void {
    const connection = this.#connection;
    if (!connection) return;
    connection.asked ??= this.#means.clock();
    void connection.agent.options().then(({ status }) => {
      // What sip.js says itself when nobody has answered.
      if (status !== 408) this.#answersOptions = true;
    });
  }

  tick(): void {
    const connection = this.#connection;
    if (connection?.asked === undefined || this.#means.clock() < connection.asked + answerMs) return;
    connection.asked = undefined;
    if (!this.#answersOptions) return;
    // Once more than that it is not asked for something that it may not know.
    this.#answersOptions = false;
    this.drop("no answer to OPTIONS");
  }

  /** A connection that has worked is replaced at once, but not again and again. */
  #lose(worked: boolean): void {
    const now = this.#means.clock();
    this.#attempts += 1;
    this.#retryAt = worked && this.#attempts === 1 ? null : now + this.#patience(now);
    this.#means.lost();
  }

  #patience(now: number): number {
    const over = this.#means.leg()?.over;
    if (!over) return Math.min(patientMs, 250 * 2 ** this.#attempts);
    // As long again as it has been tried: that needs no counting, which would not outlive the object.
    return Math.min(mostMs, Math.max(leastMs, now - over.since));
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
      beforeSend: () => this.#means.beforeSend(),
      password: () => openSecret(this.#means.masterKey, dial.applicationKey, trunk.password),
      randomToken,
      log: (event, fields) => this.#means.log("warn", event, fields),
      heard: () => {
        connection.alive = true;
        connection.asked = undefined;
      },
    });
    const connection: Connection = { socket, agent, since: this.#means.clock(), alive: false };
    this.#connection = connection;
    const gone = (why: string) => this.#connection === connection && this.drop(why);
    socket.addEventListener("message", ({ data }) => void agent.receive(textOf(data)));
    socket.addEventListener("close", ({ code }) => gone(`closed: ${code}`));
    socket.addEventListener("error", () => gone("error"));
    return agent;
  }
}
