import { Hono } from "hono";
import { version } from "../../package.json";
import type { EdgeEnv } from "../context";

/** `GET /health`: is this deployment up, and can it reach its database? 503 when it cannot. */
export const health = new Hono<EdgeEnv>().get("/", async (context) => {
  const database = await context.env.DB.prepare("SELECT 1 FROM applications LIMIT 1")
    .all()
    .then(
      () => "ok",
      () => "failed",
    );
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
