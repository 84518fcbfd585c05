/** The server dies again and again in the middle of calls, and nothing that it confirmed is lost or doubled. */
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/programs";
import { removeState, type Server, startServer } from "../support/server";
import { Client } from "./client";
import { pause, randomOf, seed } from "./random";

const pairs = 8;
const crashes = 8;

interface Call {
  caller: Client;
  callee: Client;
}

/** Every step is confirmed by the server, so that it counts as done. */
async function step(client: Client, op: Parameters<Client["send"]>[0]): Promise<void> {
  expect(await client.send(op)).toBeNull();
}

const hears = (client: Client, event: string) =>
  until(`${client.userId}: ${event}`, () => client.events.find((heard) => heard.event === event));

async function establish(server: Server, number: number): Promise<Call> {
  const [caller, callee] = await Promise.all([
    Client.register(server, `caller-${number}`),
    Client.register(server, `callee-${number}`),
  ]);
  await until("both are connected", () => caller.connected && callee.connected);
  const offer = { type: "offer", sdp: "v=0 offer" } as const;
  await step(caller, { op: "start", to: callee.userId, video: false, headers: {}, offer });
  await hears(callee, "incoming");
  await step(callee, { op: "ringing" });
  await step(callee, { op: "answer", description: { type: "answer", sdp: "v=0 answer" }, candidates: [] });
  await hears(caller, "answered");
  await Promise.all([caller, callee].map((client) => step(client, { op: "flowing", flowing: true })));
  await Promise.all([hears(caller, "established"), hears(callee, "established")]);
  return { caller, callee };
}

/** Sends numbered notices, each after the one before was confirmed, until it is told to stop. */
function chatter(client: Client) {
  let running = true;
  let confirmed = 0;
  const done = (async () => {
    while (running) {
      await step(client, { op: "candidates", candidates: [{ candidate: `notice ${confirmed + 1}` }] });
      confirmed += 1;
      await pause(20);
    }
  })();
  return {
    /** Answers how many were confirmed. */
    async stop() {
      running = false;
      await done;
      return confirmed;
    },
  };
}

function noticesOf(client: Client): string[] {
  return client.events.flatMap((event) =>
    event.event === "candidates" ? event.candidates.map(({ candidate }) => candidate) : [],
  );
}

async function recordsOf({ url, applicationKey, applicationSecret }: Server, userId: string) {
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const answer = await fetch(`${url}/v1/calls?userId=${userId}`, { headers: { authorization } });
  return ((await answer.json()) as { calls: { callId: string; endCause: string }[] }).calls;
}

test("calls outlive a server that is killed again and again", { timeout: 180_000 }, async () => {
  console.log(`CARILLON_SEED=${seed} repeats this run`);
  const random = randomOf(seed);
  let server = await startServer();
  const calls: Call[] = [];
  const clients = () => calls.flatMap(({ caller, callee }) => [caller, callee]);
  onTestFinished(async () => {
    for (const client of clients()) client.close();
    await server.kill();
    removeState(server.state);
  });
  for (let number = 0; number < pairs; number++) calls.push(await establish(server, number));
  const talking = clients().map((client) => ({ client, notices: chatter(client) }));

  const dropping = setInterval(() => clients()[Math.floor(random() * pairs * 2)]?.drop(), 150);
  onTestFinished(() => clearInterval(dropping));
  for (let crash = 0; crash < crashes; crash++) {
    await pause(200 + random() * 1_000);
    await server.kill();
    server = await startServer({ state: server.state, port: server.port });
  }
  clearInterval(dropping);

  const confirmed = new Map<Client, number>();
  for (const { client, notices } of talking) confirmed.set(client, await notices.stop());
  for (const { caller, callee } of calls) {
    for (const [from, to] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      const expected = Array.from({ length: confirmed.get(from) ?? 0 }, (_, index) => `notice ${index + 1}`);
      await until(`what ${from.userId} said`, () => noticesOf(to).length >= expected.length);
      expect(noticesOf(to)).toEqual(expected);
    }
  }
  for (const client of clients()) {
    expect(client.refused).toBeNull();
    expect(client.seen.resumed).toBeGreaterThanOrEqual(crashes);
  }

  for (const { caller, callee } of calls) {
    const [first, second] = random() < 0.5 ? [caller, callee] : [callee, caller];
    await step(first, { op: "hangup" });
    expect(await hears(second, "ended")).toMatchObject({ cause: "hungUp" });
    const records = await until("the record", async () => {
      const found = await recordsOf(server, caller.userId);
      return found.length > 0 && found;
    });
    expect(records).toMatchObject([{ callId: caller.callId, endCause: "hungUp" }]);
  }
  // The application is still there, and so are its secrets: somebody new can be called.
  calls.push(await establish(server, pairs));
  const total = [...confirmed.values()].reduce((sum, count) => sum + count, 0);
  const repeated = clients().reduce((sum, { seen }) => sum + seen.repeated, 0);
  console.log(`${total} notices over ${crashes} crashes; ${repeated} repetitions were put aside`);
});
