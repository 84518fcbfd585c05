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
    await worker.push(pushOf());
    expect(worker.shown).toEqual([]);
    expect(front.heard).toEqual([{ carillonPush: { sin: JSON.parse(pushOf()).sin } }]);
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

  test("that came too late was missed", async () => {
    handle();
    await worker.push(pushOf({ until: Date.now() }));
    expect(worker.shown).toMatchObject([{ title: "Missed call", options: { tag: callId, silent: true } }]);
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

  test("opens a page when those that are open do not take it", async () => {
    worker.windows.push(new FakeWindow(`${origin}/docs`));
    handle();
    await pushPast(pushOf());
    await clickPast("answer");
    expect(worker.opened).toEqual([`${origin}/`]);
    expect(await takeLeft()).toHaveLength(1);
  });

  test("of a missed call goes to the page too", async () => {
    handle();
    await worker.push(pushOf());
    await worker.push(cancelOf("canceled"));
    await worker.click(worker.shown[0]);
    expect(await takeLeft()).toMatchObject([{ action: "", sin: expect.stringContaining("canceled") }]);
  });
});
