import fc from "fast-check";
import { expect, test } from "vitest";
import type { CallFrame, CallRequest } from "../../protocol";
import { CallChannel } from "./call-channel";
import type { Reply } from "./connection";

/**
 * A call between a channel and a server over a wire that drops at any moment: frames on their way
 * are lost with it, on either side of being applied.
 */
class Line {
  readonly applied: number[] = [];
  readonly taken: number[] = [];
  readonly events: CallFrame[] = [];
  settled = 0;
  #up = true;
  #n = 0;
  #toServer: { frame: CallRequest; reply: (reply: Reply) => void }[] = [];
  #toClient: (() => void)[] = [];
  readonly channel = new CallChannel("call", undefined, true, {
    post: (frame, reply) => this.#post(frame, reply),
  });

  operate(value: number): void {
    void this.channel.send({ op: "media", media: { muted: false, held: false, video: "off" } }).then(() => {
      this.settled += 1;
    });
    this.sent.push(value);
  }
  readonly sent: number[] = [];

  tell(): void {
    const seq = (this.events.at(-1)?.seq ?? 0) + 1 + (this.events.length % 2);
    const frame: CallFrame = { type: "call", callId: "call", seq, event: { event: "ringing", time: 0 } };
    this.events.push(frame);
    if (this.#up) this.#toClient.push(() => this.#take(frame));
  }

  serve(count: number): void {
    for (const { frame, reply } of this.#toServer.splice(0, count)) {
      if (frame.n > this.#n) {
        expect(frame.n).toBe(this.#n + 1);
        this.#n = frame.n;
        this.applied.push(frame.n);
      }
      this.#toClient.push(() => reply({ ok: true, value: {} }));
    }
  }

  deliver(count: number): void {
    for (const step of this.#toClient.splice(0, count)) step();
  }

  drop(): void {
    this.#up = false;
    this.#toServer = [];
    this.#toClient = [];
  }

  resume(): void {
    if (this.#up) return;
    const position = this.channel.resume();
    this.#up = true;
    this.channel.online();
    for (const frame of this.events) {
      if (frame.seq > (position?.ack ?? 0)) this.#toClient.push(() => this.#take(frame));
    }
    const n = this.#n;
    this.#toClient.push(() => expect(this.channel.synced({ type: "synced", callId: "call", n })).toBe(true));
  }

  #post(
    frame: Parameters<ConstructorParameters<typeof CallChannel>[3]["post"]>[0],
    reply: (reply: Reply) => void,
  ): boolean {
    if (!this.#up || frame.type !== "call") return false;
    this.#toServer.push({ frame: { ...frame, id: 0 }, reply });
    return true;
  }

  #take(frame: CallFrame): void {
    if (this.channel.accept(frame)) this.taken.push(frame.seq);
  }
}

const step = fc.oneof(
  fc.constant({ kind: "operate" as const }),
  fc.constant({ kind: "tell" as const }),
  fc.record({ kind: fc.constant("serve" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ kind: "drop" as const }),
  fc.constant({ kind: "resume" as const }),
);

test("whatever drops whenever: every operation is applied once and in order, every event taken once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const line = new Line();
      for (const { kind, ...rest } of steps) {
        const count = "count" in rest ? rest.count : 0;
        if (kind === "operate") line.operate(line.sent.length + 1);
        else if (kind === "serve" || kind === "deliver") line[kind](count);
        else line[kind]();
      }
      line.resume();
      for (let round = 0; round < 3; round += 1) {
        line.deliver(1_000);
        line.serve(1_000);
      }
      line.deliver(1_000);
      await Promise.resolve();
      expect(line.applied).toEqual(line.sent);
      expect(line.taken).toEqual(line.events.map(({ seq }) => seq));
      expect(line.settled).toBe(line.sent.length);
      expect(line.channel.idle).toBe(true);
    }),
    { numRuns: 500, seed: 4711 },
  );
});

test("a call that the server has forgotten is lost; one that it never saw is started again", () => {
  const posted: CallRequest["op"]["op"][] = [];
  const connection = {
    post: (frame: { type: string; op?: CallRequest["op"] }) => {
      if (frame.op) posted.push(frame.op.op);
      return true;
    },
  };
  const known = new CallChannel("a", undefined, true, connection);
  known.resume();
  expect(known.synced({ type: "synced", callId: "a", n: 0, unknown: true })).toBe(false);

  const fresh = new CallChannel("b", undefined, false, connection);
  void fresh.send({ op: "start", to: "bob", video: false, headers: {}, offer: { type: "offer", sdp: "" } });
  fresh.resume();
  fresh.online();
  expect(fresh.synced({ type: "synced", callId: "b", n: 0, unknown: true })).toBe(true);
  expect(posted).toEqual(["start", "start"]);
});
