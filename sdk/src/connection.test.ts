import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { closeCodes, errorBody } from "../../protocol";
import type { CarillonClient } from ".";
import { type Device, instance, World } from "./testing/world";

let world: World;
let alice: Device;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a start comes to, and the events on the way. */
function starting(client: CarillonClient) {
  const events: string[] = [];
  client.on("started", () => events.push("started"));
  client.on("failed", ({ errorName }) => events.push(`failed ${errorName}`));
  client.on("connection", ({ online }) => events.push(online ? "online" : "offline"));
  client.on("credentialsRequired", () => events.push("credentialsRequired"));
  const outcome = client.start().then(
    () => "started",
    (error: { errorName: string }) => error.errorName,
  );
  return { events, outcome };
}

const hellos = () => world.server.received.filter(({ frame }) => frame.type === "hello");

test("start registers once; later launches use what is stored", async () => {
  await (await alice.started()).terminate();
  await alice.started();
  expect(alice.requests.map(({ path }) => path)).toEqual(["/v1/instances"]);
});

test("start fails after 15 s without a network, and works when it is called again", async () => {
  alice.network = "silent";
  alice.stored.set(
    "carillon:https://calls.example:196087a1-e815-4bc4-8984-60d8d8a43f1d:alice",
    JSON.stringify({
      instanceId: "i",
      instanceToken: "alice:t",
      expires: Date.now() + 1e9,
      issued: Date.now(),
    }),
  );
  const client = alice.client();
  const { events, outcome } = starting(client);
  await world.pass(15_000);
  expect(await outcome).toBe("networkLost");
  expect(events).toEqual(["failed networkLost"]);
  alice.network = "up";
  const again = client.start();
  await world.pass(50);
  await expect(again).resolves.toBeUndefined();
});

test("start settles when the registration fails", async () => {
  alice.http = () => ({ status: 401, body: errorBody("tokenExpired") });
  const { events, outcome } = starting(alice.client());
  await world.pass(10);
  expect(await outcome).toBe("tokenExpired");
  expect(events).toEqual(["credentialsRequired", "failed tokenExpired"]);
});

test("start settles when nobody answers credentialsRequired", async () => {
  const client = alice.client();
  client.removeListeners();
  await expect(client.start()).rejects.toMatchObject({ errorName: "credentialsRequired" });
  const silent = starting(client);
  await world.pass(30_000);
  expect(await silent.outcome).toBe("credentialsRequired");
});

test("a revoked instance is renewed, or registered anew when that is refused", async () => {
  const client = await alice.started();
  alice.http = (path) =>
    path.endsWith("/renew")
      ? { status: 401, body: errorBody("instanceRevoked") }
      : { status: 201, body: instance("alice") };
  const asked = vi.fn();
  client.on("credentialsRequired", asked);
  alice.cut(closeCodes.unauthorized);
  await world.pass(1_000);
  expect(alice.requests.map(({ path }) => path).slice(1)).toEqual(["/v1/instances/renew", "/v1/instances"]);
  expect(asked).toHaveBeenCalledTimes(1);
  expect(hellos()).toHaveLength(2);

  alice.http = () => ({ status: 200, body: instance("alice") });
  alice.cut(closeCodes.unauthorized);
  await world.pass(1_000);
  expect(alice.requests.at(-1)?.path).toBe("/v1/instances/renew");
  expect(hellos()).toHaveLength(3);
  expect(asked).toHaveBeenCalledTimes(1);
});

test("a refused version is final", async () => {
  world.server.refusal = { code: closeCodes.versionRefused, error: errorBody("versionRefused") };
  const { events, outcome } = starting(alice.client());
  await world.pass(60_000);
  expect(await outcome).toBe("versionRefused");
  expect(events).toEqual(["credentialsRequired", "failed versionRefused"]);
  expect(hellos()).toHaveLength(1);
});

test("a replaced connection stays closed, quietly", async () => {
  const client = await alice.started();
  const failed = vi.fn();
  client.on("failed", failed);
  alice.cut(closeCodes.replaced);
  await world.pass(60_000);
  expect(hellos()).toHaveLength(1);
  expect(failed).not.toHaveBeenCalled();
});

test("it comes back by itself with the same connection id, later and later, never later than 15 s", async () => {
  const client = await alice.started();
  const { events } = starting(client);
  await world.pass(10_000);
  alice.network = "down";
  alice.cut();
  await world.pass(120_000);
  alice.network = "up";
  await world.pass(15_000);
  expect(events).toEqual(["offline", "online"]);
  const ids = hellos().map(({ frame }) => (frame.type === "hello" ? frame.connectionId : ""));
  expect(new Set(ids).size).toBe(1);
});

test("online brings it back at once", async () => {
  await alice.started();
  alice.network = "down";
  alice.cut();
  await world.pass(60_000);
  alice.network = "up";
  alice.page.fire("online");
  await world.pass(10);
  expect(hellos()).toHaveLength(2);
});

test("a network that died silently is noticed by the ping, and within 3 s when the page becomes visible", async () => {
  const client = await alice.started();
  const { events } = starting(client);
  alice.network = "silent";
  await world.pass(36_000);
  expect(events).toEqual(["offline"]);
  alice.network = "up";
  await world.pass(15_000);
  alice.network = "silent";
  alice.page.fire("visible");
  await world.pass(3_100);
  expect(events).toEqual(["offline", "online", "offline"]);
});

test("a page in the background says so, unless it takes calls there", async () => {
  const client = await alice.started();
  const states = () =>
    world.server.received.flatMap(({ frame }) => (frame.type === "state" ? [frame.state] : []));
  alice.page.fire("hidden");
  await world.pass(5);
  expect(states().at(-1)).toEqual({ listening: true, background: true });
  client.setSupportActiveConnectionInBackground(true);
  client.stopListeningOnActiveConnection();
  await world.pass(5);
  expect(states().at(-1)).toEqual({ listening: false, background: false });
});

test("a question that is asked while offline is answered after the return", async () => {
  const client = await alice.started();
  alice.cut();
  const presence = client.presence("bob");
  await world.pass(1_000);
  await expect(presence).resolves.toEqual({ online: true, lastSeen: null });
});

test("logging out revokes the instance and forgets it", async () => {
  const client = await alice.started();
  await client.logOut();
  expect(alice.requests.at(-1)).toMatchObject({ method: "DELETE", path: "/v1/instances/instance" });
  expect([...alice.stored.keys()]).toEqual([]);
});

test("a renewal that finds no network is tried again, and fails nothing", async () => {
  const client = await alice.started();
  const failed = vi.fn();
  client.on("failed", failed);
  alice.http = () => ({ status: 503 });
  world.server.refusal = { code: closeCodes.unauthorized, error: errorBody("instanceRevoked") };
  alice.cut(closeCodes.unauthorized);
  await world.pass(20_000);
  world.server.refusal = undefined;
  alice.http = () => ({ status: 200, body: instance("alice") });
  await world.pass(20_000);
  expect(failed).not.toHaveBeenCalled();
  await expect(Promise.race([client.presence("bob"), world.pass(100)])).resolves.toEqual({
    online: true,
    lastSeen: null,
  });
});
