/** What a message takes, beside the naive floor in the same run: floor and platform take turns. */
import { register } from "./client";
import { type Correspondent, Naive, newId, Ours } from "./correspondents";
import type { Demo, Program } from "./programs";
import { line, milliseconds, Rates, repeat, Times } from "./stats";

/** As many messages as the SDK puts into a frame. */
const frameful = 64;

export async function benchMessages(demo: Demo, floor: Program): Promise<void> {
  console.log("\nMessages of 200 bytes, floor and platform taking turns; times at the clients");
  console.log("floor: naive objects, a row on each side and an RPC for every message\n");
  await benchSingle(demo, floor);
  await benchPair(demo, floor);
  await benchPairs(demo, floor);
  await benchMany(demo, floor);
  await benchWaiting(demo);
  console.log(
    "\nQuoted, not measured here: ejabberd 23.01, archive in SQLite, fsynced, two cores: 400 (default) to\n" +
      "1,500 (WAL) messages/s for one pair, 450 to 1,400 for a hundred",
  );
}

/** What has come in so far is stored and told: the other side's turn is not to pay for it. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1_000));

// ---- one at a time ----------------------------------------------------------------------------

async function benchSingle(demo: Demo, floor: Program, rounds = 300): Promise<void> {
  const ours = [await Ours.open(demo, "alice_1"), await Ours.open(demo, "bob_1")] as const;
  const naive = [await Naive.open(floor, "alice_1"), await Naive.open(floor, "bob_1")] as const;
  naive[1].acknowledges = true;
  const times = () => ({ sent: new Times(), incoming: new Times(), delivered: new Times() });
  const [mine, theirs] = [times(), times()];
  const one = async ([alice, bob]: readonly [Correspondent, Correspondent], into?: typeof mine) => {
    const id = newId();
    const began = performance.now();
    alice.send([bob.userId], [id]);
    const [sent, incoming, delivered] = await Promise.all([
      alice.when("sent", id),
      bob.when("incoming", id),
      alice.when("delivered", id),
    ]);
    into?.sent.add(sent - began);
    into?.incoming.add(incoming - began);
    into?.delivered.add(delivered - began);
  };
  await repeat(rounds, async (round) => {
    await one(ours, round < 0 ? undefined : mine);
    await one(naive, round < 0 ? undefined : theirs);
  });
  console.log(line("send to messageSent", mine.sent, theirs.sent));
  console.log(line("send to incoming", mine.incoming, theirs.incoming, 1.2));
  console.log(line("send to delivered", mine.delivered, theirs.delivered));
  for (const person of [...ours, ...naive]) person.close();
}

// ---- throughput -------------------------------------------------------------------------------

/** As the SDK does it: what waits goes into one frame, and one such request is under way. */
async function inFrames(from: Correspondent, to: string[], ids: string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += frameful) {
    const frame = ids.slice(at, at + frameful);
    from.send(to, frame);
    await Promise.all(frame.map((id) => from.when("sent", id)));
  }
}

/** A frame for each message, so many of them under way. */
async function oneByOne(from: Correspondent, to: string[], ids: string[], under: number): Promise<void> {
  const left = ids.values();
  const send = async () => {
    for (const id of left) {
      from.send(to, [id]);
      await from.when("sent", id);
    }
  };
  await Promise.all(Array.from({ length: under }, send));
}

/** Milliseconds until all are sent and have come. */
async function timed(to: Correspondent, ids: string[], send: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await Promise.all([send(), ...ids.map((id) => to.when("incoming", id))]);
  return performance.now() - began;
}

const newIds = (count: number) => Array.from({ length: count }, newId);

function throughput(name: string, ours: Rates, floor: Rates, aim?: number): string {
  const goal = aim === undefined ? "" : `   aim ≥ ${aim}`;
  return `${name.padEnd(42)} ${ours}   floor ${floor}   ratio ${(ours.median / floor.median).toFixed(2)}${goal}`;
}

async function benchPair(demo: Demo, floor: Program, rounds = 5, count = 5_000): Promise<void> {
  const [alice, bob] = [await Ours.open(demo, "alice_2"), await Ours.open(demo, "bob_2")];
  const [ann, ben] = [await Naive.open(floor, "alice_2"), await Naive.open(floor, "bob_2")];
  const [framed, single, naive] = [new Rates(), new Rates(), new Rates()];
  // A socket may say 300 frames in a row: as many messages as that leaves, its own rounds apart.
  const few = 200;
  for (let round = -1; round < rounds; round++) {
    const run = async (
      rates: Rates,
      to: Correspondent,
      size: number,
      send: (ids: string[]) => Promise<void>,
    ) => {
      const ids = newIds(size);
      const took = await timed(to, ids, () => send(ids));
      if (round >= 0) rates.add(size, took);
      await settle();
    };
    await run(framed, bob, count, (ids) => inFrames(alice, [bob.userId], ids));
    await run(naive, ben, count, (ids) => oneByOne(ann, [ben.userId], ids, 128));
    await run(single, bob, few, (ids) => oneByOne(alice, [bob.userId], ids, 128));
  }
  console.log(throughput("one pair, pipelined", framed, naive, 4));
  console.log(throughput("the same, one message per frame", single, naive));
  for (const person of [alice, bob, ann, ben]) person.close();
}

async function benchPairs(demo: Demo, floor: Program, rounds = 5, seconds = 3): Promise<void> {
  const pairs = 100;
  const pairsOf = async (open: (userId: string) => Promise<Correspondent>) => {
    const all: [Correspondent, Correspondent][] = [];
    for (let at = 0; at < pairs; at++)
      all.push(await Promise.all([open(`alice_3_${at}`), open(`bob_3_${at}`)]));
    return all;
  };
  const mine = await pairsOf((userId) => Ours.open(demo, userId));
  const theirs = await pairsOf((userId) => Naive.open(floor, userId));
  const [ours, naive] = [new Rates(), new Rates()];
  const run = async (all: typeof mine, rates: Rates | undefined) => {
    const began = performance.now();
    const end = began + seconds * 1_000;
    let count = 0;
    const talk = async ([alice, bob]: [Correspondent, Correspondent]) => {
      while (performance.now() < end) {
        const id = newId();
        alice.send([bob.userId], [id]);
        await Promise.all([alice.when("sent", id), bob.when("incoming", id)]);
        count += 1;
      }
    };
    await Promise.all(all.map(talk));
    rates?.add(count, performance.now() - began);
    await settle();
  };
  // What the floor leaves out: it tells nobody of a delivery. And what it could leave out: a row.
  const [telling, oneRow] = [new Rates(), new Rates()];
  const as = (how: Partial<Pick<Naive, "acknowledges" | "oneRow">>) => {
    for (const person of theirs.flat()) Object.assign(person, { acknowledges: false, oneRow: false, ...how });
    return theirs;
  };
  for (let round = -1; round < rounds; round++) {
    const rates = (one: Rates) => (round < 0 ? undefined : one);
    await run(mine, rates(ours));
    await run(as({}), rates(naive));
    await run(as({ acknowledges: true }), rates(telling));
    await run(as({ oneRow: true }), rates(oneRow));
  }
  console.log(throughput(`${pairs} pairs, closed loop`, ours, naive, 1.5));
  console.log(throughput("  beside a floor that tells of the delivery", ours, telling));
  console.log(throughput("  a floor with one row, beside the floor", oneRow, naive));
  for (const person of [...mine, ...theirs].flat()) person.close();
}

// ---- many recipients, many messages -----------------------------------------------------------

async function benchMany(demo: Demo, floor: Program, rounds = 20): Promise<void> {
  const count = 256;
  const crowdOf = async (open: (userId: string) => Promise<Correspondent>) => {
    const crowd: Correspondent[] = [];
    for (let at = 0; at < count; at += 8)
      crowd.push(...(await Promise.all(Array.from({ length: 8 }, (_, more) => open(`crowd_${at + more}`)))));
    return { from: await open("alice_4"), crowd };
  };
  const mine = await crowdOf((userId) => Ours.open(demo, userId));
  const theirs = await crowdOf((userId) => Naive.open(floor, userId));
  const times = () => ({ sent: new Times(), last: new Times() });
  const [ours, naive] = [times(), times()];
  const one = async ({ from, crowd }: typeof mine, into?: typeof ours) => {
    const id = newId();
    const began = performance.now();
    from.send(
      crowd.map(({ userId }) => userId),
      [id],
    );
    const [sent, ...incoming] = await Promise.all([
      from.when("sent", id),
      ...crowd.map((person) => person.when("incoming", id)),
    ]);
    into?.sent.add(sent - began);
    into?.last.add(Math.max(...incoming) - began);
  };
  await repeat(rounds, async (round) => {
    await one(mine, round < 0 ? undefined : ours);
    await settle();
    await one(theirs, round < 0 ? undefined : naive);
  });
  console.log(line(`one to ${count}: to messageSent`, ours.sent, naive.sent));
  console.log(line(`one to ${count}: to the last incoming`, ours.last, naive.last));
  for (const person of [mine, theirs].flatMap(({ from, crowd }) => [from, ...crowd])) person.close();
}

/** From the opening of the socket until all are there. */
async function benchWaiting(demo: Demo, rounds = 5, count = 5_000): Promise<void> {
  const alice = await Ours.open(demo, "alice_5");
  const { instanceToken } = await register(demo, "bob_5");
  let bob = await Ours.connect(demo, "bob_5", instanceToken);
  const times = new Times();
  for (let round = -1; round < rounds; round++) {
    const ids = newIds(count);
    bob.close();
    await settle();
    await inFrames(alice, ["bob_5"], ids);
    await settle();
    const began = performance.now();
    bob = await Ours.connect(demo, "bob_5", instanceToken, bob.position);
    await Promise.all(ids.map((id) => bob.when("incoming", id)));
    if (round >= 0) times.add(performance.now() - began);
    // All are acknowledged: a socket keeps its frames in order.
    await settle();
  }
  console.log(
    `${`back to ${count} waiting messages`.padEnd(34)} p50 ${milliseconds(times.p50)}, most ${milliseconds(times.at(1))}   aim ≤ 500 ms`,
  );
  alice.close();
  bob.close();
}
