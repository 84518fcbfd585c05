/** `/v1/trunks`, and the same below an application for the administrator. Needs `application`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import {
  addTrunk,
  listTrunks,
  loadTrunks,
  removeTrunk,
  replaceTrunk,
} from "../../core/telephony/trunk-store";
import { sipDialog } from "../../durable-objects/names";
import { serverLimits } from "../../protocol";
import { type EdgeEnv, storeOf } from "../context";
import { parseBody, refuse, refuseWith } from "../respond";
import { between, strict, text } from "../schemas";

const hostName = String.raw`(?=[^:]{1,253}(:|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?`;
const host = String.raw`(${hostName}|\[[0-9a-f:.]{2,45}\])`;
/** What SIP lets stand before the @ without quoting it (RFC 3261, 25.1), no parameters. */
const userPart = String.raw`[\w.!~*'()&=$,/-][\w.!~*'()&=$,/+-]{0,63}`;

const rules = (rule: z.ZodMiniType<string, string>) =>
  z.array(rule).check(z.maxLength(serverLimits.trunkRules, `has at most ${serverLimits.trunkRules}`));
const prefixes = rules(
  z.string().check(z.regex(/^!?\+\d{0,15}$/, "has to be + and up to 15 digits, with a ! in front to refuse")),
);
const password = text(255).check(z.regex(/^\P{Cc}*$/u, "must not have control characters"));

const fields = {
  name: text(100),
  url: text(255).check(
    z.refine(
      isTrunkUrl,
      "has to be wss://… without credentials and fragment; ws:// is for gateways on this machine alone",
    ),
  ),
  user: text(255).check(z.regex(/^[^\p{Cc}\s"\\<>]*$/u, "must not have spaces, quotes, backslashes, < or >")),
  fromDomain: text(255).check(
    z.regex(new RegExp(`^${host}(:\\d{1,5})?$`, "i"), "has to be a host name or an IP address"),
  ),
  callerId: z.optional(
    z
      .string()
      .check(
        z.regex(
          new RegExp(String.raw`^(\+[1-9]\d{1,14}|${userPart})$`),
          "has to be a number with +, or what stands before the @ of a SIP address",
        ),
      ),
  ),
  preference: z._default(between(0, 1_000).check(z.int("has to be a whole number")), 10),
  domains: z._default(
    rules(z.string().check(z.regex(new RegExp(`^(\\*|${host})$`, "i"), "has to be a host name, or *"))),
    [],
  ),
};
const newTrunk = strict({ ...fields, password, prefixes: z._default(prefixes, ["+"]) });
// Said again: who changes something else must not open the trunk to all numbers.
const changedTrunk = strict({ ...fields, password: z.optional(password), prefixes });

export const trunks = new Hono<EdgeEnv>()
  .get("/", async (context) => {
    const { key } = context.var.application;
    return context.json({ trunks: await listTrunks(context.env.DB, key) });
  })
  .post("/", async (context) => {
    const trunk = parseBody(context, newTrunk);
    if (!trunk.ok) return refuse(context, trunk.error);
    const added = await addTrunk(storeOf(context.env), context.var.application.key, trunk.value);
    return added.ok ? context.json(added.value, 201) : refuse(context, added.error);
  })
  .put("/:id", async (context) => {
    const trunk = parseBody(context, changedTrunk);
    if (!trunk.ok) return refuse(context, trunk.error);
    const { key } = context.var.application;
    const replaced = await replaceTrunk(storeOf(context.env), key, context.req.param("id"), trunk.value);
    return replaced.ok ? context.json(replaced.value) : refuse(context, replaced.error);
  })
  .delete("/:id", async (context) => {
    const { key } = context.var.application;
    const removed = await removeTrunk(context.env.DB, key, context.req.param("id"));
    return removed.ok ? context.body(null, 204) : refuse(context, removed.error);
  })
  .post("/:id/check", async (context) => {
    const { env, var: variables } = context;
    const { key } = variables.application;
    const trunk = (await loadTrunks(env.DB, key)).find(({ id }) => id === context.req.param("id"));
    if (!trunk) return refuseWith(context, "notFound");
    return context.json(await sipDialog(env, key, `check/${crypto.randomUUID()}`).check(key, trunk));
  });

/** Passwords travel on it, in a way that can be guessed at: nobody on the way may read along. */
function isTrunkUrl(value: string): boolean {
  if (!/^wss?:\/\/[^\s\p{Cc}#]+$/iu.test(value) || !URL.canParse(value)) return false;
  const { protocol, username, password, hostname } = new URL(value);
  if (username || password) return false;
  return protocol === "wss:" || ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}
