/** One leg in a test: the object, the gateway at its other end, and the session, of which only the door is there. */

import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { sealSecret } from "../../../core/applications/secret-box";
import type { LineNews } from "../../../core/calls/line";
import type { Trunk } from "../../../core/telephony/trunk";
import { type CallEvent, type CallOperation, fail, ok, type Result } from "../../../protocol";
import { CallSession } from "../../call-session/call-session";
import type { Env } from "../../env";
import { sipDialog } from "../../names";
import type { Dial } from "../rpc";
import type { SipDialog } from "../sip-dialog";
import { Gateway, type Sip } from "./gateway";

const bindings = env as unknown as Env;
export const applicationKey = "196087a1-e815-4bc4-8984-60d8d8a43f1d";

export const sdp = (version = 1, { direction = "sendrecv", port = 9, name = "A" } = {}): string =>
  [
    "v=0",
    `o=- 4711 ${version} IN IP4 127.0.0.1`,
    `s=${name}`,
    "c=IN IP4 192.0.2.7",
    "t=0 0",
    `m=audio ${port} UDP/TLS/RTP/SAVPF 111 0`,
    "a=ice-ufrag:uuuu",
    "a=setup:actpass",
    `a=${direction}`,
    "",
  ].join("\r\n");

export const offer = sdp(2);
export const answer = sdp(1, { name: "far", port: 30_000 });

export async function sealed(password: string) {
  return sealSecret(
    bindings.MASTER_KEY,
    applicationKey,
    password,
    crypto.getRandomValues(new Uint8Array(12)),
  );
}

export async function trunk(more: Partial<Trunk> = {}): Promise<Trunk> {
  return {
    ...{ id: "t1", name: "main", url: "wss://gw.test/ws", user: "alice", fromDomain: "test.local" },
    ...{ preference: 1, prefixes: ["+"], domains: ["*"], password: await sealed("s3cret") },
    ...more,
  };
}

let count = 0;

export class World {
  readonly gateway = new Gateway();
  readonly callId = `call-${++count}-${Math.floor(Math.random() * 1e9)}`;
  /** What the session was told. */
  readonly news: LineNews[] = [];
  readonly operations: { n: number; ack: number; op: CallOperation }[] = [];
  /** What the session says to news of that kind; `throw` for one that cannot be reached. */
  says: (what: string) => Result<null> | "throw" = () => ok(null);
  on = true;
  /** So far away that no alarm rings by itself. */
  now = 4_000_000_000_000;
  #seq = 0;

  readonly #warned = vi.spyOn(console, "warn");

  constructor() {
    vi.spyOn(globalThis, "fetch").mockImplementation(this.gateway.fetch as typeof fetch);
    vi.spyOn(CallSession.prototype, "line").mockImplementation(async (from, news) => {
      // A leg of the test before may still be busy.
      if (from.connectionId !== this.callId) return ok(null);
      expect(from).toMatchObject({ applicationKey, instanceId: "sip" });
      const said = this.says(news.news);
      if (said === "throw") throw new Error("the session is being restarted");
      this.news.push(news);
      return said;
    });
    vi.spyOn(CallSession.prototype, "operate").mockImplementation(async ({ callId, n, ack, op }) => {
      if (callId !== this.callId) return ok({ time: 0 });
      const said = this.says(op.op);
      if (said === "throw") throw new Error("the session is being restarted");
      if (!this.operations.some((each) => each.n === n)) this.operations.push({ n, ack, op });
      return said.ok ? ok({ time: 0 }) : said;
    });
    vi.spyOn(CallSession.prototype, "isOn").mockImplementation(async () => this.on);
  }

  /** What the gateway has found wrong, and alarms that ring again and again. */
  get wrong(): string[] {
    return [...this.gateway.wrong, ...this.warnings("sip.overdue")];
  }

  warnings(event: string): string[] {
    const lines = this.#warned.mock.calls.map(([line]) => String(line));
    return lines.filter((line) => line.includes(`"${event}"`));
  }

  get stub() {
    return sipDialog(bindings, applicationKey, this.callId);
  }

  /** Inside of the object, whose sockets nobody else may touch. */
  async inside<T>(act: (instance: SipDialog, state: DurableObjectState) => T | Promise<T>): Promise<T> {
    return runInDurableObject(this.stub, (instance: SipDialog, state) => {
      instance.clock = () => this.now;
      return act(instance, state);
    });
  }

  async dialWith(more: Partial<Dial> = {}): Promise<Dial> {
    const callee = { applicationKey, userId: "+46701234567", line: "phone" } as const;
    return {
      ...{ applicationKey, callId: this.callId, reference: "ref", callee, callerUserId: "alice" },
      ...{ headers: {}, offer, trunks: [await trunk()], until: this.now + 45_000 },
      ...more,
    };
  }

  async dial(more: Partial<Dial> = {}): Promise<void> {
    const dial = await this.dialWith(more);
    await this.inside((instance) => instance.dial(dial));
  }

  /** Events of the session. */
  async deliver(...events: CallEvent[]): Promise<string[]> {
    const frames = events.map((event) => {
      this.#seq += 1;
      return { frame: { type: "call", callId: this.callId, seq: this.#seq, event } as const };
    });
    const user = { applicationKey, userId: "+46701234567" };
    const result = await this.inside((instance) => instance.deliver({ user, frames, reference: "ref" }));
    return result.connected;
  }

  ended(): Promise<string[]> {
    return this.deliver({ event: "ended", cause: "hungUp", times: { started: 0 } });
  }

  async untilConnected(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.gateway.asked.length).toBeGreaterThanOrEqual(count), 4_000);
  }

  /** Waits until there are so many requests of a method, and gives the last one. */
  async until(method: string, count = 1): Promise<Sip> {
    await vi.waitFor(() => expect(this.gateway.all(method).length).toBeGreaterThanOrEqual(count), 4_000);
    return this.gateway.last(method);
  }

  async untilNews(...names: LineNews["news"][]): Promise<void> {
    await vi.waitFor(() => expect(this.news.map(({ news }) => news)).toEqual(names), 4_000);
  }

  async untilOperation(count: number): Promise<CallOperation> {
    await vi.waitFor(() => expect(this.operations.length).toBeGreaterThanOrEqual(count), 4_000);
    const last = this.operations.at(-1);
    if (!last) throw new Error("none");
    return last.op;
  }

  reply(request: Sip, status: number, more?: Parameters<Gateway["reply"]>[2]): Promise<void> {
    return this.inside(() => this.gateway.reply(request, status, more));
  }

  request(...args: Parameters<Gateway["request"]>): Promise<void> {
    return this.inside(() => this.gateway.request(...args));
  }

  async answersTo(method: string, count = 1): Promise<Sip[]> {
    await vi.waitFor(() => expect(this.gateway.answers(method).length).toBeGreaterThanOrEqual(count), 4_000);
    return this.gateway.answers(method);
  }

  /** A call that was answered; its INVITE. */
  async talk(more: { dial?: Partial<Dial>; headers?: string[] } = {}): Promise<Sip> {
    await this.dial(more.dial);
    const invite = await this.until("INVITE", this.gateway.credentials ? 2 : 1);
    await this.reply(invite, 200, { body: answer, headers: more.headers });
    await vi.waitFor(() => expect(this.news.at(-1)?.news).toBe("answered"), 4_000);
    await this.until("ACK");
    return invite;
  }

  /** Time goes by, and the alarm rings. */
  async pass(ms: number): Promise<void> {
    this.now += ms;
    await this.inside(() => {});
    await runDurableObjectAlarm(this.stub);
  }

  /** So does more of it, in steps. */
  async passes(ms: number, step = 4_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) await this.pass(Math.min(step, ms - passed));
  }

  /** Nobody can connect. */
  async gatewayGone(): Promise<void> {
    const tried = this.gateway.asked.length;
    this.gateway.connect = () => Promise.reject(new TypeError("refused"));
    await this.inside(() => this.gateway.drop());
    await this.untilConnected(tried + 1);
  }

  gatewayBack(): void {
    this.gateway.connect = null;
  }

  /** The server crashes: nobody says good-bye, and what was not stored is gone. */
  async crash(): Promise<void> {
    this.gateway.sockets.length = 0;
    await abortAllDurableObjects();
  }

  /** Nothing is left: nobody is connected, nothing stored. */
  async gone(): Promise<void> {
    await vi.waitFor(async () => {
      expect(await this.inside((_, state) => [...state.storage.kv.list()].length)).toBe(0);
      expect(this.gateway.sockets).toEqual([]);
    }, 4_000);
    expect(await this.deliver()).toEqual([]);
  }
}

export { fail };

/** A world for each test of a file; at the end nothing in it may have been wrong. */
export function inAWorld(take: (world: World) => void): void {
  let world: World;
  beforeEach(() => {
    world = new World();
    take(world);
  });
  afterEach(() => {
    expect(world.wrong).toEqual([]);
    vi.restoreAllMocks();
  });
}
