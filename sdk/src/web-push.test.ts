import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Call, CarillonClient } from ".";
import { leave, takeLeft } from "./hand-over";
import { handlePushes } from "./service-worker";
import { FakeCaches, FakeWindow, FakeWorker, origin } from "./testing/worker";
import { applicationKey, type Device, World } from "./testing/world";
import { receiveNotifications, subscribeToWebPush, unsubscribeFromWebPush } from "./web-push";

const vapid = "BAHt6A9b";
const forbidden = { errorCode: 40300, name: "forbidden" as const, message: "", hint: "" };
const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)).buffer;

let world: World;
let bob: Device;
let client: CarillonClient;
let calls: Call[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("caches", new FakeCaches());
  world = new World();
  bob = world.device("bob");
  client = bob.client();
  calls = [];
  client.callClient.on("incomingCall", (call) => calls.push(call));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A browser's side of Web Push. */
class FakePushManager {
  subscription: ReturnType<FakePushManager["make"]> | null = null;
  readonly subscribe = vi.fn(async ({ applicationServerKey }: PushSubscriptionOptionsInit) => {
    this.subscription = this.make(String(applicationServerKey));
    return this.subscription;
  });

  make(key: string) {
    return {
      options: { applicationServerKey: bytesOf(key.replace(/-/g, "+").replace(/_/g, "/")) },
      toJSON: () => ({ endpoint: `https://push.example/${key}`, keys: { p256dh: "p", auth: "a" } }),
      unsubscribe: vi.fn(async () => {
        this.subscription = null;
        return true;
      }),
    };
  }

  async getSubscription() {
    return this.subscription;
  }

  get registration() {
    return { pushManager: this } as unknown as ServiceWorkerRegistration;
  }
}

function serveKey(key: string): void {
  const { http } = bob;
  bob.http = (path, body) =>
    path === "/v1/push/web" ? { status: 200, body: { applicationServerKey: key } } : http(path, body);
}

const registered = () =>
  bob.requests
    .filter(({ path }) => path === "/v1/push/device")
    .map(({ method, body }) => [method, body.endpoint]);

test("a browser is subscribed with the application's key, once", async () => {
  serveKey(vapid);
  await bob.start(client);
  const manager = new FakePushManager();
  const subscription = await subscribeToWebPush(client, manager.registration);
  expect(manager.subscribe).toHaveBeenCalledWith({ userVisibleOnly: true, applicationServerKey: vapid });
  expect(await subscribeToWebPush(client, manager.registration)).toBe(subscription);
  expect(manager.subscribe).toHaveBeenCalledTimes(1);
  expect(bob.requests.find(({ method }) => method === "PUT")?.body).toEqual({
    provider: "webpush",
    endpoint: `https://push.example/${vapid}`,
    keys: { p256dh: "p", auth: "a" },
    applicationServerKey: vapid,
  });
});

test("a subscription with another key is replaced", async () => {
  serveKey("AAAA-_-_");
  await bob.start(client);
  const manager = new FakePushManager();
  const former = manager.make(vapid);
  manager.subscription = former;
  await subscribeToWebPush(client, manager.registration);
  expect(former.unsubscribe).toHaveBeenCalled();
  expect(registered()).toEqual([["PUT", "https://push.example/AAAA-_-_"]]);
});

test("the person's no comes through, and nothing is registered", async () => {
  serveKey(vapid);
  await bob.start(client);
  const manager = new FakePushManager();
  manager.subscribe.mockRejectedValue(new DOMException("no", "NotAllowedError"));
  await expect(subscribeToWebPush(client, manager.registration)).rejects.toMatchObject({
    name: "NotAllowedError",
  });
  expect(registered()).toEqual([]);
});

test("it ends on the server first, and then in the browser, in any case", async () => {
  serveKey(vapid);
  await bob.start(client);
  const manager = new FakePushManager();
  await subscribeToWebPush(client, manager.registration);
  await unsubscribeFromWebPush(client, manager.registration);
  expect(manager.subscription).toBeNull();
  expect(registered().map(([method]) => method)).toEqual(["PUT", "DELETE"]);

  const subscription = await subscribeToWebPush(client, manager.registration);
  const { http } = bob;
  const unsubscribed: number[] = [];
  bob.http = (path, body) => {
    unsubscribed.push(vi.mocked(subscription.unsubscribe).mock.calls.length);
    return path === "/v1/push/device" ? { status: 403, body: forbidden } : http(path, body);
  };
  await expect(unsubscribeFromWebPush(client, manager.registration)).rejects.toMatchObject({ code: 40300 });
  expect([unsubscribed, manager.subscription]).toEqual([[0], null]);
});

/** The worker and the page together. */
class Browser {
  readonly worker = new FakeWorker();
  readonly messages = new EventTarget();
  /** Until then a browser keeps what comes before the page has loaded. */
  started = false;

  constructor() {
    vi.stubGlobal("navigator", {
      serviceWorker: Object.assign(this.messages, {
        startMessages: () => {
          this.started = true;
        },
        getRegistrations: async () => [this.worker.scope.registration],
        getRegistration: async () => this.worker.scope.registration,
      }),
    });
    handlePushes({ applicationKey, scope: this.worker.scope });
  }

  /** The page is there, and hears what the worker says. */
  openPage(): FakeWindow {
    const page = new FakeWindow(`${origin}/`);
    page.postMessage = (data, ports) => {
      if (this.started) this.messages.dispatchEvent(Object.assign(new Event("message"), { data, ports }));
    };
    this.worker.windows.push(page);
    return page;
  }
}

async function pushed(to = "bob"): Promise<{ out: Call; push: string }> {
  world.server.sleeping.set("bob", {});
  const caller = await world.device("alice").started();
  const out = caller.callClient.callUser("bob");
  await world.pass(50);
  const sin = { v: 1, type: "call", id: out.callId, to, from: "alice", until: Date.now() + 45_000, key: "k" };
  return { out, push: JSON.stringify({ sin: JSON.stringify(sin) }) };
}

test("what was tapped before the page was there is taken up by it", async () => {
  const { worker } = new Browser();
  const { out, push } = await pushed();
  await worker.push(push);
  await worker.click(worker.shown[0], "answer");
  expect(worker.opened).toEqual([`${origin}/`]);
  const opened = vi.fn();
  receiveNotifications(client, { opened });
  const started = client.start();
  await vi.waitFor(() => expect(opened).toHaveBeenCalled());
  expect(opened).toHaveBeenCalledWith(expect.objectContaining({ callId: out.callId }), "answer");
  await world.pass(1_500);
  await started;
  expect(out.state).toBe("established");
});

test("an open page takes up what is tapped, and shows what it is told to", async () => {
  const browser = new Browser();
  const page = browser.openPage();
  const opened = vi.fn();
  receiveNotifications(client, { opened });
  await bob.start(client);
  const { out, push } = await pushed();
  await browser.worker.push(push);
  await browser.worker.click(browser.worker.shown[0]);
  expect([page.focused, browser.worker.opened]).toEqual([true, []]);
  await vi.waitFor(() => expect(opened).toHaveBeenCalled());
  await world.pass(50);
  expect(calls.map(({ callId }) => callId)).toEqual([out.callId]);
  expect(opened).toHaveBeenCalledWith(expect.objectContaining({ callId: out.callId }), "");
});

test("a push for the page in front rings there, as any other call", async () => {
  const browser = new Browser();
  browser.openPage().focused = true;
  const opened = vi.fn();
  receiveNotifications(client, { opened });
  await bob.start(client);
  const relayed = vi.spyOn(client.push, "relayRemotePushNotification");
  const { push } = await pushed();
  await browser.worker.push(push);
  await vi.waitFor(() => expect(relayed).toHaveBeenCalled());
  await world.pass(50);
  expect(browser.worker.shown).toEqual([]);
  expect(calls[0]?.details.applicationStateWhenReceived).toBe("active");
  expect(opened).not.toHaveBeenCalled();
});

test("a push for another user than the page's is shown", async () => {
  const browser = new Browser();
  browser.openPage().focused = true;
  receiveNotifications(client);
  const { push } = await pushed("carol");
  await browser.worker.push(push);
  expect(browser.worker.titles).toEqual(["Incoming call"]);
});

test("a call that is answered or over in the page takes its notification away, a missed one stays", async () => {
  const { worker } = new Browser();
  receiveNotifications(client);
  await bob.start(client);
  const { out, push } = await pushed();
  await worker.push(push);
  client.push.relayRemotePushNotification(push);
  await world.pass(50);
  expect(worker.titles).toEqual(["Incoming call"]);
  calls[0]?.answer();
  await world.pass(100);
  expect(worker.shown).toEqual([]);
  // Once more, in vain.
  await worker.push(push);
  expect(worker.shown).toEqual([]);

  const cancel = push
    .replace('\\"call\\"', '\\"cancel\\"')
    .replace('\\"key\\"', '\\"cause\\":\\"canceled\\",\\"key\\"');
  await worker.push(cancel);
  out.hangup();
  await world.pass(100);
  expect(worker.titles).toEqual(["Missed call"]);
});

describe("a page whose client does not run takes nothing", () => {
  const revoked = { errorCode: 40105, name: "instanceRevoked" as const, message: "", hint: "" };

  test.each<[string, () => Promise<unknown>]>([
    ["not started yet", async () => {}],
    [
      "terminated",
      async () => {
        await bob.start(client);
        await client.terminate();
      },
    ],
    [
      "failed",
      async () => {
        await bob.start(client);
        bob.http = () => ({ status: 401, body: revoked });
        client.on("credentialsRequired", (registration) => registration.registerFailed());
        bob.cut(4401);
        await world.pass(60_000);
      },
    ],
  ])("%s", async (_, prepare) => {
    const browser = new Browser();
    browser.openPage().focused = true;
    const opened = vi.fn();
    receiveNotifications(client, { opened });
    await prepare();
    const { push } = await pushed();
    // What does not answer is waited for.
    const shown = browser.worker.push(push);
    await world.pass(500);
    await shown;
    expect(browser.worker.titles).toEqual(["Incoming call"]);
    const clicked = browser.worker.click(browser.worker.shown[0], "answer");
    await world.pass(500);
    await clicked;
    expect([browser.worker.opened, opened.mock.calls]).toEqual([[`${origin}/`], []]);
    expect(await takeLeft()).toHaveLength(1);
  });

  test("what a client took that failed to start is there for the next one", async () => {
    const browser = new Browser();
    const { push } = await pushed();
    await browser.worker.push(push);
    await browser.worker.click(browser.worker.shown[0], "answer");
    const opened = vi.fn();
    receiveNotifications(client, { opened });
    const { http } = bob;
    bob.http = () => ({ status: 403, body: forbidden });
    bob.httpMs = 500;
    const failed = client.start().catch(() => "failed");
    await world.pass(10);
    await vi.waitFor(() => expect(opened).toHaveBeenCalledTimes(1));
    await world.pass(500);
    expect(await failed).toBe("failed");
    Object.assign(bob, { http, httpMs: 0 });
    const next = bob.client();
    receiveNotifications(next, { opened });
    await bob.start(next);
    await vi.waitFor(() => expect(opened).toHaveBeenCalledTimes(2));
    // And only for that one.
    await next.terminate();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await takeLeft()).toEqual([]);
  });

  test("what a running client has taken is not given back", async () => {
    const browser = new Browser();
    browser.openPage();
    const opened = vi.fn();
    await bob.start(client);
    receiveNotifications(client, { opened });
    const { push } = await pushed();
    await browser.worker.push(push);
    await browser.worker.click(browser.worker.shown[0]);
    await vi.waitFor(() => expect(opened).toHaveBeenCalled());
    await client.terminate();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await takeLeft()).toEqual([]);
  });

  test("a client that runs already takes up what was left", async () => {
    const { worker } = new Browser();
    const { push } = await pushed();
    await worker.push(push);
    await worker.click(worker.shown[0]);
    await bob.start(client);
    const opened = vi.fn();
    receiveNotifications(client, { opened });
    await vi.waitFor(() => expect(opened).toHaveBeenCalled());
  });

  test("what was tapped for another user is left for that one", async () => {
    const browser = new Browser();
    const { push } = await pushed("carol");
    await browser.worker.push(push);
    await browser.worker.click(browser.worker.shown[0], "answer");
    const opened = vi.fn();
    receiveNotifications(client, { opened });
    await bob.start(client);
    expect([opened.mock.calls, await takeLeft()]).toMatchObject([[], [{ action: "answer" }]]);
  });
});

test.each([
  ["it was ended", false],
  ["the client was terminated", true],
])("other messages of the page's own worker, and those after %s, are left alone", async (_, terminated) => {
  const browser = new Browser();
  const page = browser.openPage();
  const stop = receiveNotifications(client);
  await bob.start(client);
  for (const data of [null, "hello", { type: "reload" }]) page.postMessage(data, []);
  if (terminated) await client.terminate();
  else stop();
  await leave({ sin: "{}", action: "" });
  const answered = vi.fn();
  page.postMessage({ carillonPush: { sin: "{}", action: "" } }, [{ postMessage: answered }] as never);
  expect(answered).not.toHaveBeenCalled();
});

describe("a call that comes over the connection while the page is hidden", () => {
  let browser: Browser;
  let out: Call;

  async function ring(options: Parameters<typeof receiveNotifications>[1], visibilityState = "hidden") {
    vi.stubGlobal("document", { visibilityState });
    browser = new Browser();
    browser.openPage();
    receiveNotifications(client, options);
    client.setSupportActiveConnectionInBackground(true);
    await bob.start(client);
    const caller = await world.device("alice").started({ displayName: "Alice" });
    out = caller.callClient.callUser("bob", { video: true });
    await world.pass(50);
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    await world.pass(50);
  }

  test("is shown, and declined or answered from there", async () => {
    const missedCall = vi.fn(() => null);
    await ring({ hidden: { call: () => ({ icon: "/i.png" }), missedCall } });
    expect(browser.worker.shown).toMatchObject([
      { title: "Incoming video call", options: { body: "Alice", icon: "/i.png", tag: out.callId } },
    ]);
    await browser.worker.click(browser.worker.shown[0], "answer");
    await world.pass(1_000);
    expect(out.state).toBe("established");
    out.hangup();
    await world.pass(50);
    expect([browser.worker.titles, missedCall.mock.calls]).toEqual([[], []]);
  });

  test("was missed when it ends", async () => {
    await ring({ hidden: {} });
    out.hangup();
    await world.pass(50);
    await vi.waitFor(() => expect(browser.worker.titles).toEqual(["Missed call"]));
    expect(browser.worker.shown[0]?.data).toMatchObject({
      carillon: { sin: expect.stringContaining("cancel") },
    });
  });

  test.each(["the caller", "another device"])(
    "is not shown as ringing when %s ends it while the app composes",
    async (who) => {
      let compose = () => {};
      const composing = new Promise<void>((resolve) => (compose = resolve));
      const call = vi.fn(async () => composing.then(() => ({})));
      await ring({ hidden: { call } });
      expect(call).toHaveBeenCalled();
      if (who === "the caller") out.hangup();
      else calls[0]?.cancel("otherDeviceAnswered");
      await world.pass(50);
      const showed = vi.spyOn(browser.worker.scope.registration, "showNotification");
      compose();
      await world.pass(50);
      expect(showed).not.toHaveBeenCalled();
      expect(browser.worker.titles).toEqual(who === "the caller" ? ["Missed call"] : []);
    },
  );

  test("does not stay when it ends while the browser is about to show it", async () => {
    let draw = () => {};
    const drawing = new Promise<void>((resolve) => (draw = resolve));
    await ring({
      hidden: {
        call: () => {
          const { registration } = browser.worker.scope;
          const { showNotification } = registration;
          registration.showNotification = async (...notification) => {
            registration.showNotification = showNotification;
            await drawing;
            await showNotification(...notification);
          };
          return {};
        },
      },
    });
    calls[0]?.cancel("otherDeviceAnswered");
    await world.pass(50);
    draw();
    await world.pass(50);
    expect(browser.worker.titles).toEqual([]);
  });

  test("does not ring for ever, whatever becomes of the call", async () => {
    await ring({ hidden: {} });
    expect(browser.worker.titles).toEqual(["Incoming video call"]);
    calls[0]?.removeListeners();
    await world.pass(120_000);
    expect(browser.worker.titles).toEqual(["Missed call"]);
  });

  test("is not shown when the person has tapped its push", async () => {
    vi.stubGlobal("document", { visibilityState: "hidden" });
    browser = new Browser();
    browser.openPage();
    receiveNotifications(client, { hidden: {} });
    client.setSupportActiveConnectionInBackground(true);
    await bob.start(client);
    client.stopListeningOnActiveConnection();
    await world.pass(50);
    const { push } = await pushed();
    await browser.worker.push(push);
    await browser.worker.click(browser.worker.shown[0]);
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    await world.pass(50);
    expect(browser.worker.shown).toEqual([]);
  });

  test("is not shown twice, when a push has shown it already", async () => {
    vi.stubGlobal("document", { visibilityState: "hidden" });
    browser = new Browser();
    receiveNotifications(client, { hidden: {} });
    await bob.start(client);
    const { push } = await pushed();
    await browser.worker.push(push);
    const [shown] = browser.worker.shown;
    client.push.relayRemotePushNotification(push);
    await world.pass(50);
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    expect(browser.worker.shown).toEqual([shown]);
  });

  test.each<[string, Parameters<typeof receiveNotifications>[1], string]>([
    ["where the app does not want it", {}, "hidden"],
    ["where the page is seen", { hidden: {} }, "visible"],
  ])("is not shown %s", async (_, options, visibility) => {
    await ring(options, visibility);
    expect(browser.worker.shown).toEqual([]);
  });
});
