import { expect, test, vi } from "vitest";
import { noteUser } from "../../core/applications/users";
import { type DeadToken, forgetOldFeedback, listFeedback, noteDeadToken } from "../../core/push/feedback";
import worker from "../../workers/index";
import { day, newKey, now } from "./copies";
import { deleteApplication } from "./push-material";
import { bindings, newApplication, newInstance } from "./support";

const { DB } = bindings;

async function applicationWith(...users: string[]) {
  const applicationKey = newKey();
  for (const userId of users) await noteUser(DB, { applicationKey, userId }, now);
  return applicationKey;
}

const dead = (applicationKey: string, change: Partial<DeadToken> = {}): DeadToken => ({
  ...{ applicationKey, userId: "alice", instanceId: "i", provider: "fcm", token: "t", time: now },
  ...{ reason: "UNREGISTERED", ...change },
});

const all = (applicationKey: string) => listFeedback(DB, applicationKey, { since: 0, limit: 200 });
const tokensOf = async (applicationKey: string) => (await all(applicationKey)).map(({ token }) => token);

test("a dead token is noted once, whoever tells of it again, and another one of that instance is another", async () => {
  const key = await applicationWith("alice");
  for (const time of [now, now + 1, now - 60_000, now, now + 3_599_999])
    await noteDeadToken(DB, dead(key, { time }));
  await noteDeadToken(DB, dead(key, { token: "u", time: now + 1 }));
  expect(await tokensOf(key)).toEqual(["t", "u"]);
  await noteDeadToken(DB, dead(key, { time: now + 2 * 3_600_000 }));
  expect(await tokensOf(key)).toEqual(["t", "u", "t"]);
});

test("nothing is noted of a user who is not there", async () => {
  const key = await applicationWith("bob");
  await noteDeadToken(DB, dead(key));
  expect(await all(key)).toEqual([]);
});

test("who has read on misses nothing that another sender stamped earlier and wrote later", async () => {
  const key = await applicationWith("alice", "bob");
  await noteDeadToken(DB, dead(key, { token: "one", time: now + 50 }));
  const [read] = await all(key);
  for (const [at, token] of ["two", "three", "four"].entries())
    await noteDeadToken(DB, dead(key, { userId: "bob", token, time: now - at * 1_000 }));
  const next = await listFeedback(DB, key, { since: 0, after: read, limit: 100 });
  expect(next.map(({ token, time }) => [token, time])).toEqual([
    ["two", now + 51],
    ["three", now + 52],
    ["four", now + 53],
  ]);
  const other = await applicationWith("alice");
  await noteDeadToken(DB, dead(other));
  expect(await all(other)).toMatchObject([{ time: now }]);
});

test("one user fills the list with 20 tokens an hour at most, whatever they are", async () => {
  const key = await applicationWith("alice", "bob");
  for (let at = 0; at < 30; at += 1)
    await noteDeadToken(DB, dead(key, { instanceId: `i${at % 3}`, token: `${at}`, time: now + at * 1_000 }));
  expect(await all(key)).toHaveLength(20);
  await noteDeadToken(DB, dead(key, { userId: "bob", time: now + 30_000 }));
  await noteDeadToken(DB, dead(key, { token: "later", time: now + 3_600_000 }));
  expect((await tokensOf(key)).slice(20)).toEqual(["t", "later"]);
});

test("a token of at most 512 characters is kept whole, of a longer one the beginning", async () => {
  const key = await applicationWith("alice");
  const [longest, longer] = ["x".repeat(512), "y".repeat(513)];
  for (const token of [longest, longer]) await noteDeadToken(DB, dead(key, { token }));
  expect(await tokensOf(key)).toEqual([longest, `${"y".repeat(512)}…`]);
});

test("what is 30 days old goes, in every application, some rows a run", async () => {
  await DB.prepare("DELETE FROM push_feedback").run();
  await DB.prepare("DELETE FROM sweeps").run();
  const keys = [await applicationWith("alice"), await applicationWith("alice")];
  for (const key of keys) {
    for (const days of [100, 31, 29, 0]) {
      await noteDeadToken(DB, dead(key, { token: `${days}`, time: now - days * day }));
    }
  }
  await forgetOldFeedback(DB, now, 3);
  expect((await Promise.all(keys.map(all))).flat().length).toBeGreaterThanOrEqual(5);
  for (let runs = 0; runs < 3; runs++) await forgetOldFeedback(DB, now, 3);
  for (const key of keys) expect(await tokensOf(key)).toEqual(["29", "0"]);
});

test("the cron does it, and clears away what a deleted application has left", async () => {
  await DB.prepare("DELETE FROM sweeps").run();
  const [key, app] = [await applicationWith("alice"), await newApplication()];
  for (const days of [31, 29])
    await noteDeadToken(DB, dead(key, { token: `${days}`, time: now - days * day }));
  const { userId } = await newInstance(app, "alice");
  await noteDeadToken(DB, dead(app.key, { userId }));
  expect(await all(app.key)).toHaveLength(1);
  await deleteApplication(app);
  await worker.scheduled({} as ScheduledController, bindings);
  await worker.scheduled({} as ScheduledController, bindings);
  expect([await tokensOf(key), await tokensOf(app.key)]).toEqual([["29"], []]);
  await noteDeadToken(DB, dead(app.key, { userId }));
  expect(await all(app.key)).toEqual([]);
});

test("a page and a sweep read their part of the table only", async () => {
  const where = "application_key = 'k' AND time >= 5";
  for (const sql of [
    `SELECT 1 FROM push_feedback WHERE ${where} AND (time > 5 OR id > 'x') ORDER BY time, id`,
    "DELETE FROM push_feedback WHERE (application_key, time, id) > ('', '', '')",
  ]) {
    const { results } = await DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).all<{ detail: string }>();
    expect(results).toHaveLength(1);
    expect(results[0]?.detail).toMatch(/^SEARCH push_feedback USING PRIMARY KEY/);
  }
});

test("a note reads what there is of its user, however much there is of the application", async () => {
  const prepare = vi.spyOn(DB, "prepare");
  await noteDeadToken(DB, dead("k"));
  const [[sql = ""] = []] = prepare.mock.calls;
  prepare.mockRestore();
  const plan = DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind("k", now, ..."abcdef", 0, 0);
  const details = (await plan.all<{ detail: string }>()).results.map(({ detail }) => detail);
  const ofUser = details.filter((detail) =>
    detail.includes("push_feedback_user (application_key=? AND user_id=?"),
  );
  expect(ofUser).toHaveLength(2);
  expect(details.filter((detail) => detail.startsWith("SCAN push_feedback"))).toEqual([]);
});
