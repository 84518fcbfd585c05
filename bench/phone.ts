/** What a step of a call to a phone takes, beside a bare leg in the same run, and what a call costs while it lasts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { newPhoneApplication } from "../test/support/gateway/application";
import { Line, Phone, register } from "./client";
import { type Demo, memoryBelow, type Program } from "./programs";
import { SipGateway } from "./sip-gateway";
import { line, repeat, Times } from "./stats";

const rounds = 100;
const callers = 12;
const number = "+46701740605";
/** Cloudflare's price of November 2026: dollars for a million GB-seconds, of objects that count 128 MB. */
const price = { gigabyteSecond: 12.5 / 1_000_000, gigabytes: 0.128 };

export async function benchPhone(platform: Program & { demo: Demo }, floor: Program): Promise<void> {
  console.log(
    "\nCalls to a phone, floor and platform taking turns; the gateway is in the benchmark's process",
  );
  console.log(
    "floor: a bare relay through as many objects, the last of which opens a WebSocket to the same gateway,\n" +
      "two rows on the way there and one back; no credit, no trunks, no SIP\n",
  );
  const gateway = await SipGateway.start();
  const { url } = platform;
  const secrets = JSON.parse(readFileSync(join(platform.state, "secrets.json"), "utf8"));
  const access = { url: gateway.url, user: "bench", password: "bench", fromDomain: "bench.test" };
  const made = await newPhoneApplication({ url, adminToken: secrets.ADMIN_TOKEN }, [access], 1_000_000_000);
  const demo = { url, ...made };
  try {
    await benchSteps(demo, floor, gateway);
    await benchHeld(demo, platform, gateway);
  } finally {
    gateway.stop();
  }
}

/** A call from start to end, and the same way through the floor. */
async function benchSteps(demo: Demo, floor: Program, gateway: SipGateway): Promise<void> {
  const users = await Promise.all(Array.from({ length: callers }, (_, at) => connect(demo, `phones${at}`)));
  const sockets = await Line.open<{ id: number }>(`${floor.url}/phone-floor`);
  const [invited, answered, ended] = [new Times(), new Times(), new Times()];
  const [invitedFloor, answeredFloor] = [new Times(), new Times()];
  await repeat(rounds, async (round) => {
    const note = (times: Times, began: number, at: number) => round >= 0 && times.add(at - began);
    const user = users[(round + rounds) % callers];
    if (!user) throw new Error("no callers");
    let began = performance.now();
    const arrival = gateway.next("invite");
    const callId = user.callPhone(number);
    const { at, invite } = await arrival;
    note(invited, began, at);
    await user.settled();
    began = performance.now();
    gateway.answer(invite);
    await user.event(callId, "answered");
    note(answered, began, performance.now());
    user.do(callId, { op: "flowing", flowing: true });
    await user.event(callId, "established");
    began = performance.now();
    const bye = gateway.next("bye");
    user.do(callId, { op: "hangup" });
    note(ended, began, (await bye).at);
    await user.settled();

    began = performance.now();
    const called = gateway.next("floor");
    const middle = `phone-floor-${round}`;
    const back = [middle, "phone-floor"];
    sockets.say({
      path: ["phone-floor", middle],
      writes: middle,
      id: round,
      gateway: { url: floorUrl(gateway), back },
    });
    const { at: reached, socket } = await called;
    note(invitedFloor, began, reached);
    began = performance.now();
    socket.send("answer");
    await sockets.next(({ id }) => id === round);
    note(answeredFloor, began, performance.now());
  });
  console.log(line("callPhoneNumber to INVITE", invited, invitedFloor));
  console.log(line("200 to answered", answered, answeredFloor));
  const [p50, p99] = [ended.p50, ended.p99].map((time) => `${time.toFixed(2)} ms`);
  console.log(`${"hang-up to BYE".padEnd(34)} p50 ${p50?.padStart(9)}  p99 ${p99?.padStart(9)}`);
}

/** `fetch` opens a WebSocket by http. */
const floorUrl = ({ url }: SipGateway) => url.replace("ws:", "http:");

/** What calls take that do nothing but last. */
async function benchHeld(demo: Demo, platform: Program, gateway: SipGateway): Promise<void> {
  const most = 200;
  const users: Phone[] = [];
  for (let at = 0; at < most; at++) users.push(await connect(demo, `holds${at}`));
  const before = memoryBelow(platform.pid);
  const held: string[] = [];
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const seen = [`none: ${megabytes(before)} MB`];
  for (const [at, user] of users.entries()) {
    const arrival = gateway.next("invite");
    const callId = user.callPhone(number);
    gateway.answer((await arrival).invite);
    await user.event(callId, "answered");
    user.do(callId, { op: "flowing", flowing: true });
    await user.event(callId, "established");
    held.push(callId);
    if (held.length === 50 || held.length === most)
      seen.push(`${at + 1}: ${megabytes(memoryBelow(platform.pid))} MB`);
  }
  const each = (memoryBelow(platform.pid) - before) / most / 1_024;
  const minute = 60 * price.gigabytes * price.gigabyteSecond;
  console.log(
    `\nCalls held: runtime with ${seen.join(", ")}; ${each.toFixed(0)} KB of resident memory per call (session and leg)`,
  );
  console.log(
    `A leg is awake for the whole call, since an outgoing WebSocket does not hibernate: 60 s of wall time a minute,\n` +
      `${(60 * price.gigabytes).toFixed(2)} GB-s, $${(minute * 1_000_000).toFixed(0)} for a million minutes; the session hibernates`,
  );
  for (const [at, user] of users.entries()) user.do(held[at] ?? "", { op: "hangup" });
  await Promise.all(users.map((user) => user.settled()));
  for (const user of users) user.line.close();
}

async function connect(demo: Demo, name: string): Promise<Phone> {
  return Phone.connect(demo, name, (await register(demo, name)).instanceToken);
}
