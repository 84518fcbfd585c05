import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { PushPayload } from "../../protocol";
import { takeLeft } from "./hand-over";
import { handlePushes, type PushOptions } from "./service-worker";
import { FakeCaches, FakeWindow, FakeWorker, origin } from "./testing/worker";

const applicationKey = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const callId = "01234567-89ab-4cde-8f01-23456789abcd";
const key = "k".repeat(22);

let worker: FakeWorker;

beforeEach(() => {
  // What is sent over ports takes real time.
  vi.useFakeTimers({ toFake: ["setTimeout", "Date"] });
  vi.stubGlobal("caches", new FakeCaches());
  worker = new FakeWorker();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const handle = (options: Partial<PushOptions> = {}) =>
  handlePushes({ applicationKey, scope: worker.scope, ...options });

function pushOf(payload: Partial<PushPayload> = {}): string {
  const call = { v: 1, type: "call", id: callId, to: "bob", from: "alice", until: Date.now() + 45_000, key };
  return JSON.stringify({ sin: JSON.stringify({ ...call, ...payload }) });
}

const cancelOf = (cause: PushPayload["cause"]) => pushOf({ type: "cancel", cause, key: undefined });
const messageOf = (from: string) =>
  pushOf({ type: "message", id: `0123456${from.length}-89ab-7cde-8f01-23456789abcd`, from });
const taking = (url = `${origin}/`) => new FakeWindow(url, () => true);

/** A push that waits for a page which does not answer. */
async function pushPast(text: string): Promise<void> {
  const done = worker.push(text);
  await vi.advanceTimersByTimeAsync(500);
  await done;
}

async function clickPast(action = ""): Promise<void> {
  const done = worker.click(worker.shown[0], action);
  await vi.advanceTimersByTimeAsync(500);
  await done;
}

describe("a call", () => {
  test("is shown, with answer and decline", async () => {
    handle();
    await worker.push(pushOf({ name: "Alice A." }));
    expect(worker.shown).toMatchObject([
      {
        title: "Incoming call",
        options: {
          tag: callId,
          body: "Alice A.",
          requireInteraction: true,
          actions: [{ action: "answer" }, { action: "decline" }],
        },
      },
    ]);
    await worker.push(pushOf({ video: true }));
    expect(worker.titles).toEqual(["Incoming video call"]);
  });

  test("looks as the app composes it, and what the app leaves out is as usual", async () => {
    const call = vi.fn(async () => ({ title: "Ring ring", silent: true, icon: "/icon.png" }));
    handle({ call });
    await worker.push(pushOf({ headers: { order: "4711" } }));
    expect(call).toHaveBeenCalledWith(
      expect.objectContaining({ isCall: true, callId, remoteUserId: "alice", headers: { order: "4711" } }),
    );
    const [shown] = worker.shown;
    expect(shown).toMatchObject({
      title: "Ring ring",
      options: { icon: "/icon.png", body: "alice", silent: true },
    });
    // Browsers refuse one that is silent and vibrates.
    expect(shown?.options).not.toHaveProperty("vibrate");
  });

  test("is not shown when the app does not want it", async () => {
    handle({ call: () => null });
    await worker.push(pushOf());
    expect(worker.shown).toEqual([]);
  });

  test("is given to the page that the person looks at, in place of a notification", async () => {
    const front = taking(`${origin}/room`);
    front.focused = true;
    worker.windows.push(taking(), front);
    handle();
    const push = pushOf();
    await worker.push(push);
    expect(worker.shown).toEqual([]);
    await vi.waitFor(() => expect(front.heard).toHaveLength(1));
    expect(front.heard).toEqual([{ carillonPush: { sin: JSON.parse(push).sin } }]);
  });

  test.each([
    [
      "the page in front does not take it",
      () => [Object.assign(new FakeWindow(`${origin}/`), { focused: true })],
    ],
    [
      "the page in front is another user's",
      () => [Object.assign(new FakeWindow(`${origin}/`, () => false), { focused: true })],
    ],
    ["the pages are behind other windows", () => [taking()]],
    [
      "the page in front is no page of the app",
      () => [Object.assign(taking("https://app.example:8443/"), { focused: true })],
    ],
  ])("is shown when %s", async (_, windows) => {
    worker.windows.push(...windows());
    handle();
    await pushPast(pushOf());
    expect(worker.titles).toEqual(["Incoming call"]);
  });

  test("that came far too late was missed", async () => {
    handle();
    await worker.push(pushOf({ until: Date.now() - 5 * 60_000 }));
    expect(worker.shown).toMatchObject([{ title: "Missed call", options: { tag: callId, silent: true } }]);
  });

  test("that is late by this device's clock rings for a short time: the clock is wrong", async () => {
    const call = vi.fn(() => ({}));
    handle({ call });
    await worker.push(pushOf({ until: Date.now() - 15_000 }));
    expect(call).toHaveBeenCalledWith(expect.objectContaining({ timedOut: false }));
    expect(worker.titles).toEqual(["Incoming call"]);
    // What comes meanwhile does not take it away.
    await worker.push(messageOf("carol"));
    await vi.advanceTimersByTimeAsync(19_999);
    expect(worker.titles).toContain("Incoming call");
    await vi.advanceTimersByTimeAsync(1);
    expect(worker.titles.sort()).toEqual(["Missed call", "New message"]);
    // Nor does it ring again.
    await worker.push(pushOf({ until: Date.now() - 35_000 }));
    expect(worker.titles.sort()).toEqual(["Missed call", "New message"]);
  });

  test("that nobody takes is missed when its time is over", async () => {
    handle();
    await worker.push(pushOf());
    await vi.advanceTimersByTimeAsync(44_999);
    expect(worker.titles).toEqual(["Incoming call"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(worker.titles).toEqual(["Missed call"]);
  });

  test("is found to be over by a worker that was started again", async () => {
    handle();
    await worker.push(pushOf());
    vi.setSystemTime(Date.now() + 60_000);
    await worker.push(messageOf("carol"));
    expect(worker.titles.sort()).toEqual(["Missed call", "New message"]);
  });
});

describe("a cancel", () => {
  test.each(["canceled", "noAnswer", "timeout", "failure"] as const)("%s: missed", async (cause) => {
    handle();
    await worker.push(pushOf());
    await worker.push(cancelOf(cause));
    expect(worker.shown).toMatchObject([{ title: "Missed call", options: { body: "alice" } }]);
  });

  test.each(["otherDeviceAnswered", "denied"] as const)("%s: nothing is left", async (cause) => {
    handle();
    await worker.push(pushOf());
    await worker.push(cancelOf(cause));
    expect(worker.shown).toEqual([]);
  });

  test("looks as the app composes it", async () => {
    const missedCall = vi.fn(() => ({ title: "You were called" }));
    handle({ missedCall });
    await worker.push(pushOf());
    await worker.push(cancelOf("canceled"));
    expect(missedCall).toHaveBeenCalledWith(expect.objectContaining({ canceled: "canceled", callId }));
    expect(worker.titles).toEqual(["You were called"]);
  });

  test("is shown also where the person looks at the app: it may know nothing of it", async () => {
    worker.windows.push(Object.assign(taking(), { focused: true }));
    handle();
    await worker.push(pushOf());
    await worker.push(cancelOf("canceled"));
    expect(worker.titles).toEqual(["Missed call"]);
  });

  test.each([
    ["otherDeviceAnswered", []],
    ["canceled", ["Missed call"]],
  ] as const)("%s while the app composes: it does not ring", async (cause, left) => {
    let compose = () => {};
    const composing = new Promise<void>((resolve) => (compose = resolve));
    const call = vi.fn(() => composing.then(() => ({})));
    handle({ call });
    const pushing = worker.push(pushOf());
    await vi.waitFor(() => expect(call).toHaveBeenCalled());
    await worker.push(cancelOf(cause));
    const showed = vi.spyOn(worker.scope.registration, "showNotification");
    compose();
    await pushing;
    expect(showed).not.toHaveBeenCalled();
    expect(worker.titles).toEqual(left);
  });

  test("while the browser is about to show the call: it does not stay", async () => {
    const { registration } = worker.scope;
    const { showNotification } = registration;
    let draw = () => {};
    const drawing = new Promise<void>((resolve) => (draw = resolve));
    const showed = vi.fn<typeof showNotification>(async (...notification) => {
      if (notification[0] === "Incoming call") await drawing;
      await showNotification(...notification);
    });
    registration.showNotification = showed;
    handle();
    const pushing = worker.push(pushOf());
    await vi.waitFor(() => expect(showed).toHaveBeenCalled());
    await worker.push(cancelOf("canceled"));
    draw();
    await pushing;
    expect(worker.titles).toEqual(["Missed call"]);
  });

  test("while a page is asked that does not answer: it does not ring", async () => {
    worker.windows.push(Object.assign(new FakeWindow(`${origin}/`), { focused: true }));
    handle();
    const pushing = worker.push(pushOf());
    await worker.push(cancelOf("canceled"));
    await vi.advanceTimersByTimeAsync(500);
    await pushing;
    expect(worker.titles).toEqual(["Missed call"]);
  });

  test.each([
    ["the same worker", () => worker],
    ["a worker that was started again", () => new FakeWorker()],
  ])("keeps a push that comes again, or late, from ringing: %s", async (_, next) => {
    handle();
    await worker.push(cancelOf("otherDeviceAnswered"));
    worker = next();
    handle();
    await vi.advanceTimersByTimeAsync(44_000);
    await worker.push(pushOf());
    expect(worker.shown).toEqual([]);
    // Another call has nothing to do with it.
    await worker.push(pushOf({ id: "99999999-89ab-4cde-8f01-23456789abcd" }));
    expect(worker.titles).toEqual(["Incoming call"]);
  });

  test("keeps it from ringing where there is no room for a cache, too", async () => {
    vi.stubGlobal("caches", { open: () => Promise.reject(new DOMException("full", "QuotaExceededError")) });
    handle();
    await worker.push(cancelOf("otherDeviceAnswered"));
    await worker.push(pushOf());
    expect(worker.shown).toEqual([]);
  });

  test("is not remembered for ever", async () => {
    handle();
    await worker.push(cancelOf("denied"));
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    await worker.push(pushOf({ type: "cancel", id: "99999999-89ab-4cde-8f01-23456789abcd" }));
    const cache = await caches.open("carillon-ended");
    expect(await cache.keys()).toEqual(["/carillon-ended/99999999-89ab-4cde-8f01-23456789abcd"]);
  });

  test("takes only its own call away", async () => {
    handle();
    await worker.push(pushOf());
    await worker.push(pushOf({ id: "99999999-89ab-4cde-8f01-23456789abcd", from: "carol" }));
    await worker.push(cancelOf("otherDeviceAnswered"));
    expect(worker.shown).toMatchObject([{ options: { body: "carol" } }]);
  });
});

test("messages have one notification together", async () => {
  const message = vi.fn(() => ({}));
  handle({ message });
  await worker.push(messageOf("bob"));
  await worker.push(messageOf("carol"));
  expect(worker.shown).toMatchObject([{ title: "New messages", options: { body: "carol" } }]);
  expect(message.mock.calls).toMatchObject([
    [{ remoteUserId: "bob" }, 1],
    [{ remoteUserId: "carol" }, 2],
  ]);
});

test("pushes and notifications of somebody else are left alone", async () => {
  handle();
  for (const text of [null, "", "hello", "{}", '{"sin":7}']) await worker.push(text);
  expect(worker.shown).toEqual([]);
  await worker.scope.registration.showNotification("News", { data: { url: "/news" } });
  await worker.click(worker.shown[0]);
  expect([worker.titles, worker.opened]).toEqual([["News"], []]);
});

describe("declining", () => {
  test("needs no page", async () => {
    handle({ environmentHost: "calls.example.com" });
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "decline");
    expect(worker.fetched).toEqual([
      {
        url: "https://calls.example.com/v1/push/decline",
        body: { applicationKey, userId: "bob", callId, key },
      },
    ]);
    expect([worker.shown, worker.opened]).toEqual([[], []]);
  });

  test("goes to the worker's own origin, and names where the call comes from", async () => {
    handle();
    await worker.push(pushOf({ origin: "00000000-0000-4000-8000-000000000000" }));
    await worker.click(worker.shown[0], "decline");
    expect(worker.fetched).toMatchObject([
      { url: `${origin}/v1/push/decline`, body: { origin: "00000000-0000-4000-8000-000000000000" } },
    ]);
  });

  /** Settles when the attempts are over. */
  async function declinePast(): Promise<void> {
    const done = worker.click(worker.shown[0], "decline");
    await vi.advanceTimersByTimeAsync(7_500);
    await done;
  }

  test.each([0, 503, 429])("is tried again when the server answers %i", async (status) => {
    worker.statuses.push(status, status);
    handle();
    await worker.push(pushOf());
    await declinePast();
    expect([worker.fetched.length, worker.opened]).toEqual([3, []]);
  });

  test.each([403, 404, 409])("is over when the server answers %i", async (status) => {
    worker.statuses.push(status);
    handle();
    await worker.push(pushOf());
    await declinePast();
    expect([worker.fetched.length, worker.opened]).toEqual([1, []]);
  });

  test("is left to a page when the server cannot be reached", async () => {
    worker.statuses.push(0, 503, 0);
    handle();
    await worker.push(pushOf());
    await declinePast();
    expect([worker.fetched.length, worker.opened]).toEqual([3, [`${origin}/`]]);
    expect(await takeLeft()).toMatchObject([{ action: "decline" }]);
  });

  test("does not wait long for a server that does not answer", async () => {
    worker.scope.fetch = (_, { signal }) =>
      new Promise((__, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    handle();
    await worker.push(pushOf());
    await declinePast();
    expect(worker.opened).toEqual([`${origin}/`]);
  });

  test("a call that was declined does not ring again", async () => {
    handle();
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "decline");
    await worker.push(pushOf());
    expect(worker.shown).toEqual([]);
  });

  test("opens the page where the push does not let us", async () => {
    handle();
    await worker.push(pushOf({ key: undefined }));
    await worker.click(worker.shown[0], "decline");
    expect([worker.fetched, worker.opened]).toEqual([[], [`${origin}/`]]);
    expect(await takeLeft()).toMatchObject([{ action: "decline" }]);
  });
});

test("a page that is open declines where the push does not let us, and stays where it is", async () => {
  const page = taking();
  worker.windows.push(page);
  handle();
  await worker.push(pushOf({ key: undefined }));
  await worker.click(worker.shown[0], "decline");
  await vi.waitFor(() => expect(page.heard).toHaveLength(1));
  expect(page.heard).toMatchObject([{ carillonPush: { action: "decline" } }]);
  expect([page.focused, worker.opened, worker.fetched]).toEqual([false, [], []]);
});

describe("a tap", () => {
  test("goes to the open page, which is brought to the front", async () => {
    const page = taking(`${origin}/app/room?a#b`);
    worker.windows.push(taking(`${origin}/help`), page);
    handle({ url: "/app" });
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "answer");
    await vi.waitFor(() => expect(page.heard).toHaveLength(1));
    expect(page.heard).toMatchObject([
      { carillonPush: { action: "answer", sin: expect.stringContaining(callId) } },
    ]);
    expect(page.focused).toBe(true);
    expect([worker.opened, worker.shown, await takeLeft()]).toEqual([[], [], []]);
  });

  test("on the notification itself has no action", async () => {
    const page = taking();
    worker.windows.push(page);
    handle();
    await worker.push(pushOf());
    await worker.click(worker.shown[0]);
    await vi.waitFor(() => expect(page.heard).toHaveLength(1));
    expect(page.heard).toMatchObject([{ carillonPush: { action: "" } }]);
  });

  test("opens the page when there is none, and leaves the call for it", async () => {
    handle({ url: "/app" });
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "answer");
    expect(worker.opened).toEqual(["/app"]);
    expect(await takeLeft()).toMatchObject([{ action: "answer", sin: expect.stringContaining(callId) }]);
    // Only one page takes it.
    expect(await takeLeft()).toEqual([]);
  });

  test("goes past pages that do not take it", async () => {
    const [deaf, other] = [new FakeWindow(`${origin}/docs`), taking()];
    worker.windows.push(deaf, other);
    handle();
    await pushPast(pushOf());
    await clickPast("answer");
    expect([deaf.focused, other.focused, worker.opened]).toEqual([false, true, []]);
  });

  test("opens a page half a second later when none of those that are open answers", async () => {
    for (const path of ["docs", "help", "shop"]) worker.windows.push(new FakeWindow(`${origin}/${path}`));
    handle();
    await pushPast(pushOf());
    await clickPast("answer");
    expect(worker.opened).toEqual([`${origin}/`]);
    expect(await takeLeft()).toHaveLength(1);
  });

  test("is taken by one page, however late others answer", async () => {
    const [slow, other] = [new FakeWindow(`${origin}/`), taking()];
    let late: MessagePort | undefined;
    slow.postMessage = (_, [port]) => {
      late = port;
    };
    const taken = vi.fn();
    worker.windows.push(slow, other);
    handle();
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "answer");
    if (!late) throw new Error("It was not asked.");
    late.onmessage = taken;
    late.postMessage(true);
    await vi.waitFor(() => expect(other.heard).toHaveLength(1));
    expect([taken.mock.calls, slow.focused, worker.opened]).toEqual([[], false, []]);
  });

  test("opens a page at once when all that are open say no", async () => {
    worker.windows.push(new FakeWindow(`${origin}/`, () => false));
    handle();
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "answer");
    expect(worker.opened).toEqual([`${origin}/`]);
  });

  test("opens a page where nothing can be left for it, too", async () => {
    const open = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    vi.stubGlobal("caches", { open });
    handle();
    await worker.push(pushOf());
    await worker.click(worker.shown[0], "answer");
    expect(worker.opened).toEqual([`${origin}/`]);
  });

  test.each(["/app", "/app/"])("finds the pages at and below %s, and no others", async (url) => {
    const paths = ["/application-form", "/app-2/room", "/ap", "/other/app"];
    const others = paths.map((path) => taking(origin + path));
    worker.windows.push(...others, taking("https://app.example:8443/app"));
    handle({ url });
    await worker.push(pushOf());
    await worker.click(worker.shown[0]);
    expect(worker.opened).toEqual([url]);
    for (const path of ["/app", "/app/", "/app/room?a", "/app#b"]) {
      const page = taking(origin + path);
      worker.windows.splice(0, Infinity, ...others, page);
      await worker.push(messageOf("carol"));
      await worker.click(worker.shown.at(-1));
      expect([path, page.focused]).toEqual([path, true]);
    }
  });

  test("of a missed call goes to the page too", async () => {
    handle();
    await worker.push(pushOf());
    await worker.push(cancelOf("canceled"));
    await worker.click(worker.shown[0]);
    expect(await takeLeft()).toMatchObject([{ action: "", sin: expect.stringContaining("canceled") }]);
  });
});
