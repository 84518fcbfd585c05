import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { closeCodes, errorBody, type Hello } from "../../protocol";
import { recorded } from "./testing/recorded";
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

let count = 0;
/** Messages for alice, as fast as they can come. */
function put(...texts: string[]): void {
  for (const text of texts) world.server.mail.put("bob", "alice", text, `m${count++}`);
}
const hellos = () =>
  world.server.received.flatMap(({ frame }) => (frame.type === "hello" ? [frame] : [])) as Hello[];
const acks = () =>
  world.server.received.flatMap(({ frame }) => (frame.type === "ack" && frame.mail ? [frame.mail] : []));
const texts = ({ incoming }: ReturnType<typeof recorded>) => incoming.map(({ text }) => text);
const stored = () => {
  const entry = [...alice.stored].find(([key]) => key.endsWith(":mail"));
  return entry && JSON.parse(entry[1]);
};
const numbers = (length: number) => Array.from({ length }, (_, i) => `${i}`);

async function relaunched() {
  const client = alice.client();
  const seen = recorded(client);
  await alice.start(client);
  return seen;
}

test("each message comes once, in order, whatever happens to the connection", async () => {
  const seen = recorded(await alice.started());
  for (let round = 0; round < 5; round += 1) {
    put(`${round} a`);
    await world.pass(round);
    put(`${round} b`);
    alice.cut();
    put(`${round} c`);
    await world.pass(8_000);
  }
  expect(texts(seen)).toEqual(numbers(5).flatMap((round) => [`${round} a`, `${round} b`, `${round} c`]));
  expect(hellos().map(({ mail }) => mail?.ack)).toEqual([undefined, undefined, 4, 7, 10, 13]);
});

test("a repetition is passed over, in messages and in notes", async () => {
  const client = await alice.started();
  const seen = recorded(client);
  const { mail, connections } = world.server;
  put("1");
  mail.note("alice", { note: "delivered", id: "m", by: "bob", time: 1 });
  await world.pass(5);
  const [connection] = connections.values();
  if (connection) mail.open({ ...connection, hello: { ...connection.hello, mail: { ack: 0, notes: 0 } } });
  await world.pass(5);
  expect(texts(seen)).toEqual(["1"]);
  expect(seen.events).toEqual(["delivered bob"]);
});

test("a reload goes on where the last page was", async () => {
  const client = await alice.started();
  const before = recorded(client);
  put("1", "2");
  world.server.mail.note("alice", { note: "delivered", id: "m", by: "bob", time: 1 });
  await world.pass(20);
  alice.kill(client);
  put("3");
  const after = await relaunched();
  expect([texts(before), texts(after)]).toEqual([["1", "2"], ["3"]]);
  expect(hellos().at(-1)?.mail).toEqual({ ack: 2, notes: 1 });
  expect(after.events).toEqual([]);
});

test("nothing is acknowledged that is not stored, and frames that come quickly are stored together", async () => {
  const client = await alice.started();
  const seen = recorded(client);
  alice.storageMs = 3;
  alice.writes.length = 0;
  const original = world.server.mail.take.bind(world.server.mail);
  const unsafe: unknown[] = [];
  world.server.mail.take = (connection, frame) => {
    if (frame.type === "ack" && (frame.mail?.ack ?? 0) > (stored()?.ack ?? 0)) unsafe.push(frame.mail);
    original(connection, frame);
  };
  for (const text of numbers(100)) {
    put(text);
    if (Number(text) % 10 === 0) await world.pass(1);
  }
  await world.pass(100);
  expect(texts(seen)).toEqual(numbers(100));
  expect(unsafe).toEqual([]);
  expect(acks().at(-1)).toEqual({ ack: 100 });
  expect(alice.writes.length).toBeLessThan(8);
  expect(acks().length).toBeLessThanOrEqual(alice.writes.length);
});

test("what could not be stored is not acknowledged, and is told again after a reload", async () => {
  const client = await alice.started();
  const seen = recorded(client);
  alice.storageFailure = new Error("quota");
  put("1");
  await world.pass(20);
  expect(texts(seen)).toEqual(["1"]);
  expect(acks()).toEqual([]);
  alice.storageFailure = undefined;
  put("2");
  await world.pass(20);
  expect(acks()).toEqual([{ ack: 2 }]);
});

test("a page that closes between the event and the storing hears the message again", async () => {
  const client = await alice.started();
  const before = recorded(client);
  alice.storageMs = 5;
  put("1");
  await world.pass(2);
  alice.kill(client);
  alice.storageMs = 0;
  const after = await relaunched();
  expect(before.incoming).toEqual(after.incoming);
});

test("an acknowledgement that is lost is made up for by the next hello", async () => {
  await alice.started();
  put("1");
  await world.pass(1);
  alice.cut();
  await world.pass(1_000);
  expect(hellos().at(-1)?.mail).toEqual({ ack: 1 });
});

test("an instance that registered anew has no position", async () => {
  const seen = recorded(await alice.started());
  put("1", "2");
  await world.pass(10);
  alice.http = (path) =>
    path.endsWith("/renew")
      ? { status: 401, body: errorBody("instanceRevoked") }
      : { status: 201, body: instance("alice", undefined, "another") };
  alice.cut(closeCodes.unauthorized);
  put("3");
  await world.pass(1_000);
  expect(hellos().at(-1)?.mail).toEqual({});
  expect(texts(seen)).toEqual(["1", "2", "3"]);
  expect(stored()).toEqual({ instanceId: "another", ack: 3 });
});

test("each tab has its own position, and the stored one never goes back", async () => {
  const [first, second] = [await alice.started(), await alice.started()];
  const seen = [first, second].map(recorded);
  put("1", "2", "3");
  // The second tab's connection drops before it hears of anything.
  alice.cut();
  await world.pass(10);
  expect(stored()).toEqual({ instanceId: "instance", ack: 3 });
  await world.pass(1_000);
  expect(hellos().at(-1)?.mail).toEqual({});
  expect(stored()).toEqual({ instanceId: "instance", ack: 3 });
  put("4");
  await world.pass(20);
  expect(seen.map(texts)).toEqual([
    ["1", "2", "3", "4"],
    ["1", "2", "3", "4"],
  ]);
  const third = await relaunched();
  expect(hellos().at(-1)?.mail).toEqual({ ack: 4 });
  expect(texts(third)).toEqual([]);
});

test("a storage that hangs keeps nobody from connecting, and what comes meanwhile is acknowledged later", async () => {
  let answer = (_: string) => {};
  const hangs = new Promise<string>((resolve) => {
    answer = resolve;
  });
  const client = alice.client({
    storage: {
      get: async (key) => (key.endsWith(":mail") ? hangs : alice.stored.get(key)),
      set: async (key, value) => void alice.stored.set(key, value),
      delete: async (key) => void alice.stored.delete(key),
    },
  });
  const seen = recorded(client);
  void client.start();
  await world.pass(4_990);
  expect(hellos()).toEqual([]);
  await world.pass(20);
  expect(hellos().map(({ mail }) => mail)).toEqual([{}]);
  put("1", "2");
  await world.pass(20);
  expect(texts(seen)).toEqual(["1", "2"]);
  expect(acks()).toEqual([]);
  answer('{"instanceId":"instance","ack":1,"notes":7}');
  await world.pass(20);
  expect(acks()).toEqual([{ ack: 2, notes: 7 }]);
  expect(stored()).toEqual({ instanceId: "instance", ack: 2, notes: 7 });
});

test("a listener that terminates the client hears the rest at the next launch", async () => {
  const client = await alice.started();
  const seen = recorded(client);
  client.messageClient.on("incomingMessage", ({ text }) => {
    if (text === "2") void client.terminate();
  });
  alice.network = "down";
  alice.cut();
  put("1", "2", "3", "4");
  alice.network = "up";
  await world.pass(1_000);
  expect(texts(seen)).toEqual(["1", "2"]);
  const after = await relaunched();
  expect(texts(after)).toEqual(["3", "4"]);
});
