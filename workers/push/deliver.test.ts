/** What becomes of pushes, told apart from where they come from: the providers, the queue and the hub are the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallPush, MessagePush, PushContent } from "../../core/push/content";
import type { StoredPushCredential } from "../../core/push/credential-store";
import { declineKey } from "../../core/push/decline-key";
import type { DeadToken } from "../../core/push/feedback";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushReport } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { type ApnsDevice, fail, ok, type PushDevice } from "../../protocol";
import { ids, webPushPair } from "../../test/edge/push-material";
import type { PushJob } from "./attempt";
import { type DeliveryMeans, deliverPushes } from "./deliver";

const start = 1_800_000_000_000;
const callId = "0b7e8a4e-5f0e-4f0b-9c62-9a0d3a9f1c11";
const masterKey = btoa("a master key of 32 bytes or more");
const user = { applicationKey: "app", userId: "bob" };
const browserKeys = {
  p256dh: (await webPushPair()).publicKey,
  auth: "AAAAAAAAAAAAAAAAAAAAAA",
};

const iphone: ApnsDevice = {
  ...{ provider: "apns", bundleId: "com.example.app", environment: "production" },
  ...{ voipToken: "a0a0", alertToken: "b0b0" },
};
const android: PushDevice = { provider: "fcm", token: "token-of-android" };
const browser: PushDevice = {
  ...{ provider: "webpush", endpoint: "https://fcm.googleapis.com/fcm/send/endpoint" },
  keys: browserKeys,
};

const apns = (id = "c1", change: object = {}): StoredPushCredential => ({
  ...{ provider: "apns", id, created: 1, privateKey: "secret-key", ...ids },
  ...change,
});
const fcm: StoredPushCredential = {
  ...{ provider: "fcm", id: "c2", created: 1, privateKey: "secret-key" },
  ...{ projectId: "p", clientEmail: "robot@p", privateKeyId: "k" },
};
const vapid: StoredPushCredential = {
  ...{ provider: "webpush", id: "c3", created: 1, subject: "mailto:a@example.com" },
  ...(await webPushPair()),
};

const call: CallPush = {
  ...{ type: "call", callId, from: "alice", displayName: "Alice", video: false, headers: {} },
  until: start + 45_000,
};
const message: MessagePush = {
  ...{ type: "message", messageId: callId, from: "alice", headers: {}, until: start + 30 * 86_400_000 },
};

/** The world around a delivery. */
class World {
  now = start;
  /** Milliseconds for a batch. */
  budget = 7_000;
  readonly requests: { url: string; headers: Headers; body: string }[] = [];
  readonly reports: { user: UserAddress; report: PushReport }[] = [];
  readonly queue: { body: LaterPush; delaySeconds: number }[] = [];
  readonly dead: DeadToken[] = [];
  readonly asked: string[] = [];
  open = 0;
  mostOpen = 0;
  /** What providers answer; the first words are those of the request. */
  answer: (url: string, headers: Headers) => Response | Promise<Response> = () => new Response("");
  credentials: StoredPushCredential[] = [apns(), fcm, vapid];
  /** As they are now, where that is not what is in memory. */
  fresh: StoredPushCredential[] | undefined;
  token: (refused?: string) => string = () => "provider-token";

  means(change: Partial<DeliveryMeans> = {}): DeliveryMeans {
    return {
      settings: {},
      masterKey,
      now: () => this.now,
      until: this.now + this.budget,
      keys: {
        credentials: async (application, fresh = false) => {
          this.asked.push(`${application} ${fresh}`);
          return (fresh && this.fresh) || this.credentials;
        },
        providerToken: async (_, refused) => ok({ token: this.token(refused), goodUntil: start }),
        vapidToken: async () => "vapid-token",
      },
      fetch: async (url, init) => {
        const headers = new Headers(init?.headers);
        this.requests.push({ url: String(url), headers, body: String(init?.body) });
        this.open += 1;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        await Promise.resolve();
        try {
          return await this.answer(String(url), headers);
        } finally {
          this.open -= 1;
        }
      },
      enqueue: async (later) => {
        this.queue.push(...later);
      },
      report: async (user, report) => {
        this.reports.push({ user, report });
      },
      noteDead: async (token) => {
        this.dead.push(token);
      },
      ...change,
    };
  }

  results() {
    expect(this.reports).toHaveLength(1);
    return this.reports[0]?.report.results;
  }
}

let world: World;
let lines: string[];
beforeEach(() => {
  world = new World();
  lines = [];
  for (const level of ["log", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(line));
});
afterEach(() => vi.restoreAllMocks());

const logged = () => lines.map((line) => JSON.parse(line));
const events = () => logged().map(({ level, event }) => `${level} ${event}`);

function jobs(devices: PushDevice[], content: PushContent = call, attempt = 0): PushJob[] {
  const batch = { user, application: "callers-app", push: "call:1", content, reference: "ref" };
  return devices.map((device, at) => ({ batch, target: { instanceId: `i${at}`, device }, attempt }));
}
const deliver = (devices: PushDevice[], content: PushContent = call, attempt = 0) =>
  deliverPushes(jobs(devices, content, attempt), world.means());
const reason = (text: string, status: number) => () =>
  new Response(JSON.stringify({ reason: text }), { status });

describe("a push", () => {
  it("goes to each provider with what it wants, and the hub hears of all in one report", async () => {
    expect(await deliver([iphone, android, browser])).toEqual([]);
    expect(world.requests.map(({ url }) => url).sort()).toEqual([
      "https://api.push.apple.com/3/device/a0a0",
      "https://fcm.googleapis.com/fcm/send/endpoint",
      "https://fcm.googleapis.com/v1/projects/p/messages:send",
    ]);
    expect(world.requests.map(({ headers }) => headers.get("authorization")).sort()).toEqual([
      "Bearer provider-token",
      "bearer provider-token",
      `vapid t=vapid-token, k=${vapid.provider === "webpush" && vapid.publicKey}`,
    ]);
    expect(world.reports).toEqual([
      {
        user,
        report: {
          push: "call:1",
          reference: "ref",
          results: [
            { instanceId: "i0", result: "sent" },
            { instanceId: "i1", result: "sent" },
            { instanceId: "i2", result: "sent" },
          ],
        },
      },
    ]);
    expect(world.queue).toEqual([]);
    expect(events()).toEqual(["info push.sent", "info push.sent", "info push.sent"]);
    expect(logged()[0]).toMatchObject({
      provider: "apns",
      kind: "voip",
      type: "call",
      reference: "ref",
      ms: 0,
    });
  });

  it("of a call lets the device decline it, and goes with the credentials of the caller's application", async () => {
    await deliver([android], { ...call, origin: "callers-app" });
    const { sin } = JSON.parse(world.requests[0]?.body ?? "").message.data;
    const key = await declineKey(masterKey, { ...user, callId, origin: "callers-app" });
    expect(JSON.parse(sin)).toMatchObject({ key, origin: "callers-app", to: "bob", from: "alice" });
    expect(world.asked).toEqual(["callers-app false"]);
  });

  it("that comes too late is not sent, unless it says that the call is over", async () => {
    world.now = call.until;
    await deliver([iphone]);
    expect(world.requests).toEqual([]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "failed" }]);
    const over = { type: "cancel", callId, from: "alice", video: false, cause: "noAnswer" } as const;
    await deliverPushes(jobs([iphone], { ...over, until: call.until }), world.means());
    expect(world.requests[0]?.headers.get("apns-expiration")).toBe("0");
  });

  it("that a device cannot be woken by is not sent", async () => {
    await deliver([{ ...iphone, alertToken: undefined }], message);
    expect(world.requests).toEqual([]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "failed" }]);
  });

  it("goes to no endpoint that is on no known push service", async () => {
    await deliver([{ ...browser, endpoint: "https://internal.example/" }]);
    expect(world.requests).toEqual([]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "failed" }]);
  });

  it("leaves nothing in the log that is to be kept from others", async () => {
    world.answer = reason("BadDeviceToken", 400);
    await deliver([iphone, android, browser]);
    world.answer = () => new Response("no", { status: 500 });
    await deliver([iphone, android, browser]);
    const text = lines.join("\n");
    for (const secret of ["a0a0", "b0b0", "token-of-android", "endpoint", "provider-token", "vapid-token"])
      expect(text).not.toContain(secret);
    expect(text).not.toContain("secret-key");
    expect(text).not.toContain("Alice");
  });
});

const afterSeconds = (seconds: number) => () =>
  new Response("", { status: 503, headers: { "retry-after": `${seconds}` } });

describe("a call's push to an iPhone, when APNs answers", () => {
  it.each<[string, World["answer"], string, number[]]>([
    ["that the app is gone", reason("Unregistered", 410), "dead", []],
    ["that the token is none", reason("BadDeviceToken", 400), "dead", []],
    ["that the topic is another team's", reason("TopicDisallowed", 400), "later", [1]],
    ["that the key may not", reason("Forbidden", 403), "later", [1]],
    ["that it is too much", reason("TooManyRequests", 429), "later", [1]],
    ["that it is broken", reason("InternalServerError", 500), "later", [1]],
    ["that it is away", reason("ServiceUnavailable", 503), "later", [1]],
    ["nothing", () => Promise.reject(new TypeError("connection refused")), "later", [1]],
    ["that it takes a while", afterSeconds(10), "later", [10]],
    ["that it takes longer than it rings", afterSeconds(60), "failed", []],
    ["that the payload is too large", reason("PayloadTooLarge", 413), "failed", []],
    ["that the expiry is wrong", reason("BadExpirationDate", 400), "failed", []],
  ])("%s", async (_, answer, result, delays) => {
    world.answer = answer;
    await deliver([iphone]);
    expect(world.results()?.map((one) => one.result)).toEqual([result]);
    expect(world.queue.map(({ delaySeconds }) => delaySeconds)).toEqual(delays);
    expect(world.dead).toHaveLength(result === "dead" ? 1 : 0);
  });
});

describe("a dead token", () => {
  it("is noted for the application of its user, and reported with its age", async () => {
    world.answer = () =>
      Response.json({ reason: "Unregistered", timestamp: 1_700_000_000_000 }, { status: 410 });
    await deliver([iphone]);
    expect(world.dead).toEqual([
      {
        ...{ applicationKey: "app", userId: "bob", instanceId: "i0", provider: "apns" },
        ...{ token: "a0a0", reason: "Unregistered", time: start },
      },
    ]);
    expect(world.results()).toEqual([
      { instanceId: "i0", result: "dead", token: "a0a0", since: 1_700_000_000_000 },
    ]);
    expect(events()).toEqual(["info push.token.dead"]);
  });

  it("is reported also when it cannot be noted", async () => {
    world.answer = reason("Unregistered", 410);
    const noteDead = () => Promise.reject(new Error("D1 is away"));
    await deliverPushes(jobs([iphone]), world.means({ noteDead }));
    expect(world.results()).toMatchObject([{ result: "dead", token: "a0a0" }]);
  });

  it("is that of a browser whose keys are none", async () => {
    await deliver([{ ...browser, keys: { ...browserKeys, auth: "AAAA" } }]);
    expect(world.results()).toMatchObject([{ result: "dead" }]);
  });
});

describe("what is to be tried again", () => {
  beforeEach(() => {
    world.answer = reason("ServiceUnavailable", 503);
  });

  it("waits in the queue, with the device and without a credential", async () => {
    await deliver([iphone]);
    const [{ batch }] = jobs([iphone]) as [PushJob];
    const body = { batch: { ...batch, devices: [{ instanceId: "i0", device: iphone }] }, attempt: 1 };
    expect(world.queue).toEqual([{ body, delaySeconds: 1 }]);
    expect(JSON.stringify(world.queue)).not.toContain("secret-key");
    expect(logged()).toMatchObject([
      { level: "warn", event: "push.failed", failure: "temporary", reason: "ServiceUnavailable", again: 1 },
    ]);
  });

  it.each([
    [call, 1, 2],
    [call, 3, 8],
    [message, 0, 5],
    [message, 1, 10],
    [message, 20, 43_200],
  ])("waits longer each time: %#", async (content, attempt, delay) => {
    world.budget = 25_000;
    await deliver([iphone], content, attempt);
    expect(world.queue).toMatchObject([{ delaySeconds: delay, body: { attempt: attempt + 1 } }]);
  });

  it("is in the queue at once, however long another provider takes", async () => {
    let answers = (_: Response) => {};
    world.answer = (url) =>
      url.includes("apple")
        ? new Response("", { status: 503 })
        : new Promise((resolve) => {
            answers = resolve;
          });
    const delivering = deliver([android, iphone]);
    await expect.poll(() => world.queue.length).toBe(1);
    expect(world.reports).toEqual([]);
    answers(new Response(""));
    await delivering;
    expect(world.results()?.map(({ result }) => result)).toEqual(["sent", "later"]);
  });

  it("is given up when the call will have stopped ringing", async () => {
    await deliver([iphone], call, 6);
    expect(world.queue).toEqual([]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "failed" }]);
    expect(logged()[0]).toMatchObject({ event: "push.failed", again: null });
  });

  it("and that the queue does not take is nobody's: the hub is not told, and sends it again", async () => {
    world.answer = (url) => (url.includes("apple") ? new Response("", { status: 503 }) : new Response(""));
    const enqueue = () => Promise.reject(new Error("the queue is away"));
    const given = jobs([iphone, android]);
    expect(await deliverPushes(given, world.means({ enqueue }))).toEqual([given[0]]);
    expect(world.results()).toEqual([{ instanceId: "i1", result: "sent" }]);
    expect(events()).toContain("error push.queue.failed");
  });
});

describe("a hub", () => {
  it("that does not answer is told again", async () => {
    const report = vi.fn().mockRejectedValueOnce(new Error("a deploy")).mockResolvedValueOnce(undefined);
    await deliverPushes(jobs([iphone]), world.means({ report }));
    expect(report).toHaveBeenCalledTimes(2);
  });

  it("that cannot be reached keeps nothing from ending", async () => {
    const report = vi.fn().mockRejectedValue(new Error("gone"));
    expect(await deliverPushes(jobs([iphone]), world.means({ report }))).toEqual([]);
    expect(report).toHaveBeenCalledTimes(3);
  });
});

describe("a credential", () => {
  it("that was replaced meanwhile is read again, and the push is sent at once", async () => {
    world.answer = (_, headers) =>
      headers.get("apns-topic") && world.asked.at(-1)?.endsWith("true")
        ? new Response("")
        : reason("InvalidProviderToken", 403)();
    world.fresh = [apns("another")];
    await deliver([iphone]);
    expect(world.asked).toEqual(["callers-app false", "callers-app true"]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("that is new is found by a push that has none yet", async () => {
    world.credentials = [];
    world.fresh = [apns()];
    await deliver([iphone]);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("that nobody has uploaded is worth another try, and an alarm", async () => {
    world.credentials = [apns("other", { bundleId: "com.example.other" })];
    await deliver([iphone, iphone, android]);
    expect(world.requests).toEqual([]);
    expect(world.queue).toHaveLength(3);
    const alarms = logged().filter(({ event }) => event === "push.credential.refused");
    expect(alarms.map(({ level, provider, application }) => [level, provider, application])).toEqual([
      ["error", "apns", "callers-app"],
      ["error", "fcm", "callers-app"],
    ]);
  });

  it.each([
    ["apns", iphone, reason("ExpiredProviderToken", 403)],
    ["apns", iphone, reason("InvalidProviderToken", 403)],
    ["fcm", android, () => Response.json({ error: { status: "UNAUTHENTICATED" } }, { status: 401 })],
  ] as const)("whose token %s refuses is used with another one, at once", async (_, device, refusal) => {
    world.token = (refused) => (refused === "old" ? "new" : "old");
    world.answer = (_, headers) =>
      headers.get("authorization")?.endsWith("new") ? new Response("") : refusal();
    await deliver([device]);
    expect(world.requests).toHaveLength(2);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "sent" }]);
  });

  it("whose token is refused and may not be made anew is not tried again at once", async () => {
    world.answer = reason("ExpiredProviderToken", 403);
    await deliver([iphone]);
    expect(world.requests).toHaveLength(1);
    expect(world.results()).toEqual([{ instanceId: "i0", result: "later" }]);
  });

  it.each(["TopicDisallowed", "BadEnvironmentKeyInToken"])(
    "that is refused with %s is not tried again at once: no token mends that",
    async (why) => {
      world.token = (refused) => `${refused}!`;
      world.answer = reason(why, why === "TopicDisallowed" ? 400 : 403);
      await deliver([iphone]);
      expect(world.requests).toHaveLength(1);
    },
  );

  it.each([
    ["invalidValue", "credential"],
    ["unavailable", "temporary"],
  ] as const)("for which there is no token (%s) is a failure of kind %s", async (name, failure) => {
    const means = world.means();
    means.keys.providerToken = async () => fail(name, { detail: "what Google said" });
    await deliverPushes(jobs([android]), means);
    expect(world.requests).toEqual([]);
    expect(world.queue).toHaveLength(1);
    expect(logged()[0]).toMatchObject({ event: "push.failed", failure, reason: "what Google said" });
  });

  it("that cannot be read, since D1 is away, is no reason to give a push up", async () => {
    const means = world.means();
    means.keys.credentials = () => Promise.reject(new Error("D1 is away"));
    await deliverPushes(jobs([iphone, android]), means);
    expect(world.results()?.map(({ result }) => result)).toEqual(["later", "later"]);
  });
});

describe("a batch of 40", () => {
  const forty = Array.from({ length: 40 }, (_, at) => ({ ...iphone, voipToken: `${at}` }));

  it("leaves over six connections and is reported at once", async () => {
    await deliver(forty);
    expect(world.requests).toHaveLength(40);
    expect(world.mostOpen).toBe(6);
    expect(world.results()?.map(({ instanceId }) => instanceId)).toEqual(forty.map((_, at) => `i${at}`));
  });

  it("to a provider that hangs is over in time: what has had no turn goes to the queue as it is", async () => {
    world.answer = async () => {
      // Six at a time wait their 5 seconds together.
      if (world.open === 6) world.now = start + 5_000;
      throw new Error("aborted");
    };
    await deliver(forty);
    expect(world.now - start).toBe(5_000);
    const attempted = world.queue.filter(({ body }) => body.attempt === 1);
    expect(attempted).toHaveLength(6);
    expect(attempted.every(({ delaySeconds }) => delaySeconds === 1)).toBe(true);
    const postponed = world.queue.filter(({ body }) => body.attempt === 0);
    expect(postponed).toHaveLength(34);
    expect(postponed.every(({ delaySeconds }) => delaySeconds === 0)).toBe(true);
    expect(world.results()?.every(({ result }) => result === "later")).toBe(true);
  });
});
