import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteLength, type PushDevice, type PushPayload, serverLimits } from "../../protocol";
import { composePush, kindOf, losesHeaders, type PushKind } from "./compose";
import type { CallPush, MessagePush, PushContent } from "./content";

const call: CallPush = {
  type: "call",
  callId: "0f3a3f6e-5f2b-4f6e-9d8e-1a2b3c4d5e6f",
  from: "alice",
  video: false,
  headers: { topic: "lunch" },
  until: 1_795_000_045_000,
};
const message: MessagePush = {
  type: "message",
  messageId: "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b",
  from: "alice",
  headers: {},
  until: 1_797_592_000_000,
};
const { headers: _, ...about } = call;
const cancel = { ...about, type: "cancel", cause: "canceled" } as const;
const bob = { userId: "bob", key: "k".repeat(22) };
const kinds: PushKind[] = ["voip", "alert", "background", "fcm", "webpush", "pair"];
const read = (sin: string) => JSON.parse(sin) as PushPayload;

/** What counts against the provider's limit, as the provider counts it. */
const sizeOf: Record<PushKind, (body: string) => number> = {
  voip: (body) => byteLength(body) - 1_024,
  alert: byteLength,
  background: byteLength,
  fcm: (body) => byteLength(body) + 3,
  webpush: (body) => byteLength(body) + 16 + 4 + 1 + 65 + 1 + 16,
  pair: (body) => byteLength(body) + 3_996,
};

describe("a push on APNs", () => {
  it.each<[string, PushContent, object]>([
    ["a call", call, { "loc-key": "SIN_INCOMING_CALL" }],
    ["a video call", { ...call, video: true }, { "loc-key": "SIN_INCOMING_VIDEO_CALL" }],
    ["a message", message, { "loc-key": "SIN_INCOMING_IM" }],
    [
      "a call of somebody with a name",
      { ...call, displayName: "Alice Doe" },
      { "loc-key": "SIN_INCOMING_CALL_DISPLAY_NAME", "loc-args": ["Alice Doe"] },
    ],
    [
      "a video call of somebody with a name",
      { ...call, video: true, displayName: "Alice" },
      { "loc-key": "SIN_INCOMING_VIDEO_CALL_DISPLAY_NAME", "loc-args": ["Alice"] },
    ],
    [
      "a message of somebody with a name",
      { ...message, displayName: "Alice" },
      { "loc-key": "SIN_INCOMING_IM_DISPLAY_NAME", "loc-args": ["Alice"] },
    ],
  ])("shows %s in words of the app's own", (_name, content, alert) => {
    const { sin, body } = composePush(content, bob, "alert");
    expect(JSON.parse(body)).toEqual({ aps: { alert }, sin });
  });

  it("carries everything that CallKit has to be told", () => {
    const { sin } = composePush({ ...call, displayName: "Alice", video: true }, bob, "voip");
    expect(read(sin)).toEqual({
      v: 1,
      type: "call",
      id: call.callId,
      to: "bob",
      from: "alice",
      name: "Alice",
      video: true,
      headers: { topic: "lunch" },
      until: call.until,
      key: bob.key,
    });
  });

  it("wakes the app without a word when a call that it was shown is over", () => {
    const { body, sin } = composePush(cancel, bob, "background");
    expect(JSON.parse(body)).toEqual({ aps: { "content-available": 1 }, sin });
    expect(read(sin)).toMatchObject({ type: "cancel", id: call.callId, cause: "canceled" });
    expect(read(sin).key).toBeUndefined();
  });

  it("has the sound that the device wants, in alerts only", () => {
    const looks = { ...bob, sound: "ring.caf", mutableContent: true };
    expect(JSON.parse(composePush(call, looks, "alert").body).aps).toMatchObject({
      sound: "ring.caf",
      "mutable-content": 1,
    });
    expect(Object.keys(JSON.parse(composePush(call, looks, "voip").body).aps)).toEqual(["alert"]);
  });
});

describe("what is too large", () => {
  const large = { ...call, displayName: "A".repeat(128), headers: { h: '"'.repeat(1_023) } };

  it("loses the display name first", () => {
    // 1,020 quotes are 4,080 bytes by the time that they are text in a text.
    const content = { ...large, headers: { h: '"'.repeat(900) } };
    const { omitted, body, sin } = composePush(content, bob, "alert");
    expect(omitted).toEqual(["name"]);
    expect(JSON.parse(body).aps.alert).toEqual({ "loc-key": "SIN_INCOMING_CALL" });
    expect(read(sin)).toMatchObject({ headers: content.headers, id: call.callId, from: "alice" });
  });

  it("loses the headers then, and its sender is to be told", () => {
    const { omitted, sin } = composePush(large, bob, "alert");
    expect(omitted).toEqual(["name", "headers"]);
    expect(read(sin)).toMatchObject({ id: call.callId, from: "alice", key: bob.key });
    const device: PushDevice = { provider: "fcm", token: "t" };
    expect(losesHeaders({ ...large, headers: { h: "\u0001".repeat(1_023) } }, device, "bob")).toBe(true);
    expect(losesHeaders(call, device, "bob")).toBe(false);
  });

  it("fits where VoIP has a kilobyte more", () => {
    expect(composePush({ ...large, headers: { h: '"'.repeat(1_000) } }, bob, "voip").omitted).toEqual([]);
  });

  it("of the app's own server is a call's or message's id and its time", () => {
    const video = { ...call, video: true };
    expect(read(composePush(video, bob, "pair").sin)).toEqual({
      v: 1,
      type: "call",
      id: call.callId,
      until: call.until,
      video: true,
    });
    expect(read(composePush(message, bob, "pair").sin)).toMatchObject({ id: message.messageId });
    expect(byteLength(composePush(video, bob, "pair").body)).toBe(serverLimits.pushPairBytes);
  });

  const text = (max: number) =>
    fc.string({ unit: fc.constantFrom("a", '"', "\u0001", "é", "😀", "\\", "\u2028"), maxLength: max });

  it("never is what leaves, and the id always is in it", () => {
    const contents = fc.record({
      headers: fc.dictionary(text(20), text(900), { maxKeys: 3 }),
      displayName: fc.option(text(64), { nil: undefined }),
      from: fc.string({ unit: fc.constantFrom('"', "\\", "~"), minLength: 1, maxLength: 40 }),
      video: fc.boolean(),
    });
    fc.assert(
      fc.property(contents, fc.constantFrom(...kinds), fc.boolean(), (some, kind, over) => {
        // The app's own server is not asked to say that a call is over.
        const base = over && kind !== "pair" ? cancel : call;
        const content = { ...base, ...some } as PushContent;
        const { body, sin, omitted } = composePush(content, { ...bob, userId: '"'.repeat(40) }, kind);
        expect(sizeOf[kind](body)).toBeLessThanOrEqual(serverLimits.pushBytes);
        expect(read(sin)).toMatchObject({ id: call.callId, type: content.type, until: call.until });
        // The order is the documented one: nothing goes as long as something before it is there.
        const order = ["name", "headers", "from"];
        expect(omitted).toEqual(order.filter((name) => (omitted as string[]).includes(name)));
        if (omitted.includes("headers")) expect(read(sin).name).toBeUndefined();
        if (omitted.includes("from")) expect(read(sin).headers).toBeUndefined();
      }),
    );
  });
});

describe("how a device is woken", () => {
  const phone = { provider: "apns", bundleId: "com.example", environment: "production" } as const;
  const both = { ...phone, voipToken: "v0", alertToken: "a0" };
  it.each<[string, PushDevice, PushContent, ReturnType<typeof kindOf>]>([
    ["a call, where there is VoIP", both, call, { kind: "voip", token: "v0" }],
    ["its end, the same way", both, cancel, { kind: "voip", token: "v0" }],
    ["a call, where there is no VoIP", { ...phone, alertToken: "a0" }, call, { kind: "alert", token: "a0" }],
    ["a call, by choice", { ...both, type: "alert" }, call, { kind: "alert", token: "a0" }],
    ["its end, unseen", { ...both, type: "alert" }, cancel, { kind: "background", token: "a0" }],
    ["a message, which VoIP must not carry", both, message, { kind: "alert", token: "a0" }],
    ["a message, with VoIP for calls", { ...both, type: "voip" }, message, { kind: "alert", token: "a0" }],
    ["no message, with VoIP alone", { ...phone, voipToken: "v0" }, message, null],
    ["no call, where VoIP is wanted and missing", { ...phone, alertToken: "a0", type: "voip" }, call, null],
    ["on Android", { provider: "fcm", token: "f0" }, call, { kind: "fcm", token: "f0" }],
  ])("%s", (_name, device, content, way) => {
    expect(kindOf(device, content)).toEqual(way);
  });
});
