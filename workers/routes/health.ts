import { waitUntil } from "cloudflare:workers";
import { Hono } from "hono";
import { version } from "../../package.json";
import type { EdgeEnv } from "../context";

const checkedForMs = 1_000;
const checks = new WeakMap<D1Database, { at: number; database: Promise<"ok" | "failed"> }>();

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

/** Once a second at most: everybody may ask, and a query costs. */
function check(db: D1Database, now: number): Promise<"ok" | "failed"> {
  const last = checks.get(db);
  if (last && now - last.at < checkedForMs) return last.database;
  const database = db
    .prepare("SELECT 1 FROM applications LIMIT 1")
    .all()
    .then(
      () => "ok" as const,
      () => "failed" as const,
    );
  checks.set(db, { at: now, database });
  // Others wait for it as well, when the one who asked first is gone.
  waitUntil(database);
  return database;
}
