/** `GET /v1/history`: a conversation of the user whose instance asks. Needs `instance`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { archiveFor } from "../../core/db/database";
import { listConversation } from "../../core/messages/archive-read";
import { limits } from "../../protocol";
import { bringUpToDate } from "../archive";
import type { EdgeEnv } from "../context";
import { parseValue, refuse } from "../respond";
import { historyPage, participant } from "../schemas";

const page = z.object({
  with: z.array(participant).check(z.maxLength(limits.recipients)),
  ...historyPage,
});

export const history = new Hono<EdgeEnv>().get("/", async (context) => {
  const { env, req } = context;
  const { instance, reference } = context.var;
  const query = parseValue(page, { ...req.query(), with: req.queries("with") ?? [] });
  if (!query.ok) return refuse(context, query.error);
  const { with: others, ...request } = query.value;
  const { applicationKey, userId: user } = instance;
  const participants = [user, ...(others.length === 0 ? [""] : others)];
  if (request.before === undefined) await bringUpToDate(env, applicationKey, participants, reference);
  const archive = archiveFor(env, applicationKey);
  const found = await listConversation(archive, applicationKey, { participants, user }, request, Date.now());
  return found.ok ? context.json(found.value) : refuse(context, found.error);
});
