/** The server dies in the middle of calls to a real phone: the phone hears of their end, and each is paid for once. */
import { expect, onTestFinished, test } from "vitest";
import type { CallOperation } from "../../protocol";
import {
  ledgerOf,
  newPhoneApplication,
  type PhoneApplication,
  rate,
  sumOf,
} from "../support/gateway/application";
import { Gateway, numbers } from "../support/gateway/gateway";
import { until } from "../support/programs";
import { removeState, type Server, startServer } from "../support/server";
import { Client } from "./client";

/** Nobody listens: what counts is the signalling. */
const offer = {
  type: "offer",
  sdp: [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "c=IN IP4 127.0.0.1",
    "t=0 0",
    "m=audio 9 RTP/AVP 0",
    "a=rtpmap:0 PCMU/8000",
    "",
  ].join("\r\n"),
} as const;

async function step(client: Client, op: CallOperation): Promise<void> {
  expect(await client.send(op)).toBeNull();
}

const hears = (client: Client, event: string, limit?: number) =>
  until(`${client.userId}: ${event}`, () => client.events.find((heard) => heard.event === event), limit);

async function calling(server: Server, name: string, to: string): Promise<Client> {
  const caller = await Client.register(server, name);
  onTestFinished(() => caller.close());
  await until("connected", () => caller.connected);
  await step(caller, { op: "start", to, line: "phone", video: false, headers: {}, offer });
  return caller;
}

/** After somebody has answered. */
async function established(caller: Client): Promise<void> {
  await hears(caller, "answered");
  await step(caller, { op: "flowing", flowing: true });
  await hears(caller, "established");
}

test("calls to a phone outlive a server that is killed, and end everywhere", {
  timeout: 180_000,
}, async () => {
  const gateway = await Gateway.start();
  onTestFinished(() => gateway.stop());
  let server = await startServer();
  onTestFinished(async () => {
    await server.kill();
    removeState(server.state);
  });
  const application: PhoneApplication = await newPhoneApplication(server, [gateway.access]);
  const ours = () => ({ ...server, ...application });
  const resumed = await calling(ours(), "comes-back", numbers.phone);
  const leg = await gateway.phone.incoming();
  leg.answer();
  await established(resumed);
  const left = await calling(ours(), "stays-away", numbers.machine);
  await hears(left, "earlyMedia");
  gateway.machine.answer();
  await established(left);
  const unanswered = await calling(ours(), "rings", numbers.phone);
  const rings = await gateway.phone.incoming();
  await hears(unanswered, "ringing");

  left.close();
  await server.kill();
  server = await startServer({ state: server.state, port: server.port });

  // The one that comes back goes on, and hangs up.
  await until("it is resumed", () => resumed.seen.resumed > 0);
  expect(resumed.events.map(({ event }) => event)).toEqual([
    "progressing",
    "ringing",
    "answered",
    "established",
  ]);
  expect(leg.received("BYE")).toEqual([]);
  await step(resumed, { op: "hangup" });
  await leg.closed();
  expect(leg.received("BYE")).toHaveLength(1);

  // The one that rang stops ringing, whatever became of it for the caller.
  await step(unanswered, { op: "hangup" });
  await rings.closed(60_000);
  // Also if it was dialled again meanwhile.
  await until("nothing rings", () => gateway.phone.open === 0, 30_000);

  // The one whose caller is gone ends without it.
  await until("the machine hears of the end", () => gateway.machine.byes > 0, 120_000);
  expect(gateway.machine.byes).toBe(1);
  expect(gateway.phone.open).toBe(0);

  const [paid, free] = [[resumed, left], [unanswered]].map((callers) =>
    callers.map(({ callId }) => callId ?? ""),
  );
  const entries = await until("all is paid", async () => {
    const entries = await ledgerOf(server, application);
    return entries.filter(({ kind }) => kind === "release").length === 3 && entries;
  });
  for (const callId of paid ?? []) {
    expect(entries.filter((entry) => entry.callId === callId && entry.kind === "charge")).toHaveLength(1);
    expect(sumOf(entries, callId, "charge")).toBeLessThan(-rate.connectFee);
    expect(sumOf(entries, callId, "reserve", "release")).toBe(0);
  }
  for (const callId of free ?? []) expect(sumOf(entries, callId, "reserve", "release", "charge")).toBe(0);
  expect(entries.reduce((sum, { amount }) => sum + amount, 0)).toBe(entries[0]?.balance);
});
