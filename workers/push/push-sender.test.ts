/** The entrypoint and the queue with everything that is behind them; only the providers are the test's. */
import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PushContent } from "../../core/push/content";
import { PushCredential } from "../../durable-objects/push-credential/push-credential";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushReport, PushSending } from "../../durable-objects/user-hub/push-rpc";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { ok, type PushDevice } from "../../protocol";
import { apnsBody, fcmBody, removed, uploaded, vapidBody, webPushPair } from "../../test/edge/push-material";
import {
  basic,
  bearer,
  bindings,
  newApplication,
  newInstance,
  request,
  type TestApplication,
  type TestInstance,
  unique,
} from "../../test/edge/support";
import worker from "../index";

const sender = (exports as unknown as { PushSender: PushSending }).PushSender;
const token = "0123456789abcdef".repeat(4);
const iphone: PushDevice = {
  ...{ provider: "apns", bundleId: "com.example.app", environment: "production", voipToken: token },
};
const android: PushDevice = { provider: "fcm", token: "cX:APA91b" };
const { publicKey: p256dh } = await webPushPair();
const browser: PushDevice = {
  ...{ provider: "webpush", endpoint: "https://fcm.googleapis.com/fcm/send/abc" },
  keys: { p256dh, auth: "AAAAAAAAAAAAAAAAAAAAAA" },
};

let asked: { url: string; authorization: string }[] = [];
let answer: (url: string) => Response | Promise<Response>;
let lines: string[] = [];
let reports: PushReport[] = [];

beforeEach(() => {
  [asked, reports, lines] = [[], [], []];
  answer = () => new Response("");
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = String(input);
    if (url === "https://oauth2.googleapis.com/token")
      return Response.json({ access_token: "ya29.x", expires_in: 3_600 });
    asked.push({ url, authorization: new Headers(init?.headers).get("authorization") ?? "" });
    return answer(url);
  });
  const pushed = UserHub.prototype.pushed;
  vi.spyOn(UserHub.prototype, "pushed").mockImplementation(async function (this: UserHub, report) {
    await pushed.call(this, report);
    reports.push(structuredClone(report));
  });
  for (const level of ["log", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(String(line)));
});
afterEach(() => vi.restoreAllMocks());

/** A user whose one device is registered. */
async function withDevice(device: PushDevice) {
  const app = await newApplication();
  const bob = await newInstance(app, unique("bob"));
  const path = "/v1/push/device";
  const { status } = await request("PUT", path, { body: device, headers: bearer(bob.token) });
  expect(status).toBe(200);
  return { app, bob };
}

const callOf = (change: object = {}): PushContent => ({
  ...{ type: "call", callId: crypto.randomUUID(), from: "alice", video: false, headers: {} },
  until: Date.now() + 45_000,
  ...change,
});

function batchFor(app: TestApplication, bob: TestInstance, device: PushDevice, content = callOf()) {
  const user = { applicationKey: app.key, userId: bob.userId };
  const devices = [{ instanceId: bob.instanceId, device }];
  return { user, application: app.key, push: "call:1", content, devices, reference: "ref" };
}
async function send(app: TestApplication, bob: TestInstance, device: PushDevice) {
  const before = reports.length;
  await sender.send(batchFor(app, bob, device));
  await expect.poll(() => reports.length).toBe(before + 1);
  return reports.at(-1)?.results[0];
}

/** Nothing comes back from the queue; answers what it was given. */
const queueTakes = () =>
  vi.spyOn(bindings.PUSH_QUEUE, "sendBatch").mockResolvedValue({} as QueueSendBatchResponse);

describe("the sender", () => {
  it("sends with what was uploaded, and tells the hub", async () => {
    for (const [device, body] of [
      [iphone, await apnsBody()],
      [android, fcmBody()],
      [browser, await vapidBody()],
    ] as const) {
      const { app, bob } = await withDevice(device);
      await uploaded(app, body);
      expect(await send(app, bob, device)).toEqual({ instanceId: bob.instanceId, result: "sent" });
    }
    expect(asked.map(({ authorization }) => authorization.slice(0, 11))).toEqual([
      "bearer eyJh",
      "Bearer ya29",
      "vapid t=eyJ",
    ]);
  });

  it("answers at once, however long a provider takes", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    let answers = false;
    answer = async () => {
      while (!answers) await scheduler.wait(5);
      return new Response("");
    };
    await sender.send(batchFor(app, bob, iphone));
    await expect.poll(() => asked.length).toBe(1);
    expect(reports).toEqual([]);
    answers = true;
    await expect.poll(() => reports.length).toBe(1);
  });

  it("asks neither D1 nor the key's object for every push", async () => {
    const tokens = vi.spyOn(PushCredential.prototype, "token");
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    const prepare = vi.spyOn(bindings.DB, "prepare");
    await send(app, bob, iphone);
    expect(prepare).toHaveBeenCalledTimes(1);
    for (let push = 0; push < 3; push += 1) await send(app, bob, iphone);
    expect(asked).toHaveLength(4);
    expect(tokens).toHaveBeenCalledTimes(1);
    expect(prepare).toHaveBeenCalledTimes(1);
  });

  it("asks the key's object for another token when the one in memory is refused", async () => {
    const made = vi
      .spyOn(PushCredential.prototype, "token")
      .mockImplementation(async ({ refused }) =>
        ok({ token: refused === "old" ? "new" : "old", goodUntil: Date.now() + 60_000 }),
      );
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    await send(app, bob, iphone);
    answer = () => {
      const isNew = asked.at(-1)?.authorization === "bearer new";
      return isNew ? new Response("") : Response.json({ reason: "ExpiredProviderToken" }, { status: 403 });
    };
    for (let push = 0; push < 2; push += 1)
      expect(await send(app, bob, iphone)).toMatchObject({ result: "sent" });
    const shown = asked.map(({ authorization }) => authorization.slice("bearer ".length));
    expect(shown).toEqual(["old", "old", "new", "new"]);
    expect(made).toHaveBeenCalledTimes(2);
  });

  it("makes one token for a key that two applications use", async () => {
    const tokens = new Set<string>();
    const body = await apnsBody();
    for (let at = 0; at < 2; at += 1) {
      const { app, bob } = await withDevice(iphone);
      await uploaded(app, body);
      await send(app, bob, iphone);
      tokens.add(asked.at(-1)?.authorization ?? "");
    }
    expect(tokens.size).toBe(1);
  });

  it("goes by a credential that takes another's place at once, and by none that was removed", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    await send(app, bob, iphone);
    const { id } = await uploaded(app, await apnsBody());
    await send(app, bob, iphone);
    expect(asked[0]?.authorization).not.toBe(asked[1]?.authorization);
    await removed(app, id);
    queueTakes();
    expect(await send(app, bob, iphone)).toMatchObject({ result: "later" });
    expect(asked).toHaveLength(2);
  });

  it("has a dead token dropped and listed", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    answer = () => Response.json({ reason: "Unregistered", timestamp: Date.now() + 1_000 }, { status: 410 });
    expect(await send(app, bob, iphone)).toMatchObject({ result: "dead", token });
    const { body } = await request("GET", "/v1/push/feedback", { headers: basic(app) });
    expect(JSON.stringify(body)).toContain(token);
    expect(JSON.stringify(body)).toContain("Unregistered");
    expect(lines.join()).toContain("push.device.dropped");
    expect(lines.join()).not.toContain(token);
  });

  it("gives to the queue what failed, and the queue has it tried again", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    vi.spyOn(UserHub.prototype, "pushWanted").mockResolvedValue(iphone);
    let attempts = 0;
    answer = () => new Response("", { status: ++attempts < 2 ? 503 : 200 });
    expect(await send(app, bob, iphone)).toMatchObject({ result: "later" });
    await expect.poll(() => reports.length, { timeout: 5_000 }).toBe(2);
    expect(reports[1]?.results).toEqual([{ instanceId: bob.instanceId, result: "sent" }]);
  });
});

describe("the queue's consumer", () => {
  /** Hands messages to the Worker as the queue does, and answers what it did with each. */
  async function consume(bodies: LaterPush[], queue = "carillon-local-push", attempts = 1) {
    const context = createExecutionContext();
    const messages = bodies.map((body, at) => ({ id: `m${at}`, timestamp: new Date(), attempts, body }));
    const batch = createMessageBatch(queue, messages);
    const delays: unknown[] = [];
    for (const message of batch.messages) {
      const retry = message.retry.bind(message);
      vi.spyOn(message, "retry").mockImplementation((options) => {
        delays.push(options?.delaySeconds);
        retry(options);
      });
    }
    await worker.queue(batch, bindings);
    const { explicitAcks, retryMessages } = await getQueueResult(batch, context);
    return { acknowledged: explicitAcks.sort(), retried: retryMessages.map(({ msgId }) => msgId), delays };
  }

  async function later(attempt = 1, content = callOf()): Promise<LaterPush> {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    return { batch: batchFor(app, bob, iphone, content), attempt };
  }
  const wanted = (device: PushDevice | null = iphone) =>
    vi.spyOn(UserHub.prototype, "pushWanted").mockResolvedValue(device);

  it("tries again what is wanted, with the device as it is now", async () => {
    const question = wanted({ ...iphone, voipToken: "aa".repeat(32) } as PushDevice);
    const push = await later();
    expect(await consume([push])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(asked[0]?.url).toBe(`https://api.push.apple.com/3/device/${"aa".repeat(32)}`);
    expect(reports).toMatchObject([{ push: "call:1", results: [{ result: "sent" }] }]);
    const { content, devices } = push.batch;
    const instanceId = devices[0]?.instanceId;
    expect(question).toHaveBeenCalledWith({ push: "call:1", content, instanceId });
  });

  it("drops what nobody wants any more", async () => {
    wanted(null);
    expect(await consume([await later()])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(asked).toEqual([]);
    expect(reports).toEqual([]);
  });

  it("asks the hub itself: nobody wants a push that the hub does not know of", async () => {
    expect(await consume([await later()])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(asked).toEqual([]);
  });

  it("sends what failed again to the queue, and longer each time", async () => {
    wanted();
    answer = () => new Response("", { status: 503 });
    const sendBatch = queueTakes();
    const push = await later(3);
    expect(await consume([push])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(sendBatch.mock.calls).toEqual([[[{ body: { ...push, attempt: 4 }, delaySeconds: 8 }]]]);
    expect(reports).toMatchObject([{ results: [{ result: "later" }] }]);
  });

  it("gives back what the queue does not take, or whose hub cannot be asked", async () => {
    answer = () => new Response("", { status: 503 });
    vi.spyOn(bindings.PUSH_QUEUE, "sendBatch").mockRejectedValue(new Error("away"));
    wanted();
    expect(await consume([await later()], "carillon-local-push", 2)).toEqual({
      ...{ acknowledged: [], retried: ["m0"], delays: [2] },
    });
    vi.spyOn(UserHub.prototype, "pushWanted").mockRejectedValue(new Error("a deploy"));
    const message = callOf({ type: "message", messageId: crypto.randomUUID() });
    expect(await consume([await later(1, message)], "carillon-local-push", 2)).toEqual({
      ...{ acknowledged: [], retried: ["m0"], delays: [10] },
    });
  });

  it("judges each of a batch for itself", async () => {
    const pushes = [await later(), await later(), await later()];
    vi.spyOn(UserHub.prototype, "pushWanted")
      .mockResolvedValueOnce(iphone)
      .mockResolvedValueOnce(null)
      .mockRejectedValueOnce(new Error("a deploy"));
    const { acknowledged, retried } = await consume(pushes);
    expect(acknowledged).toHaveLength(2);
    expect(retried).toHaveLength(1);
    expect(asked).toHaveLength(1);
  });

  it("raises an alarm for what is dead, and says no more than who and what", async () => {
    const push = await later(4);
    lines = [];
    expect(await consume([push], "carillon-production-push-dead")).toMatchObject({
      acknowledged: ["m0"],
      retried: [],
    });
    expect(asked).toEqual([]);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "error", event: "push.dead", reference: "ref", provider: "apns", type: "call", attempt: 4 },
    ]);
    expect(lines.join()).not.toContain(token);
  });
});
