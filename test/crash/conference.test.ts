/** The server dies under conferences: everybody's roster is whole afterwards, and the same as everybody else's. */
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/programs";
import { removeState, type Server, startServer } from "../support/server";
import { listOf, Member } from "./member";
import { pause, randomOf, seed } from "./random";

/** All rosters, and the list of the REST API, become these. */
async function allSee(
  server: Server,
  conference: string,
  members: readonly Member[],
  limit?: number,
): Promise<void> {
  const ids = members.map(({ id }) => id).sort();
  const seen = (one: readonly string[]) => JSON.stringify(one) === JSON.stringify(ids);
  const differing = async () => {
    const rosters = members.map(({ client, everybody }) => [client.userId, everybody] as const);
    return [...rosters, ["the list", await listOf(server, conference)] as const].filter(
      ([, one]) => !seen(one),
    );
  };
  let last: unknown;
  await until(
    "the same roster everywhere",
    async () => {
      last = await differing();
      return Array.isArray(last) && last.length === 0;
    },
    limit,
  ).catch(() => expect({ expected: ids, differing: last }).toEqual({ expected: ids, differing: [] }));
}

test("a conference of four outlives a server that is killed", { timeout: 180_000 }, async () => {
  let server = await startServer();
  const name = "crash/conference";
  const members: Member[] = [];
  onTestFinished(async () => {
    for (const { client } of members) client.close();
    await server.kill();
    removeState(server.state);
  });
  for (const user of ["ann", "ben", "cat", "dan"]) members.push(await Member.join(server, user, name));
  await allSee(server, name, members);
  const [ann, ben, cat, dan] = members;
  if (!ann || !ben || !cat || !dan) throw new Error("nobody");

  await server.kill();
  // Said while nobody hears it.
  const muted = ann.media({ muted: true, held: false, video: "off" });
  server = await startServer({ state: server.state, port: server.port });
  await muted;
  for (const other of [ben, cat, dan]) {
    await until("ann is muted", () => other.roster.find(({ id }) => id === ann.id)?.media.muted);
  }
  await allSee(server, name, members);
  await ben.client.send({
    op: "room",
    room: { type: "signal", signals: [{ peer: dan.id, candidates: [{ candidate: "x" }] }] },
  });
  await until("a signal", () => dan.events.some(({ type }) => type === "signal"));

  members.push(await Member.join(server, "eve", name));
  await allSee(server, name, members);
  for (const member of members) {
    expect(member.events.filter(({ type }) => type === "joined")).toHaveLength(1);
    expect(member.ended).toBeUndefined();
  }

  // One goes with the server, and does not come back: its seat is kept for 30 seconds, and no longer.
  await server.kill();
  dan.client.close();
  server = await startServer({ state: server.state, port: server.port });
  const rest = members.filter((member) => member !== dan);
  await allSee(server, name, rest, 60_000);
  await cat.leave();
  await allSee(
    server,
    name,
    rest.filter((member) => member !== cat),
  );
});

test("whoever comes and goes while the server dies again and again, all rosters are equal in the end", {
  timeout: 300_000,
}, async () => {
  console.log(`CARILLON_SEED=${seed} repeats this run`);
  const random = randomOf(seed);
  const crashes = 6;
  let server = await startServer();
  const name = "crash/comings and goings";
  const lives = ["u0", "u1", "u2", "u3", "u4"].map((user) => new Life(user, randomOf(random() * 2 ** 31)));
  onTestFinished(async () => {
    for (const life of lives) life.close();
    await server.kill();
    removeState(server.state);
  });
  const living = lives.map((life) => life.live(() => server, name));
  const dropping = setInterval(() => lives[Math.floor(random() * lives.length)]?.drop(), 400);
  onTestFinished(() => clearInterval(dropping));
  for (let crash = 0; crash < crashes; crash++) {
    await pause(300 + random() * 2_500);
    await server.kill();
    server = await startServer({ state: server.state, port: server.port });
  }
  clearInterval(dropping);
  await pause(500);
  for (const life of lives) life.stop();
  await Promise.all(living);

  const members = lives.flatMap(({ member }) => (member ? [member] : []));
  await allSee(server, name, members, 60_000);
  const joins = lives.reduce((sum, { joins }) => sum + joins, 0);
  const refused = lives.flatMap(({ refused }) => refused);
  expect(joins).toBeGreaterThan(lives.length);
  // Somebody new sees them all, and the last one closes the conference.
  const late = await Member.join(server, "late", name);
  onTestFinished(() => late.client.close());
  await allSee(server, name, [...members, late]);
  for (const member of [...members, late]) await member.leave();
  await until("an empty room", async () => (await listOf(server, name)).length === 0);
  console.log(
    `${joins} joins over ${crashes} crashes, ${members.length} were in at the end; refused: ${refused.join(", ") || "none"}`,
  );
});

/** One user who comes, stays for a while, says something, and goes, until told to stop. */
class Life {
  /** In the conference at the end. */
  member: Member | undefined;
  joins = 0;
  readonly refused: string[] = [];
  #running = true;
  #latest: Member | undefined;

  constructor(
    private readonly user: string,
    private readonly random: () => number,
  ) {}

  async live(server: () => Server, conference: string): Promise<void> {
    for (let muted = false; this.#running; muted = !muted) {
      const member = await this.#join(server, conference);
      if (!member) continue;
      await pause(this.random() * 1_500);
      await member.media({ muted, held: false, video: "off" }).catch(() => {});
      await pause(this.random() * 1_500);
      if (!this.#running && this.random() < 0.6) {
        this.member = member;
        return;
      }
      await member.leave();
      await pause(this.random() * 300);
    }
  }

  async #join(server: () => Server, conference: string): Promise<Member | undefined> {
    // Registering is no part of this: it may hit a server that is not there.
    const member = await Member.call(server(), this.user, conference).catch(() => undefined);
    if (!member) {
      await pause(200);
      return undefined;
    }
    this.#latest = member;
    await until(`${this.user} is in, or not`, () => member.isIn || member.ended !== undefined);
    if (member.isIn) {
      this.joins += 1;
      return member;
    }
    this.refused.push(member.ended?.error?.name ?? member.ended?.cause ?? "?");
    member.client.close();
    return undefined;
  }

  drop(): void {
    this.#latest?.client.drop();
  }

  stop(): void {
    this.#running = false;
  }

  close(): void {
    this.stop();
    this.#latest?.client.close();
  }
}
