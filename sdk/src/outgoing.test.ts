import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody, type SendOutcome, timeOfMessageId } from "../../protocol";
import { type CarillonClient, WritableMessage } from ".";
import type { FakeMail } from "./testing/mail";
import { recorded } from "./testing/recorded";
import { type Device, instance, World } from "./testing/world";

const hourMs = 3_600_000;
let world: World;
let alice: Device;
let mail: FakeMail;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
  mail = world.server.mail;
});
afterEach(() => {
  vi.useRealTimers();
});

/** Sends texts at once; resolves when they are stored. */
async function send(client: CarillonClient, ...texts: string[]): Promise<string[]> {
  const stored = texts.map((text) => client.messageClient.send(new WritableMessage("bob", text)));
  await world.pass(0);
  return (await Promise.all(stored)).map(({ messageId }) => messageId);
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}`);
const taken = () => mail.taken.map(({ text }) => text);
const frames = () => mail.frames.map(({ messages }) => messages.map(({ text }) => text).join());
const refused = (id: string, ...error: Parameters<typeof errorBody>): SendOutcome => ({
  id,
  failed: [],
  error: errorBody(...error),
});

test("everything that waits goes into the next frame, and one frame is under way at a time", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  await send(client, "first");
  await send(client, ...numbers(150));
  await world.pass(1);
  expect(mail.frames).toHaveLength(1);
  await world.pass(20);
  expect(mail.frames.map(({ messages }) => messages.length)).toEqual([1, 64, 64, 22]);
  expect(taken()).toEqual(["first", ...numbers(150)]);
  expect(events).toEqual(taken().map((text) => `sent ${text}`));
  expect(await client.messageClient.outgoing()).toEqual([]);
});

test("a frame holds about 48 KB, and a message that is larger goes alone", async () => {
  const client = await alice.started();
  await send(client, "first", ...Array(8).fill("é".repeat(8_000)), "\u0000".repeat(16_000), "last");
  await world.pass(50);
  expect(mail.frames.map(({ messages }) => messages.length)).toEqual([3, 2, 2, 2, 1, 1]);
});

test("many messages cost few writes", async () => {
  const client = await alice.started();
  alice.storageMs = 2;
  alice.writes.length = 0;
  const more = numbers(501).map((text) => client.messageClient.send(new WritableMessage("bob", text)));
  await world.pass(100);
  await Promise.all(more);
  expect(mail.taken).toHaveLength(501);
  expect(alice.writes.length).toBeLessThan(15);
});

test("what is sent before the start, or while the connection is away, goes out later, in order", async () => {
  const client = alice.client();
  const { events } = recorded(client);
  await send(client, "before");
  const started = client.start();
  await send(client, "while starting");
  await world.pass(20);
  await started;
  alice.network = "down";
  alice.cut();
  await send(client, "away 1", "away 2");
  expect(await client.messageClient.outgoing()).toMatchObject([
    { text: "away 1", senderId: "alice" },
    { text: "away 2" },
  ]);
  alice.network = "up";
  await world.pass(2_000);
  expect(taken()).toEqual(["before", "while starting", "away 1", "away 2"]);
  expect(events).toEqual(taken().map((text) => `sent ${text}`));
});

test("what waits survives a reload, with its id", async () => {
  let client = await alice.started();
  alice.network = "silent";
  const ids = await send(client, "1", "2", "3");
  alice.kill(client);
  alice.network = "up";
  client = alice.client();
  const { events } = recorded(client);
  expect(await client.messageClient.outgoing()).toMatchObject([{ text: "1" }, { text: "2" }, { text: "3" }]);
  void client.start();
  await world.pass(50);
  expect(mail.taken.map(({ id }) => id)).toEqual(ids);
  expect(events).toEqual(["sent 1", "sent 2", "sent 3"]);
});

test("an answer that is lost makes no second message and no second event", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  const bob = recorded(await world.device("bob").started());
  for (const text of ["1", "2", "3"]) {
    await send(client, text);
    await world.pass(1);
    alice.cut();
    await world.pass(6_000);
  }
  expect(frames()).toEqual(["1", "1", "2", "2", "3", "3"]);
  expect(bob.incoming.map(({ text }) => text)).toEqual(["1", "2", "3"]);
  expect(events.filter((event) => event.startsWith("sent"))).toEqual(["sent 1", "sent 2", "sent 3"]);
  expect(await client.messageClient.outgoing()).toEqual([]);
});

test("an answer that does not come on a living socket is not waited for for ever", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  mail.answerMs = 40_000;
  await send(client, "1");
  await send(client, "2");
  await world.pass(29_000);
  expect(frames()).toEqual(["1"]);
  await world.pass(3_000);
  expect(frames()).toEqual(["1", "1,2"]);
  await send(client, "3");
  // The first answer comes now, when nobody waits for it any more: still one frame at a time.
  await world.pass(10_000);
  mail.answerMs = 0;
  expect(frames()).toEqual(["1", "1,2"]);
  await world.pass(30_000);
  expect(events).toEqual(["sent 1", "sent 2", "sent 3"]);
  expect(await client.messageClient.outgoing()).toEqual([]);
});

test("1,000 messages may wait", async () => {
  const client = alice.client();
  await send(client, ...numbers(999));
  const [last, over] = ["last", "over"].map((text) =>
    client.messageClient.send(new WritableMessage("bob", text)),
  );
  await expect(last).resolves.toMatchObject({ text: "last" });
  await expect(over).rejects.toMatchObject({ errorName: "rateLimited" });
});

test("a message that cannot be stored is not sent", async () => {
  const client = await alice.started();
  alice.storageFailure = new Error("quota");
  await expect(client.messageClient.send(new WritableMessage("bob", "1"))).rejects.toThrow("quota");
  alice.storageFailure = undefined;
  await send(client, "2");
  await world.pass(5);
  expect(taken()).toEqual(["2"]);
});

test("when it was too much, it waits as long as the server says, and the order stays", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  let rest = 3;
  mail.outcome = ({ id }) => {
    rest -= 1;
    return rest < 0 ? refused(id, "rateLimited", { retryAfter: 7 }) : undefined;
  };
  await send(client, ...numbers(5));
  await world.pass(10);
  await send(client, "later");
  expect(taken()).toEqual(["0", "1", "2"]);
  alice.cut();
  await world.pass(6_900);
  expect(frames()).toEqual(["0,1,2,3,4"]);
  rest = 100;
  await world.pass(200);
  expect(frames()).toEqual(["0,1,2,3,4", "3,4,later"]);
  expect(events).toEqual(taken().map((text) => `sent ${text}`));
});

test("a wait that no timer can hold makes no hot loop", async () => {
  const client = await alice.started();
  mail.refusal = () => errorBody("rateLimited", { retryAfter: 3_000_000 });
  await send(client, "1");
  await world.pass(hourMs - 100);
  expect(frames()).toEqual(["1"]);
  mail.refusal = () => undefined;
  await world.pass(200);
  expect(taken()).toEqual(["1"]);
});

test("an answer that says nothing of the messages is trouble on the server", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  mail.oddAnswers.push({}, { results: null }, { results: [] });
  await send(client, "1");
  await world.pass(10_000);
  expect(mail.oddAnswers).toEqual([]);
  expect(events).toEqual(["sent 1"]);
});

test("a server in trouble is asked again, later and later", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  mail.refusal = () => errorBody("unavailable");
  const at: number[] = [];
  mail.frames.push = (...frame) => {
    at.push(Date.now());
    return Array.prototype.push.apply(mail.frames, frame);
  };
  await send(client, "1");
  await world.pass(60_000);
  const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0) - 2);
  expect(gaps.slice(0, 5)).toEqual([250, 500, 1_000, 2_000, 4_000]);
  expect(Math.max(...gaps)).toBe(15_000);
  mail.refusal = () => undefined;
  mail.outcome = ({ id }) => refused(id, "internal");
  await world.pass(20_000);
  expect(events).toEqual([]);
  mail.outcome = () => undefined;
  await world.pass(20_000);
  expect(events).toEqual(["sent 1"]);

  at.length = 0;
  mail.refusal = () => errorBody("unavailable");
  await send(client, "2");
  await world.pass(300);
  expect(at).toHaveLength(2);
});

test("what the app was not told of, because it terminated, it is told at the next launch", async () => {
  let client = await alice.started();
  let { events } = recorded(client);
  client.messageClient.on("messageFailed", () => void client.terminate());
  mail.outcome = ({ id }) => refused(id, "userUnknown");
  await send(client, "1", "2", "3");
  await world.pass(50);
  expect(events).toEqual(["failed bob userUnknown"]);
  client = alice.client();
  ({ events } = recorded(client));
  await alice.start(client);
  expect(frames()).toEqual(["1,2,3", "2,3"]);
  expect(events).toEqual(["failed bob userUnknown", "failed bob userUnknown"]);
});

test("one message that makes the server refuse a frame does not hold up the others", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  mail.refusal = ({ messages }) =>
    messages.some(({ text }) => text === "bad") ? errorBody("invalidRequest") : undefined;
  await send(client, "1", "2", "bad", "3");
  await send(client, ...numbers(3));
  await world.pass(50);
  expect(frames()).toEqual(["1,2,bad,3", "1", "2", "bad", "3", "0,1,2"]);
  expect(events).toEqual([
    "sent 1",
    "sent 2",
    "failed bob invalidRequest",
    "sent 3",
    "sent 0",
    "sent 1",
    "sent 2",
  ]);
  expect(await client.messageClient.outgoing()).toEqual([]);
});

test("after 12 hours a message is given up, also without a connection, also if that is after a reload", async () => {
  let client = await alice.started();
  let { events } = recorded(client);
  alice.network = "down";
  alice.cut();
  await send(client, "1");
  await world.pass(hourMs);
  await send(client, "2");
  await world.pass(11 * hourMs - 60_000);
  expect(events).toEqual([]);
  // Two minutes later: some other tab might still have it on its way.
  await world.pass(360_000);
  expect(events).toEqual(["failed bob expired"]);

  alice.kill(client);
  await world.pass(2 * hourMs);
  alice.network = "up";
  client = alice.client();
  ({ events } = recorded(client));
  void client.start();
  await world.pass(50);
  expect(events).toEqual(["failed bob expired"]);
  expect(taken()).toEqual([]);
  expect(await client.messageClient.outgoing()).toEqual([]);
});

test("a device whose clock is a day ahead gives nothing up that is not old", async () => {
  const now = () => Date.now() - 24 * hourMs;
  vi.spyOn(world.server, "now").mockImplementation(now);
  let client = await alice.started();
  alice.network = "down";
  alice.cut();
  await send(client, "1");
  alice.kill(client);
  // The page that comes then does not know the time until it is connected.
  client = alice.client();
  const { events } = recorded(client);
  void client.start();
  await world.pass(5_000);
  alice.network = "up";
  await world.pass(5_000);
  expect(events).toEqual(["sent 1"]);
});

test("an id that was made while the clock was wrong does not spoil those that follow", async () => {
  const now = () => Date.now() - 24 * hourMs;
  vi.spyOn(world.server, "now").mockImplementation(now);
  const client = alice.client();
  await send(client, "on the device's clock");
  await alice.start(client);
  const ids = await send(client, "1", "2");
  for (const id of ids) expect(Math.abs(timeOfMessageId(id) - now())).toBeLessThan(1_000);
});

test("a server that says no for 12 hours gets no message that is older", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  mail.refusal = () => errorBody("unavailable", { retryAfter: 3 });
  await world.pass(40_000);
  await send(client, "1");
  await world.pass(12 * hourMs);
  mail.refusal = () => undefined;
  await world.pass(60_000);
  expect(events).toEqual(["failed bob expired"]);
  expect(taken()).toEqual([]);
});

test("a message that is given up just when the client terminates is told of at the next launch", async () => {
  let client = await alice.started();
  let { events } = recorded(client);
  alice.network = "down";
  alice.cut();
  await send(client, "1");
  const due = Date.now() + 12 * hourMs + 120_000;
  await world.pass(12 * hourMs);
  const read = alice.stored.get.bind(alice.stored);
  vi.spyOn(alice.stored, "get").mockImplementation((key) => {
    if (key.endsWith("outgoing") && Date.now() >= due) void client.terminate();
    return read(key);
  });
  await world.pass(360_000);
  expect(events).toEqual([]);
  vi.restoreAllMocks();
  client = alice.client();
  ({ events } = recorded(client));
  alice.network = "up";
  await alice.start(client);
  expect(events).toEqual(["failed bob expired"]);
});

test.each([
  ["terminate", ["2", "3"]],
  ["logOut", []],
] as const)("%s() at the first of several messages that are given up", async (end, later) => {
  const client = await alice.started();
  const { failures } = recorded(client);
  client.messageClient.on("messageFailed", () => void client[end]().catch(() => {}));
  alice.network = "down";
  alice.cut();
  await send(client, "1", "2", "3");
  await world.pass(12.1 * hourMs);
  expect(failures.map(({ message }) => message?.text)).toEqual(["1"]);
  const next = alice.client();
  const after = recorded(next);
  alice.network = "up";
  await alice.start(next);
  expect(after.failures.map(({ message }) => message?.text)).toEqual(later);
});

test("a message that is on its way in the twelfth hour is not given up by any tab", async () => {
  const tabs = [await alice.started(), await alice.started()];
  const seen = tabs.map(recorded);
  mail.refusal = () => errorBody("unavailable", { retryAfter: 3 });
  await world.pass(40_000);
  await send(tabs[1] as CarillonClient, "1");
  await world.pass(12 * hourMs - 4_000);
  mail.refusal = () => undefined;
  mail.answerMs = 28_000;
  await world.pass(180_000);
  for (const { events } of seen) expect(events).toEqual(["sent 1"]);
});

// ---- tabs ---------------------------------------------------------------------------------------

test("one tab sends for all; each event comes once in each tab", async () => {
  const tabs = [await alice.started(), await alice.started(), await alice.started()];
  const seen = tabs.map(recorded);
  mail.outcome = ({ id, text }) => (text === "bad" ? refused(id, "userUnknown") : undefined);
  await Promise.all(tabs.map((tab, i) => send(tab, `${i}`)));
  await send(tabs[2] as CarillonClient, "bad");
  await send(tabs[1] as CarillonClient, "last");
  await world.pass(50);
  const from = new Set(
    world.server.received.flatMap(({ from, frame }) => (frame.type === "send" ? [from] : [])),
  );
  expect(from.size).toBe(1);
  expect(taken()).toEqual(["0", "1", "2", "last"]);
  for (const { events } of seen)
    expect([...events].sort()).toEqual(["failed bob userUnknown", "sent 0", "sent 1", "sent 2", "sent last"]);
});

test("when the tab that sends is gone, another goes on where it was", async () => {
  const [first, second] = [await alice.started(), await alice.started()];
  const { events } = recorded(second);
  await send(first, "1", "2");
  await world.pass(1);
  expect(taken()).toEqual(["1", "2"]);
  // The answer never arrives, and nothing was taken out of the storage.
  alice.kill(first);
  await send(second, "3");
  await world.pass(50);
  expect(taken()).toEqual(["1", "2", "3"]);
  expect(events).toEqual(["sent 1", "sent 2", "sent 3"]);
  expect(await second.messageClient.outgoing()).toEqual([]);
});

/** The first tab keeps its turn, but nothing that it sends arrives. */
function suspendFirst(): void {
  const [{ from } = { from: "" }] = world.server.received;
  const original = mail.take.bind(mail);
  mail.take = (connection, frame) => {
    if (frame.type !== "send" || `${connection.userId}/${connection.hello.connectionId}` !== from)
      original(connection, frame);
  };
}

test("the tab that comes to the front sends, where the one that did is suspended with its turn", async () => {
  const first = await alice.started();
  alice.page.fire("hidden");
  const second = await alice.started();
  const seen = [first, second].map(recorded);
  const original = mail.take;
  suspendFirst();
  await send(second, "1");
  await world.pass(5_000);
  expect(taken()).toEqual([]);
  alice.page.fire("visible");
  await world.pass(20);
  expect(taken()).toEqual(["1"]);
  for (const { events } of seen) expect(events).toEqual(["sent 1"]);
  // The other one does not send, and goes on when the turn is free again.
  mail.take = original;
  await send(first, "2");
  await world.pass(20);
  expect(mail.frames.map(({ messages }) => messages.length)).toEqual([1, 1]);
  await second.terminate();
  await send(first, "3");
  await world.pass(20);
  expect(taken()).toEqual(["1", "2", "3"]);
  expect(seen[0]?.events).toEqual(["sent 1", "sent 2", "sent 3"]);
});

test("a tab that is opened in front sends, where the one that did is suspended with its turn", async () => {
  await alice.started();
  suspendFirst();
  const second = await alice.started();
  const { events } = recorded(second);
  await send(second, "1");
  await world.pass(20);
  expect(events).toEqual(["sent 1"]);
});

test("a tab without a connection leaves the sending to one that has it", async () => {
  const [first, second] = [await alice.started(), await alice.started()];
  const [, events] = [recorded(second), recorded(first).events];
  const [socket] = alice.sockets;
  const started = alice.sockets.length;
  // Only the first tab's socket drops, and it does not come back for a while.
  alice.network = "down";
  socket?.cut();
  await send(first, "1");
  await world.pass(10);
  expect(started).toBe(2);
  expect(taken()).toEqual(["1"]);
  alice.network = "up";
  await world.pass(2_000);
  expect(events).toEqual(["sent 1"]);
  await second.terminate();
  await send(first, "2");
  await world.pass(50);
  expect(taken()).toEqual(["1", "2"]);
});

test("a tab without a connection hears what another has sent for it, though the server tells it nothing", async () => {
  const [first, second] = [await alice.started(), await alice.started()];
  const seen = [first, second].map(recorded);
  // With a third device connected, no note waits for a tab that comes back.
  mail.note = () => {};
  alice.network = "down";
  alice.sockets[0]?.cut();
  await send(first, "1");
  await world.pass(10);
  alice.network = "up";
  await world.pass(60_000);
  for (const { events } of seen) expect(events).toEqual(["sent 1"]);
});

test("what a tab stores as its last act is found by the one that sends", async () => {
  const [, second] = [await alice.started(), await alice.started()];
  alice.storageMs = 5;
  const stored = second.messageClient.send(new WritableMessage("bob", "1"));
  await second.terminate();
  await world.pass(100);
  await expect(stored).resolves.toMatchObject({ text: "1" });
  await world.pass(60_000);
  expect(taken()).toEqual(["1"]);
});

test("a message is given up by one tab, and all tabs hear of it once", async () => {
  const tabs = [await alice.started(), await alice.started()];
  const seen = tabs.map(recorded);
  mail.refusal = () => errorBody("unavailable");
  await send(tabs[1] as CarillonClient, "1");
  await world.pass(13 * hourMs);
  for (const { events } of seen) expect(events).toEqual(["failed bob expired"]);
});

test("a device that shares nothing with another one but the user sends for itself", async () => {
  const laptop = world.device("alice", alice);
  laptop.http = () => ({ status: 201, body: instance("alice", undefined, "laptop") });
  const [one, other] = [await alice.started(), await laptop.started()];
  const { events } = recorded(other);
  await send(one, "1");
  await send(other, "2");
  await world.pass(20);
  expect(taken().sort()).toEqual(["1", "2"]);
  mail.outcome = ({ id }) => refused(id, "userUnknown");
  await send(one, "3");
  await world.pass(20);
  expect(events.sort()).toEqual(["sent 1", "sent 2"]);
});
