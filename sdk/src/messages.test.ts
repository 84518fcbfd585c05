import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody, limits } from "../../protocol";
import { type CarillonClient, type Message, WritableMessage } from ".";
import { recorded } from "./testing/recorded";
import { type Device, instance, World } from "./testing/world";

let world: World;
let alice: Device;
let bob: Device;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
  bob = world.device("bob");
});
afterEach(() => {
  vi.useRealTimers();
});

async function sent(client: CarillonClient, to: string | string[], text: string): Promise<Message> {
  const message = client.messageClient.send(new WritableMessage(to, text));
  await world.pass(10);
  return message;
}

test.each([
  ["no recipient", [], "a", {}, "invalidValue"],
  ["a recipient that is no user id", ["a b"], "a", {}, "invalidValue"],
  ["257 recipients", Array.from({ length: 257 }, (_, i) => `u${i}`), "a", {}, "tooLarge"],
  ["an empty text", "bob", "", {}, "invalidValue"],
  ["no text", "bob", undefined as unknown as string, {}, "invalidValue"],
  ["half of a surrogate pair", "bob", "\ud83d", {}, "invalidValue"],
  ["a text of 16,385 bytes", "bob", "a".repeat(16_385), {}, "tooLarge"],
  ["8,193 characters of 2 bytes", "bob", "é".repeat(8_193), {}, "tooLarge"],
  ["headers of 1,025 bytes", "bob", "a", { name: "a".repeat(1_021) }, "tooLarge"],
])("%s is refused before it is sent", (_, recipients, text, headers, errorName) => {
  expect(() => new WritableMessage(recipients, text, headers)).toThrow(
    expect.objectContaining({ name: "CarillonError", errorName }),
  );
});

test("the largest message there can be goes out", async () => {
  const client = await alice.started();
  const everyone = Array.from({ length: limits.recipients }, (_, i) => `u${i}`);
  const largest = new WritableMessage(everyone, "\u0000".repeat(16_384), { name: "a".repeat(1_020) });
  void client.messageClient.send(largest);
  await world.pass(10);
  expect(world.server.mail.taken).toHaveLength(1);
});

test("sent, received, delivered and read, on every device that is concerned", async () => {
  const phone = await alice.started();
  const laptop = await world.device("alice").started();
  const recipient = await bob.started();
  const [onPhone, onLaptop, onBob] = [phone, laptop, recipient].map(recorded);
  const message = await phone.messageClient.send(new WritableMessage("bob", "Hello", { thread: "1" }));
  expect(message).toMatchObject({ senderId: "alice", recipientIds: ["bob"], text: "Hello" });
  await world.pass(20);
  expect(onBob?.incoming).toEqual([
    { ...message, headers: { thread: "1" }, time: world.server.mail.taken[0]?.time },
  ]);
  recipient.messageClient.markRead(onBob?.incoming ?? []);
  await world.pass(5);
  world.server.mail.note("alice", {
    note: "read",
    from: "alice",
    id: message.messageId,
    by: "bob",
    time: 5,
  });
  await world.pass(5);
  expect(world.server.mail.read).toEqual([{ from: "alice", id: message.messageId }]);
  for (const device of [onPhone, onLaptop])
    expect(device?.events).toEqual(["sent Hello", "delivered bob", "read bob"]);
});

test("an id begins with the time on the server's clock", async () => {
  const ahead = 3_600_000;
  vi.spyOn(world.server, "now").mockImplementation(() => Date.now() + ahead);
  const client = await alice.started();
  const { messageId, time } = await sent(client, "bob", "Hello");
  expect(messageId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(time - Date.now()).toBeGreaterThan(ahead - 100);
});

test("ids grow in the order of sending, however quickly messages follow each other", async () => {
  const { messageClient } = await alice.started();
  const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
  const messages = texts.map((text) => messageClient.send(new WritableMessage("bob", text)));
  await world.pass(0);
  const ids = (await Promise.all(messages)).map(({ messageId }) => messageId);
  expect(ids.map((id) => id.slice(0, 13))).toEqual([...new Set(ids.map((id) => id.slice(0, 13)))].sort());
});

test("who does not get it, and why, is told with the message and for each", async () => {
  world.server.mail.failures = () => [{ to: "carol", error: errorBody("userUnknown") }];
  const client = await alice.started();
  const events = recorded(client);
  const failed = vi.fn();
  client.messageClient.on("messageSent", (event) => failed(event.failed[0]?.recipientId));
  const message = await sent(client, ["bob", "carol"], "Hello");
  expect(events.events).toEqual(["sent Hello", "failed carol userUnknown"]);
  expect(events.failures[0]?.message?.messageId).toBe(message.messageId);
  expect(failed).toHaveBeenCalledWith("carol");
});

test("a message that goes to nobody fails for each recipient, with the reason for that one", async () => {
  world.server.mail.outcome = ({ id }) => ({
    id,
    error: errorBody("userUnknown"),
    failed: [
      { to: "bob", error: errorBody("userUnknown") },
      { to: "carol", error: errorBody("userBlocked") },
    ],
  });
  const client = await alice.started();
  const { events, failures } = recorded(client);
  await sent(client, ["bob", "carol"], "Hello");
  expect(events).toEqual(["failed bob userUnknown", "failed carol userBlocked"]);
  expect(await client.messageClient.outgoing()).toEqual([]);

  world.server.mail.outcome = () => undefined;
  const again = WritableMessage.from(failures[0]?.message as Message, "bob");
  const copy = await client.messageClient.send(again);
  await world.pass(10);
  expect(copy.messageId).not.toBe(failures[0]?.messageId);
  expect(events.at(-1)).toBe("sent Hello");
});

test("a failure that is found out later names the message as long as it is known", async () => {
  let client = await alice.started();
  let { failures } = recorded(client);
  const { messageId } = await sent(client, "bob", "Hello");
  const tell = () =>
    world.server.mail.note("alice", {
      note: "failed",
      id: messageId,
      to: "bob",
      error: errorBody("expired"),
    });
  tell();
  await world.pass(5);
  expect(failures).toMatchObject([{ messageId, recipientId: "bob", message: { text: "Hello" } }]);

  alice.kill(client);
  client = await alice.started();
  ({ failures } = recorded(client));
  tell();
  await world.pass(5);
  expect(failures).toMatchObject([{ messageId, recipientId: "bob", error: { errorName: "expired" } }]);
  expect(failures[0]).not.toHaveProperty("message");
});

test("an app that marks each of many messages by itself makes few frames", async () => {
  const client = await alice.started();
  const ids = Array.from({ length: 1_000 }, (_, i) => `m${i}`);
  for (const messageId of ids) client.messageClient.markRead({ messageId, senderId: "bob" });
  await world.pass(100);
  expect(world.server.mail.read.map(({ id }) => id)).toEqual(ids);
  const frames = world.server.received.filter(({ frame }) => frame.type === "read");
  expect(frames).toHaveLength(11);
});

test("a name that is no message's does not keep the others from being read", async () => {
  const client = await alice.started();
  const { mail } = world.server;
  const take = mail.take.bind(mail);
  mail.take = (connection, frame) => {
    const bad = frame.type === "read" && frame.messages.some(({ id }) => id === "bad");
    const error = errorBody("invalidRequest");
    if (bad) connection.wire?.send(JSON.stringify({ type: "error", id: frame.id, error }));
    else take(connection, frame);
  };
  for (const messageId of ["1", "2", "bad", "3"])
    client.messageClient.markRead({ messageId, senderId: "bob" });
  await world.pass(50);
  expect(mail.read.map(({ id }) => id)).toEqual(["1", "2", "3"]);
});

test("what was read is told in hundreds, and again after a drop", async () => {
  const client = await alice.started();
  const read = Array.from({ length: 250 }, (_, i) => ({ messageId: `m${i}`, senderId: "bob" }));
  client.messageClient.markRead(read);
  alice.cut();
  await world.pass(1_000);
  const ids = world.server.mail.read.map(({ id }) => id);
  expect([...new Set(ids)]).toEqual(read.map(({ messageId }) => messageId));
  const frames = world.server.received.flatMap(({ frame }) => (frame.type === "read" ? [frame] : []));
  expect(frames.map(({ messages }) => messages.length)).toEqual([100, 100, 50]);
});

test("typing is told once in 3 seconds to the same people", async () => {
  const client = await alice.started();
  const typing = vi.fn();
  (await bob.started()).messageClient.on("typing", typing);
  for (let second = 0; second < 4; second += 1) {
    client.messageClient.sendTyping("bob");
    client.messageClient.sendTyping(["carol", "bob"]);
    client.messageClient.sendTyping(["bob", "carol"]);
    await world.pass(1_000);
  }
  expect(typing.mock.calls.map(([event]) => event)).toEqual(Array(4).fill({ userId: "alice" }));
});

test("typing to nobody, or to what is no user id, is not told", async () => {
  const client = await alice.started();
  for (const to of [[], "bob smith", ["bob", ""]]) client.messageClient.sendTyping(to);
  client.messageClient.sendTyping("bob");
  await world.pass(5);
  const frames = world.server.received.flatMap(({ frame }) => (frame.type === "typing" ? [frame.to] : []));
  expect(frames).toEqual([["bob"]]);
});

test("the history is asked for with the instance's token", async () => {
  const client = await alice.started();
  const stored = { id: "m", from: "bob", to: ["alice"], text: "Hello", headers: {}, time: 5 };
  alice.http = () => ({
    status: 200,
    body: { messages: [{ ...stored, states: { alice: { delivered: 6 } } }], next: "n" },
  });
  const page = await client.messageClient.history(["bob", "c&d"], { before: "a=b", limit: 30 });
  expect(alice.requests.at(-1)).toMatchObject({
    method: "GET",
    path: "/v1/history?with=bob&with=c%26d&before=a%3Db&limit=30",
  });
  expect(page).toEqual({
    messages: [
      {
        messageId: "m",
        senderId: "bob",
        recipientIds: ["alice"],
        text: "Hello",
        headers: {},
        time: 5,
        states: { alice: { delivered: 6 } },
      },
    ],
    next: "n",
  });
  await client.messageClient.history([], { before: undefined });
  expect(alice.requests.at(-1)?.path).toBe("/v1/history");
});

test("without messaging, hello does not ask for any and nothing is sent", async () => {
  const client = alice.client();
  client.setSupportMessaging(false);
  const started = client.start();
  await world.pass(20);
  await started;
  const [hello] = world.server.received;
  expect(hello?.frame).not.toHaveProperty("mail");
  await expect(client.messageClient.send(new WritableMessage("bob", "Hello"))).rejects.toMatchObject({
    errorName: "invalidUse",
  });
});

test("after terminate() everything is dead", async () => {
  const client = await alice.started();
  const { events } = recorded(client);
  const message = new WritableMessage("bob", "Hello");
  void client.messageClient.send(message);
  await client.terminate();
  world.server.mail.put("bob", "alice", "Hello", "m1");
  client.messageClient.markRead({ messageId: "m", senderId: "bob" });
  client.messageClient.sendTyping("bob");
  for (const dead of [
    client.messageClient.send(message),
    client.messageClient.outgoing(),
    client.messageClient.history("bob"),
  ])
    await expect(dead).rejects.toMatchObject({ errorName: "terminated" });
  await world.pass(86_400_000);
  expect(events).toEqual([]);
  expect(world.server.mail.frames).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("logging out leaves nothing of the user's on the device", async () => {
  const client = await alice.started();
  world.server.mail.put("bob", "alice", "Hello", "m1");
  await world.pass(10);
  alice.network = "down";
  alice.cut();
  await sent(client, "bob", "Never sent");
  expect([...alice.stored.keys()].map((key) => key.split(":").at(-1))).toEqual(["alice", "mail", "outgoing"]);
  await expect(client.logOut()).rejects.toMatchObject({ errorName: "networkLost" });
  // But what is to be revoked, until it is.
  expect([...alice.stored.keys()]).toEqual(["carillon:https://calls.example:leaving"]);
  alice.network = "up";
  alice.http = () => ({ status: 201, body: instance("alice") });
  await alice.started();
  await world.pass(100);
  expect(world.server.mail.frames).toEqual([]);
});

test("logging out terminates the client also where the storage fails", async () => {
  const client = await alice.started();
  const stopped = vi.fn();
  client.on("stopped", stopped);
  alice.storageFailure = new Error("storage");
  await expect(client.logOut()).rejects.toThrow("storage");
  expect(stopped).toHaveBeenCalledOnce();
  await world.pass(60_000);
  expect(vi.getTimerCount()).toBe(0);
});
