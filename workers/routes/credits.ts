/** `/v1/credits`: what the account of an application has, and how that came about. Needs `application` or `instance`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { ledgerLines, listLedger, readBalance } from "../../core/credits/ledger";
import { currencyOf } from "../../core/credits/money";
import { type EdgeContext, type EdgeEnv, findApplication } from "../context";
import { asApplication, asApplicationOrInstance } from "../guards";
import { csv, parseQuery, refuse, refuseWith } from "../respond";
import { pageLimit, pageOf, time } from "../schemas";

const page = z.object({
  cursor: z.optional(
    z.pipe(z.string().check(z.regex(/^\d{1,15}$/, "is not one of this list")), z.transform(Number)),
  ),
  limit: pageLimit,
  since: z.optional(time),
  format: z.optional(z.enum(["json", "csv"], "has to be json or csv")),
});

export const credits = new Hono<EdgeEnv>()
  .get("/", asApplicationOrInstance, async (context) => {
    const { env } = context;
    const { application: server, instance } = context.var;
    const application = server ?? (await findApplication(env, instance.applicationKey));
    const account = application && (await readBalance(env.DB, application.accountId));
    if (!account) return refuseWith(context, "notFound");
    if (instance && !account.showBalance) {
      return refuseWith(context, "forbidden", {
        detail: "The account does not show its balance to users: npm run carillon -- account show-balance",
      });
    }
    return context.json({ balance: account.balance, currency: currencyOf(env) });
  })
  .get("/ledger", asApplication, (context) => {
    const { accountId, key } = context.var.application;
    return answerLedger(context, accountId, key);
  });

/** A page of an account's ledger; as CSV all that there is from the cursor on. `viewer`: an application. */
export async function answerLedger(
  context: EdgeContext,
  accountId: string,
  viewer?: string,
): Promise<Response> {
  const query = parseQuery(context, page);
  if (!query.ok) return refuse(context, query.error);
  const { cursor: before, limit, since, format } = query.value;
  const accept = context.req.header("accept") ?? "";
  if (format === "csv" || (format === undefined && accept.includes("text/csv"))) {
    return csv(context, ledgerLines(context.env.DB, accountId, { before, since, viewer }));
  }
  const entries = await listLedger(context.env.DB, accountId, { before, since, viewer, limit });
  const currency = currencyOf(context.env);
  return context.json({ currency, entries, ...pageOf(entries, limit, ({ seq }) => String(seq)) });
}
