/** The entrypoint and the queue with everything that is behind them; only the providers are the test's. */
import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PushContent } from "../../core/push/content";
import { userHub } from "../../durable-objects/names";
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
  registered = 1;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = String(input);
    if (url === "https://oauth2.googleapis.com/token")
      return Response.json({ access_token: "ya29.x", expires_in: 3_600 });
    asked.push({ url, authorization: new Headers(init?.headers).get("authorization") ?? "" });
    return answer(url);
  });
  const pushed = UserHub.prototype.pushed;
  vi.spyOn(UserHub.prototype, "pushed").mockImplementation(async function (this: UserHub, report) {
    const dropped = await pushed.call(this, report);
    reports.push(structuredClone(report));
    return dropped;
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

let registered = 0;
const targetOf = ({ instanceId }: TestInstance, device: PushDevice) => ({ instanceId, device, registered });

/** When the device was registered, as the hub has it. */
const registrationOf = ({ key }: TestApplication, { userId, instanceId }: TestInstance) =>
  runInDurableObject(userHub(bindings, { applicationKey: key, userId }), (_, { storage }) =>
    Number(storage.kv.get<{ deviceSince: number }>(`instance:${instanceId}`)?.deviceSince),
  );

function batchFor(app: TestApplication, bob: TestInstance, device: PushDevice, content = callOf()) {
  const user = { applicationKey: app.key, userId: bob.userId };
  const devices = [targetOf(bob, device)];
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

/** Everybody still waits for their pushes, on this device. */
const wanted = (device: PushDevice = iphone) =>
  vi.spyOn(UserHub.prototype, "pushWanted").mockImplementation(async ({ instanceId }) => ({
    ...{ instanceId, device, registered },
  }));

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
    expect(await send(app, bob, iphone)).toMatchObject({ result: "failed" });
    expect(asked).toHaveLength(2);
  });

  it("has a dead token dropped and listed", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    answer = () => Response.json({ reason: "Unregistered", timestamp: Date.now() + 1_000 }, { status: 410 });
    const list = async () => (await request("GET", "/v1/push/feedback", { headers: basic(app) })).text;
    // Another registration than the hub's.
    expect(await send(app, bob, iphone)).toMatchObject({ result: "dead", token, registered });
    registered = await registrationOf(app, bob);
    expect(await send(app, bob, iphone)).toMatchObject({ result: "dead", token, registered });
    await expect.poll(list).toContain(token);
    const { feedback } = JSON.parse(await list());
    expect(feedback).toMatchObject([{ token, reason: "Unregistered" }]);
    expect(lines.join()).toContain("push.device.dropped");
    expect(lines.join()).not.toContain(token);
  });

  /** Each six at a time take that long at the provider, which answers nothing then. */
  async function sendSlowly(content: PushContent, devices: number, ms: number) {
    const device = { ...iphone, alertToken: token } as PushDevice;
    const { app, bob } = await withDevice(device);
    await uploaded(app, await apnsBody());
    answer = () => new Response("");
    await send(app, bob, device);
    asked = [];
    const began = Date.now();
    let [open, passed] = [0, 0];
    const time = vi.spyOn(Date, "now").mockImplementation(() => began + passed);
    answer = async () => {
      open += 1;
      const wave = Math.ceil(open / 6);
      while (open < wave * 6) await scheduler.wait(1);
      passed = wave * ms;
      throw new Error("no answer");
    };
    queueTakes();
    const batch = batchFor(app, bob, device, content);
    reports = [];
    await sender.send({ ...batch, devices: Array.from({ length: devices }, () => targetOf(bob, device)) });
    while (reports.flatMap(({ results }) => results).length < devices) await scheduler.wait(1);
    time.mockRestore();
    return asked.length;
  }

  it("is done with a batch before the hub sends it again, and in the 30 seconds that a Worker has", async () => {
    const message = callOf({
      type: "message",
      messageId: crypto.randomUUID(),
      until: Date.now() + 86_400_000,
    });
    wanted();
    // 10 seconds are an attempt's, so that it can take two after each other; those of a call are 5.
    expect(await sendSlowly(message, 24, 10_000)).toBe(12);
    expect(await sendSlowly(callOf(), 18, 5_000)).toBe(6);
  });

  it("asks the hub whether a call still rings when the first devices have taken their time", async () => {
    const question = vi.spyOn(UserHub.prototype, "pushWanted").mockResolvedValue(null);
    expect(await sendSlowly(callOf(), 12, 1_000)).toBe(12);
    expect(question).not.toHaveBeenCalled();
    expect(await sendSlowly(callOf(), 12, 1_001)).toBe(6);
    expect(question).toHaveBeenCalledTimes(6);
  });

  it("gives to the queue what failed, and the queue has it tried again", async () => {
    const { app, bob } = await withDevice(iphone);
    await uploaded(app, await apnsBody());
    vi.spyOn(UserHub.prototype, "pushWanted").mockResolvedValue(targetOf(bob, iphone));
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
    const { devices: _, ...batch } = batchFor(app, bob, iphone, content);
    return { batch, target: targetOf(bob, iphone), attempt };
  }

  it("tries again what is wanted, with the device as it is now", async () => {
    const question = wanted({ ...iphone, voipToken: "aa".repeat(32) } as PushDevice);
    const push = await later();
    expect(await consume([push])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(asked[0]?.url).toBe(`https://api.push.apple.com/3/device/${"aa".repeat(32)}`);
    expect(reports).toMatchObject([{ push: "call:1", results: [{ result: "sent" }] }]);
    const { content } = push.batch;
    const { instanceId } = push.target;
    expect(question).toHaveBeenCalledWith({ push: "call:1", content, instanceId });
  });

  it("drops what nobody wants any more, and says so", async () => {
    vi.spyOn(UserHub.prototype, "pushWanted").mockResolvedValue(null);
    expect(await consume([await later()])).toMatchObject({ acknowledged: ["m0"], retried: [] });
    expect(asked).toEqual([]);
    expect(reports).toMatchObject([{ results: [{ result: "failed" }] }]);
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

  it("keeps no call waiting for messages whose provider hangs", async () => {
    const message = callOf({ type: "message", messageId: crypto.randomUUID() });
    const pushes = await Promise.all(Array.from({ length: 6 }, () => later(1, message)));
    const call = await later();
    let answers = false;
    const alert = "bb".repeat(32);
    wanted({ ...iphone, alertToken: alert } as PushDevice);
    answer = async (url) => {
      while (url.endsWith(alert) && !answers) await scheduler.wait(5);
      return new Response("");
    };
    const consuming = consume([...pushes, call]);
    const { instanceId } = call.target;
    await expect.poll(() => reports).toMatchObject([{ results: [{ instanceId, result: "sent" }] }]);
    expect(asked.filter(({ url }) => url.endsWith(alert))).toHaveLength(3);
    answers = true;
    expect((await consuming).acknowledged).toHaveLength(7);
    expect(asked).toHaveLength(7);
  });

  it("judges each of a batch for itself", async () => {
    const pushes = [await later(), await later(), await later()];
    vi.spyOn(UserHub.prototype, "pushWanted")
      .mockResolvedValueOnce({ instanceId: "any", device: iphone, registered })
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
