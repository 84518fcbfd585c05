import { describe, expect, it } from "vitest";
import type { CallEvent } from "../../protocol";
import { headerOf, seqOf, tagOf } from "./testing/gateway";
import { answer, inAWorld, offer, sdp, trunk, type World } from "./testing/world";

let world: World;
inAWorld((fresh) => {
  world = fresh;
});

const described = (type: "offer" | "answer", text: string): CallEvent => ({
  event: "description",
  description: { type, sdp: text },
  candidates: [],
});
const held = (on: boolean): CallEvent => ({
  event: "media",
  media: { held: on, muted: false, video: "off" },
});
const direction = (text: string) => /^a=(send\w+|recvonly|inactive)/m.exec(text)?.[1];
const version = (text: string) => Number(/^o=\S+ \S+ (\d+)/m.exec(text)?.[1]);
const type = (name: string) => ({ type: name });

describe("a call that is answered", () => {
  it("is acknowledged on its route, told with its headers, and ended with BYE", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 200, {
      body: answer,
      headers: ["X-Seen: yes", `X-Long: ${"x".repeat(2_000)}`],
    });
    const ack = await world.until("ACK");
    expect(seqOf(ack)).toBe(seqOf(invite));
    await world.untilNews("answered");
    const description = { type: "answer", sdp: answer };
    expect(world.news).toEqual([{ news: "answered", description, headers: { "x-seen": "yes" } }]);
    expect(await world.deliver({ event: "established", time: 1 })).toEqual([`sip/${world.callId}`]);
    expect(await world.ended()).toEqual([]);
    const bye = await world.until("BYE");
    expect(seqOf(bye)).toBe(seqOf(invite) + 1);
    await world.gone();
    expect(world.news).toHaveLength(1);
  });

  it("ends when the far end says BYE, and is told so with its headers", async () => {
    const invite = await world.talk();
    await world.request("BYE", invite, 1, { headers: ["X-Reason: lunch"] });
    const [bye] = await world.answersTo("BYE");
    expect(bye?.status).toBe(200);
    await world.untilNews("answered", "ended");
    expect(world.news.at(-1)).toEqual({ news: "ended", cause: "hungUp", headers: { "x-reason": "lunch" } });
    await world.gone();
  });

  it("says BYE with the password, where that is asked for", async () => {
    const invite = await world.talk();
    world.gateway.script = (request) => {
      if (request.method !== "BYE" || headerOf(request, "authorization")) return false;
      world.gateway.reply(request, 401, { headers: ['WWW-Authenticate: Digest realm="r", nonce="n"'] });
      return true;
    };
    await world.ended();
    const bye = await world.until("BYE", 2);
    expect(seqOf(bye)).toBe(seqOf(invite) + 2);
    expect(headerOf(bye, "authorization")).toContain('username="alice"');
    await world.gone();
  });
});

describe("what the caller wants in a call", () => {
  it("a new offer is a re-INVITE, and its answer goes back", async () => {
    const invite = await world.talk();
    const [again, theirs] = [sdp(3, { port: 10 }), sdp(2, { name: "far", port: 30_002 })];
    await world.deliver(described("offer", again));
    const reinvite = await world.until("INVITE", 2);
    expect(tagOf(reinvite, "to")).toBe("far");
    expect(seqOf(reinvite)).toBe(seqOf(invite) + 1);
    expect(reinvite.body).toBe(again);
    await world.reply(reinvite, 200, { body: theirs });
    await world.until("ACK", 2);
    expect(await world.untilOperation(1)).toEqual({
      op: "description",
      description: { type: "answer", sdp: theirs },
      candidates: [],
    });
    expect(world.operations[0]).toMatchObject({ n: 1, ack: 1 });
  });

  it("hold is a re-INVITE of which it hears nothing, and so is resume", async () => {
    await world.talk();
    await world.deliver(held(true));
    const hold = await world.until("INVITE", 2);
    expect(direction(hold.body)).toBe("sendonly");
    expect(version(hold.body)).toBe(version(offer) + 1);
    await world.reply(hold, 200, { body: sdp(2, { direction: "recvonly", name: "far", port: 30_000 }) });
    await world.until("ACK", 2);
    await world.deliver(held(false));
    const resume = await world.until("INVITE", 3);
    expect(direction(resume.body)).toBe("sendrecv");
    expect(version(resume.body)).toBe(version(offer) + 2);
    await world.reply(resume, 200, { body: sdp(3, { name: "far", port: 30_000 }) });
    await world.until("ACK", 3);
    expect(world.operations).toEqual([]);
  });

  it("waits until an exchange is done, and is then what is wanted last", async () => {
    await world.talk();
    await world.deliver(held(true));
    const hold = await world.until("INVITE", 2);
    await world.deliver(
      held(false),
      described("offer", sdp(5, { port: 11 })),
      described("offer", sdp(6, { port: 12 })),
    );
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    await world.reply(hold, 200, { body: answer });
    const next = await world.until("INVITE", 3);
    expect(next.body).toContain("m=audio 12 ");
    expect(direction(next.body)).toBe("sendrecv");
    await world.reply(next, 200, { body: answer });
    await world.untilOperation(1);
    expect(world.gateway.all("INVITE")).toHaveLength(3);
  });

  it("a new offer while it holds is on hold, too", async () => {
    await world.talk();
    await world.deliver(held(true));
    await world.reply(await world.until("INVITE", 2), 200, { body: answer });
    await world.until("ACK", 2);
    await world.deliver(described("offer", sdp(9, { port: 10 })));
    expect(direction((await world.until("INVITE", 3)).body)).toBe("sendonly");
  });

  it("is tried once more when both wanted something at a time", async () => {
    await world.talk();
    await world.deliver(held(true));
    await world.reply(await world.until("INVITE", 2), 491);
    await world.until("ACK", 2);
    await world.pass(2_099);
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    await world.pass(2_000);
    const again = await world.until("INVITE", 3);
    expect(direction(again.body)).toBe("sendonly");
    await world.reply(again, 200, { body: answer });
    await world.until("ACK", 3);
  });

  it.each([488, 500, 403])("stays as it was when that is refused with %i", async (status) => {
    await world.talk();
    await world.deliver(described("offer", sdp(3, { port: 10 })));
    await world.reply(await world.until("INVITE", 2), status);
    await world.until("ACK", 2);
    await world.pass(60_000);
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    expect(await world.deliver()).toHaveLength(1);
    // The caller takes it back.
    const description = { type: "rollback", sdp: "" };
    expect(world.operations).toMatchObject([{ op: { op: "description", description } }]);
  });

  it.each([481, 408])("ends when the far end answers %i", async (status) => {
    await world.talk();
    await world.deliver(held(true));
    await world.reply(await world.until("INVITE", 2), status);
    await world.until("BYE");
    await world.untilNews("answered", "ended");
    expect(world.news.at(-1)).toMatchObject({ cause: "failure", error: { sip: { status } } });
    await world.gone();
  });

  it("tones are INFO, one after the other, each with its CSeq also when it is challenged", async () => {
    const invite = await world.talk();
    let challenged = false;
    world.gateway.script = (request) => {
      if (request.method !== "INFO" || challenged) return false;
      challenged = true;
      world.gateway.reply(request, 407, { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n"'] });
      return true;
    };
    await world.deliver({ event: "dtmf", keys: "1#a" });
    await world.until("INFO", 4);
    const infos = world.gateway.all("INFO");
    expect(infos.map(({ body }) => /Signal=(.)/.exec(body)?.[1])).toEqual(["1", "1", "#", "A"]);
    expect(infos.map(seqOf)).toEqual([1, 2, 3, 4].map((more) => seqOf(invite) + more));
    expect(headerOf(infos[0] ?? invite, "content-type")).toBe("application/dtmf-relay");
    await world.ended();
    expect(seqOf(await world.until("BYE"))).toBe(seqOf(invite) + 5);
    await world.gone();
  });

  it("a tone that is challenged when the call ends takes no CSeq twice", async () => {
    let challenged = false;
    world.gateway.script = (request) => {
      if (request.method !== "INFO") return false;
      if (!challenged)
        world.gateway.reply(request, 407, { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n"'] });
      challenged = true;
      return true;
    };
    await world.talk();
    await world.deliver({ event: "dtmf", keys: "1" });
    const info = await world.until("INFO", 2);
    await world.ended();
    expect(seqOf(await world.until("BYE"))).toBe(seqOf(info) + 1);
    await world.gone();
  });

  it("its end is said again to a far end that finds it out of order", async () => {
    await world.talk();
    world.gateway.script = (request) => {
      if (request.method !== "BYE" || seqOf(request) > 3) return false;
      world.gateway.reply(request, 500);
      return true;
    };
    await world.ended();
    expect(seqOf(await world.until("BYE", 3))).toBe(4);
    await world.gone();
  });

  it("its end is said five times at most", async () => {
    await world.talk();
    world.gateway.script = (request) => {
      if (request.method === "BYE") world.gateway.reply(request, 500);
      return request.method === "BYE";
    };
    await world.ended();
    await world.gone();
    expect(world.gateway.all("BYE")).toHaveLength(5);
  });

  it("hold is asked for a few times of a far end that is in trouble", async () => {
    await world.talk();
    world.gateway.script = (request) => {
      if (request.method === "INVITE") world.gateway.reply(request, 503);
      return request.method === "INVITE";
    };
    await world.deliver(held(true));
    await world.until("ACK", 2);
    for (const count of [3, 4, 5]) {
      await world.pass(10_000);
      await world.until("ACK", count);
    }
    await world.pass(60_000);
    expect(world.gateway.all("INVITE")).toHaveLength(5);
    expect(await world.deliver()).toHaveLength(1);
  });

  it("and all of it with the password, where everything is challenged", async () => {
    world.gateway.credentials = { user: "alice", password: "s3cret", inCall: true };
    await world.talk();
    await world.deliver(held(true));
    await world.reply(await world.until("INVITE", 4), 200, { body: answer });
    await world.until("ACK", 2);
    await world.deliver({ event: "dtmf", keys: "12" });
    await world.until("INFO", 4);
    await world.ended();
    await world.until("BYE", 2);
    await world.gone();
  });

  it("is heard once, however often it is delivered", async () => {
    await world.talk();
    const frame = {
      type: "call",
      callId: world.callId,
      seq: 7,
      event: { event: "dtmf", keys: "5" },
    } as const;
    const user = { applicationKey: "a", userId: "u" };
    const delivery = { user, frames: [{ frame }, { frame }], reference: "r" };
    await world.inside((instance) => instance.deliver(delivery));
    await world.inside((instance) => instance.deliver(delivery));
    await world.until("INFO");
    await world.deliver();
    expect(world.gateway.all("INFO")).toHaveLength(1);
  });
});

describe("what the far end wants in a call", () => {
  it("another description is the caller's to answer", async () => {
    const invite = await world.talk();
    const theirs = sdp(2, { name: "far", port: 30_002 });
    await world.request("INVITE", invite, 1, { body: theirs });
    expect(await world.untilOperation(1)).toEqual({
      op: "description",
      description: { type: "offer", sdp: theirs },
      candidates: [],
    });
    expect((await world.answersTo("INVITE")).map(({ status }) => status)).toEqual([100]);
    const mine = sdp(3, { port: 10 });
    await world.deliver(described("answer", mine));
    const [, ok] = await world.answersTo("INVITE", 2);
    expect(ok?.status).toBe(200);
    expect(ok?.body).toBe(mine);
    expect(ok && headerOf(ok, "contact")).toMatch(/^<sip:/);
    await world.request("ACK", invite, 1);
    // Said again, it is a refresh.
    await world.request("INVITE", invite, 2, { body: theirs });
    const refreshed = await world.answersTo("INVITE", 3);
    expect(refreshed[2]?.body).toBe(mine);
    expect(world.operations).toHaveLength(1);
  });

  it("the same again is answered without bothering the caller", async () => {
    const invite = await world.talk();
    const body = answer.replace("4711 1 ", "4711 2 ");
    await world.request("INVITE", invite, 1, { body });
    const [ok] = await world.answersTo("INVITE");
    expect(ok?.status).toBe(200);
    expect(ok?.body).toBe(offer);
    expect(world.operations).toEqual([]);
  });

  it.each(["sendonly", "inactive"])("hold by %s is told, and so is its end", async (how) => {
    const invite = await world.talk();
    const on = sdp(2, { name: "far", port: 30_000, direction: how });
    await world.request("INVITE", invite, 1, { body: on });
    await world.untilOperation(2);
    await world.deliver(described("answer", sdp(3, { direction: "recvonly" })));
    await world.answersTo("INVITE", 2);
    await world.request("ACK", invite, 1);
    await world.request("INVITE", invite, 2, { body: sdp(3, { name: "far", port: 30_000 }) });
    await world.untilOperation(4);
    const media = (on: boolean) => ({ op: "media", media: { held: on, muted: false, video: "off" } });
    expect(world.operations.map(({ op }) => op)).toMatchObject([
      media(true),
      { op: "description", description: { type: "offer", sdp: on } },
      media(false),
      { op: "description" },
    ]);
    expect(world.operations.map(({ n }) => n)).toEqual([1, 2, 3, 4]);
  });

  it("an offer of ours comes with the answer to a re-INVITE without one", async () => {
    const invite = await world.talk();
    await world.request("INVITE", invite, 1);
    const [ok] = await world.answersTo("INVITE");
    expect(ok?.body).toBe(offer);
    await world.request("ACK", invite, 1, {
      body: sdp(2, { name: "far", port: 30_000, direction: "sendonly" }),
    });
    expect(await world.untilOperation(1)).toMatchObject({ op: "media", media: { held: true } });
  });

  it("is answered on hold, where the caller has held it meanwhile, and not asked once more", async () => {
    const invite = await world.talk();
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    await world.untilOperation(1);
    await world.deliver(held(true), described("answer", sdp(3, { port: 10 })));
    const [, ok] = await world.answersTo("INVITE", 2);
    expect(direction(ok?.body ?? "")).toBe("sendonly");
    await world.request("ACK", invite, 1);
    await world.deliver({ event: "dtmf", keys: "5" });
    await world.until("INFO");
    expect(world.gateway.all("INVITE")).toHaveLength(1);
  });

  it("gives way to an offer of the caller, which does not", async () => {
    const invite = await world.talk();
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    await world.untilOperation(1);
    const mine = sdp(3, { port: 10 });
    await world.deliver(described("offer", mine));
    const answers = await world.answersTo("INVITE", 2);
    expect(answers.map(({ status }) => status)).toEqual([100, 491]);
    await world.request("ACK", invite, 1);
    expect((await world.until("INVITE", 2)).body).toBe(mine);
  });

  it("is refused with 491 while one of ours is under way", async () => {
    const invite = await world.talk();
    await world.deliver(held(true));
    const ours = await world.until("INVITE", 2);
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    const [refused] = await world.answersTo("INVITE");
    expect(refused?.status).toBe(491);
    await world.reply(ours, 200, { body: answer });
    await world.until("ACK", 2);
    expect(world.operations).toEqual([]);
  });

  it("is refused when the caller does not answer", async () => {
    const invite = await world.talk();
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    await world.untilOperation(1);
    await world.pass(10_000);
    const answers = await world.answersTo("INVITE", 2);
    expect(answers.map(({ status }) => status)).toEqual([100, 480]);
    await world.request("ACK", invite, 1);
    await world.deliver(held(true));
    await world.until("INVITE", 2);
  });

  it("hold that the caller does not answer is taken back", async () => {
    const invite = await world.talk();
    const on = sdp(2, { name: "far", port: 30_000, direction: "sendonly" });
    await world.request("INVITE", invite, 1, { body: on });
    await world.untilOperation(2);
    await world.pass(10_000);
    const media = { held: false, muted: false, video: "off" };
    expect(await world.untilOperation(3)).toEqual({ op: "media", media });
  });

  it("is answered by the caller when nobody waits for it any more: that is not offered instead", async () => {
    const invite = await world.talk();
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    await world.untilOperation(1);
    await world.inside(() => world.gateway.drop());
    await world.reply(await world.until("INVITE", 2), 200, { body: answer });
    await world.until("ACK", 2);
    await world.deliver(described("answer", sdp(3, { name: "late" })), held(true));
    expect((await world.until("INVITE", 3)).body).not.toContain("late");
  });

  it("without its ACK ends the call after 32 seconds", async () => {
    const invite = await world.talk({ headers: ["Session-Expires: 90;refresher=uac"] });
    const headers = ["Session-Expires: 90;refresher=uas", "Supported: timer"];
    await world.request("INVITE", invite, 1, { body: answer, headers });
    await world.answersTo("INVITE");
    await world.pass(31_999);
    expect(world.gateway.all("BYE")).toEqual([]);
    await world.pass(1);
    await world.until("BYE");
    await world.untilNews("answered", "ended");
    expect(world.news.at(-1)).toMatchObject({ cause: "failure", error: { sip: { status: 408 } } });
    await world.gone();
  });

  it.each<[string, string, string]>([
    ["application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"],
    ["application/dtmf-relay", "signal= *\nDuration= 250", "*"],
    ["application/dtmf", "11", "#"],
  ])("tones in %s are told", async (name, body, keys) => {
    const invite = await world.talk();
    await world.request("INFO", invite, 1, { body, ...type(name) });
    expect(await world.untilOperation(1)).toEqual({ op: "dtmf", keys });
    expect((await world.answersTo("INFO"))[0]?.status).toBe(200);
  });

  it.each<[string, number, { body?: string; type?: string; headers?: string[] }]>([
    ["INFO", 200, {}],
    ["INVITE", 488, { body: sdp(2) + "a=x:y\r\n".repeat(10_000) }],
    ["INFO", 415, { body: "<x/>", type: "application/media_control+xml" }],
    ["OPTIONS", 200, {}],
    ["UPDATE", 200, { headers: ["Session-Expires: 300;refresher=uac"] }],
    ["UPDATE", 200, { body: answer }],
    ["UPDATE", 504, { body: sdp(2, { name: "far", port: 30_002 }) }],
    ["NOTIFY", 489, { headers: ["Event: talk"] }],
    ["REFER", 405, { headers: ["Refer-To: <sip:x@y>"] }],
    ["MESSAGE", 405, {}],
    ["PRACK", 405, {}],
    ["SUBSCRIBE", 405, {}],
    ["FOO", 405, {}],
  ])("%s is answered %i, and the call goes on", async (method, status, more) => {
    const invite = await world.talk();
    await world.request(method, invite, 1, more);
    const [answered] = await world.answersTo(method);
    expect(answered?.status).toBe(status);
    if (method === "UPDATE" && more.body && status === 200) expect(answered?.body).toBe(offer);
    await world.request("BYE", invite, 2);
    await world.untilNews("answered", "ended");
  });

  it("of a dialog that is none gets 481", async () => {
    const invite = await world.talk();
    for (const method of ["BYE", "INFO", "UPDATE", "OPTIONS"])
      await world.request(method, invite, 1, { tag: "nobody" });
    for (const method of ["BYE", "INFO", "UPDATE", "OPTIONS"])
      expect((await world.answersTo(method))[0]?.status).toBe(481);
    expect(await world.deliver()).toHaveLength(1);
  });

  it("that comes out of order is refused", async () => {
    const invite = await world.talk();
    await world.request("INFO", invite, 5);
    await world.request("UPDATE", invite, 4);
    expect((await world.answersTo("UPDATE"))[0]?.status).toBe(500);
  });
});

describe("a session that expires", () => {
  const timed = (text: string) => world.talk({ headers: [`Session-Expires: ${text}`] });

  it("is refreshed by us after half of the time, with what was said", async () => {
    await timed("1800;refresher=uac");
    await world.pass(899_999);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
    await world.pass(1);
    const refresh = await world.until("INVITE", 2);
    expect(refresh.body).toBe(offer);
    expect(headerOf(refresh, "session-expires")).toBe("1800;refresher=uac");
    await world.reply(refresh, 200, { body: answer, headers: ["Session-Expires: 1800;refresher=uac"] });
    await world.until("ACK", 2);
    await world.pass(899_999);
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    await world.pass(1);
    await world.until("INVITE", 3);
    expect(world.operations).toEqual([]);
  });

  it("waits with that for the caller's answer to the far end", async () => {
    const invite = await timed("90;refresher=uac");
    await world.pass(40_000);
    await world.request("INVITE", invite, 1, { body: sdp(2, { name: "far", port: 30_002 }) });
    await world.untilOperation(1);
    await world.pass(6_000);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
    await world.pass(4_000);
    await world.until("INVITE", 2);
  });

  it("is refreshed again when that was refused, and ends when it always is", async () => {
    world.gateway.script = (request) => {
      if (request.method !== "INVITE" || !tagOf(request, "to")) return false;
      world.gateway.reply(request, 500);
      return true;
    };
    await timed("90;refresher=uac");
    await world.pass(45_000);
    await world.until("INVITE", 2);
    await world.until("ACK", 2);
    await world.pass(9_999);
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    await world.pass(1);
    await world.until("INVITE", 3);
    await world.until("ACK", 3);
    await world.pass(34_999);
    await world.until("INVITE", 4);
    await world.until("ACK", 4);
    await world.pass(1);
    await world.until("BYE");
    await world.untilNews("answered", "ended");
    expect(world.news.at(-1)).toMatchObject({ cause: "failure", error: { name: "sipFailed" } });
    await world.gone();
  });

  it("is the far end's to refresh, and ends when it does not", async () => {
    const invite = await timed("90;refresher=uas");
    await world.pass(59_000);
    await world.request("INVITE", invite, 1, {
      body: answer,
      headers: ["Session-Expires: 90;refresher=uac", "Supported: timer"],
    });
    const [ok] = await world.answersTo("INVITE");
    expect(ok && headerOf(ok, "session-expires")).toBe("90;refresher=uac");
    expect(ok && headerOf(ok, "require")).toBe("timer");
    await world.request("ACK", invite, 1);
    await world.pass(59_999);
    expect(world.gateway.all("BYE")).toEqual([]);
    await world.pass(1);
    await world.until("BYE");
    await world.untilNews("answered", "ended");
  });

  it("does not, where the far end wants no timer", async () => {
    await world.talk();
    for (let hours = 0; hours < 3; hours += 1) await world.pass(3_600_000);
    expect(world.gateway.all("BYE")).toEqual([]);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
  });
});

it("a trunk that is asked for its credentials in the call has them", async () => {
  world.gateway.credentials = { user: "alice", password: "s3cret" };
  await world.talk({ dial: { trunks: [await trunk()] } });
  world.gateway.script = (request) => {
    if (request.method !== "INVITE" || headerOf(request, "proxy-authorization")) return false;
    world.gateway.reply(request, 407, { headers: ['Proxy-Authenticate: Digest realm="r", nonce="n"'] });
    return true;
  };
  await world.deliver(held(true));
  const again = await world.until("INVITE", 4);
  await world.reply(again, 200, { body: answer });
  await world.until("ACK", 4);
  await world.ended();
  await world.gone();
});
