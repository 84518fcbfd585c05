/** `/v1/calls`: the records of the application's calls. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { findCall, listCalls, readStatistics } from "../../core/calls/archive";
import { archiveFor } from "../../core/db/database";
import { isUuid } from "../../protocol";
import type { EdgeEnv } from "../context";
import { parseQuery, refuse, refuseWith } from "../respond";
import { pageLimit, pageOf, userId, uuid } from "../schemas";

const page = z.object({ userId: z.optional(userId), cursor: z.optional(uuid), limit: pageLimit });

export const calls = new Hono<EdgeEnv>()
  .get("/", async (context) => {
    const query = parseQuery(context, page);
    if (!query.ok) return refuse(context, query.error);
    const { key } = context.var.application;
    const { userId, cursor: before, limit } = query.value;
    const found = await listCalls(archiveFor(context.env, key), key, { userId, before, limit });
    return context.json({ calls: found, ...pageOf(found, limit, (last) => last.callId) });
  })
  .get("/:callId", async (context) => {
    const { key } = context.var.application;
    const callId = context.req.param("callId");
    const archive = archiveFor(context.env, key);
    const call = isUuid(callId) ? await findCall(archive, key, callId) : undefined;
    if (!call) return refuseWith(context, "notFound");
    return context.json({ ...call, statistics: await readStatistics(archive, key, callId) });
  });
