/** What becomes of pushes, told apart from where they come from: the providers, the queue and the hub are the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PushContent } from "../../core/push/content";
import { declineKey } from "../../core/push/decline-key";
import type { PushDevice } from "../../protocol";
import {
  android,
  browser,
  call,
  callId,
  captureLog,
  iphone,
  jobs,
  masterKey,
  message,
  reason,
  start,
  targetOf,
  user,
  vapid,
  World,
} from "../../test/edge/push-world";
import type { PushJob } from "./attempt";
import { type DeliveryMeans, deliverPushes } from "./deliver";

let world: World;
let log: ReturnType<typeof captureLog>;
beforeEach(() => {
  world = new World();
  log = captureLog();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const logged = () => log.logged();
const events = () => log.events();

const deliver = (devices: PushDevice[], content: PushContent = call, attempt = 0) =>
  deliverPushes(jobs(devices, content, attempt), world.means());

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
    // A line for each kind, not for each device.
    const line = { type: "call", reference: "ref", devices: 1, ms: 0 };
    expect(logged()).toEqual([
      expect.objectContaining({ ...line, event: "push.sent", kind: "voip" }),
      expect.objectContaining({ ...line, event: "push.sent", kind: "fcm" }),
      expect.objectContaining({ ...line, event: "push.sent", kind: "webpush" }),
    ]);
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
    const text = JSON.stringify(logged());
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
    expect(world.results().map((one) => one.result)).toEqual([result]);
    expect(world.queue.map(({ delaySeconds }) => delaySeconds)).toEqual(delays);
    expect(world.dead).toHaveLength(result === "dead" ? 1 : 0);
  });
});

describe("what is to be tried again", () => {
  beforeEach(() => {
    world.answer = reason("ServiceUnavailable", 503);
  });

  it("waits in the queue, with the device and without a credential", async () => {
    await deliver([iphone]);
    const [{ batch }] = jobs([iphone]) as [PushJob];
    const body = { batch, target: targetOf(iphone), attempt: 1 };
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
    expect(world.reports).toHaveLength(1);
    expect(world.results().map(({ result }) => result)).toEqual(["later", "sent"]);
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

describe("a push that has waited for its turn", () => {
  /** Each takes a second and a half; the seventh begins when the call may be over. */
  async function seven(change: Partial<DeliveryMeans> = {}) {
    world.answer = async () => {
      if (world.open === 6) world.now = start + 1_500;
      return new Response("");
    };
    const devices = Array.from({ length: 7 }, (_, at) => ({ ...iphone, voipToken: `${at}` }));
    const given = jobs(devices);
    const nobodys = await deliverPushes(given, world.means({ askAfter: start + 1_000, ...change }));
    return { given, nobodys, asked: world.requests.map(({ url }) => url.split("/").at(-1)) };
  }

  it("does not come after the cancel: nobody wants it any more", async () => {
    const { asked, nobodys } = await seven();
    expect(world.questions).toEqual(["i6"]);
    expect(asked).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(world.results()).toContainEqual({ instanceId: "i6", result: "failed" });
    expect(nobodys).toEqual([]);
  });

  it("goes to the device that is registered now, and the report is on that one", async () => {
    world.wanted = { instanceId: "i6", device: { ...iphone, voipToken: "new" }, registered: start + 1 };
    const { asked } = await seven();
    expect(asked.at(-1)).toBe("new");
    world = new World();
    world.wanted = { instanceId: "i0", device: { ...iphone, voipToken: "new" }, registered: start + 1 };
    world.answer = reason("Unregistered", 410);
    await deliverPushes(jobs([iphone]), world.means({ askAfter: 0 }));
    expect(world.results()).toMatchObject([{ result: "dead", token: "new", registered: start + 1 }]);
    expect(world.dead).toMatchObject([{ token: "new" }]);
    world.answer = reason("ServiceUnavailable", 503);
    await deliverPushes(jobs([iphone]), world.means({ askAfter: 0 }));
    expect(world.queue).toMatchObject([{ body: { target: world.wanted } }]);
  });

  it("is not asked for where there is no time left for it: it goes to the queue", async () => {
    await seven({ until: start + 5_000 });
    expect(world.questions).toEqual([]);
    expect(world.queue).toMatchObject([
      { body: { target: { instanceId: "i6" }, attempt: 0 }, delaySeconds: 0 },
    ]);
  });

  it("is nobody's where the hub does not say, so that the hub sends it again", async () => {
    vi.useFakeTimers();
    const hangs = seven({ wanted: () => new Promise<never>(() => {}) });
    await vi.advanceTimersByTimeAsync(3_000);
    const { given, nobodys } = await hangs;
    expect(nobodys).toEqual([given[6]]);
    expect(world.results()).toHaveLength(6);
    expect(events()).toContain("warn push.question.failed");
  });
});

describe("a batch of 40", () => {
  const forty = Array.from({ length: 40 }, (_, at) => ({ ...iphone, voipToken: `${at}` }));

  it("leaves over six connections and is reported at once", async () => {
    await deliver(forty);
    expect(world.requests).toHaveLength(40);
    expect(world.mostOpen).toBe(6);
    expect(world.results().map(({ instanceId }) => instanceId)).toEqual(forty.map((_, at) => `i${at}`));
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
    expect(world.results().every(({ result }) => result === "later")).toBe(true);
  });
});
