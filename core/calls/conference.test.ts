import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CallEvent, CallOperation, RoomEvent } from "../../protocol";
import type { RoomWords } from "../conferences/words";
import type { CallData, Side } from "./call-data";
import { unseen } from "./call-log";
import type { CallInput } from "./inputs";
import { newCall, nextDeadline, step } from "./machine";

const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const T0 = 1_700_000_000_000;
const alice = { applicationKey: application, userId: "alice" };
const room = { applicationKey: application, userId: "standup", line: "conference" } as const;
const start = { op: "start", to: "standup", video: false, headers: {} } as const;
const left: RoomEvent = { type: "participantLeft", id: "x" };
const event = (id: string) => ({ word: "event", event: { type: "participantLeft", id } }) as const;
const kick = (name?: "removed") => ({
  word: "operation" as const,
  op: {
    op: "hangup",
    ...(name && { error: { name, errorCode: 40303, message: "", hint: "" } }),
  } satisfies CallOperation,
});

/** A call between a user's connection `A` and the connection `R` of a room. */
class ConferenceCall {
  call: CallData;
  now = T0;
  #n = 1;

  /** `callout`: the room calls. */
  constructor(readonly callout = false) {
    const of = { callId: "c", applicationKey: application, reference: "r", start };
    this.call = newCall(
      callout
        ? { ...of, caller: { ...room, connection: "R" }, callee: alice }
        : { ...of, caller: { ...alice, connection: "A" }, callee: room },
      T0,
    ).call;
    if (callout) this.input({ type: "rung", devices: 1, pushed: 0, known: true, blocked: false });
    else this.input({ type: "lineReady" });
  }

  input(input: CallInput) {
    const { call, result } = step(this.call, input, this.now);
    this.call = call;
    return result;
  }
  join(said: RoomWords = { n: 1, words: [event("1")] }) {
    return this.hear(said.n, ...said.words);
  }
  hear(n: number, ...words: RoomWords["words"]) {
    return this.input({ type: "room", from: room, connection: "R", said: { n, words } });
  }
  op(op: CallOperation, n = ++this.#n) {
    return this.input({ type: "operation", from: alice, connection: "A", n, ack: 0, op });
  }
  presence(type: "away" | "present") {
    return this.input({ type, from: alice, connection: "A", ack: 0 });
  }
  told(side: Side) {
    return unseen(this.call.logs[side], side === this.#own ? "A" : "R", 0).map((entry) => entry.event);
  }
  get #own(): Side {
    return this.callout ? "callee" : "caller";
  }
  /** What alice has heard of the room. */
  get events(): string[] {
    return this.told(this.#own).flatMap((one) =>
      one.event === "room" ? one.room.map((said) => ("id" in said ? said.id : said.type)) : [],
    );
  }
}

describe("a call to a conference", () => {
  it("is progressing, answered and established at once, and has the room's first words", () => {
    const call = new ConferenceCall();
    expect(call.call.state).toBe("initiating");
    call.join();
    expect(call.call).toMatchObject({
      state: "established",
      times: { progressing: T0, answered: T0, established: T0 },
    });
    const names = call.told("caller").map(({ event }) => event);
    expect(names).toEqual(["progressing", "answered", "established", "room"]);
    expect(call.call.times.ringing).toBeUndefined();
  });

  it("ends as the room refuses, and by itself when the room never answers", () => {
    const refused = new ConferenceCall();
    refused.input({
      type: "refused",
      error: { name: "conferenceFull", errorCode: 40901, message: "", hint: "" },
    });
    expect(refused.call).toMatchObject({
      state: "ended",
      cause: "failure",
      error: { name: "conferenceFull" },
    });
    const lost = new ConferenceCall();
    lost.now = nextDeadline(lost.call) ?? 0;
    lost.input({ type: "time" });
    expect(lost.call.state).toBe("ended");
    // The room hears of it, in case that it has the seat.
    expect(lost.told("callee").at(-1)).toMatchObject({ event: "ended" });
  });

  it("is there by the room's word alone, should the answer to the joining be lost", () => {
    const call = new ConferenceCall();
    expect(call.hear(1, event("1")).ok).toBe(true);
    expect(call.call.state).toBe("established");
    expect(call.events).toEqual(["1"]);
  });

  it("tells the room what its participant does, and of its absence, once each", () => {
    const call = new ConferenceCall();
    call.join();
    const media = { muted: true, held: false, video: "off" } as const;
    call.op({ op: "media", media });
    call.op({ op: "room", room: { type: "show", videos: {} } });
    call.presence("away");
    call.presence("away");
    call.presence("present");
    call.presence("present");
    const heard = call.told("callee").filter(({ event }) => event !== "established");
    expect(heard).toEqual([
      { event: "media", media },
      { event: "operation", operation: { type: "show", videos: {} } },
      { event: "present", present: false },
      { event: "present", present: true },
    ]);
  });

  it("keeps the seat for 30 seconds, and no longer", () => {
    const call = new ConferenceCall();
    call.join();
    call.presence("away");
    call.now += 29_999;
    call.input({ type: "time" });
    expect(call.call.state).toBe("established");
    call.now += 1;
    call.input({ type: "time" });
    call.input({ type: "absent", side: "caller" });
    expect(call.call).toMatchObject({ state: "ended", cause: "inactive" });
    expect(call.told("callee").at(-1)).toMatchObject({ event: "ended", cause: "inactive" });
  });

  it("takes nothing that belongs to a call of two", () => {
    const call = new ConferenceCall();
    call.join();
    const before = call.told("callee").length;
    const description = { type: "offer", sdp: "" } as const;
    for (const op of [
      { op: "candidates", candidates: [] },
      { op: "description", description, candidates: [] },
      { op: "transfer", to: "bob" },
      { op: "dtmf", keys: "1" },
      { op: "flowing", flowing: false },
      { op: "answer", candidates: [] },
      { op: "ringing" },
    ] satisfies CallOperation[]) {
      expect(call.op(op), op.op).toMatchObject({ ok: false, error: { name: "conflict" } });
    }
    expect(call.told("callee").length).toBe(before);
    call.now = T0 + 60_000;
    call.input({ type: "time" });
    expect(call.call.state).toBe("established");
  });

  it("ends hungUp with the reason when the app's server takes the participant out", () => {
    const call = new ConferenceCall();
    call.join();
    call.hear(2, kick("removed"));
    expect(call.call).toMatchObject({ state: "ended", cause: "hungUp", error: { name: "removed" } });
    expect(call.hear(3, event("3"))).toMatchObject({ ok: false, error: { name: "conflict" } });
  });

  it("does not listen to another room, nor to a user of the room's name", () => {
    const call = new ConferenceCall();
    call.join();
    const said = { n: 2, words: [kick()] };
    for (const from of [
      { ...room, userId: "other" },
      { applicationKey: application, userId: "standup" },
      alice,
    ]) {
      expect(call.input({ type: "room", from, connection: "R", said }).ok).toBe(false);
    }
    expect(call.call.state).toBe("established");
  });

  it("applies each word of the room once and in order, however often and in whatever pieces it is said", () => {
    const says = fc.array(fc.tuple(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 5 })), { maxLength: 40 });
    fc.assert(
      fc.property(says, (saying) => {
        const call = new ConferenceCall();
        call.join({ n: 1, words: [event("1")] });
        for (const [first, count] of saying) {
          const words = Array.from({ length: count }, (_, index) => event(String(first + 1 + index)));
          call.hear(first + 1, ...words);
          const applied = call.call.applied.R ?? 0;
          expect(call.events).toEqual(Array.from({ length: applied }, (_, index) => String(index + 1)));
        }
      }),
    );
  });
});

describe("a call from a conference", () => {
  it("rings like any other and names the conference", () => {
    const call = new ConferenceCall(true);
    expect(call.told("callee")).toMatchObject([
      { event: "incoming", conference: "standup", from: { userId: "standup" } },
    ]);
    call.op({ op: "ringing" });
    expect(call.told("caller").map(({ event }) => event)).toEqual(["progressing", "ringing"]);
  });

  it("is established by its answer, which has no description, and the room speaks from then on", () => {
    const call = new ConferenceCall(true);
    call.op({ op: "ringing" });
    expect(call.op({ op: "answer", candidates: [] }).ok).toBe(true);
    expect(call.call.state).toBe("established");
    call.hear(2, { word: "event", event: left });
    expect(call.events).toEqual(["x"]);
    const [room, user] = [call.told("caller"), call.told("callee")] as CallEvent[][];
    expect(room?.map(({ event }) => event)).toEqual(["progressing", "ringing", "answered", "established"]);
    expect(user?.map(({ event }) => event)).toEqual(["incoming", "established", "room"]);
  });

  it("is declined and cancelled like any other, and says nothing before the answer", () => {
    const declined = new ConferenceCall(true);
    declined.op({ op: "hangup" });
    expect(declined.call).toMatchObject({ state: "ended", cause: "denied" });
    const canceled = new ConferenceCall(true);
    canceled.hear(2, kick("removed"));
    expect(canceled.call).toMatchObject({ state: "ended", cause: "canceled" });
    const early = new ConferenceCall(true);
    expect(early.op({ op: "room", room: { type: "show", videos: {} } }).ok).toBe(false);
    expect(early.op({ op: "media", media: { muted: true, held: false, video: "off" } }).ok).toBe(false);
  });
});
