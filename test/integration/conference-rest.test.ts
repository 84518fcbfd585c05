/** Conferences as an application's server sees them: real rooms, real calls, participants over sockets. */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadRoom } from "../../durable-objects/conference-room/storage";
import { callSession, conferenceRoom } from "../../durable-objects/names";
import { serverLimits } from "../../protocol";
import { basic, newApplication, request, signed, type TestApplication } from "../edge/support";
import { Participant } from "./conference-world";
import { bindings, hangup, later, Peer, someone } from "./peer";

const application = await newApplication();
const other = await newApplication();
const applicationKey = application.key;

const paths = "/calling/v1/conferences/id";
const pathOf = (name: string, id = "") => `${paths}/${encodeURIComponent(name)}${id && `/${id}`}`;

async function ask(method: string, path: string, body?: unknown, app: TestApplication = application) {
  const answer = await request(method, path, { body, headers: basic(app) });
  return answer.status < 300
    ? { status: answer.status, body: answer.body }
    : { error: answer.body.errorCode };
}
const done = { status: 204, body: null };
const unknown = { error: 40400 };

const listed = async (name: string) => (await ask("GET", pathOf(name))).body.participants;
const change = (name: string, { id }: { id: string }, command: string) =>
  ask("PATCH", pathOf(name, id), { command });
const callOut = (conferenceId: string, endpoint: string, more: object = {}) =>
  ask("POST", "/calling/v1/callouts", {
    method: "conferenceCallout",
    conferenceCallout: { destination: { type: "username", endpoint }, conferenceId, ...more },
  });
const connect = (name: string) => Peer.connect(someone(name), { applicationKey });
const join = (name: string, more: Parameters<typeof Participant.join>[1] = {}) =>
  Participant.join(name, { applicationKey, ...more });

async function conference(count: number, name = someone("room")) {
  const all: Participant[] = [];
  for (let one = 0; one < count; one += 1) all.push(await join(name));
  for (const one of all) await one.sees(...all);
  const [alice, bob] = all;
  if (!alice || !bob) throw new Error("nobody");
  return { name, alice, bob, all };
}

/** The record of a call that is over. */
async function recordOf(callId: string) {
  const session = callSession(bindings, applicationKey, callId);
  return vi.waitFor(async () => {
    const { body } = await ask("GET", `/v1/calls/${callId}`);
    if (!body) throw new Error(`no record of ${callId}, ${await session.isOn()}`);
    return body;
  });
}

describe("who is in", () => {
  it("is nobody before the first and after the last", async () => {
    const name = someone("room");
    expect(await ask("GET", pathOf(name))).toEqual(unknown);
    const alice = await join(name);
    expect(await listed(name)).toEqual([
      { cli: alice.userId, id: alice.id, duration: expect.any(Number), muted: false, onhold: false },
    ]);
    await alice.peer.call(alice.id, hangup);
    await vi.waitFor(async () => expect(await ask("GET", pathOf(name))).toEqual(unknown));
    for (const method of ["DELETE", "PATCH"])
      expect(await ask(method, pathOf(name, alice.id), { command: "mute" })).toEqual(unknown);
    expect(await ask("DELETE", pathOf(name))).toEqual(unknown);
  });

  it("comes in the order in which they came, with the seconds since", async () => {
    const { name, all } = await conference(3);
    await runInDurableObject(conferenceRoom(bindings, { applicationKey, conferenceId: name }), (room) => {
      const { clock } = room;
      room.clock = () => clock() + 61_500;
    });
    const participants = await listed(name);
    expect(participants.map(({ id }: Participant) => id)).toEqual(all.map(({ id }) => id));
    expect(participants[0].duration).toBeGreaterThanOrEqual(61);
    expect(participants[0].duration).toBeLessThan(90);
    expect(Number.isInteger(participants[0].duration)).toBe(true);
  });

  it("who mutes itself is muted, whatever the server does", async () => {
    const { name, alice, bob } = await conference(2);
    await alice.op({ op: "media", media: { muted: true, held: true, video: "off" } });
    await bob.event("participantChanged");
    const states = async () =>
      (await listed(name)).map(({ muted, onhold }: Record<string, boolean>) => [muted, onhold]);
    expect(await states()).toEqual([
      [true, true],
      [false, false],
    ]);
    for (const command of ["unmute", "resume"]) expect(await change(name, alice, command)).toEqual(done);
    expect(await states()).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  it.each(["x", "y".repeat(64), "🎉".repeat(64), "a/b", "%2F", "a b+c;d?e#f", "%", "..."])(
    "in a conference whose id is %j",
    async (id) => {
      const alice = await join(id);
      expect((await listed(id)).map((one: Participant) => one.id)).toEqual([alice.id]);
      const path = pathOf(id, alice.id);
      const headers = await signed(application, "DELETE", path);
      expect((await request("DELETE", path, { headers })).status).toBe(204);
      await alice.ended();
    },
  );

  it.each(["..", "."])("in a conference whose id is %j, by a query", async (id) => {
    const [alice, bob] = [await join(id), await join(id)];
    const query = `${paths}?conferenceId=${id}`;
    expect((await ask("GET", query)).body.participants).toHaveLength(2);
    expect(await ask("DELETE", `${query}&callId=${alice.id}`)).toEqual(done);
    expect(await alice.ended()).toMatchObject({ cause: "hungUp" });
    expect(await ask("DELETE", query)).toEqual(done);
    expect(await bob.ended()).toMatchObject({ cause: "hungUp" });
  });

  it("of another application is never found, nor changed", async () => {
    const { name, alice, bob } = await conference(2);
    const theirs = await Participant.join(name, { applicationKey: other.key });
    const own = (await ask("GET", pathOf(name), undefined, other)).body.participants;
    expect(own.map(({ id }: Participant) => id)).toEqual([theirs.id]);
    for (const method of ["PATCH", "DELETE"])
      expect(await ask(method, pathOf(name, alice.id), { command: "mute" }, other)).toEqual(unknown);
    expect(await ask("DELETE", pathOf(name), undefined, other)).toEqual(done);
    expect(await theirs.ended()).toMatchObject({ cause: "hungUp" });
    expect(await listed(name)).toHaveLength(2);
    expect(bob.named("participantChanged")).toEqual([]);
  });
});

describe("what the server decides", () => {
  it.each([
    ["mute", "unmute", { muted: true, held: false }, { muted: true, onhold: false }],
    ["onhold", "resume", { muted: false, held: true }, { muted: false, onhold: true }],
  ])("%s and %s reach the participant, and the others", async (on, off, silence, shown) => {
    const { name, alice, bob } = await conference(2);
    const none = { muted: false, held: false };
    expect(await change(name, alice, on)).toEqual(done);
    expect((await alice.event("silence")).silence).toEqual(silence);
    expect((await bob.event("participantChanged")).change).toEqual({ id: alice.id, silence });
    expect((await listed(name))[0]).toMatchObject(shown);
    // One who comes later knows of it.
    const carol = await join(name);
    expect(carol.roster.map((one) => one.silence)).toEqual([silence, none]);
    expect(await change(name, alice, off)).toEqual(done);
    await alice.event("silence", (event) => !event.silence.muted && !event.silence.held);
    await bob.until(() => bob.roster[0]?.silence.muted === false && bob.roster[0].silence.held === false);
    expect((await listed(name))[0]).toMatchObject({ muted: false, onhold: false });
    expect(bob.named("silence")).toEqual([]);
  });

  it("a participant of another conference is not in this one", async () => {
    const [{ name }, { alice: elsewhere, name: where }] = [await conference(2), await conference(2)];
    expect(await change(name, elsewhere, "mute")).toEqual(unknown);
    expect(await ask("DELETE", pathOf(name, elsewhere.id))).toEqual(unknown);
    expect(await listed(where)).toHaveLength(2);
  });

  it("one who is taken out hears why, and the others that it is gone", async () => {
    const { name, alice, bob } = await conference(2);
    expect(await ask("DELETE", pathOf(name, alice.id))).toEqual(done);
    expect(await alice.ended()).toMatchObject({
      cause: "hungUp",
      error: { errorCode: 40303, name: "removed" },
    });
    await bob.sees();
    expect((await listed(name)).map(({ id }: Participant) => id)).toEqual([bob.id]);
    expect(await ask("DELETE", pathOf(name, alice.id))).toEqual(unknown);
    const { callerUserId, calleeUserId, callerLine, line, endCause, errorCode } = await recordOf(alice.id);
    expect([callerUserId, calleeUserId]).toEqual([alice.userId, name]);
    expect([callerLine, line, endCause, errorCode]).toEqual([null, "conference", "hungUp", 40303]);
    // Nothing keeps it from coming again.
    const again = await join(name, { peer: alice.peer });
    await again.sees(bob);
  });

  it("all are taken out, those who are away and those who are being called as well", async () => {
    const { name, alice, bob } = await conference(2);
    const carol = await connect("carol");
    const { callId } = (await callOut(name, carol.user.userId)).body;
    await carol.event("incoming", callId);
    bob.peer.close();
    await alice.event("participantChanged", ({ change }) => change.away === true);
    expect(await ask("DELETE", pathOf(name))).toEqual(done);
    expect(await alice.ended()).toMatchObject({ cause: "hungUp", error: { name: "removed" } });
    expect(await carol.event("ended", callId)).toMatchObject({ cause: "canceled" });
    expect(await ask("GET", pathOf(name))).toEqual(unknown);
    expect((await recordOf(bob.id)).endCause).toBe("hungUp");
  });
});

describe("a callout", () => {
  it("rings, and whoever answers is in", async () => {
    const { name, alice, bob } = await conference(2);
    const carol = await connect("carol");
    const more = { cli: "Stand-up", callHeaders: [{ key: "why", value: "you are late" }] };
    const { callId } = (await callOut(name, carol.user.userId, more)).body;
    expect(await carol.event("incoming", callId)).toMatchObject({
      ...{
        from: { displayName: "Stand-up" },
        conference: name,
        headers: { why: "you are late" },
        video: false,
      },
    });
    // Nobody is in by being called.
    expect(await listed(name)).toHaveLength(2);
    const answered = await Participant.answer(carol);
    expect(answered.id).toBe(callId);
    await answered.sees(alice, bob);
    await alice.sees(bob, answered);
    expect((await listed(name))[2]).toMatchObject({ cli: carol.user.userId, id: callId });
    expect(await change(name, answered, "mute")).toEqual(done);
    await answered.event("silence");
    expect(await ask("DELETE", pathOf(name, callId))).toEqual(done);
    expect(await answered.ended()).toMatchObject({ cause: "hungUp", error: { name: "removed" } });
    const { callerUserId, callerLine, calleeUserId, line, endCause } = await recordOf(callId);
    expect([callerUserId, callerLine, calleeUserId, line]).toEqual([
      ...[name, "conference", carol.user.userId, null],
    ]);
    expect(endCause).toBe("hungUp");
    const { calls } = (await ask("GET", `/v1/calls?userId=${carol.user.userId}`)).body;
    expect(calls.map((call: { callId: string }) => call.callId)).toEqual([callId]);
  });

  it("makes the conference", async () => {
    const [name, carol] = [someone("room"), await connect("carol")];
    await callOut(name, carol.user.userId);
    const answered = await Participant.answer(carol);
    expect((await listed(name)).map(({ id }: Participant) => id)).toEqual([answered.id]);
  });

  it("that is declined, or that nobody answers, leaves no trace but its record", async () => {
    const { name, alice } = await conference(2);
    const carol = await connect("carol");
    const declined = (await callOut(name, carol.user.userId)).body.callId;
    await carol.event("incoming", declined);
    await carol.call(declined, hangup);
    expect((await recordOf(declined)).endCause).toBe("denied");
    const missed = (await callOut(name, carol.user.userId)).body.callId;
    await carol.event("incoming", missed);
    await later(callSession(bindings, applicationKey, missed), 46_000);
    expect((await recordOf(missed)).endCause).toBe("timeout");
    const nobody = (await callOut(name, someone("nobody"))).body.callId;
    expect(await recordOf(nobody)).toMatchObject({ endCause: "failure", errorCode: 40401 });
    expect(await listed(name)).toHaveLength(2);
    for (const callId of [declined, missed, nobody])
      expect(await ask("DELETE", pathOf(name, callId))).toEqual(unknown);
    expect(alice.named("participantJoined")).toHaveLength(1);
  });

  it("is called back by kicking it", async () => {
    const { name } = await conference(2);
    const carol = await connect("carol");
    const { callId } = (await callOut(name, carol.user.userId)).body;
    await carol.event("incoming", callId);
    expect(await ask("DELETE", pathOf(name, callId))).toEqual(done);
    expect(await carol.event("ended", callId)).toMatchObject({ cause: "canceled" });
  });

  it("to a phone needs a user in the conference", async () => {
    const destination = { type: "number", endpoint: "+46701234567" };
    expect(await callOut(someone("room"), "", { destination })).toEqual({ error: 40903 });
  });

  it("with an Idempotency-Key is one call, while it rings and right after it is over", async () => {
    const { name, alice } = await conference(2);
    const carol = await connect("carol");
    const headers = { ...basic(application), "idempotency-key": someone("key") };
    const body = {
      method: "conferenceCallout",
      conferenceCallout: {
        destination: { type: "username", endpoint: carol.user.userId },
        conferenceId: name,
      },
    };
    const post = async () => (await request("POST", "/calling/v1/callouts", { body, headers })).body.callId;
    const [first, second] = await Promise.all([post(), post()]);
    expect(second).toBe(first);
    await carol.event("incoming", first);
    expect(await post()).toBe(first);
    await carol.call(first, hangup);
    expect(await post()).toBe(first);
    await recordOf(first);
    expect(await post()).toBe(first);
    // The record may be late: then the call's session still knows that it is over.
    await bindings.DB.prepare("DELETE FROM calls WHERE call_id = ?").bind(first).run();
    expect(await post()).toBe(first);
    const room = conferenceRoom(bindings, { applicationKey, conferenceId: name });
    const seats = () => runInDurableObject(room, (_, { storage }) => loadRoom(storage.kv)?.seats);
    await vi.waitFor(async () => expect(await seats()).toHaveLength(2));
    expect(carol.events(first).filter((event) => event === "incoming")).toHaveLength(1);
    await alice.peer.settled();
    expect(await listed(name)).toHaveLength(2);
  });
});

describe("as many as there may be", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("the fifty-first is refused, until somebody is taken out", async () => {
    const name = someone("room");
    const sfu = vi.fn(async (url: string | URL | Request) => {
      expect(String(url)).toMatch(/\/sessions\/new$/);
      return Response.json({ sessionId: crypto.randomUUID() }, { status: 201 });
    });
    vi.stubGlobal("fetch", sfu);
    const room = conferenceRoom(bindings, { applicationKey, conferenceId: name });
    await runInDurableObject(room, (object) => {
      const settings = { SFU_APP_ID: "app", SFU_APP_SECRET: "secret", SFU_URL: "http://sfu.test" };
      Object.assign(object, { env: { ...bindings, ...settings } });
    });
    const most = serverLimits.conferenceParticipants;
    const peers = await Promise.all(Array.from({ length: most + 1 }, () => connect("user")));
    const all: Participant[] = [];
    for (const peer of peers.slice(0, most)) all.push(await join(name, { peer }));
    expect(await listed(name)).toHaveLength(most);
    const last = peers[most] as Peer;
    const { answered } = last.start(name, { line: "conference", offer: undefined });
    const ended = { cause: "failure", error: { errorCode: 40901 } };
    expect(await answered).toMatchObject({ type: "answer", result: { ended } });
    expect(await callOut(name, last.user.userId)).toEqual({ error: 40901 });
    expect(await ask("DELETE", pathOf(name, all[0]?.id))).toEqual(done);
    const taken = await join(name, { peer: last });
    await taken.sees(...all.slice(1));
    expect(await ask("DELETE", pathOf(name))).toEqual(done);
    for (const one of [...all.slice(1), taken]) await one.ended();
    expect(await ask("GET", pathOf(name))).toEqual(unknown);
  }, 60_000);
});
