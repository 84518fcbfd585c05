/** `/v1/admin/rates`: the rate card. Needs the administrator. */
import { Hono } from "hono";
import { currencyOf } from "../../core/credits/money";
import { parseRateCard, rateCardLines } from "../../core/credits/rate-card";
import { findRate, replaceRates } from "../../core/credits/rates";
import type { EdgeEnv } from "../context";
import { csv, refuse, refuseWith, textBody } from "../respond";

export const rates = new Hono<EdgeEnv>()
  .put("/", async (context) => {
    const text = textBody(context);
    const card = text.ok ? parseRateCard(text.value) : text;
    if (!card.ok) return refuse(context, card.error);
    const changed = await replaceRates(context.env.DB, card.value);
    return context.json({ lines: card.value.length, changed });
  })
  .get("/", (context) => csv(context, rateCardLines(context.env.DB)))
  .get("/:number", async (context) => {
    const number = context.req.param("number");
    const [, digits] = /^\+?(\d{1,15})$/.exec(number) ?? [];
    if (digits === undefined) {
      return refuseWith(context, "invalidRequest", { detail: "number: has to be up to 15 digits" });
    }
    const rate = await findRate(context.env.DB, `+${digits}`);
    return rate
      ? context.json({ ...rate, currency: currencyOf(context.env) })
      : refuseWith(context, "notFound", { detail: "The rate card has no prefix of this number." });
  });
