/** Messages through real hubs, in workerd: what is stored, who hears what, and in which order. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { userHub } from "../../durable-objects/names";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { fail, serverLimits } from "../../protocol";
import { application, bindings, hubLater, messageId, messageOf, Peer, register, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const hour = 3_600_000;
const day = 24 * hour;

async function pair(): Promise<[Peer, Peer]> {
  return [await Peer.connect(someone("alice")), await Peer.connect(someone("bob"))];
}

describe("a message", () => {
  it("is sent, arrives, and is told to be delivered and read", async () => {
    const [alice, bob] = await pair();
    const id = messageId();
    const [outcome] = await alice.send({ id, to: [bob.user.userId], text: "hi", headers: { a: "b" } });
    expect(outcome).toMatchObject({ id, failed: [] });
    const message = await bob.incoming("hi");
    expect(message).toEqual({
      seq: 1,
      id,
      from: alice.user.userId,
      to: [bob.user.userId],
      text: "hi",
      headers: { a: "b" },
      time: outcome?.time,
    });
    bob.acknowledge();
    expect(await alice.note("delivered")).toMatchObject({ id, by: bob.user.userId });
    await bob.request({ type: "read", messages: [{ from: alice.user.userId, id }] });
    expect(await alice.note("read")).toMatchObject({ id, by: bob.user.userId });
  });

  it("is told to the sender's other devices, and to all devices of the recipient", async () => {
    const [alice, bob] = await pair();
    const laptop = await Peer.connect(alice.user.userId);
    const tablet = await Peer.connect(bob.user.userId);
    const [outcome] = await alice.send({ to: [bob.user.userId], text: "to all" });
    expect((await laptop.note("sent")).message).toMatchObject({ text: "to all", time: outcome?.time });
    await Promise.all([bob.incoming("to all"), tablet.incoming("to all")]);
    await alice.settled();
    expect(alice.notes).toEqual([]);
    bob.acknowledge();
    await Promise.all([alice.note("delivered"), laptop.note("delivered")]);
    tablet.acknowledge();
    await tablet.settled();
    await alice.settled();
    expect(alice.notes.filter(({ note }) => note === "delivered")).toHaveLength(1);
  });

  it("arrives once and in order, many at a time", async () => {
    const [alice, bob] = await pair();
    const texts = Array.from({ length: 192 }, (_, at) => `n${at}`);
    const sent = [];
    for (let at = 0; at < texts.length; at += 64) {
      const messages = texts.slice(at, at + 64).map((text) => ({ to: [bob.user.userId], text }));
      sent.push(alice.send(...messages));
    }
    expect((await Promise.all(sent)).flat().every(({ time }) => time !== undefined)).toBe(true);
    await bob.incoming("n191");
    expect(bob.mail.map(({ text }) => text)).toEqual(texts);
    expect(bob.mail.map(({ seq }) => seq)).toEqual(texts.map((_, at) => at + 1));
  });

  it("waits for those who are away", async () => {
    const [alice, bob] = await pair();
    await bob.settled();
    bob.close();
    await alice.send({ to: [bob.user.userId], text: "1" }, { to: [bob.user.userId], text: "2" });
    const back = await bob.again();
    await back.incoming("2");
    expect(back.mail.map(({ text }) => text)).toEqual(["1", "2"]);
    back.acknowledge();
    await alice.note("delivered");
    const again = await back.again([], { ack: 2 });
    await again.settled();
    expect(again.mail).toEqual([]);
  });

  it("is sent again without becoming another one, also when the hub slept or crashed", async () => {
    const [alice, bob] = await pair();
    const message = messageOf({ to: [bob.user.userId], text: "once" });
    const [first] = await alice.send(message);
    const [second] = await alice.send(message);
    await evictDurableObject(userHub(bindings, bob.user));
    const [third] = await alice.send(message);
    expect([second?.time, third?.time]).toEqual([first?.time, first?.time]);
    const [other] = await alice.send({ ...message, text: "twice" });
    expect(other).toMatchObject({ error: { name: "conflict" } });
    await bob.settled();
    expect(bob.mail).toHaveLength(1);
  });

  it("has a name of its own with each sender", async () => {
    const [alice, bob] = await pair();
    const carol = await Peer.connect(someone("carol"));
    const message = messageOf({ to: [bob.user.userId] });
    await alice.send({ ...message, text: "from alice" });
    await carol.send({ ...message, text: "from carol" });
    await Promise.all([bob.incoming("from alice"), bob.incoming("from carol")]);
  });
});

describe("what cannot be sent", () => {
  it.each([
    ["no text", { text: "" }, "invalidValue"],
    ["a text that is too long", { text: "x".repeat(16_385) }, "tooLarge"],
    ["a text that is too long in UTF-8", { text: "é".repeat(8_193) }, "tooLarge"],
    ["half a surrogate pair", { text: "a\ud800b" }, "invalidValue"],
    ["headers that are too large", { headers: { a: "x".repeat(1_024) } }, "tooLarge"],
    ["no recipient", { to: [] }, "invalidValue"],
    ["a recipient that is no user id", { to: ["white space"] }, "invalidValue"],
    ["257 recipients", { to: Array.from({ length: 257 }, (_, at) => `u${at}`) }, "tooLarge"],
    ["an id that is no UUIDv7", { id: "196087a1-e815-4bc4-8984-60d8d8a43f1d" }, "invalidValue"],
    ["an id that is 14 hours old", { id: messageId(Date.now() - 14 * hour) }, "expired"],
    ["an id of tomorrow", { id: messageId(Date.now() + day) }, "invalidValue"],
  ] as const)("%s", async (_, wrong, name) => {
    const [alice, bob] = await pair();
    const to = [bob.user.userId];
    const given = { to, ...wrong } as Partial<ReturnType<typeof messageOf>>;
    const [bad, good] = await alice.send(given, { to, text: "good" });
    expect(bad).toMatchObject({ error: { name } });
    expect(bad?.time).toBeUndefined();
    expect(good?.time).toBeDefined();
    await bob.incoming("good");
    expect(bob.mail).toHaveLength(1);
  });

  it("the longest text, every character of it escaped, goes through", async () => {
    const [alice, bob] = await pair();
    const text = "\u0001".repeat(16_384);
    const [outcome] = await alice.send({ to: [bob.user.userId], text });
    expect(outcome?.time).toBeDefined();
    await bob.incoming(text);
  });

  it("goes to those who can have it, and says who cannot", async () => {
    const [alice, bob] = await pair();
    const blocked = await Peer.connect(someone("blocked"));
    await userHub(bindings, blocked.user).setBlocked(true, "test");
    const deaf = await Peer.connect(someone("deaf"), { mail: null });
    const nobody = someone("nobody");
    const { userId } = bob.user;
    const to = [userId, nobody, blocked.user.userId, deaf.user.userId, userId];
    const [outcome] = await alice.send({ to, text: "some" });
    expect(outcome?.time).toBeDefined();
    expect(outcome?.failed.map(({ to, error }) => [to, error.name])).toEqual([
      [nobody, "userUnknown"],
      [blocked.user.userId, "userBlocked"],
      [deaf.user.userId, "messagingUnsupported"],
    ]);
    await bob.incoming("some");
    await bob.settled();
    expect(bob.mail).toHaveLength(1);
    const [none] = await alice.send({ to: [nobody] });
    expect(none).toMatchObject({ error: { name: "userUnknown" }, failed: [{ to: nobody }] });
  });

  it("may go to the sender itself", async () => {
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [alice.user.userId], text: "note to myself" });
    await alice.incoming("note to myself");
    alice.acknowledge();
    await alice.note("delivered");
  });

  it("to 256 users goes to all of them", async () => {
    const alice = await Peer.connect(someone("alice"));
    const to = Array.from({ length: 256 }, (_, at) => `many-${at}`);
    for (const userId of to) await register(userId);
    const [outcome] = await alice.send({ to, text: "all" });
    expect(outcome).toMatchObject({ failed: [] });
    const last = await Peer.connect("many-255");
    expect((await last.incoming("all")).to).toHaveLength(256);
  });

  it("is refused above the rate, and what follows it in the frame as well", async () => {
    const [alice, bob] = await pair();
    await runInDurableObject(userHub(bindings, alice.user), (hub) => {
      const start = hub.clock();
      hub.clock = () => start;
    });
    const message = { to: [bob.user.userId] };
    const outcomes = [];
    for (let frame = 0; frame < 8; frame += 1) {
      outcomes.push(...(await alice.send(...Array.from({ length: 64 }, () => message))));
    }
    const accepted = outcomes.findIndex(({ error }) => error);
    expect(accepted).toBe(serverLimits.messagesBurst);
    const refused = outcomes.slice(accepted);
    expect(refused.every(({ error }) => error?.name === "rateLimited")).toBe(true);
    expect(refused[0]?.error?.retryAfter).toBeCloseTo(1 / serverLimits.messagesPerSecond);
  });
});

describe("devices", () => {
  it("one comes back after 29 days and has everything, one after 31 days and has nothing", async () => {
    const [alice, bob] = await pair();
    const [near, far] = [await register(bob.user.userId), await register(bob.user.userId)];
    await alice.send({ to: [bob.user.userId], text: "old" });
    await bob.incoming("old");
    bob.acknowledge();
    await bob.settled();
    await hubLater(bob.user, 29 * day);
    const after29 = await Peer.connect(bob.user.userId, { instanceId: near });
    await after29.incoming("old");
    await hubLater(bob.user, 2 * day);
    const after31 = await Peer.connect(bob.user.userId, { instanceId: far });
    await after31.settled();
    expect(after31.mail).toEqual([]);
    const kept = await runInDurableObject(userHub(bindings, bob.user), (_, state) =>
      JSON.stringify([...state.storage.kv.list()]),
    );
    expect(kept).not.toContain("old");
    await hubLater(alice.user, 31 * day);
    await alice.send({ id: messageId(Date.now() + 31 * day), to: [bob.user.userId], text: "new" });
    await after31.incoming("new");
  });

  it("a new one gets what no other has got yet, and only that", async () => {
    const [alice, bob] = await pair();
    await alice.send({ to: [bob.user.userId], text: "had" });
    await bob.incoming("had");
    bob.acknowledge();
    await bob.settled();
    bob.close();
    await alice.send({ to: [bob.user.userId], text: "waits" });
    const fresh = await Peer.connect(bob.user.userId);
    await fresh.incoming("waits");
    expect(fresh.mail).toHaveLength(1);
  });

  it("messages go on after the hub slept: no gap, no repetition", async () => {
    const [alice, bob] = await pair();
    await alice.send({ to: [bob.user.userId], text: "1" });
    await bob.incoming("1");
    bob.acknowledge();
    await bob.settled();
    for (const text of ["2", "3"]) {
      await evictDurableObject(userHub(bindings, bob.user));
      await evictDurableObject(userHub(bindings, alice.user));
      await alice.send({ to: [bob.user.userId], text });
      await bob.incoming(text);
    }
    expect(bob.mail.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("one that does not acknowledge is not flooded, and gets the rest when it does", async () => {
    const [alice, bob] = await pair();
    await runInDurableObject(userHub(bindings, alice.user), (hub) => {
      let time = hub.clock();
      hub.clock = () => (time += 10_000);
    });
    for (let frame = 0; frame < 12; frame += 1) {
      await alice.send(
        ...Array.from({ length: 50 }, (_, at) => ({ to: [bob.user.userId], text: `${frame * 50 + at}` })),
      );
    }
    await bob.settled();
    expect(bob.mail.length).toBeLessThan(600);
    bob.acknowledge();
    await bob.incoming("599");
    expect(bob.mail.map(({ text }) => text)).toEqual(Array.from({ length: 600 }, (_, at) => String(at)));
  });

  it("are told of receipts that came while none was there", async () => {
    const [alice, bob] = await pair();
    await alice.send({ to: [bob.user.userId], text: "hi" });
    await bob.incoming("hi");
    await alice.settled();
    alice.close();
    await expect.poll(async () => (await userHub(bindings, alice.user).presence()).online).toBe(false);
    bob.acknowledge();
    await bob.settled();
    const back = await alice.again();
    const { seq } = await back.note("delivered");
    back.acknowledge();
    await back.settled();
    const again = await back.again([], { notes: seq });
    await again.settled();
    expect(again.notes).toEqual([]);
  });

  it("typing is shown where somebody is, and nowhere else", async () => {
    const [alice, bob] = await pair();
    alice.say({ type: "typing", to: [bob.user.userId] });
    expect(await bob.frame("typing")).toEqual({ type: "typing", from: alice.user.userId });
  });

  it("nobody can say that they have read what was not for them", async () => {
    const [alice, bob] = await pair();
    const mallory = await Peer.connect(someone("mallory"));
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId], text: "private" });
    await bob.incoming("private");
    await mallory.request({ type: "read", messages: [{ from: alice.user.userId, id }] });
    await alice.settled();
    expect(alice.notes.filter(({ note }) => note === "read")).toEqual([]);
  });
});

describe("the outbox", () => {
  it("keeps what a recipient's hub did not take, in order, and delivers it later", async () => {
    const [alice, bob] = await pair();
    const take = vi.spyOn(UserHub.prototype, "take").mockRejectedValue(new Error("away"));
    const [one] = await alice.send({ to: [bob.user.userId], text: "1" });
    const [two] = await alice.send({ to: [bob.user.userId], text: "2" });
    expect([one?.time, two?.time].every(Boolean)).toBe(true);
    await hubLater(alice.user, 60_000);
    take.mockRestore();
    await evictDurableObject(userHub(bindings, alice.user));
    const [three] = await alice.send({ to: [bob.user.userId], text: "3" });
    expect(three?.time).toBeDefined();
    expect(await hubLater(alice.user, hour)).toBe(true);
    await bob.incoming("3");
    expect(bob.mail.map(({ text }) => text)).toEqual(["1", "2", "3"]);
  });

  it("takes what the recipient's hub has no room for just now", async () => {
    const [alice, bob] = await pair();
    const full = vi
      .spyOn(UserHub.prototype, "take")
      .mockImplementation(async ({ messages }) => messages.map(() => fail("unavailable")));
    const [outcome] = await alice.send({ to: [bob.user.userId], text: "later" });
    expect(outcome?.time).toBeDefined();
    full.mockRestore();
    await hubLater(alice.user, 60_000);
    await bob.incoming("later");
  });

  it("does not give up what the recipient's hub has no room for just now", async () => {
    const [alice, bob] = await pair();
    const take = vi.spyOn(UserHub.prototype, "take").mockRejectedValue(new Error("away"));
    await alice.send(...["1", "2", "3"].map((text) => ({ to: [bob.user.userId], text })));
    take.mockRestore();
    const { take: original } = UserHub.prototype;
    const busy = vi.spyOn(UserHub.prototype, "take").mockImplementation(async function (
      this: UserHub,
      request,
    ) {
      const [first, ...others] = request.messages;
      const taken = await original.call(this, { ...request, messages: first ? [first] : [] });
      return [...taken, ...others.map(() => fail("unavailable"))];
    });
    await hubLater(alice.user, 60_000);
    await bob.incoming("1");
    busy.mockRestore();
    await hubLater(alice.user, hour);
    await bob.incoming("3");
    await alice.settled();
    expect(bob.mail.map(({ text }) => text)).toEqual(["1", "2", "3"]);
    expect(alice.notes.filter(({ note }) => note === "failed")).toEqual([]);
  });

  it("gives up after 30 days and says so", async () => {
    const [alice, bob] = await pair();
    vi.spyOn(UserHub.prototype, "take").mockRejectedValue(new Error("away"));
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId], text: "late" });
    await hubLater(alice.user, 31 * day);
    expect(await alice.note("failed", id)).toMatchObject({ to: bob.user.userId, error: { name: "expired" } });
  });
});

describe("the application itself", () => {
  it("sends by its server, and as a user", async () => {
    const [alice, bob] = await pair();
    const hub = userHub(bindings, { applicationKey: application, userId: "" });
    const send = (from: string, text: string) =>
      userHub(bindings, { applicationKey: application, userId: from }).send({
        user: { applicationKey: application, userId: from },
        messages: [messageOf({ to: [bob.user.userId], text })],
        reference: "test",
      });
    expect(hub).toBeDefined();
    expect(await send("", "from the application")).toMatchObject({ ok: true, value: [{ failed: [] }] });
    expect((await bob.incoming("from the application")).from).toBeNull();
    await send(alice.user.userId, "as alice");
    expect((await bob.incoming("as alice")).from).toBe(alice.user.userId);
    expect((await alice.note("sent")).message.text).toBe("as alice");
    expect(await send(someone("nobody"), "x")).toMatchObject({ ok: false, error: { name: "userUnknown" } });
  });

  it("forgets a user, but not what a registration has used up", async () => {
    const user = { applicationKey: application, userId: someone("replayed") };
    const hub = userHub(bindings, user);
    const nonce = { kind: "nonce", nonce: "once", expires: Number.MAX_SAFE_INTEGER } as const;
    const sequence = { kind: "sequence", sequence: "7" } as const;
    const attempt = (proof: typeof nonce | typeof sequence) =>
      hub.register({ user, proof, reference: "test" });
    for (const proof of [nonce, sequence]) expect((await attempt(proof)).ok).toBe(true);
    await hub.forget("test");
    expect((await hub.presence()).known).toBe(false);
    for (const proof of [nonce, sequence]) {
      expect(await attempt(proof)).toMatchObject({ ok: false, error: { name: "replayed" } });
    }
    expect((await hub.presence()).known).toBe(false);
  });

  it("forgets a user, and the user may come again", async () => {
    const [alice, bob] = await pair();
    bob.close();
    await alice.send({ to: [bob.user.userId], text: "lost" });
    await userHub(bindings, bob.user).forget("test");
    const [gone] = await alice.send({ to: [bob.user.userId], text: "nobody" });
    expect(gone).toMatchObject({ error: { name: "userUnknown" } });
    const again = await Peer.connect(bob.user.userId);
    await alice.send({ to: [bob.user.userId], text: "welcome" });
    await again.incoming("welcome");
    expect(again.mail).toHaveLength(1);
  });
});
