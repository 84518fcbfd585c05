import { Hono } from "hono";
import { version } from "../../package.json";
import type { EdgeEnv } from "../context";

type Status = "ok" | "failed";

const checkedForMs = 1_000;
const checks = new WeakMap<D1Database, { began: number; database: Status }>();

/** `GET /health`: is this deployment up, and can it reach its database? 503 when it cannot. */
export const health = new Hono<EdgeEnv>().get("/", async (context) => {
  const database = await check(context.env.DB, Date.now());
  const status = database === "ok" ? "ok" : "degraded";
  const body = {
    status,
    version,
    environment: context.env.ENVIRONMENT,
    time: new Date().toISOString(),
    checks: { database },
  };
  return context.json(body, status === "ok" ? 200 : 503);
});

/** Once a second at most: everybody may ask, and a query costs. Until it is back, the last answer counts. */
async function check(db: D1Database, now: number): Promise<Status> {
  const last = checks.get(db);
  if (last && now - last.began < checkedForMs) return last.database;
  if (last) last.began = now;
  const query = db.prepare("SELECT 1 FROM applications LIMIT 1").all();
  const database = await query.then(
    () => "ok" as const,
    () => "failed" as const,
  );
  checks.set(db, { began: now, database });
  return database;
}
