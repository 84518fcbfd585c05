import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody } from "../../protocol";
import { signRegistration } from "./signing";
import { applicationKey, type Device, instance, World } from "./testing/world";

const secret = "oYdgGRXoxEuJhGDY2KQ/HQ==";
let world: World;
let alice: Device;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test.each([
  ["foo", "4sk2/7AD0VoGke0qc1ZiJ2BtzYA="],
  ["alice", "7NYSnv8J5/aLOjlQALjGY+OmdD4="],
])("signs for %s as the specification's vector does", async (userId, signature) => {
  expect(await signRegistration(userId, applicationKey, 1, secret)).toBe(signature);
});

test("with the secret it signs for itself, with growing sequences, and goes on past a device that is ahead", async () => {
  const sequences: number[] = [];
  alice.http = (_, body) => {
    sequences.push(Number(body.sequence));
    return sequences.length < 3
      ? { status: 401, body: errorBody("replayed") }
      : { status: 201, body: instance("alice") };
  };
  vi.useRealTimers();
  const client = alice.client({ applicationSecret: secret });
  const asked = vi.fn();
  client.on("credentialsRequired", asked);
  await client.start();
  expect(asked).not.toHaveBeenCalled();
  expect(sequences).toHaveLength(3);
  expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other));
  await client.terminate();
});

test("the secret on a page that is not localhost is warned of", async () => {
  vi.useRealTimers();
  vi.stubGlobal("location", { hostname: "shop.example" });
  const client = alice.client({ applicationSecret: secret });
  const log = vi.fn();
  client.on("logMessage", log);
  await client.start();
  expect(log).toHaveBeenCalledWith(expect.objectContaining({ level: "warning", area: "registration" }));
  await client.terminate();
});

test("two tabs that start at once register once", async () => {
  const tabs = [alice.client(), alice.client()].map((client) => client.start());
  await world.pass(50);
  await Promise.all(tabs);
  expect(alice.requests.filter(({ path }) => path === "/v1/instances")).toHaveLength(1);
  expect(world.server.connections.size).toBe(2);
});

test("past half of its life the instance is renewed in the background", async () => {
  const client = await alice.started();
  alice.http = () => ({ status: 200, body: instance("alice") });
  await world.pass(16 * 86_400_000);
  alice.cut();
  await world.pass(1_000);
  expect(alice.requests.filter(({ path }) => path.endsWith("/renew"))).toHaveLength(1);
  await client.terminate();
});

test("an answer that breaks off is a network that was lost", async () => {
  const broken = new ReadableStream({ start: (controller) => controller.error(new Error("reset")) });
  const client = alice.client({ fetch: async () => new Response(broken, { status: 201 }) });
  await expect(client.start()).rejects.toMatchObject({ errorName: "networkLost" });
});

test("registerFailed ends the start with the app's reason", async () => {
  const client = alice.client();
  client.removeListeners();
  client.on("credentialsRequired", ({ registerFailed }) => registerFailed(new Error("signed out")));
  await expect(client.start()).rejects.toMatchObject({
    errorName: "credentialsRequired",
    message: /signed out/,
  });
});

test("a log-out without a network is made up for by the next client of the device, whoever's it is", async () => {
  const client = await alice.started();
  alice.network = "down";
  await expect(client.logOut()).rejects.toMatchObject({ errorName: "networkLost" });
  const revoked = () =>
    alice.requests.flatMap(({ method, path }, i) => (method === "DELETE" ? [[path, i] as const] : []));
  expect(revoked()).toHaveLength(1);
  // As long as the server cannot do it either, it stays to be done.
  alice.network = "up";
  const { http } = alice;
  let trouble = true;
  alice.http = (path, body) =>
    trouble && path === "/v1/instances/instance"
      ? { status: 503, body: errorBody("unavailable") }
      : http(path, body);
  await (await alice.started({ userId: "bob" })).terminate();
  trouble = false;
  const before = alice.requests.length;
  await alice.started({ userId: "carol" });
  expect(revoked().at(-1)).toEqual(["/v1/instances/instance", before]);
  expect(alice.requests.at(before + 1)?.path).toBe("/v1/instances");
  const { length } = alice.requests;
  await alice.started({ userId: "carol" });
  expect(alice.requests).toHaveLength(length);
});
