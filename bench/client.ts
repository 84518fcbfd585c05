/** Clients for the benchmark: bare protocol, so that what is measured is the server. */
import { createHash } from "node:crypto";
import {
  type CallEvent,
  type CallOperation,
  type CallPosition,
  type RegistrationResult,
  type ServerFrame,
  subprotocol,
  tokenSubprotocolPrefix,
} from "../protocol";
import type { Demo } from "./programs";

const offer = { type: "offer", sdp: "v=0\r\n".padEnd(3_000, "a=padding\r\n") } as const;
let sequence = Date.now() * 1_000;

/** Registers by scheme 2. */
export async function register(demo: Demo, userId: string): Promise<RegistrationResult> {
  sequence += 1;
  const signature = createHash("sha1")
    .update(userId + demo.applicationKey + sequence + demo.applicationSecret)
    .digest("base64");
  const response = await fetch(`${demo.url}/v1/instances`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ applicationKey: demo.applicationKey, userId, signature, sequence }),
  });
  if (response.status !== 201) throw new Error(`registration: ${response.status} ${await response.text()}`);
  return (await response.json()) as RegistrationResult;
}

/** A socket whose frames can be waited for. Each frame is handed out once. */
export class Line<Frame> {
  #frames: Frame[] = [];
  #look: (() => void) | null = null;
  #fail: ((error: Error) => void) | null = null;

  constructor(readonly socket: WebSocket) {
    socket.addEventListener("message", ({ data }) => {
      this.#frames.push(JSON.parse(String(data)) as Frame);
      this.#look?.();
    });
    socket.addEventListener("close", ({ code }) => this.#fail?.(new Error(`closed with ${code}`)));
  }

  static open<Frame>(url: string, protocols?: string[]): Promise<Line<Frame>> {
    const line = new Line<Frame>(new WebSocket(url.replace(/^http/, "ws"), protocols));
    return new Promise((resolve, reject) => {
      line.socket.addEventListener("open", () => resolve(line));
      line.socket.addEventListener("error", () => reject(new Error(`no connection to ${url}`)));
    });
  }

  say(frame: unknown): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The next frame that fits; what came before it is dropped. */
  next(fits: (frame: Frame) => boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      const look = () => {
        const at = this.#frames.findIndex(fits);
        if (at < 0) return;
        const [frame] = this.#frames.splice(0, at + 1).slice(-1);
        this.#look = null;
        if (frame !== undefined) resolve(frame);
      };
      this.#look = look;
      look();
    });
  }

  close(): void {
    this.socket.close();
  }
}

export class Phone {
  #id = 0;
  readonly #n = new Map<string, number>();

  private constructor(
    readonly userId: string,
    readonly line: Line<ServerFrame>,
  ) {}

  static async connect(
    demo: Demo,
    userId: string,
    token: string,
    how: { connectionId?: string; calls?: CallPosition[] } = {},
  ): Promise<Phone> {
    const protocols = [subprotocol, tokenSubprotocolPrefix + token];
    const line = await Line.open<ServerFrame>(`${demo.url}/v1/connect`, protocols);
    const { connectionId = crypto.randomUUID(), calls = [] } = how;
    const state = { listening: true, background: false };
    line.say({ type: "hello", versions: [1], connectionId, sdk: "bench", state, calls });
    await line.next(({ type }) => type === "welcome");
    return new Phone(userId, line);
  }

  do(callId: string, op: CallOperation): void {
    const n = (this.#n.get(callId) ?? 0) + 1;
    this.#n.set(callId, n);
    this.line.say({ type: "call", id: ++this.#id, callId, n, ack: 0, op });
  }

  call(to: string): string {
    const callId = crypto.randomUUID();
    this.do(callId, { op: "start", to, video: false, headers: {}, offer });
    return callId;
  }

  callPhone(number: string): string {
    const callId = crypto.randomUUID();
    this.do(callId, { op: "start", to: number, line: "phone", video: false, headers: {}, offer });
    return callId;
  }

  event(callId: string, name: CallEvent["event"]): Promise<ServerFrame> {
    return this.line.next(
      (frame) => frame.type === "call" && frame.callId === callId && frame.event.event === name,
    );
  }

  /** Waits until everything asked so far has been answered. */
  async settled(): Promise<void> {
    const id = this.#id;
    await this.line.next((frame) => (frame.type === "answer" || frame.type === "error") && frame.id === id);
  }
}
