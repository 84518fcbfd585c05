/** What it takes until a push leaves, beside the naive floor in the same run: floor and platform take turns. */
import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import type { PushDevice } from "../protocol";
import type { Push } from "../scripts/dev/push/desk.mjs";
import { bundleId } from "../scripts/dev/push/material.mjs";
import { type PushServices, setDevice } from "../test/support/push";
import { Line, Phone, register } from "./client";
import { newId, Ours } from "./correspondents";
import type { Post } from "./floor/post";
import type { Demo, Program } from "./programs";
import { line, milliseconds, Rates, repeat, Times } from "./stats";

/** Times are taken when the push service has read a push and checked it. */
class Arrivals {
  readonly #waiting = new Set<(push: Push, at: number) => void>();

  constructor({ services }: PushServices) {
    services.book.on("push", (push) => {
      const at = performance.now();
      if (!push.delivered) throw new Error(`refused: ${JSON.stringify(push)}`);
      for (const look of this.#waiting) look(push, at);
    });
  }

  /** When those that fit came, so many of them: the first and the last. */
  next(fits: (push: Push) => boolean, count = 1): Promise<{ first: number; last: number }> {
    return new Promise((resolve) => {
      const times: number[] = [];
      const look = (push: Push, at: number) => {
        if (!fits(push)) return;
        times.push(at);
        if (times.length < count) return;
        this.#waiting.delete(look);
        resolve({ first: times[0] ?? at, last: at });
      };
      this.#waiting.add(look);
    });
  }
}

const says = (id: string, type: string) => (push: Push) =>
  push.sin?.includes(`"${id}"`) === true && push.sin.includes(`"type":"${type}"`);

export async function benchPush(demo: Demo, floor: Program, push: PushServices): Promise<void> {
  console.log("\nPushes, floor and platform taking turns; until the push service has them");
  console.log(
    "floor: the frame through as many bare objects (or one), from there through the Worker to the same push service;\n" +
      "its provider token comes with the frame\n",
  );
  await push.uploadCredentials(demo);
  const began = Date.now();
  const arrivals = new Arrivals(push);
  const posts = await Posts.prepare(push);
  await benchCall(demo, floor, push, arrivals, posts);
  await benchFanOut(demo, floor, push, arrivals, posts);
  await benchUsers(demo, push, arrivals);
  const { apns, fcm } = push.mints;
  const [minutes, count] = [(Date.now() - began) / 60_000, push.services.book.pushes.length];
  console.log(
    `provider tokens made: ${apns} of Apple's key, ${fcm} of Google's, for ${count} pushes of ${minutes.toFixed(1)} minutes;\n` +
      "  each is used for 50 (Apple) or 54 minutes (Google): 1.2 and 1.1 an hour and key, however many objects ask",
  );
}

/** What the floor sends: all ready, signed with a key of its own, since Apple counts the tokens of a key. */
class Posts {
  private constructor(
    private readonly url: string,
    private readonly authorization: string,
  ) {}

  static async prepare({ services }: PushServices): Promise<Posts> {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const [keyId, teamId] = ["FLOORFLOOR", "TEAMTEAM00"];
    const pem = publicKey.export({ type: "spki", format: "pem" });
    services.apns.addKey({ keyId, teamId, publicKey: pem });
    const jwt = await new SignJWT({ iss: teamId })
      .setIssuedAt()
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .sign(privateKey);
    return new Posts(services.apns.url.development, `bearer ${jwt}`);
  }

  to(token: string, id: string, how: "voip" | "alert"): Post {
    const sin = JSON.stringify({
      v: 1,
      type: "floor",
      id,
      until: Date.now() + 45_000,
      to: "bob",
      from: "alice",
    });
    const headers = {
      authorization: this.authorization,
      "content-type": "application/json",
      "apns-id": id,
      "apns-push-type": how,
      "apns-topic": how === "voip" ? `${bundleId}.voip` : bundleId,
      "apns-priority": "10",
      "apns-expiration": String(Math.floor(Date.now() / 1_000) + 45),
    };
    const body = JSON.stringify({ aps: { alert: { "loc-key": "SIN_INCOMING_CALL" } }, sin });
    return { url: `${this.url}/3/device/${token}`, headers, body };
  }
}

/** An installation of the user that is never connected. */
async function addSleeper(demo: Demo, userId: string, device: PushDevice): Promise<void> {
  await setDevice(demo.url, (await register(demo, userId)).instanceToken, device);
}

function apnsToken(device: PushDevice, which: "voipToken" | "alertToken"): string {
  return (device.provider === "apns" && device[which]) || "";
}

// ---- a call -----------------------------------------------------------------------------------

async function benchCall(
  demo: Demo,
  floor: Program,
  push: PushServices,
  arrivals: Arrivals,
  posts: Posts,
  rounds = 200,
): Promise<void> {
  const device = push.newDevice("apns");
  await addSleeper(demo, "bob_p", device);
  // A user may start 30 calls in a row and 2 a second.
  const callers = await Promise.all(
    Array.from({ length: 12 }, async (_, at) =>
      Phone.connect(demo, `alice_p${at}`, (await register(demo, `alice_p${at}`)).instanceToken),
    ),
  );
  const socket = await Line.open(`${floor.url}/push-a`);
  const floored = async (path: string[]) => {
    const id = crypto.randomUUID();
    const frame = { path, id: 0, posts: [posts.to(apnsToken(device, "voipToken"), id, "voip")] };
    const came = arrivals.next(says(id, "floor"));
    const began = performance.now();
    socket.say(frame);
    return (await came).last - began;
  };
  const [rang, cancelled, three, one] = [new Times(), new Times(), new Times(), new Times()];
  await repeat(rounds, async (round) => {
    const alice = callers[(round + rounds) % callers.length];
    if (!alice) throw new Error("no callers");
    let began = performance.now();
    const callId = alice.call("bob_p");
    const { last: left } = await arrivals.next(says(callId, "call"));
    if (round >= 0) rang.add(left - began);
    await alice.settled();
    began = performance.now();
    alice.do(callId, { op: "hangup" });
    const { last: told } = await arrivals.next(says(callId, "cancel"));
    if (round >= 0) cancelled.add(told - began);
    await alice.settled();
    // As a call has it: the object in the middle is new.
    const through = await floored(["push-a", `push-${round}`, "push-b"]);
    if (round >= 0) three.add(through);
    const short = await floored(["push-a"]);
    if (round >= 0) one.add(short);
  });
  console.log(line("callUser to push", rang, three));
  console.log(line("  beside one object", rang, one));
  console.log(line("hang-up to cancel push", cancelled, three));
  socket.close();
  for (const alice of callers) alice.line.close();
}

// ---- messages ---------------------------------------------------------------------------------

/** What comes within 5 seconds of a push is one push. */
const calm = () => new Promise((resolve) => setTimeout(resolve, 5_500));

async function inParts<Item>(items: Item[], size: number, run: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(run));
}

async function benchFanOut(
  demo: Demo,
  floor: Program,
  push: PushServices,
  arrivals: Arrivals,
  posts: Posts,
  rounds = 5,
): Promise<void> {
  const count = 1_000;
  const devices = Array.from({ length: count }, () => push.newDevice("apns"));
  // One after the other: each takes the place of nobody, and all are one object's.
  for (const device of devices) await addSleeper(demo, "crowd_p", device);
  const alice = await Ours.open(demo, "alice_q");
  const socket = await Line.open(`${floor.url}/push-c`);
  const [sent, first, last, floorLast] = [new Times(), new Times(), new Times(), new Times()];
  const [ours, theirs] = [new Rates(), new Rates()];
  for (let round = -1; round < rounds; round++) {
    const id = newId();
    const came = arrivals.next(says(id, "message"), count);
    let began = performance.now();
    alice.send(["crowd_p"], [id]);
    const acknowledged = await alice.when("sent", id);
    const times = await came;
    if (round >= 0) {
      sent.add(acknowledged - began);
      first.add(times.first - began);
      last.add(times.last - began);
      ours.add(count, times.last - began);
    }
    await calm();
    const floorId = crypto.randomUUID();
    const all = devices.map((device) => posts.to(apnsToken(device, "alertToken"), floorId, "alert"));
    const floorCame = arrivals.next(says(floorId, "floor"), count);
    began = performance.now();
    socket.say({ path: ["push-c", "push-d"], id: 0, posts: all });
    const { last: floorEnd } = await floorCame;
    if (round >= 0) {
      floorLast.add(floorEnd - began);
      theirs.add(count, floorEnd - began);
    }
  }
  console.log(line(`message to the last of ${count} devices`, last, floorLast));
  console.log(
    `  the first of them after p50 ${milliseconds(first.p50)}; messageSent after p50 ${milliseconds(sent.p50)}`,
  );
  const ratio = (ours.median / theirs.median).toFixed(2);
  console.log(`  pushes of one user                 ${ours}   floor ${theirs}   ratio ${ratio}`);
  socket.close();
  alice.close();
}

async function benchUsers(demo: Demo, push: PushServices, arrivals: Arrivals, rounds = 5): Promise<void> {
  const providers = ["apns", "fcm", "webpush"] as const;
  const users = Array.from({ length: 240 }, (_, at) => `user_p${at}`);
  await inParts(users, 8, (user) =>
    addSleeper(demo, user, push.newDevice(providers[users.indexOf(user) % providers.length] ?? "apns")),
  );
  const alice = await Ours.open(demo, "alice_r");
  const rates = new Rates();
  for (let round = -1; round < rounds; round++) {
    const id = newId();
    const came = arrivals.next(says(id, "message"), users.length);
    const began = performance.now();
    alice.send(users, [id]);
    const { last } = await came;
    if (round >= 0) rates.add(users.length, last - began);
    await alice.when("sent", id);
    await calm();
  }
  console.log(`pushes of ${users.length} users, three providers  ${rates}`);
  alice.close();
}
