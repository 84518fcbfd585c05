import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { errorBody, type PushDevice, type PushPayload } from "../../protocol";
import type { Call, CarillonClient, NotificationResult } from ".";
import { type Device, instance, World } from "./testing/world";

const iphone: PushDevice = {
  provider: "apns",
  bundleId: "com.example.app",
  environment: "production",
  voipToken: "ab".repeat(32),
};
const android: PushDevice = { provider: "fcm", token: "token-1" };

let world: World;
let bob: Device;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  bob = world.device("bob");
});
afterEach(() => {
  vi.useRealTimers();
});

/** What the device asked of the server about pushes. */
const asked = (device = bob) =>
  device.requests.flatMap(({ method, path, body }) =>
    path.startsWith("/v1/push") ? [[`${method} ${path.slice("/v1/push/".length)}`, body]] : [],
  );

const logs = (client: CarillonClient) => {
  const lines: string[] = [];
  client.on("logMessage", ({ level, area, message }) => lines.push(`${level} ${area}: ${message}`));
  return lines;
};

describe("how the device is woken", () => {
  test("is told to the server once in each launch, and kept for later ones", async () => {
    const client = await bob.started();
    await client.push.registerPushDevice(android);
    expect(asked()).toEqual([["PUT device", android]]);
    await client.push.registerPushDevice(android);
    bob.cut();
    await world.pass(1_000);
    await client.terminate();
    expect(asked()).toHaveLength(1);
    // The server may have dropped it meanwhile, as dead.
    const again = await bob.started();
    await again.push.registerPushDevice(android);
    bob.cut();
    await world.pass(1_000);
    expect(asked()).toEqual([
      ["PUT device", android],
      ["PUT device", android],
    ]);
  });

  test("ends on the server, though the answer to the registration was lost", async () => {
    const client = await bob.started();
    const { http } = bob;
    bob.http = (path, body) => {
      if (path === "/v1/push/device") throw new TypeError("lost");
      return http(path, body);
    };
    await expect(client.push.registerPushDevice(android)).rejects.toMatchObject({ errorName: "networkLost" });
    // Nor does the server hear of the end at once: that is made up for, also by a later launch.
    await expect(client.push.unregisterPushDevice()).rejects.toMatchObject({ errorName: "networkLost" });
    bob.http = http;
    await client.terminate();
    await bob.started();
    await bob.started();
    expect(asked().map(([what]) => what)).toEqual(["PUT device", "DELETE device", "DELETE device"]);
  });

  test("ends also when another tab is just telling it, and may begin again", async () => {
    const [one, other] = [await bob.started(), await bob.started()];
    bob.httpMs = 50;
    const registering = one.push.registerPushDevice(android);
    await world.pass(10);
    const unregistering = other.push.unregisterPushDevice();
    await world.pass(20);
    // Two requests at once would come in any order.
    expect(asked()).toHaveLength(1);
    await world.pass(200);
    await Promise.all([registering, unregistering]);
    bob.httpMs = 0;
    await one.push.registerPushDevice(android);
    expect(asked().map(([what]) => what)).toEqual(["PUT device", "DELETE device", "PUT device"]);
  });

  test("may be refused, and the app's own pushes are told all the same", async () => {
    const client = await bob.started();
    const { http } = bob;
    bob.http = (path, body) =>
      path === "/v1/push/device" ? { status: 400, body: errorBody("invalidValue") } : http(path, body);
    await expect(client.push.registerPushDevice(android)).rejects.toMatchObject({
      errorName: "invalidValue",
    });
    await client.push.registerPushNotificationData(new Uint8Array([1]));
    expect(asked().at(-1)).toEqual(["PUT data", { data: "AQ==" }]);
  });

  test("is not told by a client that is terminated", async () => {
    const client = await bob.started();
    await client.terminate();
    await expect(client.push.registerPushDevice(android)).rejects.toMatchObject({ errorName: "terminated" });
    await expect(client.push.unregisterPushDevice()).rejects.toMatchObject({ errorName: "terminated" });
    await expect(client.push.webPushKey()).rejects.toMatchObject({ errorName: "terminated" });
    expect(asked()).toEqual([]);
  });

  test("may be said before the first start, and is told with it", async () => {
    const client = bob.client();
    await client.push.registerPushDevice(android);
    expect(bob.requests).toEqual([]);
    await bob.start(client);
    expect(asked()).toEqual([["PUT device", android]]);
  });

  test("is told at once where the user is registered, without a start", async () => {
    await (await bob.started()).terminate();
    await bob.client().push.registerPushDevice(android);
    expect(asked()).toEqual([["PUT device", android]]);
  });

  test("is told again when the token is another one, and to a new instance", async () => {
    const client = await bob.started();
    await client.push.registerPushDevice(android);
    const fresh = { ...android, token: "token-2" };
    await client.push.registerPushDevice(fresh);
    expect(asked().map(([, body]) => body)).toEqual([android, fresh]);

    // The server forgot the instance: the client registers anew.
    const { http } = bob;
    bob.http = (path, body) => {
      if (path.endsWith("/renew")) return { status: 401, body: errorBody("instanceRevoked") };
      return path === "/v1/instances"
        ? { status: 201, body: instance("bob", 9e9, "second") }
        : http(path, body);
    };
    bob.cut(4401);
    await world.pass(5_000);
    expect(asked().map(([, body]) => body)).toEqual([android, fresh, fresh]);
  });

  test("is told later when the server cannot be reached, and the caller hears of it", async () => {
    const client = await bob.started();
    bob.network = "down";
    await expect(client.push.registerPushDevice(android)).rejects.toMatchObject({ errorName: "networkLost" });
    bob.network = "up";
    bob.cut();
    await world.pass(1_000);
    expect(asked().map(([what]) => what)).toEqual(["PUT device", "PUT device"]);
    bob.cut();
    await world.pass(1_000);
    expect(asked()).toHaveLength(2);
  });

  test("ends when it is unregistered, also while it is still being told", async () => {
    const client = await bob.started();
    bob.httpMs = 50;
    const registering = client.push.registerPushDevice(android);
    await world.pass(10);
    const unregistering = client.push.unregisterPushDevice();
    await world.pass(200);
    await Promise.all([registering, unregistering]);
    expect(asked().map(([what]) => what)).toEqual(["PUT device", "DELETE device"]);
    // And stays ended.
    bob.cut();
    await world.pass(1_000);
    expect(asked()).toHaveLength(2);
  });

  test("has the type that the app chose, unless the device says its own", async () => {
    const client = bob.client();
    client.push.setDesiredPushType("alert");
    await client.push.registerPushDevice(iphone);
    await bob.start(client);
    expect(asked()).toEqual([["PUT device", { ...iphone, type: "alert" }]]);
    await client.push.registerPushDevice({ ...iphone, sound: "bell", type: undefined });
    expect(asked().at(-1)).toEqual(["PUT device", { ...iphone, sound: "bell", type: "alert" }]);
    await client.push.registerPushDevice({ ...iphone, type: "voip" });
    expect(asked().at(-1)).toEqual(["PUT device", { ...iphone, type: "voip" }]);
  });

  test("is not used where managed push is not supported", async () => {
    const first = await bob.started();
    await first.push.registerPushDevice(android);
    await first.terminate();
    const client = bob.client();
    client.setSupportManagedPush(false);
    await bob.start(client);
    expect(asked().map(([what]) => what)).toEqual(["PUT device", "DELETE device"]);
    await client.push.registerPushDevice({ ...android, token: "token-2" });
    expect(asked().filter(([what]) => what === "PUT device")).toHaveLength(1);
  });

  test("warns when nothing can be sent to it", async () => {
    const { http } = bob;
    bob.http = (path, body) =>
      path === "/v1/push/device" ? { status: 200, body: { deliverable: false } } : http(path, body);
    const client = await bob.started();
    const lines = logs(client);
    await client.push.registerPushDevice(android);
    expect(lines).toEqual([expect.stringMatching(/^warning push: .*credential/)]);
  });

  test("is forgotten with the log-out", async () => {
    const client = await bob.started();
    await client.push.registerPushDevice(android);
    await client.push.registerPushNotificationData(new Uint8Array([1]));
    await client.logOut();
    expect([...bob.stored.keys()].filter((key) => key.includes("push"))).toEqual([]);
    await bob.started();
    expect(asked()).toHaveLength(2);
  });
});

describe("the app's own pushes", () => {
  test("push data is told as base64, and taken back", async () => {
    const client = await bob.started();
    await client.push.registerPushNotificationData(new Uint8Array([0, 255, 16]));
    await client.push.unregisterPushNotificationData();
    expect(asked()).toEqual([
      ["PUT data", { data: "AP8Q" }],
      ["DELETE data", {}],
    ]);
  });

  test("1,024 bytes and no more", async () => {
    const client = await bob.started();
    await client.push.registerPushNotificationData(new Uint8Array(1_024));
    await expect(client.push.registerPushNotificationData(new Uint8Array(1_025))).rejects.toMatchObject({
      errorName: "invalidUse",
    });
  });

  test("the caller's app gets the pairs, once, and hears that headers were cut", async () => {
    const alice = world.device("alice");
    const client = await alice.started();
    const lines = logs(client);
    world.server.sleeping.set("bob", {
      pushPairs: [{ payload: "sin", data: "AP8Q", to: "bob" }],
      headersOmitted: true,
    });
    const call = client.callClient.callUser("bob", { headers: { a: "b" } });
    const pairs = vi.fn();
    call.on("shouldSendPushNotification", pairs);
    expect(call.details.pushHeadersOmitted).toBeUndefined();
    await world.pass(100);
    // The server tells of it once more after a resume.
    alice.cut();
    await world.pass(2_000);
    const pushData = new Uint8Array([0, 255, 16]);
    expect(pairs.mock.calls).toEqual([[[{ payload: "sin", pushData, userId: "bob" }]]]);
    expect(call.state).toBe("progressing");
    expect(call.details.pushHeadersOmitted).toBe(true);
    expect(lines.filter((line) => line.startsWith("warning push"))).toHaveLength(1);
  });

  test("the sender's app gets those of a message", async () => {
    const alice = world.device("alice");
    const client = await alice.started();
    world.server.mail.outcome = ({ id }) => ({
      id,
      time: 5,
      failed: [],
      pushPairs: [{ payload: "sin", data: "AQ==", to: "bob" }],
      headersOmitted: true,
    });
    const [told, lines] = [vi.fn(), [] as string[]];
    client.on("logMessage", ({ level, area, message }) => lines.push(`${level} ${area} ${message}`));
    client.messageClient.on("shouldSendPushData", told);
    const { WritableMessage } = await import(".");
    const { messageId } = await client.messageClient.send(new WritableMessage("bob", "hi"));
    await world.pass(100);
    expect(told.mock.calls).toEqual([
      [
        {
          message: expect.objectContaining({ messageId, text: "hi" }),
          pushPairs: [{ payload: "sin", pushData: new Uint8Array([1]), userId: "bob" }],
        },
      ],
    ]);
    expect(lines).toContain("warning push Pushes go without headers.");
  });
});

describe("the display name", () => {
  test("goes with calls and messages, and may change and go", async () => {
    const alice = world.device("alice");
    await bob.started();
    const client = await alice.started({ displayName: "Alice" });
    const { WritableMessage } = await import(".");
    const names = async () => {
      client.callClient.callUser("bob").hangup();
      client.callClient.callUser("bob");
      await client.messageClient.send(new WritableMessage("bob", "hi"));
      await world.pass(100);
      const start = world.server.operations("alice", "start").at(-1)?.op;
      return [start?.op === "start" && start.displayName, world.server.mail.frames.at(-1)?.displayName];
    };
    expect(await names()).toEqual(["Alice", "Alice"]);
    client.push.setDisplayName("Dr. Alice");
    expect(await names()).toEqual(["Dr. Alice", "Dr. Alice"]);
    client.push.setDisplayName();
    expect(await names()).toEqual([undefined, undefined]);
  });

  test("has 128 bytes at most", () => {
    const { push } = bob.client();
    push.setDisplayName("ö".repeat(64));
    expect(() => push.setDisplayName("ö".repeat(65))).toThrow("128");
    expect(() => bob.client({ displayName: "x".repeat(129) })).toThrow("128");
  });
});

describe("a relayed call", () => {
  let out: Call;
  let client: CarillonClient;
  let calls: Call[];
  let over: NotificationResult[];

  /** alice calls bob, who sleeps: what the push for him says. */
  async function pushed(extra: Partial<PushPayload> = {}): Promise<string> {
    world.server.sleeping.set("bob", {});
    const caller = await world.device("alice").started();
    out = caller.callClient.callUser("bob", { video: false, headers: { order: "4711" } });
    await world.pass(50);
    const { callId: id } = out;
    return JSON.stringify({
      v: 1,
      type: "call",
      id,
      to: "bob",
      from: "alice",
      until: Date.now() + 45_000,
      ...extra,
    });
  }

  const cancelOf = (sin: string, cause: string) =>
    JSON.stringify({ ...JSON.parse(sin), type: "cancel", cause });

  beforeEach(() => {
    client = bob.client();
    calls = [];
    over = [];
    client.callClient.on("incomingCall", (call) => calls.push(call));
    client.push.on("callOver", (result) => over.push(result));
  });

  /** Not listening, and in the background. */
  async function start(): Promise<void> {
    bob.page.fire("hidden");
    const started = client.start();
    await world.pass(50);
    await started;
  }

  test("before start() comes with it, though nobody listens and the app is in the background", async () => {
    const sin = await pushed();
    bob.page.visible = false;
    const result = client.push.relayRemotePushNotification({ data: { sin } });
    expect(result).toMatchObject({ isCall: true, callId: out.callId, timedOut: false });
    await start();
    expect(calls.map(({ callId }) => callId)).toEqual([out.callId]);
    expect(calls[0]?.details).toMatchObject({
      applicationStateWhenReceived: "background",
      headers: { order: "4711" },
    });
    expect(out.state).toBe("ringing");
  });

  test("on a connection that is there is asked for at once", async () => {
    await start();
    const sin = await pushed();
    client.push.relayRemotePushNotification(sin);
    await world.pass(20);
    expect(calls).toHaveLength(1);
    expect(world.server.sentBy("bob").filter((type) => type === "relay")).toHaveLength(1);
  });

  test("twice is one call, before and after it came", async () => {
    const sin = await pushed();
    for (let n = 0; n < 2; n++) client.push.relayRemotePushNotification(sin);
    await start();
    client.push.relayRemotePushNotification(sin);
    await world.pass(100);
    expect(calls).toHaveLength(1);
    calls[0]?.hangup();
    client.push.relayRemotePushNotification(sin);
    await world.pass(2_000);
    expect(calls).toHaveLength(1);
    expect(over).toEqual([]);
  });

  test("is asked for again when the connection drops before it came", async () => {
    await start();
    const sin = await pushed();
    bob.network = "silent";
    client.push.relayRemotePushNotification(sin);
    await world.pass(20);
    bob.network = "up";
    bob.cut();
    await world.pass(2_000);
    expect(calls).toHaveLength(1);
  });

  test("comes at once over a connection that was lost while the device slept", async () => {
    await start();
    const sin = await pushed();
    // The old socket is dead, and nobody has noticed.
    bob.network = "silent";
    client.push.relayRemotePushNotification(sin);
    await world.pass(10);
    bob.network = "up";
    await world.pass(5_000);
    expect(calls).toHaveLength(1);
  });

  test("does not wait for the next attempt to connect", async () => {
    await start();
    bob.network = "down";
    bob.cut();
    await world.pass(60_000);
    const sin = await pushed();
    bob.network = "up";
    client.push.relayRemotePushNotification(sin);
    await world.pass(50);
    expect(calls).toHaveLength(1);
  });

  test("is answered, and media runs", async () => {
    const sin = await pushed();
    client.push.relayRemotePushNotification(sin);
    const started = client.start();
    await world.pass(50);
    await started;
    expect(calls[0]?.details.applicationStateWhenReceived).toBe("active");
    calls[0]?.answer();
    await world.pass(1_000);
    expect([out.state, calls[0]?.state]).toEqual(["established", "established"]);
  });

  test("that the server does not know any more is over: it says why, or it timed out", async () => {
    const sin = await pushed();
    const known = JSON.parse(sin);
    const forgotten = { ...known, id: "00000000-0000-4000-8000-ffffffffffff" };
    world.server.sessions.delete(known.id);
    world.server.causes.set(known.id, "canceled");
    client.push.relayRemotePushNotification(known);
    client.push.relayRemotePushNotification(forgotten);
    await start();
    expect(calls).toEqual([]);
    expect(over).toMatchObject([
      { callId: known.id, canceled: "canceled", timedOut: false },
      { callId: forgotten.id, canceled: undefined, timedOut: true },
    ]);
    // And is not asked for again.
    bob.cut();
    await world.pass(2_000);
    expect(over).toHaveLength(2);
  });

  test("that does not ring any more is not asked for", async () => {
    const sin = await pushed({ until: Date.now() - 1 });
    await start();
    expect(client.push.relayRemotePushNotification(sin)).toMatchObject({ isCall: true, timedOut: true });
    await world.pass(50);
    expect(calls).toEqual([]);
    expect(over).toEqual([]);
  });

  test("comes also where the device's clock is ahead, and the server's not known yet", async () => {
    const sin = await pushed({ until: Date.now() - 60_000 });
    expect(client.push.relayRemotePushNotification(sin)).toMatchObject({ timedOut: true });
    await start();
    expect(calls).toHaveLength(1);
  });

  test("comes when it is relayed between hello and welcome, and is asked for once", async () => {
    const sin = await pushed();
    const started = client.start();
    for (let n = 0; n < 100 && !bob.sockets.at(-1)?.open; n++) await vi.advanceTimersByTimeAsync(0.5);
    client.push.relayRemotePushNotification(sin);
    expect(bob.sockets.at(-1)?.open).toBe(true);
    await world.pass(50);
    await started;
    expect(calls).toHaveLength(1);
    expect(world.server.sentBy("bob").filter((type) => type === "relay")).toHaveLength(1);
  });

  test("is one of any number: hello asks for no more than the server reads", async () => {
    for (let n = 10; n < 43; n++) {
      const id = `012345${n}-89ab-4cde-8f01-23456789abcd`;
      client.push.relayRemotePushNotification({ v: 1, type: "call", id, until: Date.now() + 45_000 });
    }
    await start();
    await world.pass(100);
    const asking = world.server.received.flatMap(({ frame }) =>
      frame.type === "hello" || frame.type === "relay" ? [frame.calls.length] : [],
    );
    expect(asking[0]).toBe(16);
    expect(Math.max(...asking)).toBe(16);
  });

  test("ends with the reason that a cancel push has", async () => {
    const sin = await pushed();
    client.push.relayRemotePushNotification(sin);
    await start();
    const ended = vi.fn();
    calls[0]?.on("ended", ended);
    const result = client.push.relayRemotePushNotification(cancelOf(sin, "otherDeviceAnswered"));
    expect(result).toMatchObject({ isCall: true, canceled: "otherDeviceAnswered" });
    expect(calls[0]?.details.endCause).toBe("otherDeviceAnswered");
    world.server.end(out.callId, "otherDeviceAnswered");
    await world.pass(100);
    expect(ended).toHaveBeenCalledTimes(1);
  });

  test("is not asked for when its cancel push comes first", async () => {
    const sin = await pushed();
    client.push.relayRemotePushNotification(sin);
    client.push.relayRemotePushNotification(cancelOf(sin, "canceled"));
    expect(over).toMatchObject([{ callId: out.callId, canceled: "canceled" }]);
    await start();
    expect(calls).toEqual([]);
  });

  test("that runs is not ended by a late cancel push", async () => {
    const sin = await pushed();
    client.push.relayRemotePushNotification(sin);
    const started = client.start();
    await world.pass(50);
    await started;
    calls[0]?.answer();
    // The server's word on who has it is still to come.
    client.push.relayRemotePushNotification(cancelOf(sin, "otherDeviceAnswered"));
    expect(calls[0]?.state).toBe("ringing");
    await world.pass(1_000);
    client.push.relayRemotePushNotification(cancelOf(sin, "canceled"));
    expect(calls[0]?.state).toBe("established");
  });

  test("for another user is only read", async () => {
    const sin = await pushed({ to: "carol" });
    expect(client.push.relayRemotePushNotification(sin)).toMatchObject({ isCall: true, userId: "carol" });
    await start();
    expect(calls).toEqual([]);
  });

  test("of a push pair, which does not say for whom it is, comes", async () => {
    const { v, type, id, until } = JSON.parse(await pushed());
    client.push.relayRemotePushNotification({ v, type, id, until });
    await start();
    expect(calls).toHaveLength(1);
  });

  test("nonsense is told to nobody", async () => {
    expect(client.push.relayRemotePushNotification({ aps: {} }).valid).toBe(false);
    await start();
    expect(world.server.sentBy("bob")).not.toContain("relay");
  });

  describe("by a notification that the person tapped", () => {
    test("rings, and the app knows that it was in the background", async () => {
      const sin = await pushed();
      client.push.relayLocalNotification({ data: { sin } });
      const started = client.start();
      await world.pass(50);
      await started;
      expect(calls[0]?.details.applicationStateWhenReceived).toBe("background");
      expect(calls[0]?.state).toBe("ringing");
    });

    test("is answered when its action says so", async () => {
      const sin = await pushed();
      client.push.relayLocalNotification({ sin, action: "answer" });
      const started = client.start();
      await world.pass(1_500);
      await started;
      expect([out.state, calls[0]?.state]).toEqual(["established", "established"]);
    });

    test("is answered in the foreground only", async () => {
      const sin = await pushed();
      client.push.relayLocalNotification({ sin, action: "answer" });
      await start();
      await world.pass(1_000);
      expect(out.state).toBe("ringing");
      bob.page.fire("visible");
      await world.pass(1_000);
      expect(out.state).toBe("established");
    });

    test("is declined without ringing", async () => {
      const sin = await pushed();
      client.push.relayLocalNotification({ sin, action: "decline" });
      await start();
      await world.pass(100);
      expect(calls).toEqual([]);
      expect(out.details.endCause).toBe("denied");
    });

    test("acts on the call that rings here already", async () => {
      const sin = await pushed();
      client.push.relayRemotePushNotification(sin);
      await start();
      client.push.relayLocalNotification({ sin, action: "decline" });
      expect(calls[0]?.details.endCause).toBe("denied");
    });

    test("long ago ends no conversation", async () => {
      const sin = await pushed();
      client.push.relayRemotePushNotification(sin);
      const started = client.start();
      await world.pass(50);
      await started;
      calls[0]?.answer();
      client.push.relayLocalNotification({ sin, action: "decline" });
      await world.pass(1_000);
      client.push.relayLocalNotification({ sin, action: "decline" });
      expect([out.state, calls[0]?.state]).toEqual(["established", "established"]);
    });

    test("keeps its action when the same push comes once more", async () => {
      const sin = await pushed();
      client.push.relayLocalNotification({ sin, action: "decline" });
      client.push.relayRemotePushNotification(sin);
      await start();
      await world.pass(100);
      expect(out.details.endCause).toBe("denied");
    });

    test("acts on the call that was relayed and has not come yet", async () => {
      const sin = await pushed();
      client.push.relayRemotePushNotification(sin);
      client.push.relayLocalNotification({ sin, action: "decline" });
      await start();
      await world.pass(100);
      expect(calls).toEqual([]);
      expect(out.details.endCause).toBe("denied");
    });
  });
});
