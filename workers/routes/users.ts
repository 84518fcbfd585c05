/** `/v1/users`, and the same below an application for the administrator. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { listUsers, noteBlocked } from "../../core/applications/users";
import { userHub } from "../../durable-objects/names";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { fail, isUserId, ok, type Result } from "../../protocol";
import type { EdgeContext, EdgeEnv } from "../context";
import { parseQuery, refuse, refuseWith } from "../respond";
import { pageLimit, pageOf, userId } from "../schemas";
import { startUserDeletion } from "../user-deletion";

const page = z.object({ cursor: z.optional(userId), limit: pageLimit });

export const users = new Hono<EdgeEnv>()
  .get("/", async (context) => {
    const query = parseQuery(context, page);
    if (!query.ok) return refuse(context, query.error);
    const { cursor: after, limit } = query.value;
    const found = await listUsers(context.env.DB, context.var.application.key, { after, limit });
    return context.json({ users: found, ...pageOf(found, limit, (last) => last.userId) });
  })
  .get("/:userId/presence", async (context) => {
    const user = addressOf(context);
    if (!user.ok) return refuse(context, user.error);
    const { known, online, lastSeen } = await userHub(context.env, user.value).presence();
    return known ? context.json({ online, lastSeen }) : refuseWith(context, "userUnknown");
  })
  .get("/:userId/instances", async (context) => {
    const user = addressOf(context);
    if (!user.ok) return refuse(context, user.error);
    return context.json({ instances: await userHub(context.env, user.value).instances() });
  })
  .delete("/:userId/instances", async (context) => {
    const user = addressOf(context);
    if (!user.ok) return refuse(context, user.error);
    const revoked = await userHub(context.env, user.value).revoke("*", context.var.reference);
    return context.json({ revoked });
  })
  .delete("/:userId/instances/:instanceId", async (context) => {
    const user = addressOf(context);
    if (!user.ok) return refuse(context, user.error);
    const instanceId = context.req.param("instanceId");
    // "*" means all of them to the hub.
    const revoked =
      instanceId === "*"
        ? 0
        : await userHub(context.env, user.value).revoke(instanceId, context.var.reference);
    return revoked > 0 ? context.body(null, 204) : refuseWith(context, "notFound");
  })
  .delete("/:userId", async (context) => {
    const user = addressOf(context);
    if (!user.ok) return refuse(context, user.error);
    const complete = await startUserDeletion(context.env, user.value, context.var.reference);
    return complete ? context.body(null, 204) : context.json({ complete }, 202);
  })
  .put("/:userId/block", (context) => setBlocked(context, true))
  .delete("/:userId/block", (context) => setBlocked(context, false));

/** The hub decides, the database lists: the hub is told last, and a failure is repeated by the caller. */
async function setBlocked(context: EdgeContext, blocked: boolean): Promise<Response> {
  const user = addressOf(context);
  if (!user.ok) return refuse(context, user.error);
  await noteBlocked(context.env.DB, user.value, blocked, Date.now());
  await userHub(context.env, user.value).setBlocked(blocked, context.var.reference);
  return context.body(null, 204);
}

function addressOf(context: EdgeContext): Result<UserAddress> {
  const id = context.req.param("userId");
  return isUserId(id)
    ? ok({ applicationKey: context.var.application.key, userId: id })
    : fail("invalidRequest", {
        detail: "userId: has to be 1 to 40 printable ASCII characters without spaces",
      });
}
