/** Calls to phones and SIP addresses, with the leg played by the test: what the caller sees, what it costs. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { findCall } from "../../core/calls/archive";
import type { CallData } from "../../core/calls/call-data";
import { settle } from "../../core/credits/reservations";
import { errorBody, serverLimits } from "../../protocol";
import { bindings, flowing, hangup, later, offer, Peer, register, someone } from "./peer";
import {
  answered,
  dial,
  inCall,
  kindsOf,
  ledgerOf,
  number,
  openWorld,
  rate,
  sessionOf,
  tell,
  type World,
} from "./phone-world";

afterEach(() => vi.restoreAllMocks());

const price = { currency: "USD", perMinute: 60_000, connectFee: 10_000, increment: 60 };

const endOf = async ({ alice }: World, callId: string) => {
  const { cause, error, cost } = await alice.event("ended", callId);
  return { cause, error: error?.name, cost };
};
const recordOf = ({ application }: World, callId: string) => findCall(bindings.DB, application.key, callId);
const refusal = (reply: unknown) =>
  reply as { result: { ended?: { cause: string; error: { name: string; detail: string } } } };

describe("a call to a phone", () => {
  it("goes through all states, with its price, and is charged per begun minute", async () => {
    const world = await openWorld();
    const { alice } = world;
    const { callId, answered: reply } = dial(world, number, {
      headers: { "x-order": "4711" },
      displayName: "Alice",
    });
    await reply;
    expect(world.dials).toMatchObject([
      {
        callId,
        callee: { userId: number, line: "phone" },
        headers: { "x-order": "4711" },
        displayName: "Alice",
        offer: offer.sdp,
        trunks: [{ name: "test", url: "wss://gateway.test" }],
      },
    ]);
    await tell(world, callId, { news: "trying" });
    expect(await alice.event("progressing", callId)).toMatchObject({ devices: 1, rate: price });
    await tell(world, callId, { news: "ringing" });
    await alice.event("ringing", callId);
    await tell(world, callId, { ...answered, headers: { "x-who": "bob" } } as never);
    expect(await alice.event("answered", callId)).toMatchObject({
      description: { type: "answer", sdp: "v=0 answer" },
      headers: { "x-who": "bob" },
    });
    await alice.call(callId, flowing);
    await alice.event("established", callId);
    await later(sessionOf(world, callId), 30_000);
    await alice.call(callId, hangup);
    await expect
      .poll(() => kindsOf(world))
      .toEqual(["topUp 1000000", "reserve -70000", "release 70000", "charge -70000"]);
    await expect
      .poll(() => recordOf(world, callId))
      .toMatchObject({
        line: "phone",
        calleeUserId: number,
        cost: 70_000,
        endCause: "hungUp",
      });
    expect(world.told.get(callId)?.map(({ event }) => event.event)).toEqual(["established", "ended"]);
  });

  it("costs nothing when nobody answers, and what was held is given back", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world);
    await reply;
    await tell(world, callId, { news: "ringing" });
    const error = errorBody("sipFailed", { sip: { status: 486, reason: "Busy Here" } });
    await tell(world, callId, { news: "ended", cause: "denied", error });
    const { error: told, cause, cost } = await world.alice.event("ended", callId);
    expect({ cause, cost, sip: told?.sip }).toEqual({
      cause: "denied",
      cost: { currency: "USD", amount: 0 },
      sip: { status: 486, reason: "Busy Here" },
    });
    await expect.poll(() => kindsOf(world)).toEqual(["topUp 1000000", "reserve -70000", "release 70000"]);
    await expect.poll(() => recordOf(world, callId)).toMatchObject({ cost: 0, errorCode: 50_200 });
  });

  it("plays what the network says before the answer", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world);
    await reply;
    const description = { type: "answer", sdp: "v=0 early" } as const;
    await tell(world, callId, { news: "early", description });
    expect(await world.alice.event("earlyMedia", callId)).toMatchObject({ description });
    expect(world.alice.events(callId)).toEqual(["progressing", "ringing", "earlyMedia"]);
  });

  it("is not made without credit for one minute: before it rings anywhere", async () => {
    const world = await openWorld(69_999);
    const { callId, answered: reply } = dial(world);
    expect(refusal(await reply).result.ended).toMatchObject({
      cause: "insufficientFunds",
      error: { name: "insufficientFunds" },
    });
    expect(world.dials).toEqual([]);
    await expect
      .poll(() => recordOf(world, callId))
      .toMatchObject({ endCause: "insufficientFunds", errorCode: 40_200 });
    expect(await kindsOf(world)).toEqual(["topUp 69999"]);
  });

  it.each([
    ["+46701999123", "destinationNotAllowed", /no trunk/],
    ["+46900123456", "destinationNotAllowed", /premium/],
    ["+46812345678", "destinationNotAllowed", /rate card/],
    ["+14155550101", "destinationNotAllowed", /no trunk/],
  ])("to %s is refused with %s, and says why", async (to, name, why) => {
    const world = await openWorld();
    const { ended } = refusal(await dial(world, to).answered).result;
    expect(ended).toMatchObject({ cause: "failure", error: { name } });
    expect(ended?.error.detail).toMatch(why);
    expect(world.dials).toEqual([]);
  });

  it.each(["0701740605", "+4670", "+46abc", "+46 70 174 06 05", "+46701740605\r\nVia: x", ""])(
    "to %j is an error, and nothing else happens",
    async (to) => {
      const world = await openWorld();
      expect(await dial(world, to).answered).toMatchObject({ type: "error" });
      expect(await kindsOf(world)).toEqual(["topUp 1000000"]);
      await world.alice.settled();
    },
  );

  it("says so when the application has no trunk", async () => {
    const world = await openWorld();
    await bindings.DB.prepare("DELETE FROM trunks WHERE application_key = ?")
      .bind(world.application.key)
      .run();
    expect(refusal(await dial(world).answered).result.ended).toMatchObject({
      error: { name: "trunkMissing" },
    });
  });

  it("is cancelled by the caller: the leg hears of it", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world);
    await reply;
    await world.alice.call(callId, hangup);
    await expect
      .poll(() => world.told.get(callId)?.at(-1)?.event)
      .toMatchObject({ event: "ended", cause: "canceled" });
    await expect.poll(() => kindsOf(world)).toContain("release 70000");
    expect(await tell(world, callId, answered)).toMatchObject({ ok: false, error: { name: "conflict" } });
  });

  it("ends as no answer when the time is up", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world, number, { ringSeconds: 20 });
    await reply;
    await tell(world, callId, { news: "ringing" });
    await later(sessionOf(world, callId), 20_001);
    expect(await endOf(world, callId)).toMatchObject({ cause: "noAnswer" });
  });

  it("carries tones, hold and descriptions to the leg, and back", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    const { alice } = world;
    await alice.call(callId, { op: "dtmf", keys: "12#" });
    await alice.call(callId, { op: "media", media: { muted: false, held: true, video: "off" } });
    await alice.call(callId, {
      op: "description",
      description: { type: "offer", sdp: "v=0 again" },
      candidates: [],
    });
    await expect
      .poll(() => world.told.get(callId)?.map(({ event }) => event.event))
      .toEqual(["established", "dtmf", "media", "description"]);
    const party = {
      applicationKey: world.application.key,
      userId: number,
      line: "phone",
      instanceId: "sip",
      connectionId: callId,
    } as const;
    const operate = (n: number, op: Parameters<Peer["call"]>[1]) =>
      sessionOf(world, callId).operate({ from: party, callId, n, ack: 0, op, reference: "test" });
    expect(await operate(1, { op: "dtmf", keys: "7" })).toMatchObject({ ok: true });
    expect(await operate(1, { op: "dtmf", keys: "7" })).toMatchObject({ ok: true });
    expect(await alice.event("dtmf", callId)).toMatchObject({ keys: "7" });
    await alice.settled();
    expect(alice.events(callId).filter((name) => name === "dtmf")).toHaveLength(1);
  });

  it("may be silent while somebody is on hold, and not otherwise", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    const { alice } = world;
    const media = (held: boolean) => ({ op: "media", media: { muted: false, held, video: "off" } }) as const;
    await alice.call(callId, media(true));
    await alice.call(callId, { op: "flowing", flowing: false });
    await later(sessionOf(world, callId), 25_000);
    expect(alice.events(callId)).not.toContain("ended");
    await alice.call(callId, media(false));
    await later(sessionOf(world, callId), 20_001);
    expect(await endOf(world, callId)).toMatchObject({ cause: "failure", error: "mediaFailed" });
  });

  it("cannot be transferred: a phone knows no users", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    expect(await world.alice.call(callId, { op: "transfer", to: "bob" })).toMatchObject({
      error: { name: "conflict" },
    });
  });

  it("ends as inactive when its leg is lost, and is charged", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    world.lost.add(callId);
    await later(sessionOf(world, callId), 45_001);
    await later(sessionOf(world, callId), 16_000);
    const away = () =>
      runInDurableObject(
        sessionOf(world, callId),
        (_, { storage }) => storage.kv.get<CallData>("call")?.deadlines.calleeAway,
      );
    await expect.poll(away).toBeDefined();
    await later(sessionOf(world, callId), 30_001);
    expect(await endOf(world, callId)).toMatchObject({ cause: "inactive" });
    await expect.poll(() => kindsOf(world)).toContain("charge -130000");
  });

  it("is not somebody's who has the number for a name", async () => {
    const world = await openWorld();
    const namesake = await Peer.connect(number, { applicationKey: world.application.key });
    const { callId, answered: reply } = dial(world);
    await reply;
    expect(await namesake.call(callId, { op: "ringing" })).toMatchObject({ error: { name: "notFound" } });
    await namesake.settled();
    expect(namesake.events(callId)).toEqual([]);
  });
});

describe("credit", () => {
  it("is reserved again before it runs out, more at a time", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    await later(sessionOf(world, callId), 45_001);
    await expect.poll(() => kindsOf(world)).toEqual(["topUp 1000000", "reserve -70000", "reserve -120000"]);
    await later(sessionOf(world, callId), 120_000);
    await expect.poll(() => kindsOf(world)).toContain("reserve -240000");
    await world.alice.call(callId, hangup);
    await expect.poll(() => kindsOf(world)).toContain("charge -190000");
    expect((await ledgerOf(world.application.account)).at(-1)).toMatchObject({ balance: 810_000 });
  });

  it("ends the call when it runs out, to the moment, and takes no more than there was", async () => {
    const world = await openWorld(130_000);
    const callId = await inCall(world);
    await later(sessionOf(world, callId), 45_001);
    await expect.poll(() => kindsOf(world)).toEqual(["topUp 130000", "reserve -70000", "reserve -60000"]);
    for (let waited = 0; waited < 80_000; waited += 10_000) await later(sessionOf(world, callId), 10_000);
    expect(await endOf(world, callId)).toEqual({
      cause: "insufficientFunds",
      error: "insufficientFunds",
      cost: { currency: "USD", amount: 130_000 },
    });
    expect(world.told.get(callId)?.at(-1)?.event).toMatchObject({ event: "ended" });
    await expect
      .poll(() => kindsOf(world))
      .toEqual(["topUp 130000", "reserve -70000", "reserve -60000", "release 130000", "charge -130000"]);
  });

  it("that comes in the last moment keeps the call", async () => {
    const world = await openWorld(70_000);
    const callId = await inCall(world);
    await later(sessionOf(world, callId), 46_000);
    await bindings.DB.prepare(
      "INSERT INTO ledger (account_id, seq, time, kind, amount, balance, key) VALUES (?, 3, 0, 'topUp', 500000, 500000, 'late')",
    )
      .bind(world.application.account)
      .run();
    await later(sessionOf(world, callId), 5_001);
    await expect.poll(() => kindsOf(world)).toContain("reserve -120000");
    await later(sessionOf(world, callId), 10_000);
    expect(world.alice.events(callId)).not.toContain("ended");
  });

  it("is asked for after the server was away, before the call is ended over it", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    await later(sessionOf(world, callId), 90_000);
    await expect.poll(() => kindsOf(world)).toContain("reserve -120000");
    await world.alice.settled();
    expect(world.alice.events(callId)).not.toContain("ended");
  });

  it("is enough for so many calls at a time and no more", async () => {
    const world = await openWorld(3 * 70_000);
    const calls = Array.from({ length: 8 }, () => dial(world));
    const replies = await Promise.all(calls.map(({ answered: reply }) => reply));
    const ended = replies.filter((reply) => refusal(reply).result.ended?.cause === "insufficientFunds");
    expect(ended).toHaveLength(5);
    expect(world.dials).toHaveLength(3);
    expect((await ledgerOf(world.application.account)).at(-1)?.balance).toBe(0);
  });

  it("that is enough for 20 of 200 calls at a time makes 20 calls, and is whole again after them", async () => {
    const credit = 20 * 70_000;
    const world = await openWorld(credit);
    const callers = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const name = someone("caller");
        const instanceId = await register(name, world.application.key);
        return Peer.connect(name, { instanceId, applicationKey: world.application.key });
      }),
    );
    const calls = callers.flatMap((alice) =>
      Array.from({ length: 10 }, () => ({ alice, ...dial({ ...world, alice }) })),
    );
    const replies = await Promise.all(calls.map(({ answered: reply }) => reply));
    const made = calls.filter((_, at) => refusal(replies[at]).result.ended === undefined);
    const refused = replies.filter((reply) => refusal(reply).result.ended?.cause === "insufficientFunds");
    expect([made.length, refused.length]).toEqual([20, 180]);
    expect(new Set(world.dials.map(({ callId }) => callId))).toEqual(
      new Set(made.map(({ callId }) => callId)),
    );
    await Promise.all(made.map(({ alice, callId }) => alice.call(callId, hangup)));
    await expect.poll(async () => (await ledgerOf(world.application.account)).at(-1)?.balance).toBe(credit);
    const entries = await ledgerOf(world.application.account);
    expect(entries.map(({ balance }) => balance)).toEqual(
      entries.map((_, at) => entries.slice(0, at + 1).reduce((sum, { amount }) => sum + amount, 0)),
    );
    expect(Math.min(...entries.map(({ balance }) => balance))).toBe(0);
  });

  it("is not bought twice with one call id", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world);
    await reply;
    await world.alice.call(callId, hangup);
    await expect.poll(() => kindsOf(world)).toContain("release 70000");
    await later(sessionOf(world, callId), serverLimits.lingerSeconds * 1_000 + 1);
    await expect.poll(() => sessionOf(world, callId).bills()).toBe(false);
    const again = await world.alice.call(
      callId,
      { op: "start", to: number, line: "phone", video: false, headers: {}, offer },
      { n: 1 },
    );
    expect(refusal(again).result.ended).toMatchObject({ cause: "failure", error: { name: "conflict" } });
    expect(world.dials).toHaveLength(1);
  });

  it("is settled later when D1 does not answer at the end", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    const batch = vi.spyOn(bindings.DB, "batch").mockRejectedValue(new Error("D1 is away"));
    await world.alice.call(callId, hangup);
    await later(sessionOf(world, callId), 61_000);
    batch.mockRestore();
    expect(await sessionOf(world, callId).bills()).toBe(true);
    await later(sessionOf(world, callId), 61_000);
    await expect.poll(() => kindsOf(world)).toContain("charge -70000");
    await expect.poll(() => recordOf(world, callId)).toMatchObject({ cost: 70_000 });
    await expect.poll(() => sessionOf(world, callId).bills()).toBe(false);
  });
});

describe("an object that dies", () => {
  it("between the reservation and the dialling holds nothing twice: the caller tries again", async () => {
    const world = await openWorld();
    const { SipDialog } = await import("../../durable-objects/sip-dialog/sip-dialog");
    const callId = crypto.randomUUID();
    const start = { op: "start", to: number, line: "phone", video: false, headers: {}, offer } as const;
    vi.mocked(SipDialog.prototype.dial).mockImplementationOnce(async () => {
      throw new Error("the object was reset");
    });
    const first = await world.alice.call(callId, start);
    expect(refusal(first).result.ended).toMatchObject({ error: { name: "unavailable" } });
    await expect.poll(() => kindsOf(world)).toEqual(["topUp 1000000", "reserve -70000", "release 70000"]);
  });

  it("with the call stored and not dialled dials when the start comes again", async () => {
    const world = await openWorld();
    const { callId, answered: reply } = dial(world);
    await reply;
    await evictDurableObject(sessionOf(world, callId));
    const start = { op: "start", to: number, line: "phone", video: false, headers: {}, offer } as const;
    expect(await world.alice.call(callId, start, { n: 1 })).toMatchObject({ type: "answer" });
    expect(await kindsOf(world)).toEqual(["topUp 1000000", "reserve -70000"]);
    // The leg knows that it has been asked before.
    expect(world.dials).toHaveLength(2);
  });

  it("in the call ends it as it would have, and charges once", async () => {
    const world = await openWorld();
    const callId = await inCall(world);
    await evictDurableObject(sessionOf(world, callId));
    await world.alice.call(callId, hangup);
    await expect.poll(() => kindsOf(world)).toContain("charge -70000");
    await evictDurableObject(sessionOf(world, callId));
    await later(sessionOf(world, callId), 61_000);
    expect((await kindsOf(world)).filter((entry) => entry.startsWith("charge"))).toHaveLength(1);
    expect(
      await settle(bindings.DB, { applicationKey: world.application.key, callId, cost: 1, now: 1 }),
    ).toEqual({
      charged: 70_000,
    });
  });
});

describe("a call to a SIP address", () => {
  it("goes to the domains that a trunk may reach, and costs nothing", async () => {
    const world = await openWorld(0);
    const { callId, answered: reply } = dial(world, "bob@Example.com", {
      line: "sip",
      headers: { "x-a": "b" },
    });
    await reply;
    expect(world.dials).toMatchObject([{ callee: { userId: "bob@example.com", line: "sip" } }]);
    await tell(world, callId, answered);
    await world.alice.event("answered", callId);
    await tell(world, callId, { news: "ended", cause: "hungUp", headers: { "x-reason": "done" } });
    expect(await world.alice.event("ended", callId)).toMatchObject({
      cause: "hungUp",
      headers: { "x-reason": "done" },
    });
    await expect.poll(() => recordOf(world, callId)).toMatchObject({ line: "sip", cost: null });
    expect(await kindsOf(world)).toEqual([]);
  });

  it("goes nowhere else", async () => {
    const world = await openWorld();
    const { ended } = refusal(await dial(world, "bob@elsewhere.org", { line: "sip" }).answered).result;
    expect(ended).toMatchObject({ error: { name: "destinationNotAllowed" } });
    expect(await dial(world, "bob@example.com>\r\nVia: x", { line: "sip" }).answered).toMatchObject({
      error: { name: "invalidValue" },
    });
  });
});

describe("the test number", () => {
  it("answers by itself, plays the recording, ends by itself, and costs nothing", async () => {
    const world = await openWorld(0);
    const { alice } = world;
    const { callId, answered: reply } = dial(world, "+46000000000");
    await reply;
    expect(await alice.event("answered", callId)).toMatchObject({ prompt: "/prompts/connected.mp3" });
    await alice.call(callId, flowing);
    await alice.event("established", callId);
    await later(sessionOf(world, callId), serverLimits.promptSeconds * 1_000 + 1);
    expect(await endOf(world, callId)).toEqual({ cause: "hungUp", error: undefined, cost: undefined });
    expect(alice.events(callId)).toEqual(["progressing", "ringing", "answered", "established", "ended"]);
    await expect
      .poll(() => recordOf(world, callId))
      .toMatchObject({ line: "test", cost: null, endCause: "hungUp" });
    expect(world.dials).toEqual([]);
  });
});

it("a rate is what the tests think it is", () => {
  expect(rate.perMinute + rate.connectFee).toBe(70_000);
});
