/** A leg and what goes away around it: its object, its gateway, its session. */
import { describe, expect, it, vi } from "vitest";
import { CallSession } from "../call-session/call-session";
import { headerOf, seqOf, tagOf } from "./testing/gateway";
import { answer, fail, inAWorld, offer, sdp, trunk, type World } from "./testing/world";

let world: World;
inAWorld((fresh) => {
  world = fresh;
});
const lastNews = () => world.news.at(-1);
const contactOf = (message: Parameters<typeof headerOf>[0]) => headerOf(message, "contact");

describe("an object that crashes", () => {
  it("in a call connects again, says where it is now, and can still say BYE", async () => {
    const invite = await world.talk();
    await world.crash();
    await world.pass(60_000);
    const reinvite = await world.until("INVITE", 2);
    expect(world.gateway.asked).toHaveLength(2);
    expect(headerOf(reinvite, "call-id")).toBe(headerOf(invite, "call-id"));
    expect(tagOf(reinvite, "from")).toBe(tagOf(invite, "from"));
    expect(reinvite.body).toBe(offer);
    expect(contactOf(reinvite)).not.toBe(contactOf(invite));
    // The first one may not have left.
    expect(world.gateway.all("ACK").map(seqOf)).toEqual([1, 1]);
    await world.reply(reinvite, 200, { body: answer });
    await world.until("ACK", 3);
    await world.deliver({ event: "dtmf", keys: "5" });
    expect(seqOf(await world.until("INFO"))).toBe(3);
    await world.ended();
    expect(seqOf(await world.until("BYE"))).toBe(4);
    await world.gone();
    expect(world.news.filter(({ news }) => news === "ended")).toEqual([]);
  });

  it("in a call says BYE when the call has ended meanwhile", async () => {
    await world.talk();
    await world.crash();
    await world.ended();
    const bye = await world.until("BYE");
    expect(seqOf(bye)).toBe(2);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
    await world.gone();
  });

  it("hears the far end's BYE when it is back", async () => {
    const invite = await world.talk();
    await world.crash();
    await world.pass(60_000);
    await world.reply(await world.until("INVITE", 2), 200, { body: answer });
    await world.until("ACK", 3);
    await world.request("BYE", invite, 1);
    await vi.waitFor(() => expect(lastNews()).toEqual({ news: "ended", cause: "hungUp" }));
    await world.gone();
  });

  it("while it rings cancels what it had sent, and calls again over the same trunk", async () => {
    await world.dial({ trunks: [await trunk(), await trunk({ url: "wss://other.test/" })] });
    const invite = await world.until("INVITE");
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
    await world.crash();
    await world.pass(10_000);
    const again = await world.until("INVITE", 2);
    expect(headerOf(world.gateway.last("CANCEL"), "call-id")).toBe(headerOf(invite, "call-id"));
    expect(headerOf(again, "call-id")).not.toBe(headerOf(invite, "call-id"));
    await world.reply(again, 200, { body: answer });
    await vi.waitFor(() => expect(lastNews()?.news).toBe("answered"));
    expect(world.gateway.asked.map(({ url }) => url)).toEqual(["https://gw.test/ws", "https://gw.test/ws"]);
  });

  it("while it rings waits for the answer to its CANCEL before it calls again, but not for long", async () => {
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.crash();
    world.gateway.script = ({ method }) => method === "CANCEL";
    await world.pass(10_000);
    await world.until("CANCEL");
    await world.pass(1_999);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
    await world.pass(1);
    await world.until("INVITE", 2);
  });

  it("while it rings cancels what it had sent, and no more, when the call has ended meanwhile", async () => {
    world.gateway.credentials = { user: "alice", password: "s3cret" };
    await world.dial();
    await world.reply(await world.until("INVITE", 2), 180);
    await world.untilNews("trying", "ringing");
    await world.crash();
    await world.ended();
    // The second one, which had the password.
    expect(seqOf(await world.until("CANCEL"))).toBe(2);
    await world.gone();
    expect(world.gateway.all("INVITE")).toHaveLength(2);
  });

  it("before it was connected dials", async () => {
    world.gateway.connect = () => new Promise(() => {});
    await world.dial();
    await world.untilConnected(1);
    await world.crash();
    world.gateway.connect = null;
    await world.pass(10_000);
    await world.until("INVITE");
  });

  it("before the session has heard of the answer tells it", async () => {
    world.says = (what) => (what === "answered" ? "throw" : { ok: true, value: null });
    await world.dial();
    await world.reply(await world.until("INVITE"), 200, { body: answer });
    await world.until("ACK");
    await world.crash();
    world.says = () => ({ ok: true, value: null });
    await world.pass(60_000);
    await vi.waitFor(() =>
      expect(lastNews()).toMatchObject({ news: "answered", description: { sdp: answer } }),
    );
  });

  it("before the session has heard of the end tells it", async () => {
    world.says = (what) => (what === "ended" ? "throw" : { ok: true, value: null });
    const invite = await world.talk();
    await world.request("BYE", invite, 1);
    await world.answersTo("BYE");
    await world.crash();
    world.says = () => ({ ok: true, value: null });
    await world.pass(60_000);
    await world.untilNews("answered", "ended");
    await world.gone();
    // There was nobody left to talk to.
    expect(world.gateway.asked).toHaveLength(1);
  });

  it("before the session has heard of a tone tells it once", async () => {
    world.says = (what) => (what === "dtmf" ? "throw" : { ok: true, value: null });
    const invite = await world.talk();
    await world.request("INFO", invite, 1, { body: "5", type: "application/dtmf" });
    await world.answersTo("INFO");
    await world.crash();
    world.says = () => ({ ok: true, value: null });
    await world.pass(60_000);
    await world.untilOperation(1);
    expect(world.operations).toEqual([{ n: 1, ack: 0, op: { op: "dtmf", keys: "5" } }]);
  });
});

describe("a gateway that goes away in a call", () => {
  it("is connected to again at once, and the call goes on", async () => {
    await world.talk();
    await world.deliver({ event: "media", media: { held: true, muted: false, video: "off" } });
    await world.reply(await world.until("INVITE", 2), 200, { body: answer });
    await world.until("ACK", 2);
    await world.inside(() => world.gateway.drop());
    const reinvite = await world.until("INVITE", 3);
    expect(reinvite.body).toContain("a=sendonly");
    await world.reply(reinvite, 200, { body: answer });
    await world.until("ACK", 3);
    await world.pass(60_000);
    expect(await world.deliver()).toHaveLength(1);
    expect(lastNews()?.news).toBe("answered");
  });

  it("comes back within 30 seconds: what was wanted meanwhile is done then", async () => {
    await world.talk();
    await world.gatewayGone();
    await world.deliver(
      { event: "media", media: { held: true, muted: false, video: "off" } },
      { event: "dtmf", keys: "12" },
    );
    for (let seconds = 0; seconds < 24; seconds += 4) await world.pass(4_000);
    const tries = world.gateway.asked.length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(12);
    expect(await world.deliver()).toHaveLength(1);
    world.gateway.connect = null;
    await world.pass(4_000);
    const reinvite = await world.until("INVITE", 2);
    expect(reinvite.body).toContain("a=sendonly");
    await world.reply(reinvite, 200, { body: answer });
    await world.until("INFO", 2);
    await world.pass(30_000);
    expect(await world.deliver()).toHaveLength(1);
  });

  it("and does not come back ends the call", async () => {
    await world.talk();
    await world.gatewayGone();
    for (let ms = 0; ms < 29_999; ms += 3_333) await world.pass(3_333);
    await world.untilNews("answered", "ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { name: "trunkUnreachable" } });
    world.gatewayBack();
    await world.passes(60_000);
    await world.until("BYE");
    await world.gone();
  });

  it("and takes connections, but closes them, is not asked all the time", async () => {
    await world.talk();
    world.gateway.connect = () => {
      const { 0: client, 1: server } = new WebSocketPair();
      server.accept();
      server.close(1013);
      const headers = { "sec-websocket-protocol": "sip" };
      return new Response(null, { status: 101, webSocket: client, headers });
    };
    await world.inside(() => world.gateway.drop());
    await world.untilConnected(2);
    for (let ms = 0; ms < 33_000; ms += 3_300) await world.pass(3_300);
    await world.untilNews("answered", "ended");
    expect(world.gateway.asked.length).toBeLessThan(15);
  });

  it("and knows nothing of the call when it is back ends it", async () => {
    await world.talk();
    await world.inside(() => world.gateway.drop());
    await world.reply(await world.until("INVITE", 2), 481);
    await world.untilNews("answered", "ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { sip: { status: 481 } } });
    await world.gone();
  });

  it("and says nothing when it is back ends it, too", async () => {
    await world.talk();
    world.gateway.mute = true;
    await world.inside(() => world.gateway.drop());
    await world.until("INVITE", 2);
    for (let ms = 0; ms < 40_000; ms += 4_000) await world.pass(4_000);
    await world.untilNews("answered", "ended");
    expect(lastNews()).toMatchObject({ error: { name: "trunkUnreachable" } });
  });

  it("gets its BYE when it is back, for a call that has ended meanwhile", async () => {
    await world.talk();
    await world.gatewayGone();
    expect(await world.ended()).toEqual([]);
    await world.pass(4_000);
    world.gateway.connect = null;
    await world.pass(4_000);
    await world.until("BYE");
    await world.gone();
  });

  it("for longer than it is waited for gets its BYE when it is back", async () => {
    await world.talk();
    await world.gatewayGone();
    await world.passes(600_000, 5_000);
    await world.untilNews("answered", "ended");
    world.gatewayBack();
    await world.passes(60_000);
    expect(seqOf(await world.until("BYE"))).toBe(2);
    await world.gone();
  });

  it("for longer than it is waited for while it rings gets its CANCEL when it is back", async () => {
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.gatewayGone();
    await world.passes(31_000);
    await world.untilNews("trying", "ringing", "ended");
    world.gatewayBack();
    await world.passes(60_000);
    await world.until("CANCEL");
    await world.gone();
    expect(world.gateway.all("INVITE")).toHaveLength(1);
  });

  it("gets its BYE when it and the object were both away", async () => {
    await world.talk();
    await world.gatewayGone();
    await world.ended();
    await world.crash();
    world.gatewayBack();
    await world.pass(2 * 3_600_000);
    await world.until("BYE");
    await world.gone();
  });

  it("and never gets its BYE is let go of after an hour, having been asked ever less often", async () => {
    let alarms = 0;
    await world.talk();
    await world.inside((_, { storage }) => {
      const setAlarm = storage.setAlarm.bind(storage);
      const counted = (time: number) => {
        alarms += 1;
        return setAlarm(time);
      };
      Object.defineProperty(storage, "setAlarm", { value: counted });
    });
    await world.gatewayGone();
    await world.ended();
    const began = world.now;
    const next = () => world.inside((_, { storage }) => storage.getAlarm());
    for (let due = await next(); due !== null && world.gateway.sockets.length === 0; due = await next())
      await world.pass(Math.max(0, due - world.now));
    await world.gone();
    expect(world.now - began).toBeGreaterThanOrEqual(3_600_000);
    expect(world.now - began).toBeLessThan(3_700_000);
    expect(world.gateway.asked.length).toBeLessThan(75);
    expect(alarms).toBeLessThan(150);
    expect(world.warnings("sip.farewell.failed")).toHaveLength(1);
  });

  it("without a word gets its BYE on another connection", async () => {
    await world.talk();
    const [dead] = world.gateway.sockets;
    world.gateway.script = ({ socket }) => socket === dead;
    await world.ended();
    await world.until("BYE");
    await world.pass(4_000);
    const again = await world.until("BYE", 2);
    expect(again.socket).not.toBe(dead);
    expect(seqOf(again)).toBe(3);
    await world.gone();
  });

  it("gets its CANCEL again when that was lost", async () => {
    world.gateway.script = ({ method }) => method === "CANCEL";
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.gatewayGone();
    await world.ended();
    world.gatewayBack();
    await world.pass(4_000);
    await world.until("CANCEL");
    world.gateway.script = () => false;
    await world.inside(() => world.gateway.drop());
    await world.pass(4_000);
    await world.until("CANCEL", 2);
    await world.gone();
  });

  it("each time that it is called again, while it rings, is not called for ever", async () => {
    world.gateway.script = (request) => {
      if (request.method !== "INVITE") return false;
      world.gateway.reply(request, 100);
      queueMicrotask(() => world.gateway.drop());
      return true;
    };
    await world.dial();
    await world.passes(20_000, 500);
    await vi.waitFor(() => expect(lastNews()).toMatchObject({ error: { name: "trunkUnreachable" } }));
    expect(world.gateway.all("INVITE")).toHaveLength(3);
    await world.gone();
  });

  it("each time that it has answered is not asked all the time", async () => {
    await world.talk();
    world.gateway.script = (request) => {
      if (request.method !== "INVITE") return false;
      world.gateway.reply(request, 200, { body: answer });
      queueMicrotask(() => world.gateway.drop());
      return true;
    };
    await world.inside(() => world.gateway.drop());
    await world.until("INVITE", 2);
    await world.passes(20_000, 1_000);
    expect(world.gateway.asked.length).toBeLessThan(10);
  });

  it("while it rings is called again, and another trunk is not asked", async () => {
    await world.dial({ trunks: [await trunk(), await trunk({ url: "wss://other.test/" })] });
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.inside(() => world.gateway.drop());
    const again = await world.until("INVITE", 2);
    await world.until("CANCEL");
    await world.reply(again, 486);
    await vi.waitFor(() => expect(lastNews()).toMatchObject({ news: "ended", cause: "denied" }));
    expect(world.gateway.asked.map(({ url }) => url)).toEqual(["https://gw.test/ws", "https://gw.test/ws"]);
  });
});

describe("once a minute", () => {
  it("the gateway is asked whether it is there", async () => {
    await world.talk();
    await world.pass(60_000);
    await world.until("OPTIONS");
    await world.pass(60_000);
    await world.until("OPTIONS", 2);
    expect(world.gateway.asked).toHaveLength(1);
  });

  it.each([404, 405, 401])("a gateway that says %i is there", async (status) => {
    world.gateway.script = (request) => {
      if (request.method !== "OPTIONS") return false;
      world.gateway.reply(request, status);
      return true;
    };
    await world.talk();
    await world.pass(60_000);
    await world.until("OPTIONS");
    await world.pass(4_000);
    expect(world.gateway.asked).toHaveLength(1);
  });

  it("one that says nothing is connected to again", async () => {
    await world.talk();
    world.gateway.script = ({ method }) => method === "OPTIONS";
    await world.pass(60_000);
    await world.until("OPTIONS");
    await world.pass(3_999);
    expect(world.gateway.asked).toHaveLength(1);
    await world.pass(1);
    await world.reply(await world.until("INVITE", 2), 200, { body: answer });
    expect(await world.deliver()).toHaveLength(1);
  });

  it("one that never answers that is connected to again once", async () => {
    await world.talk();
    world.gateway.script = (request) => {
      if (request.method === "INVITE") world.gateway.reply(request, 200, { body: answer });
      return request.method === "INVITE" || request.method === "OPTIONS";
    };
    for (let minutes = 0; minutes < 5; minutes += 1) {
      await world.pass(56_000);
      await world.pass(4_000);
    }
    await world.until("OPTIONS", 3);
    expect(world.gateway.asked).toHaveLength(2);
  });

  it("a call that is gone is looked for, and ended with BYE", async () => {
    await world.talk();
    world.on = false;
    await world.pass(60_000);
    await world.until("BYE");
    await world.gone();
    expect(lastNews()?.news).toBe("answered");
  });
});

describe("a session that cannot be reached", () => {
  it("nor the gateway, does not keep the alarm ringing", async () => {
    await world.talk();
    await world.gatewayGone();
    world.says = () => "throw";
    await world.passes(120_000, 3_100);
    const alarm = await world.inside((_, { storage }) => storage.getAlarm());
    expect(alarm).toBeGreaterThan(world.now);
  });

  it("because it hangs, does not keep the leg from its other work", async () => {
    await world.talk();
    vi.mocked(CallSession.prototype.isOn).mockImplementation(() => new Promise(() => {}));
    await world.pass(60_000);
    await world.pass(60_000);
    await world.until("OPTIONS", 2);
  });

  it("is told three times, then again and again until it knows", async () => {
    let refused = 0;
    world.says = (what) => {
      if (what !== "ended") return { ok: true, value: null };
      refused += 1;
      return "throw";
    };
    const invite = await world.talk();
    await world.request("BYE", invite, 1);
    await vi.waitFor(() => expect(refused).toBe(3));
    await world.pass(1_000);
    await vi.waitFor(() => expect(refused).toBe(6));
    await world.pass(90_000);
    await vi.waitFor(() => expect(refused).toBe(9));
    world.says = () => ({ ok: true, value: null });
    await world.pass(90_000);
    await world.untilNews("answered", "ended");
    await world.gone();
  });

  it("for a day is not told", async () => {
    world.says = (what) => (what === "ended" ? "throw" : { ok: true, value: null });
    const invite = await world.talk();
    await world.request("BYE", invite, 1);
    await world.answersTo("BYE");
    await world.passes(24 * 3_600_000 - 60_000, 3_600_000);
    expect(await world.inside((_, { storage }) => [...storage.kv.list()].length)).toBe(1);
    await world.pass(60_000);
    await world.gone();
    expect(lastNews()?.news).toBe("answered");
  });

  it("is not told more than it can be told of later", async () => {
    world.says = () => "throw";
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 200, { body: answer });
    await world.until("ACK");
    for (let seq = 1; seq <= 101; seq += 1)
      await world.request("INFO", invite, seq, { body: "5", type: "application/dtmf" });
    const answers = await world.answersTo("INFO", 101);
    expect(answers.map(({ status }) => status)).toEqual([...Array(100).fill(200), 503]);
  });

  it("hears what has happened in its order", async () => {
    world.says = () => "throw";
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 180);
    await world.reply(invite, 183, { body: sdp(1) });
    await world.reply(invite, 200, { body: answer });
    await world.until("ACK");
    await world.request("INFO", invite, 1, { body: "5", type: "application/dtmf" });
    await world.request("BYE", invite, 2);
    await world.answersTo("BYE");
    world.says = () => ({ ok: true, value: null });
    await world.pass(60_000);
    await world.untilNews("trying", "ringing", "early", "answered", "ended");
    expect(world.operations).toHaveLength(1);
  });

  it("and then knows of no call has the leg end it", async () => {
    const invite = await world.talk();
    world.says = (what) => (what === "dtmf" ? fail("notFound") : { ok: true, value: null });
    world.on = false;
    await world.request("INFO", invite, 1, { body: "5", type: "application/dtmf" });
    await world.until("BYE");
    await world.gone();
  });

  it("that refuses one operation of a call that is on keeps the leg", async () => {
    const invite = await world.talk();
    world.says = (what) => (what === "dtmf" ? fail("conflict") : { ok: true, value: null });
    await world.request("INFO", invite, 1, { body: "5", type: "application/dtmf" });
    await world.answersTo("INFO");
    expect(await world.deliver()).toHaveLength(1);
    expect(world.gateway.all("BYE")).toEqual([]);
  });
});

it("an ordinary call is few written rows", async () => {
  let rows = 0;
  world.gateway.credentials = { user: "alice", password: "s3cret" };
  await world.inside((_, { storage }) => {
    const [put, setAlarm] = [storage.kv.put.bind(storage.kv), storage.setAlarm.bind(storage)];
    const counted =
      <Values extends unknown[], Outcome>(write: (...values: Values) => Outcome) =>
      (...values: Values) => {
        rows += 1;
        return write(...values);
      };
    Object.defineProperty(storage.kv, "put", { value: counted(put) });
    Object.defineProperty(storage, "setAlarm", { value: counted(setAlarm) });
  });
  const invite = await world.talk();
  await world.deliver({ event: "established", time: 1 });
  await world.request("BYE", invite, 1);
  await world.gone();
  expect(rows).toBe(8);
});

it("nobody is home where nothing was dialled", async () => {
  expect(await world.deliver({ event: "dtmf", keys: "1" })).toEqual([]);
  expect(world.gateway.asked).toEqual([]);
});
