/** Messages over REST: the application sends and reads, an instance reads its user's history. */
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import { isMessageId, type StoredMessage } from "../../protocol";
import worker from "../../workers/index";
import { messageId, Peer } from "../integration/peer";
import {
  base,
  basic,
  bearer,
  bindings,
  newApplication,
  newInstance,
  request,
  type TestApplication,
  type TestInstance,
} from "./support";

const hour = 3_600_000;

const post = (app: TestApplication, body: unknown) =>
  request("POST", "/v1/messages", { body, headers: basic(app) });
const get = (app: TestApplication, path: string) => request("GET", path, { headers: basic(app) });
const history = (instance: TestInstance, query = "") =>
  request("GET", `/v1/history${query}`, { headers: bearer(instance.token) });
const connect = ({ application, userId, instanceId }: TestInstance, mail?: null) =>
  Peer.connect(userId, { applicationKey: application.key, instanceId, mail });
const textsOf = (messages: StoredMessage[]) => messages.map(({ text }) => text);

async function withUsers(...names: string[]) {
  const app = await newApplication();
  const instances: TestInstance[] = [];
  for (const name of names) instances.push(await newInstance(app, name));
  return { app, instances: instances as [TestInstance, TestInstance, TestInstance] };
}

describe("sending", () => {
  test("as the application: it arrives, and is in the history", async () => {
    const { app, instances } = await withUsers("bob");
    const bob = await connect(instances[0]);
    const sent = await post(app, { recipients: ["bob"], text: "hi", headers: { a: "b" } });
    expect(sent.status).toBe(201);
    const { messageId: id, time } = sent.body;
    expect(sent.body).toEqual({ messageId: id, time, failed: [] });
    expect(isMessageId(id)).toBe(true);
    const message = { id, from: null, to: ["bob"], text: "hi", headers: { a: "b" }, time };
    expect(await bob.incoming("hi")).toEqual({ ...message, seq: 1 });
    const kept = { ...message, states: { bob: expect.any(Object) } };
    for (const query of ["userId=bob", "participants=&participants=bob"]) {
      expect((await get(app, `/v1/messages?${query}`)).body).toEqual({ messages: [kept] });
    }
    expect((await get(app, `/v1/messages/${id}`)).body).toEqual(kept);
    expect((await history(instances[0])).body).toEqual({ messages: [kept] });
    expect((await history(instances[0], "?with=")).body.messages).toHaveLength(1);
    expect((await history(instances[0], "?with=alice")).body.messages).toEqual([]);
  });

  test("as a user: the user's devices hear of it, and of its delivery", async () => {
    const { app, instances } = await withUsers("alice", "bob");
    const [alice, bob] = [await connect(instances[0]), await connect(instances[1])];
    const { body } = await post(app, { sender: "alice", recipients: ["bob"], text: "for alice" });
    expect((await alice.note("sent")).message).toMatchObject({ id: body.messageId, text: "for alice" });
    expect(await bob.incoming("for alice")).toMatchObject({ from: "alice" });
    bob.acknowledge();
    expect(await alice.note("delivered")).toMatchObject({ id: body.messageId, by: "bob" });
    const found = (await history(instances[0], "?with=bob")).body.messages[0];
    expect(found.states.bob.delivered).toBeGreaterThanOrEqual(found.time);
  });

  test("to somebody who sleeps: what the app's own server has to send is in the answer", async () => {
    const { app, instances } = await withUsers("bob");
    const data = btoa("bob's phone");
    await request("PUT", "/v1/push/data", { body: { data }, headers: bearer(instances[0].token) });
    const { body } = await post(app, { recipients: ["bob"], text: "hi", displayName: "The shop" });
    expect(body.pushPairs).toEqual([{ data, to: "bob", payload: expect.stringContaining(body.messageId) }]);
    const refused = await post(app, { recipients: ["bob"], text: "hi", displayName: "é".repeat(65) });
    expect(refused.body).toMatchObject({ errorCode: 40001, detail: expect.stringContaining("displayName") });
  });

  test("again with its id makes no second message; with another text it is refused", async () => {
    const { app, instances } = await withUsers("bob");
    const bob = await connect(instances[0]);
    const message = { messageId: messageId(), recipients: ["bob"], text: "once" };
    const first = await post(app, message);
    const again = await post(app, message);
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect((await post(app, { ...message, text: "twice" })).body.errorCode).toBe(40900);
    // Of another sender it is another message.
    expect((await post(app, { ...message, sender: "bob", text: "mine" })).status).toBe(201);
    await bob.incoming("mine");
    expect(textsOf((await get(app, "/v1/messages?userId=bob")).body.messages)).toEqual(["mine", "once"]);
  });

  test("what comes to some only names the others; what comes to nobody is an error", async () => {
    const { app, instances } = await withUsers("bob", "mute", "bad");
    await connect(instances[1], null);
    await request("PUT", "/v1/users/bad/block", { headers: basic(app) });
    const { status, body } = await post(app, { recipients: ["ghost", "bob", "bad", "mute"], text: "hi" });
    expect(status).toBe(201);
    expect(body.failed).toEqual([
      { recipient: "ghost", error: expect.objectContaining({ errorCode: 40401 }) },
      { recipient: "bad", error: expect.objectContaining({ errorCode: 40301 }) },
      { recipient: "mute", error: expect.objectContaining({ errorCode: 40403 }) },
    ]);
    const { states, to } = (await get(app, "/v1/messages?userId=bob")).body.messages[0];
    expect([Object.keys(states), to]).toEqual([["bob"], ["ghost", "bob", "bad", "mute"]]);
    expect((await get(app, "/v1/messages?userId=bad")).body.messages).toEqual([]);
    for (const [recipient, code] of [
      ["ghost", 40401],
      ["bad", 40301],
      ["mute", 40403],
    ] as const) {
      expect((await post(app, { recipients: [recipient], text: "hi" })).body.errorCode).toBe(code);
    }
  });

  test("a sender has to have registered, and not be blocked", async () => {
    const { app } = await withUsers("bob", "bad");
    const as = (sender: string | null) => post(app, { sender, recipients: ["bob"], text: "hi" });
    expect((await as("ghost")).body).toMatchObject({
      errorCode: 40401,
      detail: expect.stringContaining("sender"),
    });
    await request("PUT", "/v1/users/bad/block", { headers: basic(app) });
    expect((await as("bad")).body).toMatchObject({
      errorCode: 40301,
      detail: expect.stringContaining("sender"),
    });
    expect((await as(null)).status).toBe(201);
  });

  const text = "hi";
  const recipients = ["bob"];
  test.each<[string, object, number, string]>([
    ["no recipients", { text }, 40001, "recipients"],
    ["an empty list of them", { recipients: [], text }, 40002, "recipients"],
    ["what is no user id", { recipients: ["a b"], text }, 40002, "recipients"],
    ["a number for a recipient", { recipients: [1], text }, 40001, "recipients.0"],
    [
      "more than 256 of them",
      { recipients: Array.from({ length: 257 }, (_, n) => `u${n}`), text },
      40003,
      "recipients",
    ],
    ["no text", { recipients }, 40001, "text"],
    ["an empty text", { recipients, text: "" }, 40002, "text"],
    ["16,385 bytes of text", { recipients, text: "x".repeat(16_385) }, 40003, "text"],
    ["half a character", { recipients, text: "\ud83d" }, 40002, "text"],
    ["headers that are none", { recipients, text, headers: { a: 1 } }, 40001, "headers.a"],
    ["1,025 bytes of headers", { recipients, text, headers: { a: "x".repeat(1_024) } }, 40003, "headers"],
    ["an id that is no UUIDv7", { recipients, text, messageId: crypto.randomUUID() }, 40002, "messageId"],
    [
      "an id of tomorrow",
      { recipients, text, messageId: messageId(Date.now() + 24 * hour) },
      40002,
      "messageId",
    ],
    ["a sender that is no user id", { recipients, text, sender: "" }, 40001, "sender"],
  ])("%s", async (_, body, errorCode, field) => {
    const { app } = await withUsers("bob");
    const answer = await post(app, body);
    expect(answer.body).toMatchObject({ errorCode });
    expect(answer.body.detail).toMatch(new RegExp(`^${field}:`));
  });

  test("an id of 14 hours ago: 41000", async () => {
    const { app } = await withUsers("bob");
    const old = { recipients, text, messageId: messageId(Date.now() - 14 * hour) };
    const { status, body } = await post(app, old);
    expect([status, body.errorCode]).toEqual([410, 41000]);
  });

  test("more copies than a sender may send: 42900, and when to come again", async () => {
    const { app } = await withUsers("bob");
    const now = Date.now();
    await runInDurableObject(userHub(bindings, { applicationKey: app.key, userId: "" }), (hub) => {
      hub.clock = () => now;
    });
    const many = Array.from({ length: 251 }, (_, n) => `nobody-${n}`);
    expect((await post(app, { recipients: [...many, "bob"], text })).status).toBe(201);
    const { status, headers, body } = await post(app, { recipients: many, text });
    expect([status, body.errorCode]).toEqual([429, 42900]);
    expect(body.retryAfter).toBeGreaterThan(0);
    expect(headers.get("retry-after")).toBe(String(Math.ceil(body.retryAfter)));
  });
});

describe("reading, as the application", () => {
  test("a conversation or a user's messages, in pages", async () => {
    const { app } = await withUsers("alice", "bob", "carol");
    for (let n = 0; n < 5; n++) {
      const [sender, other] = n % 2 ? ["alice", "bob"] : ["bob", "alice"];
      await post(app, { sender, recipients: [other], text: `n${n}` });
      await post(app, { sender, recipients: [other, "carol"], text: `group ${n}` });
    }
    const pages = async (query: string) => {
      const seen: string[] = [];
      let next: string | undefined;
      do {
        const before: string = next === undefined ? "" : `&before=${next}`;
        const { body } = await get(app, `/v1/messages?limit=2${query}${before}`);
        seen.push(...textsOf(body.messages));
        next = body.next;
      } while (next !== undefined);
      return seen;
    };
    const pair = ["n4", "n3", "n2", "n1", "n0"];
    const group = pair.map((text) => text.replace("n", "group "));
    expect(await pages("&participants=alice&participants=bob")).toEqual(pair);
    expect(await pages("&participants=carol&participants=bob&participants=alice")).toEqual(group);
    expect(await pages("&userId=carol")).toEqual(group);
    expect(await pages("&userId=bob")).toEqual(pair.flatMap((text, n) => [group[n], text]));
    expect(await pages("&userId=nobody")).toEqual([]);
    expect(await pages("&participants=alice")).toEqual([]);
  });

  test("an id that two senders used: 40900, and each of them by its sender", async () => {
    const { app } = await withUsers("alice", "bob");
    const message = { messageId: messageId(), recipients: ["bob"] };
    await post(app, { ...message, text: "of the application" });
    await post(app, { ...message, text: "of alice", sender: "alice" });
    await get(app, "/v1/messages?userId=bob");
    const path = `/v1/messages/${message.messageId}`;
    const { status, body } = await get(app, path);
    expect([status, body.errorCode]).toEqual([409, 40900]);
    expect(body.detail).toContain("sender");
    expect((await get(app, `${path}?sender=alice`)).body.text).toBe("of alice");
    expect((await get(app, `${path}?sender=`)).body.text).toBe("of the application");
    expect((await get(app, `${path}?sender=bob`)).body.errorCode).toBe(40400);
  });

  test.each(["x", "00000000-0000-4000-8000-000000000000", messageId()])(
    "no message has the id %s: 40400",
    async (id) => {
      expect((await get(await newApplication(), `/v1/messages/${id}`)).body.errorCode).toBe(40400);
    },
  );

  test.each([
    "",
    "?userId=a&participants=b",
    "?participants=a%20b",
    "?userId=",
    "?userId=a&limit=0",
    "?userId=a&limit=101",
    "?userId=a&before=x",
    "?userId=a&before=",
    `?userId=a&before=${"x".repeat(201)}`,
    "/01a1fc26-310d-7000-8000-000000000001?sender=a%20b",
  ])("/v1/messages%s: 40001", async (query) => {
    const { status, body } = await get(await newApplication(), `/v1/messages${query}`);
    expect([status, body.errorCode]).toEqual([400, 40001]);
  });

  test("nothing of another application, whose users have the same names", async () => {
    const [one, other] = [await withUsers("alice", "bob"), await withUsers("alice", "bob")];
    const { body } = await post(one.app, { sender: "alice", recipients: ["bob"], text: "secret" });
    for (const query of ["?userId=bob", "?participants=alice&participants=bob"]) {
      expect((await get(one.app, `/v1/messages${query}`)).body.messages).toHaveLength(1);
      expect((await get(other.app, `/v1/messages${query}`)).body.messages).toEqual([]);
    }
    expect((await get(other.app, `/v1/messages/${body.messageId}`)).body.errorCode).toBe(40400);
    expect((await history(other.instances[1], "?with=alice")).body.messages).toEqual([]);
  });

  test("a hub that cannot be reached is not waited for", async () => {
    const { app } = await withUsers("alice", "bob");
    await post(app, { sender: "alice", recipients: ["bob"], text: "hi" });
    await get(app, "/v1/messages?userId=bob");
    const ask = () => {
      throw new Error("it is being reset");
    };
    const hubs = { idFromName: ask, get: ask } as unknown as Env["USER_HUB"];
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const answer = await worker.fetch(
      new Request(`${base}/v1/messages?participants=alice&participants=bob`, { headers: basic(app) }),
      { ...bindings, USER_HUB: hubs },
      context,
    );
    expect(textsOf((await answer.json<{ messages: StoredMessage[] }>()).messages)).toEqual(["hi"]);
  });
});

describe("the history of an instance's user", () => {
  test("both sides see what either has sent, at once, and when it was read", async () => {
    const { instances } = await withUsers("alice", "bob", "carol");
    const [alice, bob] = [await connect(instances[0]), await connect(instances[1])];
    const [outcome] = await alice.send({ to: ["bob"], text: "one" });
    await bob.send({ to: ["alice"], text: "two" });
    await alice.send({ to: ["bob", "carol"], text: "to both" });
    for (const [mine, other] of [
      [0, "bob"],
      [1, "alice"],
    ] as const) {
      const { body } = await history(instances[mine], `?with=${other}`);
      expect(textsOf(body.messages)).toEqual(["two", "one"]);
    }
    bob.acknowledge();
    await bob.request({ type: "read", messages: [{ from: "alice", id: outcome?.id ?? "" }] });
    const { read } = (await history(instances[0], "?with=bob&limit=50")).body.messages[1].states.bob;
    expect(read).toBeGreaterThanOrEqual(outcome?.time ?? Number.NaN);
    for (const query of ["?with=bob&with=carol", "?with=carol&with=bob&with=alice"]) {
      expect(textsOf((await history(instances[0], query)).body.messages)).toEqual(["to both"]);
    }
    expect(textsOf((await history(instances[2], "?with=bob&with=alice")).body.messages)).toEqual(["to both"]);
  });

  test("nobody sees what others wrote to each other, nor what they were refused", async () => {
    const { app, instances } = await withUsers("alice", "bob", "eve");
    const alice = await connect(instances[0]);
    await alice.send({ to: ["bob"], text: "for bob only" });
    await request("PUT", "/v1/users/eve/block", { headers: basic(app) });
    await alice.send({ to: ["bob", "eve"], text: "not for eve" });
    await request("DELETE", "/v1/users/eve/block", { headers: basic(app) });
    for (const query of ["", "?with=alice", "?with=bob", "?with=alice&with=bob", "?with=eve"]) {
      expect((await history(instances[2], query)).body).toEqual({ messages: [] });
    }
    expect((await history(instances[1], "?with=alice&with=eve")).body.messages).toHaveLength(1);
  });

  test("pages", async () => {
    const { instances } = await withUsers("alice", "bob");
    const alice = await connect(instances[0]);
    await alice.send(...["a", "b", "c"].map((text) => ({ to: ["bob"], text })));
    const first = (await history(instances[1], "?with=alice&limit=2")).body;
    expect(first.messages).toHaveLength(2);
    const rest = (await history(instances[1], `?with=alice&limit=2&before=${first.next}`)).body;
    expect(rest.next).toBeUndefined();
    expect(textsOf([...first.messages, ...rest.messages]).sort()).toEqual(["a", "b", "c"]);
  });

  test.each(["?with=a%20b", "?limit=101", "?before=x"])("/v1/history%s: 40001", async (query) => {
    const { instances } = await withUsers("alice");
    expect((await history(instances[0], query)).body.errorCode).toBe(40001);
  });
});
