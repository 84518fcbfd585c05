/** How a call to a line can be made: over which trunks, at which price. */
import { eq } from "drizzle-orm";
import { fail, ok, type Result } from "../../protocol";
import type { CallUser } from "../calls/call-data";
import type { Rate } from "../credits/rate";
import { findRate } from "../credits/rates";
import { database } from "../db/database";
import { applications } from "../db/schema";
import { readPhoneNumber } from "./phone-number";
import type { Trunk } from "./trunk";
import { mayDial, mayReach } from "./trunk-rules";
import { loadTrunks } from "./trunk-store";

export interface LinePlan {
  /** In the order in which they are to be tried. */
  trunks: Trunk[];
  /** Of a phone: who pays, and how much. */
  price?: { accountId: string; rate: Rate };
}

/** Errors: trunkMissing, destinationNotAllowed, invalidValue, notFound (the application is gone). */
export async function planLine(db: D1Database, callee: CallUser): Promise<Result<LinePlan>> {
  return callee.line === "phone" ? planPhone(db, callee) : planSip(db, callee);
}

async function planPhone(db: D1Database, { applicationKey, userId }: CallUser): Promise<Result<LinePlan>> {
  const number = readPhoneNumber(userId);
  if (!number.ok) return number;
  const [all, rate, [application]] = await Promise.all([
    loadTrunks(db, applicationKey),
    findRate(db, userId),
    database(db)
      .select({ accountId: applications.accountId })
      .from(applications)
      .where(eq(applications.key, applicationKey)),
  ]);
  if (!application) return fail("notFound");
  if (all.length === 0) return fail("trunkMissing");
  const trunks = all.filter((trunk) => mayDial(trunk, userId, number.value));
  if (trunks.length === 0) {
    const why = number.value.premium ? "it is a premium-rate number, and " : "";
    return fail("destinationNotAllowed", { detail: `${userId}: ${why}no trunk is allowed to dial it` });
  }
  if (!rate) return fail("destinationNotAllowed", { detail: `${userId} is not on the rate card` });
  return ok({ trunks, price: { accountId: application.accountId, rate } });
}

async function planSip(db: D1Database, { applicationKey, userId }: CallUser): Promise<Result<LinePlan>> {
  const all = await loadTrunks(db, applicationKey);
  if (all.length === 0) return fail("trunkMissing");
  const trunks = all.filter((trunk) => mayReach(trunk, userId));
  if (trunks.length > 0) return ok({ trunks });
  return fail("destinationNotAllowed", { detail: `no trunk is allowed to reach ${userId}` });
}
