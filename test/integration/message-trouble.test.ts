/** Messages when something fails, sleeps, is late or too much, through real hubs in workerd. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { userHub } from "../../durable-objects/names";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { closeCodes, serverLimits } from "../../protocol";
import { application, bindings, hubLater, messageId, messageOf, Peer, register, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const hour = 3_600_000;
const hubOf = ({ user }: Pick<Peer, "user">) => userHub(bindings, user);

async function pair(): Promise<[Peer, Peer]> {
  return [await Peer.connect(someone("alice")), await Peer.connect(someone("bob"))];
}

/** The sockets of this user's only device are gone, and the hub knows. */
async function leave(peer: Peer): Promise<void> {
  peer.close();
  await expect.poll(async () => (await hubOf(peer).presence()).online).toBe(false);
}

/** As if the object were moved to another machine. */
const sleep = (peer: Peer) => evictDurableObject(hubOf(peer));

/** What the history has of a message. */
async function history(id: string) {
  const rows = bindings.DB.prepare("SELECT text, headers, states FROM messages WHERE message_id = ?");
  return (await rows.bind(id).all<{ text: string; headers: string; states: string }>()).results;
}

/** Every write to D1 passes through `write`. */
function onWritingToD1(write: (go: () => Promise<D1Result[]>) => Promise<D1Result[]>) {
  const database = Object.getPrototypeOf(bindings.DB) as D1Database;
  const { batch } = database;
  return vi.spyOn(database, "batch").mockImplementation(function (this: D1Database, statements) {
    return write(() => batch.call(this, statements)) as never;
  });
}

/** Every hub's taking of messages passes through `take`. */
function onTaking(take: (to: string | undefined, go: () => ReturnType<UserHub["take"]>) => unknown) {
  const original = UserHub.prototype.take;
  return vi.spyOn(UserHub.prototype, "take").mockImplementation(async function (this: UserHub, request) {
    const taken = await take(request.messages[0]?.to[0], () => original.call(this, request));
    return taken as Awaited<ReturnType<UserHub["take"]>>;
  });
}

/** Opened by a test when it has seen enough. */
function closedGate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

/** Messages come by the way that other hubs take. */
function bring(userId: string, from: string, texts: string[]) {
  const messages = texts.map((text) => ({
    ...messageOf({ to: [userId], text }),
    from,
    time: Date.now(),
  }));
  return userHub(bindings, { applicationKey: application, userId }).take({ messages, reference: "test" });
}

describe("a device that goes", () => {
  it("without acknowledging leaves the message to the history, soon", async () => {
    const [alice, bob] = await pair();
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId], text: "seen by nobody" });
    await bob.incoming("seen by nobody");
    await leave(bob);
    // Without an alarm: that one is there for what no close has sent to the archive.
    await expect.poll(() => history(id)).toHaveLength(1);
  });

  it("after the hub slept leaves behind how far it was: a new device gets nothing of that", async () => {
    const [alice, bob] = await pair();
    await alice.send({ to: [bob.user.userId], text: "had" });
    await bob.incoming("had");
    bob.acknowledge();
    await alice.note("delivered");
    await sleep(bob);
    await leave(bob);
    await sleep(bob);
    const fresh = await Peer.connect(bob.user.userId);
    await fresh.settled();
    expect(fresh.mail).toEqual([]);
  });

  it("and comes back after sleeps of the hub does not have it delivered again", async () => {
    const [alice, bob] = await pair();
    const [had, next] = [messageId(), messageId()];
    await alice.send({ id: had, to: [bob.user.userId], text: "had" });
    await bob.incoming("had");
    bob.acknowledge();
    await alice.note("delivered", had);
    await sleep(bob);
    await leave(bob);
    await sleep(bob);
    const back = await bob.again([], { ack: 1 });
    await alice.send({ id: next, to: [bob.user.userId], text: "next" });
    await back.incoming("next");
    back.acknowledge();
    // Notes come in order: a second one of the first message would be before it.
    await alice.note("delivered", next);
    expect(alice.notes).toMatchObject([{ id: had }, { id: next }]);
  });

  it("and registers again under its name goes on where it was", async () => {
    const alice = await Peer.connect(someone("alice"));
    const userId = someone("bob");
    const asPhone = () => register(userId, application, { deviceId: "phone" });
    const phone = await Peer.connect(userId, { instanceId: await asPhone() });
    const laptop = await Peer.connect(userId);
    await alice.send({ to: [userId], text: "both" });
    await Promise.all([phone.incoming("both"), laptop.incoming("both")]);
    phone.acknowledge();
    await phone.settled();
    phone.close();
    await alice.send({ to: [userId], text: "the laptop only" });
    await laptop.incoming("the laptop only");
    laptop.acknowledge();
    await laptop.settled();
    const again = await Peer.connect(userId, { instanceId: await asPhone() });
    await again.settled();
    expect(again.mail.map(({ text }) => text)).toEqual(["the laptop only"]);
  });

  it("by expiring gets nothing more, though its socket is open", async () => {
    const alice = await Peer.connect(someone("alice"));
    const userId = someone("guest");
    const instanceExpires = Date.now() + hour;
    const instanceId = await register(userId, application, { instanceExpires });
    const guest = await Peer.connect(userId, { instanceId });
    await runInDurableObject(hubOf(guest), (hub) => {
      hub.clock = () => instanceExpires + hour;
    });
    await alice.send({ to: [userId], text: "too late" });
    await expect.poll(() => guest.closed).toEqual({ code: closeCodes.unauthorized });
    expect(guest.mail).toEqual([]);
  });
});

describe("a device that does not acknowledge", () => {
  it("is sent about 1 MB of long messages, and the rest when it does", async () => {
    const userId = someone("bob");
    const instanceId = await register(userId);
    const texts = Array.from({ length: 120 }, (_, at) => `${at}`.padEnd(16_384, "x"));
    for (let at = 0; at < texts.length; at += 20)
      await bring(userId, someone("alice"), texts.slice(at, at + 20));
    const bob = await Peer.connect(userId, { instanceId });
    await bob.settled();
    const size = bob.mail.reduce((sum, { text }) => sum + text.length, 0);
    expect(size).toBeGreaterThan(800_000);
    expect(size).toBeLessThan(1_300_000);
    bob.acknowledge();
    await bob.incoming(texts.at(-1) ?? "");
    expect(bob.mail.map(({ text }) => text)).toEqual(texts);
  });
});

describe("D1", () => {
  it("away, reading is refused, and can be said again", async () => {
    const [alice, bob] = await pair();
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId], text: "hi" });
    await bob.incoming("hi");
    const away = onWritingToD1(async () => {
      throw new Error("D1 is away");
    });
    const read = { type: "read" as const, messages: [{ from: alice.user.userId, id }] };
    expect((await bob.request(read)).type).toBe("error");
    away.mockRestore();
    expect((await bob.request(read)).type).toBe("answer");
    expect(await alice.note("read")).toMatchObject({ id, by: bob.user.userId });
  });

  it("slow, the outbox does not wait for it", async () => {
    const [alice, bob] = await pair();
    await bob.send({ to: [alice.user.userId], text: "for the archive" });
    await alice.incoming("for the archive");
    const away = onTaking(() => Promise.reject(new Error("away")));
    await alice.send({ to: [bob.user.userId], text: "late" });
    away.mockRestore();
    const { open, passed } = closedGate();
    const writing = onWritingToD1(async (go) => {
      await passed;
      return go();
    });
    const ringing = hubLater(alice.user, 60_000);
    try {
      await expect.poll(() => bob.mail.map(({ text }) => text)).toEqual(["late"]);
      expect(writing).toHaveBeenCalled();
    } finally {
      open();
      await ringing;
    }
  });

  it("is brought up to date also while messages go on coming", async () => {
    const bob = await Peer.connect(someone("bob"));
    const { userId } = bob.user;
    const writing = onWritingToD1(async (go) => {
      if (writing.mock.calls.length < 20) await bring(userId, "mallory", ["next"]);
      return go();
    });
    await bring(userId, "mallory", ["first"]);
    await hubOf(bob).archive();
    expect(writing.mock.calls.length).toBeLessThan(5);
  });

  it("is asked for what was read only so often, whatever a device says", async () => {
    const [alice, bob] = await pair();
    await runInDurableObject(hubOf(bob), (hub) => {
      const start = hub.clock();
      hub.clock = () => start;
    });
    const messages = [{ from: alice.user.userId, id: messageId() }];
    const replies = await Promise.all(
      Array.from({ length: 60 }, () => bob.request({ type: "read", messages })),
    );
    const refused = replies.flatMap((reply) => (reply.type === "error" ? [reply.error] : []));
    expect(refused).toHaveLength(10);
    expect(refused[0]).toMatchObject({ name: "rateLimited", retryAfter: expect.closeTo(0.2) });
  });
});

describe("the history", () => {
  it("has both of two messages that were given one id: each recipient reads the own one", async () => {
    const [alice, bob] = await pair();
    const carol = await Peer.connect(someone("carol"));
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId], text: "for bob" });
    await alice.send({ id, to: [carol.user.userId], text: "for carol" });
    await Promise.all([bob.incoming("for bob"), carol.incoming("for carol")]);
    for (const peer of [bob, carol]) await hubOf(peer).archive();
    const rows = (await history(id)).map(({ text, states }) => [text, Object.keys(JSON.parse(states))]);
    expect(rows).toHaveLength(2);
    expect(rows).toContainEqual(["for bob", [bob.user.userId]]);
    expect(rows).toContainEqual(["for carol", [carol.user.userId]]);
  });

  it("gives odd texts, headers and names back as they were", async () => {
    const alice = await Peer.connect(someone('al"i\\ce$.[0]'));
    const bobs = [await Peer.connect(someone('b"o\\b\'.$"')), await Peer.connect("__proto__")];
    const names = bobs.map(({ user }) => user.userId);
    const id = messageId();
    const text = 'a\u0000b\u001f"\\\ud83d\ude00';
    const headers = { toString: "x", "\u0000n": "\u0000v" };
    await alice.send({ id, to: names, text, headers });
    for (const bob of bobs) {
      expect((await bob.incoming(text)).headers).toEqual(headers);
      bob.acknowledge();
      await bob.settled();
      await hubOf(bob).archive();
      await bob.request({ type: "read", messages: [{ from: alice.user.userId, id }] });
    }
    const [row] = await history(id);
    expect(row?.text).toBe(text);
    expect(JSON.parse(row?.headers ?? "")).toEqual(headers);
    const states = Object.entries(JSON.parse(row?.states ?? "{}"));
    expect(states.map(([name]) => name).sort()).toEqual([...names].sort());
    const had = { delivered: expect.any(Number), read: expect.any(Number) };
    for (const [, state] of states) expect(state).toEqual(had);
  });

  it("never gets a header that a parser would lose: __proto__ is refused", async () => {
    const [alice, bob] = await pair();
    const message = JSON.stringify(messageOf({ to: [bob.user.userId], text: "h" }));
    const odd = message.replace('"headers":{}', '"headers":{"__proto__":"x","a":"b"}');
    alice.raw(`{"type":"send","id":77,"messages":[${odd}]}`);
    const error = await alice.frame("error");
    expect(error).toMatchObject({ id: 77, error: { name: "invalidRequest" } });
    await bob.settled();
    expect(bob.mail).toEqual([]);
  });
});

describe("a sender", () => {
  it("hears of a message on the other device, though the first answer of the recipient's hub was lost", async () => {
    const [alice, bob] = await pair();
    const laptop = await Peer.connect(alice.user.userId);
    let lost = 0;
    onTaking(async (_, go) => {
      const taken = await go();
      lost += 1;
      if (lost === 1) throw new Error("connection lost");
      return taken;
    });
    const [outcome] = await alice.send({ to: [bob.user.userId], text: "once" });
    expect(outcome?.time).toBeDefined();
    await laptop.settled();
    expect(laptop.notes.map(({ note }) => note)).toEqual(["sent"]);
    await bob.settled();
    expect(bob.mail).toHaveLength(1);
  });

  it("does not hear of it on the device that sent, not even when that comes back", async () => {
    const [alice, bob] = await pair();
    const laptop = await Peer.connect(alice.user.userId);
    await alice.send({ to: [bob.user.userId], text: "mine" });
    await laptop.note("sent");
    const [phone, other] = [await alice.again(), await laptop.again()];
    await Promise.all([phone.settled(), other.settled()]);
    expect(phone.notes).toEqual([]);
    expect(other.notes.map(({ note }) => note)).toEqual(["sent"]);
  });

  it("hears of a refusal at once, though another recipient's hub takes long", async () => {
    const [alice, bob] = await pair();
    const carol = await Peer.connect(someone("carol"));
    const away = onTaking(() => Promise.reject(new Error("away")));
    const id = messageId();
    await alice.send({ id, to: [bob.user.userId] }, { to: [carol.user.userId], text: "slow" });
    away.mockRestore();
    await hubOf(bob).setBlocked(true, "test");
    const { open, passed } = closedGate();
    onTaking(async (to, go) => {
      if (to === carol.user.userId) await passed;
      return go();
    });
    const ringing = hubLater(alice.user, 60_000);
    try {
      await expect.poll(() => alice.notes).toMatchObject([{ note: "failed", id, to: bob.user.userId }]);
      expect(carol.mail).toEqual([]);
    } finally {
      open();
      await ringing;
    }
    await carol.incoming("slow");
  });

  it("hears of a failure until a device has acknowledged it", async () => {
    const [alice, bob] = await pair();
    const away = onTaking(() => Promise.reject(new Error("away")));
    await alice.send({ to: [bob.user.userId] });
    away.mockRestore();
    await hubOf(bob).setBlocked(true, "test");
    await hubLater(alice.user, 60_000);
    const { seq } = await alice.note("failed");
    // Not acknowledged, as if the network had swallowed it.
    await sleep(alice);
    const back = await alice.again();
    expect((await back.note("failed")).seq).toBe(seq);
    back.acknowledge();
    await back.settled();
    await sleep(alice);
    const again = await back.again([], { notes: seq });
    await again.settled();
    expect(again.notes).toEqual([]);
  });
});

describe("a user who is forgotten", () => {
  /** A message was under way when its sender was forgotten, and its recipient's hub did not take it. */
  async function forgottenWhileSending() {
    const [alice, bob] = await pair();
    const { open, passed } = closedGate();
    const taking = onTaking(async () => {
      await passed;
      throw new Error("away");
    });
    const messages = [messageOf({ to: [bob.user.userId], text: "private" })];
    const sending = hubOf(alice).send({ user: alice.user, messages, reference: "test" });
    await expect.poll(() => taking.mock.calls.length).toBe(1);
    await hubOf(alice).forget("test");
    open();
    const result = await sending;
    taking.mockRestore();
    return { alice, bob, result };
  }

  it("leaves nothing behind of what was under way", async () => {
    const { alice, result } = await forgottenWhileSending();
    expect(result).toMatchObject({ ok: true, value: [{ error: { name: "unavailable" } }] });
    const [kept, alarm] = await runInDurableObject(hubOf(alice), async (_, { storage }) => [
      JSON.stringify([...storage.kv.list()]),
      await storage.getAlarm(),
    ]);
    expect(kept).not.toContain("private");
    expect(alarm).toBeNull();
  });

  it("and comes back sends nothing of the time before", async () => {
    const { alice, bob } = await forgottenWhileSending();
    await sleep(alice);
    await register(alice.user.userId);
    expect(await hubLater(alice.user, hour)).toBe(false);
    await bob.settled();
    expect(bob.mail).toEqual([]);
  });
});

describe("sockets that were refused", () => {
  /** By clients that do not go when they are told to. */
  async function refused(user: UserAddress, instanceId: string, count: number): Promise<WebSocket[]> {
    const claims = JSON.stringify({ ...user, instanceId, reference: "test" });
    const headers = { upgrade: "websocket", "x-carillon-claims": claims };
    const sockets: WebSocket[] = [];
    while (sockets.length < count) {
      const { webSocket } = await userHub(bindings, user).fetch("https://hub/v1/connect", { headers });
      // Not accepted: it hears nothing and does not answer.
      if (webSocket) sockets.push(webSocket);
    }
    return sockets;
  }

  const leaveAtLast = (sockets: WebSocket[]) => {
    for (const socket of sockets) {
      socket.accept();
      socket.close();
    }
  };

  it("lock nobody out", async () => {
    const user = { applicationKey: application, userId: someone("bob") };
    const [revoked, good] = [await register(user.userId), await register(user.userId)];
    await userHub(bindings, user).revoke(revoked, "test");
    const sockets = await refused(user, revoked, serverLimits.connectionsPerUser);
    await Peer.connect(user.userId, { instanceId: good });
    leaveAtLast(sockets);
  });

  it("are no connections of the user", async () => {
    const user = { applicationKey: application, userId: someone("bob") };
    const instanceId = await register(user.userId);
    const hub = userHub(bindings, user);
    await hub.setBlocked(true, "test");
    const sockets = await refused(user, instanceId, 1);
    await hub.setBlocked(false, "test");
    expect(await hub.instances()).toMatchObject([{ instanceId, connections: 0 }]);
    expect((await hub.presence()).online).toBe(false);
    leaveAtLast(sockets);
  });
});
