/** What hubs hear of their pushes, and which dead tokens are noted: the providers, the queue and the hub are the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PushContent } from "../../core/push/content";
import type { PushDevice } from "../../protocol";
import {
  android,
  browser,
  browserKeys,
  call,
  captureLog,
  iphone,
  jobs,
  message,
  reason,
  registered,
  start,
  World,
} from "../../test/edge/push-world";
import { deliverPushes } from "./deliver";

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

const events = () => log.events();

const deliver = (devices: PushDevice[], content: PushContent = call, attempt = 0) =>
  deliverPushes(jobs(devices, content, attempt), world.means());

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
      { instanceId: "i0", result: "dead", token: "a0a0", registered, since: 1_700_000_000_000 },
    ]);
    expect(events()).toEqual(["info push.token.dead"]);
  });

  it("is reported also when it cannot be noted", async () => {
    world.answer = reason("Unregistered", 410);
    const noteDead = () => Promise.reject(new Error("D1 is away"));
    await deliverPushes(jobs([iphone]), world.means({ noteDead }));
    expect(world.results()).toMatchObject([{ result: "dead", token: "a0a0" }]);
  });

  it("that the hub keeps, because it was registered anew, is not listed", async () => {
    world.answer = reason("Unregistered", 410);
    world.drops = false;
    await deliver([iphone]);
    expect(world.results()).toMatchObject([{ result: "dead" }]);
    expect(world.dead).toEqual([]);
  });

  it("keeps no report back, nor the end, while D1 hangs", async () => {
    vi.useFakeTimers();
    world.answer = (url) => (url.endsWith("/a0a0") ? reason("Unregistered", 410)() : new Response(""));
    const others = Array.from({ length: 39 }, (_, at) => ({ ...iphone, voipToken: `${at}` }));
    const noteDead = () => new Promise<never>(() => {});
    const delivering = deliverPushes(jobs([iphone, ...others]), world.means({ noteDead }));
    await vi.advanceTimersByTimeAsync(0);
    expect(world.results()).toHaveLength(40);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await delivering).toEqual([]);
    expect(events()).toContain("warn push.feedback.failed");
  });

  it("is that of a browser whose keys are none", async () => {
    await deliver([{ ...browser, keys: { ...browserKeys, auth: "AAAA" } }]);
    expect(world.results()).toMatchObject([{ result: "dead" }]);
  });
});

describe("a hub", () => {
  it("that does not answer is told again", async () => {
    const report = vi.fn().mockRejectedValueOnce(new Error("a deploy")).mockResolvedValueOnce([]);
    await deliverPushes(jobs([iphone]), world.means({ report }));
    expect(report).toHaveBeenCalledTimes(2);
  });

  it("that hangs is told again", async () => {
    vi.useFakeTimers();
    const report = vi
      .fn()
      .mockReturnValueOnce(new Promise(() => {}))
      .mockResolvedValueOnce([]);
    const delivering = deliverPushes(jobs([iphone]), world.means({ report }));
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await delivering).toEqual([]);
    expect(report).toHaveBeenCalledTimes(2);
  });

  it("hears of a push when its attempts are made, whatever becomes of another push", async () => {
    world.answer = (url) => (url.includes("apple") ? new Promise<never>(() => {}) : new Response(""));
    const [slow] = jobs([iphone]);
    const [quick] = jobs([android], message);
    if (!slow || !quick) throw new Error("there are no jobs");
    void deliverPushes([slow, quick], world.means({ until: start + 60_000 }));
    await expect.poll(() => world.reports).toMatchObject([{ report: { push: "message:1" } }]);
  });

  it("hears of what was sent while the queue hangs, and not of what the queue may not have", async () => {
    vi.useFakeTimers();
    world.answer = (url) => (url.includes("apple") ? reason("ServiceUnavailable", 503)() : new Response(""));
    const given = jobs([iphone, android]);
    const enqueue = () => new Promise<never>(() => {});
    const delivering = deliverPushes(given, world.means({ enqueue }));
    await vi.advanceTimersByTimeAsync(0);
    expect(world.results()).toEqual([{ instanceId: "i1", result: "sent" }]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await delivering).toEqual([given[0]]);
    expect(world.reports).toHaveLength(1);
  });

  it("hears of what the queue took late in a report of its own", async () => {
    world.answer = (url) => (url.includes("apple") ? reason("ServiceUnavailable", 503)() : new Response(""));
    let takes = () => {};
    const enqueue = () =>
      new Promise<void>((resolve) => {
        takes = resolve;
      });
    const delivering = deliverPushes(jobs([iphone, android]), world.means({ enqueue }));
    await expect.poll(() => world.reports.length).toBe(1);
    takes();
    expect(await delivering).toEqual([]);
    expect(world.results()).toEqual([
      { instanceId: "i1", result: "sent" },
      { instanceId: "i0", result: "later" },
    ]);
  });

  it("that cannot be reached keeps nothing from ending", async () => {
    const report = vi.fn().mockRejectedValue(new Error("gone"));
    expect(await deliverPushes(jobs([iphone]), world.means({ report }))).toEqual([]);
    expect(report).toHaveBeenCalledTimes(3);
  });
});
