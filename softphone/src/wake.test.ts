import { CarillonError } from "@carillon/sdk";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Wake, type WakeBrowser, wakeProblem } from "./wake";

const endpoint = "https://push.example/1";

function setUp(permission: NotificationPermission = "granted") {
  const subscription = {
    options: { applicationServerKey: null },
    toJSON: () => ({ endpoint, keys: { p256dh: "p", auth: "a" } }),
    unsubscribe: vi.fn(async () => true),
  };
  const pushManager = {
    getSubscription: vi.fn(async (): Promise<typeof subscription | null> => null),
    subscribe: vi.fn(async () => subscription),
  };
  const registration = { pushManager };
  const serviceWorker = { register: vi.fn(async () => registration), ready: Promise.resolve(registration) };
  const push = {
    webPushKey: vi.fn(async () => ({ applicationServerKey: "AAAA" })),
    registerPushDevice: vi.fn(async () => {}),
    unregisterPushDevice: vi.fn(async () => {}),
  };
  const browser = {
    serviceWorker,
    permission: vi.fn(async () => permission),
    granted: () => permission === "granted",
  };
  const events = { changed: vi.fn(), wanted: vi.fn() };
  const make = (changes: Partial<WakeBrowser> = {}) =>
    new Wake({ push } as never, "the-key", { ...browser, ...changes } as never, events);
  return { make, push, pushManager, serviceWorker, browser, events, subscription };
}

describe("waking this browser", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("registers the worker for this application, and the browser as a device", async () => {
    const { make, push, serviceWorker, events } = setUp();
    const wake = make();
    await wake.turnOn();
    expect([wake.on, wake.busy, wake.problem]).toEqual([true, false, undefined]);
    expect(serviceWorker.register).toHaveBeenCalledWith("/service-worker.js?key=the-key");
    expect(push.registerPushDevice).toHaveBeenCalledWith(expect.objectContaining({ endpoint }));
    expect(events.wanted.mock.calls).toEqual([[true]]);
  });

  it("ends, in the browser and on the server", async () => {
    const { make, push, pushManager, subscription, events } = setUp();
    const wake = make();
    await wake.turnOn();
    pushManager.getSubscription.mockResolvedValue(subscription);
    await wake.turnOff();
    expect([wake.on, subscription.unsubscribe.mock.calls.length]).toEqual([false, 1]);
    expect(push.unregisterPushDevice).toHaveBeenCalled();
    expect(events.wanted.mock.calls).toEqual([[true], [false]]);
  });

  it("comes back at the next launch without asking, and not where it was refused since", async () => {
    const good = setUp();
    const wake = good.make();
    await wake.resume();
    expect(wake.on).toBe(true);
    const refused = setUp("denied");
    const other = refused.make();
    await other.resume();
    expect([other.on, other.problem, refused.browser.permission.mock.calls.length]).toEqual([
      false,
      undefined,
      0,
    ]);
  });

  it("is still wanted when it did not come back", async () => {
    const { make, pushManager, events } = setUp();
    pushManager.subscribe.mockRejectedValue(new DOMException("push service error", "AbortError"));
    const wake = make();
    await wake.resume();
    expect(wake.problem?.message).toContain("cannot be reached");
    expect(events.wanted).not.toHaveBeenCalled();
  });

  it("says who refuses", async () => {
    const wake = setUp("denied").make();
    await wake.turnOn();
    expect([wake.on, wake.busy]).toEqual([false, false]);
    expect(wake.problem?.message).toContain("refused");
    const none = setUp().make({ serviceWorker: undefined });
    await none.turnOn();
    expect(none.problem?.hint).toContain("home screen");
  });

  it("does not wait for ever for a push service", async () => {
    const { make, pushManager } = setUp();
    pushManager.subscribe.mockReturnValue(new Promise(() => {}));
    const wake = make();
    const turning = wake.turnOn();
    await vi.advanceTimersByTimeAsync(14_999);
    expect(wake.busy).toBe(true);
    // A second press does nothing meanwhile.
    await wake.turnOff();
    await vi.advanceTimersByTimeAsync(1);
    await turning;
    expect([wake.busy, wake.problem?.message]).toEqual([
      false,
      "The browser's push service cannot be reached.",
    ]);
  });

  it("is on when the push service answers after all", async () => {
    const { make, pushManager, subscription } = setUp();
    let answer: (value: typeof subscription) => void = () => {};
    pushManager.subscribe.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const wake = make();
    const turning = wake.turnOn();
    await vi.advanceTimersByTimeAsync(15_000);
    await turning;
    answer(subscription);
    await vi.advanceTimersByTimeAsync(0);
    expect([wake.on, wake.problem]).toEqual([true, undefined]);
  });

  it("says how an application gets a key", () => {
    const body = {
      errorCode: 40400,
      name: "notFound" as const,
      message: "There is no such thing here.",
      hint: "",
    };
    expect(wakeProblem(new CarillonError(body))).toMatchObject({
      code: 40400,
      hint: expect.stringContaining("push set webpush"),
    });
    expect(wakeProblem(new Error("odd")).message).toBe("odd");
  });
});
