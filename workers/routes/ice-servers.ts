import { Hono } from "hono";
import { userHub } from "../../durable-objects/names";
import type { EdgeEnv } from "../context";
import { refuse } from "../respond";

/** `GET /v1/ice-servers`: what the socket's `iceServers` answers. Needs `instance`. */
export const iceServers = new Hono<EdgeEnv>().get("/", async (context) => {
  const { instance, reference } = context.var;
  const result = await userHub(context.env, instance).iceServers(reference);
  if (!result.ok) return refuse(context, result.error);
  // Credentials do not belong into a cache on the way.
  return context.json(result.value, 200, { "cache-control": "no-store" });
});
