/** The telephone network of `npm start`, with clients that are not its own. */
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startTelephony, type Telephony } from "../../scripts/dev/telephony/server.mjs";
import { account, SipClient } from "./client";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const number = "+46701234567";
const address = `sip:${number}@${account.realm}`;

async function network(): Promise<{ where: Telephony; problems: string[] }> {
  const problems: string[] = [];
  const onProblem = (problem: string) => problems.push(problem);
  const where = await startTelephony({
    account,
    files: { "/": { type: "text/html", body: "hello" } },
    onProblem,
  });
  closing.push(where.close);
  return { where, problems };
}

async function client(where: Telephony, name: string, options = {}): Promise<SipClient> {
  const made = await SipClient.connect(where, name, options);
  closing.push(() => made.close());
  return made;
}

async function phone(where: Telephony, name = "phone"): Promise<SipClient> {
  const made = await client(where, name, { page: true });
  expect(await made.register()).toBe(200);
  return made;
}

/** A call that is answered. */
async function talking() {
  const { where, problems } = await network();
  const called = await phone(where);
  const caller = await client(where, "caller");
  caller.call(address);
  await called.events.has(`rings ${number} from caller`);
  called.answer();
  await caller.events.has("200 o=phone 1 1 IN IP4 127.0.0.1");
  await called.events.has("acknowledged");
  return { where, called, caller, problems };
}

describe("a call", () => {
  test("rings, is answered, carries digits, and is hung up by who called", async () => {
    const { called, caller, problems } = await talking();
    expect(caller.events.all).toEqual(["180", "200 o=phone 1 1 IN IP4 127.0.0.1"]);
    expect(await caller.ask("info")).toBe(200);
    await called.events.has("info Signal=5");
    expect(await caller.ask("bye")).toBe(200);
    await called.events.has("bye");
    expect(problems).toEqual([]);
    const invite = called.received.find((text) => text.startsWith("INVITE ")) ?? "";
    // Whom it is for is in To; where it goes, in its first line. The password's traces stay here.
    expect(invite).toMatch(/^INVITE sip:phone@phone\.invalid;transport=ws SIP\/2\.0\r\n/);
    expect(invite).toContain(`To: <${address}>`);
    expect(invite).toMatch(/^Max-Forwards: 69\r$/m);
    expect(invite).not.toContain("Digest");
  });

  test("is hung up by who was called, is held by either", async () => {
    const { called, caller } = await talking();
    expect(await called.ask("invite")).toBe(200);
    await caller.events.has("invited again");
    await caller.events.has("acknowledged");
    expect(await caller.ask("invite")).toBe(200);
    await called.events.has("invited again");
    expect(await called.ask("bye")).toBe(200);
    await caller.events.has("bye");
  });

  test("is given up while it rings", async () => {
    const { where } = await network();
    const called = await phone(where);
    const caller = await client(where, "caller");
    const { cancel } = caller.call(address);
    await caller.events.has("180");
    cancel();
    await called.events.has("canceled");
    await caller.events.has("487 Request Terminated");
  });

  test("carries headers, and any name", async () => {
    const { where } = await network();
    const called = await phone(where);
    const caller = await client(where, "caller");
    caller.call("sip:bob@example.com", ["X-Order: 42"]);
    await called.events.has("rings bob from caller");
    expect(called.ringing?.message.getHeader("X-Order")).toBe("42");
  });
});

describe("who may", () => {
  test("a wrong password is asked for again, and rings nowhere", async () => {
    const { where } = await network();
    const called = await phone(where);
    const caller = await client(where, "caller", { password: "guess" });
    caller.call(address);
    await caller.events.has("407 Proxy Authentication Required");
    expect(called.events.all).toEqual([]);
    expect(await caller.options()).toBe(407);
    expect(await (await client(where, "other")).options()).toBe(200);
  });

  test("credentials are good once", async () => {
    const { where } = await network();
    await phone(where);
    const caller = await client(where, "caller");
    expect(await caller.options()).toBe(200);
    const signed = caller.sent.find((text) => text.includes("Proxy-Authorization:")) ?? "";
    const answered = caller.received.length;
    caller.send(signed.replace(/branch=z9hG4bK\w+/, "branch=z9hG4bKagain"));
    await expect.poll(() => caller.received.slice(answered).join()).toMatch(/^SIP\/2\.0 407.*stale=true/s);
  });

  test("only the page registers, and no other page connects", async () => {
    const { where } = await network();
    expect(await (await client(where, "stranger")).register()).toBe(403);
    const refused = async (options: object, protocol = "sip") => {
      const socket = new WebSocket(where.sip, protocol, options);
      const status = await new Promise((resolve) => {
        socket.once("unexpected-response", (_, { statusCode }) => resolve(statusCode));
        socket.once("open", () => resolve("open"));
      });
      socket.on("error", () => {}).terminate();
      return status;
    };
    expect(await refused({ origin: "http://evil.test" })).toBe(403);
    expect(await refused({ headers: { host: "evil.test" } })).toBe(403);
    expect(await refused({}, "xmpp")).toBe(400);
    expect((await fetch(where.url)).status).toBe(200);
    expect((await fetch(`${where.url}/x`)).status).toBe(404);
  });
});

describe("several pages", () => {
  test("all ring; the first to answer has it", async () => {
    const { where } = await network();
    const phones = await Promise.all(["one", "two", "three"].map((name) => phone(where, name)));
    const caller = await client(where, "caller");
    caller.call(address);
    for (const one of phones) await one.events.has(`rings ${number} from caller`);
    phones[1]?.answer();
    await caller.events.has("200 o=two 1 1 IN IP4 127.0.0.1");
    await phones[0]?.events.has("canceled");
    await phones[2]?.events.has("canceled");
    // Nobody has missed anything.
    expect(phones[2]?.received.find((text) => text.startsWith("CANCEL "))).toContain(
      "Call completed elsewhere",
    );
    expect(phones[1]?.events.all).not.toContain("canceled");
    expect(await caller.ask("bye")).toBe(200);
    await phones[1]?.events.has("bye");
  });

  test("who declines, declines for all; who is busy does not", async () => {
    const { where } = await network();
    const [one, two] = [await phone(where, "one"), await phone(where, "two")];
    const caller = await client(where, "caller");
    caller.call(address);
    await two.events.has(`rings ${number} from caller`);
    one.ringing?.reject({ statusCode: 486 });
    two.ringing?.reject({ statusCode: 603 });
    await caller.events.has("603 Decline");
    // A refusal is acknowledged from hop to hop.
    for (const { received } of [one, two]) {
      await expect.poll(() => received.filter((text) => text.startsWith("ACK ")).length).toBe(1);
    }
    const other = await client(where, "other");
    other.call(address);
    await one.events.has(`rings ${number} from other`);
    await two.events.has(`rings ${number} from other`);
    one.ringing?.reject({ statusCode: 603 });
    await other.events.has("603 Decline");
    await two.events.has("canceled");
    // It was not missed there.
    expect(two.received.findLast((text) => text.startsWith("CANCEL "))).toContain("SIP ;cause=603");
  });

  test("one that is closed rings no more", async () => {
    const { where } = await network();
    const [one, two] = [await phone(where, "one"), await phone(where, "two")];
    const caller = await client(where, "caller");
    caller.call(address);
    await one.events.has(`rings ${number} from caller`);
    await two.events.has(`rings ${number} from caller`);
    one.close();
    two.close();
    await caller.events.has("480 Temporarily Unavailable");
    caller.call(address);
    await caller.events.has("480 Nobody has opened the phones page");
  });

  test("one that takes its registration back does not ring", async () => {
    const { where } = await network();
    const one = await phone(where, "one");
    expect(await one.register(0)).toBe(200);
    const caller = await client(where, "caller");
    caller.call(address);
    await caller.events.has("480 Nobody has opened the phones page");
  });
});

test.each([
  ["0404", "404 Not Found"],
  ["0480", "480 Temporarily Unavailable"],
  ["0486", "486 Busy Here"],
  ["0503", "503 Service Unavailable"],
  ["0603", "603 Decline"],
])("a number that ends in %s: %s, page or no page", async (ends, answer) => {
  const { where } = await network();
  const called = await phone(where);
  const caller = await client(where, "caller");
  caller.call(`sip:+4670123${ends}@${account.realm}`);
  await caller.events.has(answer);
  expect(called.events.all).toEqual([]);
});

test("a number that ends in 0180 rings until the caller has had enough", async () => {
  const { where } = await network();
  const caller = await client(where, "caller");
  const { cancel } = caller.call(`sip:+46701230180@${account.realm}`);
  await caller.events.has("180");
  cancel();
  await caller.events.has("487 Request Terminated");
});

describe("a caller that comes back over another socket in the middle of a call", () => {
  test("is found by what it has said since", async () => {
    const { called, caller } = await talking();
    await caller.reconnect();
    expect(await caller.ask("invite")).toBe(200);
    await called.events.has("invited again");
    expect(await called.ask("info")).toBe(200);
    expect(await called.ask("bye")).toBe(200);
    await caller.events.has("bye");
  });

  test("is found by any word of its own", async () => {
    const { called, caller } = await talking();
    await caller.reconnect();
    expect(await caller.ask("info")).toBe(200);
    expect(await called.ask("bye")).toBe(200);
    await caller.events.has("bye");
  });

  test("hangs up from there", async () => {
    const { called, caller } = await talking();
    await caller.reconnect();
    expect(await caller.ask("bye")).toBe(200);
    await called.events.has("bye");
  });

  test("cannot be reached before; that ends nothing", async () => {
    const { called, caller } = await talking();
    await caller.reconnect();
    await expect.poll(() => called.ask("info")).toBe(480);
    expect(await caller.ask("info")).toBe(200);
    expect(await called.ask("info")).toBe(200);
  });

  test("gives up what rings from there", async () => {
    const { where } = await network();
    const called = await phone(where);
    const caller = await client(where, "caller");
    const { cancel } = caller.call(address);
    await caller.events.has("180");
    await caller.reconnect();
    cancel();
    await called.events.has("canceled");
    await caller.events.has("487 Request Terminated");
  });
});

test.each<[string, (text: string) => string, string]>([
  ["no Max-Forwards", (text) => text.replace(/Max-Forwards: 70\r\n/, ""), "400 Missing Max-Forwards"],
  ["a branch of RFC 2543", (text) => text.replace("z9hG4bK", "1"), "400 Branch Does Not Begin With z9hG4bK"],
  ["no tag", (text) => text.replace(/;tag=\w+/, ""), "400 Missing Tag In From"],
  ["another method", (text) => text.replace("1 OPTIONS", "1 INFO"), "400 CSeq Of Another Method"],
  [
    "a wrong length",
    (text) => text.replace("Content-Length: 0", "Content-Length: 7"),
    "400 Wrong Content-Length",
  ],
  ["no hops left", (text) => text.replace("Forwards: 70", "Forwards: 0"), "483 Too Many Hops"],
])("a request with %s is refused", async (_, change, answer) => {
  const { where } = await network();
  const caller = await client(where, "caller");
  const lines = [
    `OPTIONS sip:${account.realm} SIP/2.0`,
    "Via: SIP/2.0/WS caller.invalid;branch=z9hG4bK1",
    "Max-Forwards: 70",
    `From: <sip:caller@${account.realm}>;tag=1`,
    `To: <sip:${account.realm}>`,
    "Call-ID: 1@caller",
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
  ];
  caller.send(change([...lines, "", ""].join("\r\n")));
  await expect.poll(() => caller.received.join()).toContain(`SIP/2.0 ${answer}`);
});

test("who speaks no SIP is hung up on; a ping has its pong", async () => {
  const { where, problems } = await network();
  const socket = new WebSocket(where.sip, "sip");
  await new Promise((resolve) => socket.once("open", resolve));
  const pong = new Promise((resolve) => socket.once("message", (data) => resolve(String(data))));
  socket.send("\r\n\r\n");
  expect(await pong).toBe("\r\n");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.send("GET / HTTP/1.1\r\n\r\n");
  expect(await closed).toBe(1002);
  expect(problems).toEqual(["something that is no SIP"]);
});
