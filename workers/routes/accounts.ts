/** `/v1/admin/accounts`: what an account allows, and its credit. Needs the administrator. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { changeAccount } from "../../core/applications/applications";
import { type LedgerEntry, readBalance, refund, topUp } from "../../core/credits/ledger";
import { amountMax, currencyOf } from "../../core/credits/money";
import { ok, type Result } from "../../protocol";
import { type EdgeContext, type EdgeEnv, storeOf } from "../context";
import { parseBody, parseValue, refuse, refuseWith } from "../respond";
import { applicationKey, text, uuid } from "../schemas";
import { answerLedger } from "./credits";

const changes = z
  .object({ allowCrossApplication: z.optional(z.boolean()), showBalance: z.optional(z.boolean()) })
  .check(
    z.refine(
      (change) => change.allowCrossApplication !== undefined || change.showBalance !== undefined,
      "has to have allowCrossApplication or showBalance",
    ),
  );
const amountRule = `has to be a whole number of micro-units, from 1 to ${amountMax}`;
const amount = z
  .number()
  .check(z.refine((value) => Number.isInteger(value) && value >= 1 && value <= amountMax, amountRule));
const key = text(128);
const note = z.optional(text(200));
const newTopUp = z.object({ amount, key: z.optional(key), note });
const newRefund = z.object({ applicationKey, callId: uuid, ...newTopUp.shape, amount: z.optional(amount) });
const idempotency = z.object({ "idempotency-key": z.optional(key) });

export const accounts = new Hono<EdgeEnv>()
  .patch("/:id", async (context) => {
    const what = parseBody(context, changes);
    if (!what.ok) return refuse(context, what.error);
    const set = await changeAccount(storeOf(context.env), context.req.param("id"), what.value);
    return set.ok ? context.body(null, 204) : refuse(context, set.error);
  })
  .get("/:id/credits", async (context) => {
    const account = await readBalance(context.env.DB, context.req.param("id"));
    if (!account) return refuseUnknown(context);
    return context.json({ ...account, currency: currencyOf(context.env) });
  })
  .get("/:id/ledger", async (context) => {
    const accountId = context.req.param("id");
    const account = await readBalance(context.env.DB, accountId);
    return account ? answerLedger(context, accountId) : refuseUnknown(context);
  })
  .post("/:id/top-ups", async (context) => {
    const what = withKey(context, parseBody(context, newTopUp));
    if (!what.ok) return refuse(context, what.error);
    const accountId = context.req.param("id");
    return answerEntry(context, await topUp(context.env.DB, { accountId, ...what.value, now: Date.now() }));
  })
  .post("/:id/refunds", async (context) => {
    const what = withKey(context, parseBody(context, newRefund));
    if (!what.ok) return refuse(context, what.error);
    const accountId = context.req.param("id");
    return answerEntry(context, await refund(context.env.DB, { accountId, ...what.value, now: Date.now() }));
  });

/** The key in the body, or in the header, or a new one: such a request is not safe to repeat. */
function withKey<T extends { key?: string }>(
  context: EdgeContext,
  body: Result<T>,
): Result<T & { key: string }> {
  if (!body.ok) return body;
  const headers = parseValue(idempotency, {
    "idempotency-key": body.value.key ?? context.req.header("idempotency-key"),
  });
  if (!headers.ok) return headers;
  const key = headers.value["idempotency-key"] ?? crypto.randomUUID();
  return ok({ ...body.value, key });
}

function answerEntry(context: EdgeContext, entry: Result<LedgerEntry>): Response {
  if (!entry.ok) return refuse(context, entry.error);
  return context.json({ ...entry.value, currency: currencyOf(context.env) }, 201);
}

function refuseUnknown(context: EdgeContext): Response {
  return refuseWith(context, "notFound", { detail: "There is no such account." });
}
