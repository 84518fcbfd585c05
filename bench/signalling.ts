/** What a signalling step takes, beside the floor's relay through as many objects. */
import type { ServerFrame } from "../protocol";
import { Line, Phone, register } from "./client";
import type { Demo, Program } from "./programs";
import { line, repeat, Times } from "./stats";

const answer = {
  op: "answer",
  description: { type: "answer", sdp: "v=0\r\n".padEnd(3_000, "a=padding\r\n") },
} as const;
const rounds = 200;

/** A step's time through the floor: `path` of objects; `fresh` makes the middle one new each time. */
async function relayed(
  floor: Program,
  how: { hops: number; writes: boolean; fresh: boolean },
): Promise<(id: number) => Promise<number>> {
  const name = crypto.randomUUID();
  const sender = await Line.open<{ id: number }>(`${floor.url}/${name}-a`);
  const receiver = await Line.open<{ id: number }>(`${floor.url}/${name}-b`);
  return async (id) => {
    const middle = how.hops > 2 ? [how.fresh ? `${name}-${id}` : `${name}-m`] : [];
    const path = [`${name}-a`, ...middle, `${name}-b`];
    const began = performance.now();
    sender.say({ path, writes: how.writes ? (middle[0] ?? path.at(-1)) : undefined, id });
    await receiver.next((frame) => frame.id === id);
    return performance.now() - began;
  };
}

export async function benchSignalling(demo: Demo, floor: Program): Promise<void> {
  console.log(`\nSignalling, ${rounds} rounds each, floor and platform taking turns; times at the clients`);
  console.log(
    "floor: a bare relay through as many objects, with one durable row where the step has to be durable first\n",
  );
  await benchRegistration(demo, floor);
  await benchConnect(demo, floor);
  await benchCalls(demo, floor);
  await benchResume(demo);
}

async function benchRegistration(demo: Demo, floor: Program): Promise<void> {
  const ours = new Times();
  const theirs = new Times();
  await repeat(rounds / 2, async (round) => {
    let began = performance.now();
    await register(demo, `reg${round & 15}`);
    if (round >= 0) ours.add(performance.now() - began);
    began = performance.now();
    await (
      await fetch(`${floor.url}/reg${round & 15}`, { method: "POST", body: JSON.stringify({ id: round }) })
    ).json();
    if (round >= 0) theirs.add(performance.now() - began);
  });
  console.log(line("registration", ours, theirs));
}

async function benchConnect(demo: Demo, floor: Program): Promise<void> {
  const ours = new Times();
  const theirs = new Times();
  const { instanceToken } = await register(demo, "connects");
  await repeat(rounds / 2, async (round) => {
    let began = performance.now();
    const phone = await Phone.connect(demo, "connects", instanceToken);
    if (round >= 0) ours.add(performance.now() - began);
    phone.line.close();
    began = performance.now();
    const socket = await Line.open<{ id: number }>(`${floor.url}/connects`);
    socket.say({ path: ["connects"], id: round });
    await socket.next(({ id }) => id === round);
    if (round >= 0) theirs.add(performance.now() - began);
    socket.close();
  });
  console.log(line("connect to welcome", ours, theirs, 1.5));
}

async function benchCalls(demo: Demo, floor: Program): Promise<void> {
  const callers = await many(demo, "alice_b");
  const bob = await Phone.connect(demo, "bob_b", (await register(demo, "bob_b")).instanceToken);
  const fresh = await relayed(floor, { hops: 3, writes: false, fresh: true });
  const durable = await relayed(floor, { hops: 3, writes: true, fresh: false });
  const bare = await relayed(floor, { hops: 3, writes: false, fresh: false });
  const [incoming, answered, ended] = [new Times(), new Times(), new Times()];
  const [freshFloor, durableFloor, bareFloor] = [new Times(), new Times(), new Times()];
  await repeat(rounds, async (round) => {
    const alice = callerOf(callers, round);
    const note = (times: Times, time: number) => round >= 0 && times.add(time);
    let began = performance.now();
    const callId = alice.call("bob_b");
    await bob.event(callId, "incoming");
    note(incoming, performance.now() - began);
    bob.do(callId, { op: "ringing" });
    await alice.event(callId, "ringing");
    await bob.settled();
    began = performance.now();
    bob.do(callId, { ...answer, candidates: [] });
    await alice.event(callId, "answered");
    note(answered, performance.now() - began);
    bob.do(callId, { op: "flowing", flowing: true });
    alice.do(callId, { op: "flowing", flowing: true });
    await Promise.all([alice.event(callId, "established"), bob.event(callId, "established")]);
    began = performance.now();
    alice.do(callId, { op: "hangup" });
    await bob.event(callId, "ended");
    note(ended, performance.now() - began);
    await alice.settled();
    note(freshFloor, await fresh(round));
    note(durableFloor, await durable(round));
    note(bareFloor, await bare(round));
  });
  console.log(line("callUser to incoming", incoming, freshFloor, 1.5));
  console.log(line("answer to answered", answered, durableFloor, 1.5));
  console.log(line("hang-up to ended", ended, durableFloor, 1.5));
  console.log(line("(the floor's row: with to without)", durableFloor, bareFloor));
}

/** A user may start 30 calls in a row and 2 a second: the calls are spread over several. */
const callerCount = 12;

function many(demo: Demo, name: string): Promise<Phone[]> {
  return Promise.all(
    Array.from({ length: callerCount }, async (_, at) => {
      const { instanceToken } = await register(demo, `${name}${at}`);
      return Phone.connect(demo, `${name}${at}`, instanceToken);
    }),
  );
}

function callerOf(callers: Phone[], round: number): Phone {
  const caller = callers[(round + rounds) % callers.length];
  if (!caller) throw new Error("no callers");
  return caller;
}

async function benchResume(demo: Demo): Promise<void> {
  const tokens = await Promise.all(
    Array.from({ length: callerCount }, (_, at) => register(demo, `alice_r${at}`)),
  );
  const bob = await Phone.connect(demo, "bob_r", (await register(demo, "bob_r")).instanceToken);
  const times = new Times();
  await repeat(rounds / 4, async (round) => {
    const connectionId = crypto.randomUUID();
    const at = (round + rounds) % callerCount;
    const [user, token] = [`alice_r${at}`, tokens[at]?.instanceToken ?? ""];
    const alice = await Phone.connect(demo, user, token, { connectionId });
    const callId = alice.call("bob_r");
    await bob.event(callId, "incoming");
    await alice.settled();
    alice.line.close();
    const began = performance.now();
    const back = await Phone.connect(demo, user, token, { connectionId, calls: [{ callId, ack: 0 }] });
    await back.line.next((frame: ServerFrame) => frame.type === "synced");
    if (round >= 0) times.add(performance.now() - began);
    back.do(callId, { op: "hangup" });
    back.line.close();
  });
  const [p50, p99] = [times.p50, times.p99].map((time) => `${time.toFixed(2)} ms`);
  console.log(
    `${"resume: new socket to synced call".padEnd(34)} p50 ${p50?.padStart(9)}  p99 ${p99?.padStart(9)}`,
  );
}
