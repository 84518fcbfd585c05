import { describe, expect, it, vi } from "vitest";
import type { Trunk } from "../../core/telephony/trunk";
import type { CallHeaders } from "../../protocol";
import { headerOf, type Sip, seqOf, tagOf } from "./testing/gateway";
import { answer, applicationKey, fail, inAWorld, sdp, trunk, type World } from "./testing/world";

let world: World;
inAWorld((fresh) => {
  world = fresh;
});
const lastNews = () => world.news.at(-1);
const two = async () => [
  await trunk({ name: "one", url: "wss://one.test/" }),
  await trunk({ name: "two", url: "wss://two.test/", callerId: "+4681234567" }),
];

describe("an INVITE", () => {
  it("asks for a WebSocket that speaks SIP, and says what the call is", async () => {
    await world.dial({ displayName: "Alice", headers: { "x-order": "7" } });
    const invite = await world.until("INVITE");
    const [asked] = world.gateway.asked;
    expect(asked?.url).toBe("https://gw.test/ws");
    expect(asked?.headers.get("upgrade")).toBe("websocket");
    expect(asked?.headers.get("sec-websocket-protocol")).toBe("sip");
    expect(headerOf(invite, "session-expires")).toBe("1800");
    expect(headerOf(invite, "allow")).toBe("INVITE, ACK, CANCEL, BYE, INFO, OPTIONS");
    expect(headerOf(invite, "via")).toContain("SIP/2.0/WSS ");
  });

  it("names the caller by the trunk's number, and a SIP address as it is", async () => {
    const callee = { applicationKey, userId: "Bob.B@example.com:5080", line: "sip" } as const;
    await world.dial({
      callee,
      trunks: [await trunk({ callerId: "+4681234567", url: "ws://127.0.0.1:1/" })],
    });
    const invite = await world.until("INVITE");
    expect(world.gateway.asked[0]?.url).toBe("http://127.0.0.1:1/");
    expect(invite.uri).toBe("sip:Bob.B@example.com:5080");
    expect(headerOf(invite, "from")).toMatch(/^<sip:\+4681234567@test\.local>;tag=/);
    expect(headerOf(invite, "via")).toContain("SIP/2.0/WS ");
  });

  it("has a trunk's user with what an address has to escape", async () => {
    await world.dial({ trunks: [await trunk({ user: "zoë@home;1" })] });
    const invite = await world.until("INVITE");
    expect(headerOf(invite, "from")).toContain("<sip:zo%C3%AB%40home%3B1@test.local>");
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
  });

  it("does not leave by a trunk that makes no address: the next one has its turn", async () => {
    await world.dial({ trunks: [await trunk({ fromDomain: "no domain" }), await trunk()] });
    await world.until("INVITE");
    expect(world.gateway.asked).toHaveLength(2);
  });

  it("is sent once, however often it is dialled", async () => {
    const dial = await world.dialWith();
    await world.inside((instance) => Promise.all([instance.dial(dial), instance.dial(dial)]));
    await world.until("INVITE");
    await world.inside((instance) => instance.dial(dial));
    await world.deliver();
    expect(world.gateway.asked).toHaveLength(1);
    expect(world.gateway.all("INVITE")).toHaveLength(1);
  });

  it.each<[string, { displayName?: string; headers?: CallHeaders; user?: string }]>([
    ["a display name", { displayName: '"Eve" <sip:eve@evil>\r\nX-Evil: 1\u0000\u2028;tag=1, \\' }],
    ["half a character", { displayName: "\ud83d" }],
    ["letters of the world", { displayName: "Zoë Ångström 李 😀" }],
    [
      "a header",
      { headers: { "x-a": "1\r\nX-Evil: 1", "x-b\r\nX-Evil": "1", From: "<sip:x@y>", "x-ok": "<ok>" } },
    ],
    ["an address", { user: 'bob@example.com>\r\nX-Evil: 1\r\nFrom: "' }],
    ["an address that is no UTF-8", { user: "b%ff@example.com" }],
    ["a number", { user: "+4670 1\r\nX-Evil: 1@x" }],
  ])("does not let %s out of its header", async (_, { user, ...more }) => {
    const callee = user && ({ applicationKey, userId: user, line: "sip" } as const);
    await world.dial({ ...more, ...(callee && { callee }) });
    await vi.waitFor(() => expect(world.gateway.all("INVITE").length + world.news.length).toBeGreaterThan(0));
    const [invite] = world.gateway.all("INVITE");
    if (user) {
      expect(invite).toBeUndefined();
      expect(lastNews()).toMatchObject({ news: "ended", cause: "failure", error: { name: "invalidValue" } });
      return;
    }
    expect(invite?.headers.some(([name]) => /evil/i.test(name))).toBe(false);
    expect(invite && headerOf(invite, "from")).toMatch(
      /^("[^"\\<>]*" )?<sip:alice@test\.local>;tag=[0-9a-z]+$/,
    );
    expect(invite?.headers.filter(([name]) => name === "From")).toHaveLength(1);
    if (more.headers)
      expect(invite?.headers.filter(([name]) => /^x-/i.test(name))).toEqual([["x-ok", "<ok>"]]);
    // Its own words come back, and are understood.
    if (invite) await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
  });
});

describe("what the network says", () => {
  it.each([
    [486, "denied"],
    [600, "denied"],
    [603, "denied"],
    [480, "noAnswer"],
    [408, "noAnswer"],
    [487, "canceled"],
    [404, "failure"],
    [302, "failure"],
    [491, "failure"],
    [604, "failure"],
  ])("%i ends the call: %s", async (status, cause) => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 100);
    await world.reply(invite, status, { reason: "Because of it", headers: ["X-Why: 3"] });
    await world.untilNews("trying", "ended");
    const error = { name: "sipFailed", sip: { status, reason: "Because of it" } };
    expect(lastNews()).toMatchObject({ cause, error, headers: { "x-why": "3" } });
    const ack = await world.until("ACK");
    expect(headerOf(ack, "via")).toBe(headerOf(invite, "via"));
    await world.gone();
  });

  it("is early media when it has a description, of each branch of a fork, and each once", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 183, { tag: "one" });
    await world.untilNews("trying", "ringing");
    const [first, second] = [sdp(1, { port: 1 }), sdp(1, { port: 2 })];
    await world.reply(invite, 183, { tag: "one", body: first });
    await world.reply(invite, 180, { tag: "one", body: first });
    await world.reply(invite, 180, { tag: "two", body: second });
    await world.untilNews("trying", "ringing", "early", "early");
    expect(world.news.slice(2)).toEqual(
      [first, second].map((text) => ({ news: "early", description: { type: "answer", sdp: text } })),
    );
    await world.reply(invite, 200, { tag: "two", body: answer });
    const ack = await world.until("ACK");
    expect(tagOf(ack, "to")).toBe("two");
  });

  it("is heard also without a tag or a Contact", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    const copied = ["via", "from", "to", "call-id", "cseq"].map(
      (name) => `${name}: ${headerOf(invite, name)}`,
    );
    await world.inside(() => world.gateway.raw(["SIP/2.0 180 Ringing", ...copied, "", ""].join("\r\n")));
    await world.untilNews("trying", "ringing");
  });

  it("is acknowledged and ended where two have answered", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 200, { tag: "one", body: answer });
    await world.until("ACK");
    await world.reply(invite, 200, { tag: "two", body: answer });
    const bye = await world.until("BYE");
    expect(tagOf(bye, "to")).toBe("two");
    expect(world.gateway.all("ACK").map((ack) => tagOf(ack, "to"))).toEqual(["one", "two"]);
    expect(world.news.filter(({ news }) => news === "answered")).toHaveLength(1);
    // The first one goes on.
    expect(await world.deliver()).toHaveLength(1);
    await world.ended();
    expect(tagOf(await world.until("BYE", 2), "to")).toBe("one");
    await world.gone();
  });

  it("is acknowledged again when it is said again", async () => {
    const invite = await world.talk();
    await world.reply(invite, 200, { body: answer });
    await world.until("ACK", 2);
    expect(world.news.filter(({ news }) => news === "answered")).toHaveLength(1);
  });

  it("that the session shall last longer is done once", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 422, { headers: ["Min-SE: 3600"] });
    const again = await world.until("INVITE", 2);
    expect(headerOf(again, "call-id")).toBe(headerOf(invite, "call-id"));
    expect(tagOf(again, "from")).toBe(tagOf(invite, "from"));
    expect(seqOf(again)).toBe(seqOf(invite) + 1);
    expect(headerOf(again, "session-expires")).toBe("3600");
    expect(headerOf(again, "min-se")).toBe("3600");
    await world.reply(again, 422, { headers: ["Min-SE: 7200"] });
    await world.untilNews("ended");
    expect(lastNews()).toMatchObject({ error: { sip: { status: 422 } } });
  });

  it("is no call without a description", async () => {
    await world.dial();
    await world.reply(await world.until("INVITE"), 200);
    await world.until("ACK");
    await world.until("BYE");
    await world.untilNews("ended");
    await world.gone();
  });

  it("is no call with a huge description", async () => {
    await world.dial();
    const huge = answer + "a=x:y\r\n".repeat(10_000);
    const invite = await world.until("INVITE");
    await world.reply(invite, 183, { body: huge });
    await world.reply(invite, 200, { body: huge });
    await world.until("ACK");
    await world.until("BYE");
    await world.untilNews("trying", "ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { name: "sipFailed" } });
    await world.gone();
  });

  it.each([
    ["without a Contact", []],
    ["with one that cannot be written", ["Contact: <sip:100%25@192.0.2.9>"]],
  ])("is no call %s", async (_, contact) => {
    await world.dial();
    const invite = await world.until("INVITE");
    const copied = ["via", "from", "call-id", "cseq"].map((name) => `${name}: ${headerOf(invite, name)}`);
    const to = `To: ${headerOf(invite, "to")};tag=far`;
    const more = ["Content-Type: application/sdp", `Content-Length: ${answer.length}`, "", answer];
    const text = ["SIP/2.0 200 OK", ...copied, to, ...contact, ...more].join("\r\n");
    await world.inside(() => world.gateway.raw(text));
    await world.untilNews("ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { sip: { status: 200 } } });
    await world.gone();
  });

  it("rings once, however often it says so", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    for (let count = 0; count < 50; count += 1) await world.reply(invite, 180);
    await world.reply(invite, 486);
    await world.untilNews("trying", "ringing", "ended");
  });

  it("that is no SIP is passed over", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    for (const text of [
      "\r\n\r\n",
      "",
      "hello",
      "SIP/2.0 200 OK\r\n\r\n",
      "BYE sip:x SIP/2.0\r\nVia: x\r\n\r\n",
      "\u0000",
    ])
      await world.inside(() => world.gateway.raw(text));
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
  });
});

describe("a password", () => {
  it.each([401, 407] as const)("answers %i", async (status) => {
    world.gateway.credentials = { user: "alice", password: "s3cret", status };
    const invite = await world.talk();
    expect(seqOf(invite)).toBe(2);
    expect(JSON.stringify(world.news)).not.toContain("s3cret");
    await world.inside((_, state) => {
      expect(JSON.stringify([...state.storage.kv.list()])).not.toContain("s3cret");
    });
  });

  it("that is refused is the trunk's fault, and ends the call where there is no other", async () => {
    world.gateway.credentials = { user: "alice", password: "another" };
    await world.dial();
    await world.untilNews("ended");
    expect(world.gateway.all("INVITE")).toHaveLength(2);
    expect(lastNews()).toMatchObject({
      cause: "failure",
      error: { name: "sipFailed", sip: { status: 407 } },
    });
    await world.gone();
  });

  it.each([
    ["first", ["MD5", "SHA-256"]],
    ["last", ["SHA-256", "MD5"]],
  ])("answers the challenge that it can, where that comes %s", async (_, algorithms) => {
    world.gateway.script = (request) => {
      if (request.method !== "INVITE" || headerOf(request, "proxy-authorization")) return false;
      const headers = algorithms.map(
        (name) => `Proxy-Authenticate: Digest realm="r", nonce="${name}", qop="auth", algorithm=${name}`,
      );
      world.gateway.reply(request, 407, { headers });
      return true;
    };
    await world.dial();
    expect(headerOf(await world.until("INVITE", 2), "proxy-authorization")).toContain('nonce="MD5"');
  });

  it("answers a proxy and then the far end, each once", async () => {
    let asked = 0;
    world.gateway.script = (request) => {
      if (request.method !== "INVITE") return false;
      asked += 1;
      const [status, name] = asked % 2 ? [407, "Proxy-Authenticate"] : [401, "WWW-Authenticate"];
      world.gateway.reply(request, status ?? 0, { headers: [`${name}: Digest realm="${name}", nonce="n"`] });
      return true;
    };
    await world.dial();
    const last = await world.until("INVITE", 3);
    expect(headerOf(last, "proxy-authorization")).toContain('realm="Proxy-Authenticate"');
    expect(headerOf(last, "authorization")).toContain('realm="WWW-Authenticate"');
    await world.untilNews("ended");
    expect(world.gateway.all("INVITE")).toHaveLength(3);
  });

  it("is not opened for a trunk that does not ask", async () => {
    const password = { ciphertext: "AAAA", iv: "AAAA" };
    await world.talk({ dial: { trunks: [await trunk({ password })] } });
  });
});

describe("the next trunk has its turn when one", () => {
  const answersSecond = async () => {
    const invite = await world.until("INVITE");
    expect(headerOf(invite, "from")).toContain("+4681234567");
    await world.reply(invite, 200, { body: answer });
    await world.untilNews("answered");
    expect(world.gateway.asked.map(({ url }) => url)).toEqual(["https://one.test/", "https://two.test/"]);
  };

  it.each<[string, () => Response]>([
    [
      "cannot be connected to",
      () => {
        throw new TypeError("Network connection lost.");
      },
    ],
    ["is no WebSocket", () => new Response("no", { status: 404 })],
  ])("%s", async (_, connect) => {
    world.gateway.connect = (url) => (url.includes("one") ? connect() : (null as unknown as Response));
    await world.dial({ trunks: await two() });
    await answersSecond();
  });

  it("says nothing for four seconds", async () => {
    world.gateway.mute = true;
    await world.dial({ trunks: await two() });
    const first = await world.until("INVITE");
    await world.pass(3_999);
    expect(world.gateway.asked).toHaveLength(1);
    world.gateway.mute = false;
    await world.pass(1);
    const second = await world.until("INVITE", 2);
    expect(headerOf(second, "call-id")).not.toBe(headerOf(first, "call-id"));
    await world.reply(second, 200, { body: answer });
    await world.untilNews("answered");
    // The first one may still be heard of.
    await world.pass(31_999);
    expect(world.gateway.sockets).toHaveLength(2);
    await world.pass(1);
    await vi.waitFor(() => expect(world.gateway.sockets).toHaveLength(1));
  });

  it.each([500, 503, 401, 407])("says %i", async (status) => {
    world.gateway.script = (request) => {
      if (request.method !== "INVITE" || headerOf(request, "from").includes("+46")) return false;
      world.gateway.reply(request, 100);
      world.gateway.reply(request, status);
      return true;
    };
    await world.dial({ trunks: await two() });
    await world.until("INVITE", 2);
    await world.reply(world.gateway.last("INVITE"), 200, { body: answer });
    await vi.waitFor(() => expect(lastNews()?.news).toBe("answered"));
  });

  it("closes the connection before it has answered", async () => {
    world.gateway.script = (request) => {
      if (request.method !== "INVITE" || headerOf(request, "from").includes("+46")) return false;
      world.gateway.drop();
      return true;
    };
    await world.dial({ trunks: await two() });
    await world.until("INVITE", 2);
    // It may have it nevertheless.
    await world.pass(500);
    const cancel = await world.until("CANCEL");
    expect(headerOf(cancel, "call-id")).toBe(headerOf(world.gateway.all("INVITE")[0] ?? cancel, "call-id"));
    await world.reply(world.gateway.last("INVITE"), 486);
    await world.untilNews("ended");
    await world.gone();
  });
});

describe("a trunk that was given up and answers late", () => {
  const late = async (trunks: Trunk[]) => {
    world.gateway.mute = true;
    await world.dial({ trunks });
    const first = await world.until("INVITE");
    world.gateway.mute = false;
    await world.pass(4_000);
    return first;
  };
  const sent = (method: string, invite: Sip) =>
    world.gateway.all(method).filter((each) => headerOf(each, "call-id") === headerOf(invite, "call-id"));

  it("with 180 is cancelled, and the next one has the call", async () => {
    const first = await late(await two());
    const second = await world.until("INVITE", 2);
    await world.reply(first, 180);
    await vi.waitFor(() => expect(sent("CANCEL", first)).toHaveLength(1));
    expect(world.news).toEqual([]);
    await world.reply(second, 200, { body: answer });
    await world.untilNews("answered");
    await vi.waitFor(() => expect(world.gateway.sockets).toHaveLength(1));
    expect(await world.deliver()).toHaveLength(1);
    expect(sent("CANCEL", second)).toEqual([]);
  });

  it("with 200 gets ACK and BYE", async () => {
    const first = await late(await two());
    const second = await world.until("INVITE", 2);
    await world.reply(first, 200, { body: answer, tag: "late" });
    await vi.waitFor(() => expect(sent("BYE", first)).toHaveLength(1));
    expect(sent("ACK", first)).toHaveLength(1);
    await world.reply(second, 200, { body: answer });
    await world.untilNews("answered");
    expect(sent("BYE", second)).toEqual([]);
  });

  it("is cancelled, too, where there was no other", async () => {
    const first = await late([await trunk()]);
    await world.untilNews("ended");
    expect(lastNews()).toMatchObject({ error: { name: "trunkUnreachable" } });
    await world.reply(first, 180);
    await vi.waitFor(() => expect(sent("CANCEL", first)).toHaveLength(1));
    await world.gone();
  });

  it("is cancelled on another connection after a crash", async () => {
    const first = await late(await two());
    await world.until("INVITE", 2);
    await world.crash();
    await world.pass(10_000);
    await vi.waitFor(() => expect(sent("CANCEL", first)).toHaveLength(1));
  });
});

describe("no other trunk is asked", () => {
  it("when the phone has rung", async () => {
    await world.dial({ trunks: await two() });
    const invite = await world.until("INVITE");
    await world.reply(invite, 180);
    await world.reply(invite, 503);
    await world.untilNews("trying", "ringing", "ended");
    expect(world.gateway.asked).toHaveLength(1);
  });

  it("when the callee is the reason", async () => {
    await world.dial({ trunks: await two() });
    await world.reply(await world.until("INVITE"), 486);
    await world.untilNews("ended");
    expect(world.gateway.asked).toHaveLength(1);
  });
});

describe("when no trunk is left", () => {
  it("the call fails: none can be reached", async () => {
    world.gateway.connect = () => Promise.reject(new TypeError("refused"));
    await world.dial({ trunks: await two() });
    await world.untilNews("ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { name: "trunkUnreachable" } });
    expect(world.gateway.asked).toHaveLength(2);
    await world.gone();
  });

  it("the call fails with what one has said", async () => {
    world.gateway.script = (request) => {
      if (request.method === "INVITE") world.gateway.reply(request, 503, { reason: "Full" });
      return request.method === "INVITE";
    };
    await world.dial({ trunks: await two() });
    await world.untilNews("ended");
    expect(lastNews()).toMatchObject({ cause: "failure", error: { sip: { status: 503, reason: "Full" } } });
  });
});

describe("a call that is given up", () => {
  it("while it connects is no INVITE", async () => {
    let connected: (response: Response) => void = () => {};
    world.gateway.connect = () =>
      new Promise((resolve) => {
        connected = resolve;
      });
    await world.dial();
    await world.untilConnected(1);
    await world.ended();
    await world.inside(() => connected(new Response("", { status: 500 })));
    await world.gone();
    expect(world.gateway.got).toEqual([]);
  });

  it("before the gateway was heard of is cancelled when it is", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.ended();
    expect(world.gateway.all("CANCEL")).toEqual([]);
    await world.reply(invite, 100);
    await world.until("CANCEL");
    await world.until("ACK");
    await world.gone();
    expect(world.news).toEqual([]);
  });

  it("gets no password any more", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.ended();
    const challenge = 'Proxy-Authenticate: Digest realm="test realm", nonce="n", qop="auth"';
    await world.reply(invite, 407, { headers: [challenge] });
    await world.gone();
    expect(world.gateway.all("INVITE")).toHaveLength(1);
  });

  it("and is never heard of is forgotten", async () => {
    await world.dial();
    await world.until("INVITE");
    await world.ended();
    await world.pass(31_999);
    expect(world.gateway.sockets).toHaveLength(1);
    await world.pass(1);
    await world.gone();
    expect(world.gateway.all("CANCEL")).toEqual([]);
  });

  it("and answered at the same time is acknowledged and ended with BYE", async () => {
    world.gateway.script = ({ method }) => method === "CANCEL";
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
    await world.ended();
    const cancel = await world.until("CANCEL");
    await world.reply(cancel, 481);
    await world.reply(invite, 200, { body: answer });
    await world.until("ACK");
    await world.until("BYE");
    await world.gone();
    expect(world.news).toHaveLength(2);
  });

  it("and whose CANCEL nobody answers is cancelled again on other connections, for a few minutes", async () => {
    world.gateway.script = ({ method }) => method === "CANCEL";
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.ended();
    await world.until("CANCEL");
    await world.pass(3_999);
    expect(world.gateway.asked).toHaveLength(1);
    await world.pass(1);
    await world.until("CANCEL", 2);
    expect(world.gateway.asked).toHaveLength(2);
    await world.passes(360_000, 10_000);
    await world.gone();
    expect(world.gateway.all("CANCEL").length).toBeLessThan(16);
  });

  it("and whose CANCEL is heard, but has no end, is forgotten after 32 seconds", async () => {
    world.gateway.script = (request) => {
      if (request.method === "CANCEL") world.gateway.reply(request, 200);
      return request.method === "CANCEL";
    };
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.ended();
    await world.until("CANCEL");
    await world.pass(31_999);
    expect(world.gateway.sockets).toHaveLength(1);
    await world.pass(1);
    await world.gone();
    expect(world.gateway.all("CANCEL")).toHaveLength(1);
  });

  it("as the session says when it is told that somebody has answered, ends with BYE", async () => {
    world.says = (what) => (what === "answered" ? fail("conflict") : { ok: true, value: null });
    await world.dial();
    await world.reply(await world.until("INVITE"), 200, { body: answer });
    await world.until("ACK");
    await world.until("BYE");
    await world.gone();
  });

  it("is one that nobody answers, and of which the session says nothing", async () => {
    await world.dial();
    await world.reply(await world.until("INVITE"), 180);
    await world.untilNews("trying", "ringing");
    await world.pass(49_999);
    expect(world.gateway.all("CANCEL")).toEqual([]);
    await world.pass(1);
    await world.untilNews("trying", "ringing", "ended");
    expect(lastNews()).toEqual({ news: "ended", cause: "noAnswer" });
    await world.gone();
  });
});
