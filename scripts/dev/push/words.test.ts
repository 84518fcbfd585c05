import { expect, it } from "vitest";
import type { PushPayload } from "../../../protocol";
import { countdown, inWords } from "./words.mjs";

const say = (payload: Omit<PushPayload, "v" | "until">) =>
  inWords(JSON.stringify({ v: 1, until: 1_700_000_045_000, ...payload }));
const id = "7f2c0f3e-8a53-4a34-9a5e-4a8b7b8f3a11";

it.each<[Omit<PushPayload, "v" | "until">, object]>([
  [
    { type: "call", id, from: "alice" },
    { title: "Incoming call from alice", until: 1_700_000_045_000 },
  ],
  [
    { type: "call", id, from: "alice", name: "Alice", video: true, headers: { order: "7", to: "x" } },
    { title: "Incoming video call from Alice (alice)", detail: "order: 7, to: x" },
  ],
  [{ type: "call", id }, { title: "Incoming call from somebody" }],
  [
    { type: "cancel", id, from: "alice", cause: "otherDeviceAnswered" },
    { title: "Call from alice cancelled: answered elsewhere", ends: id },
  ],
  [
    { type: "cancel", id, from: "alice", cause: "canceled" },
    { title: "Call from alice cancelled: the caller hung up" },
  ],
  [
    { type: "cancel", id, from: "alice", cause: "timeout" },
    { title: "Call from alice cancelled: nobody answered in time" },
  ],
  [{ type: "message", id, from: "alice" }, { title: "New message from alice" }],
  [{ type: "message", id }, { title: "New message from the application" }],
])("says what a push is about: %j", (payload, expected) => {
  expect(say(payload)).toMatchObject(expected);
});

it("says so when it does not understand", () => {
  for (const sin of [undefined, "", "{}", "[1]", '{"v":2,"type":"call","id":"x"}'])
    expect(inWords(sin).title).toBe("A push that the app does not understand");
});

it("counts down to zero", () => {
  expect(countdown(65_000, 0)).toBe("1:05");
  expect(countdown(65_000, 64_001)).toBe("0:01");
  expect(countdown(65_000, 70_000)).toBe("0:00");
});
