/** The trunks of an application, in D1: their passwords sealed, the rest to be shown. */
import { and, eq } from "drizzle-orm";
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { isGone } from "../applications/deletion";
import { sealSecret } from "../applications/secret-box";
import type { Store } from "../applications/store";
import { database } from "../db/database";
import { trunks } from "../db/schema";
import type { PublicTrunk, Trunk } from "./trunk";

/** A trunk as it is listed: without its password. */
export type TrunkSummary = PublicTrunk & {
  id: string;
  /** Milliseconds since 1970. */
  created: number;
};

/** The trunks of an application, in the order in which they are tried. */
export async function loadTrunks(db: D1Database, applicationKey: string): Promise<Trunk[]> {
  const rows = await rowsOf(db, applicationKey);
  return rows.map(({ id, shown, ciphertext, iv }) => ({ id, ...shown, password: { ciphertext, iv } }));
}

/** The same to be shown. */
export async function listTrunks(db: D1Database, applicationKey: string): Promise<TrunkSummary[]> {
  const rows = await rowsOf(db, applicationKey);
  return rows.map(({ id, created, shown }) => ({ id, created, ...shown }));
}

/** Errors: conflict (there are too many), unauthorized (the application was deleted). */
export async function addTrunk(
  store: Store,
  applicationKey: string,
  trunk: PublicTrunk & { password: string },
): Promise<Result<TrunkSummary>> {
  const { password, ...shown } = trunk;
  const sealed = await sealSecret(store.masterKey, applicationKey, password, store.randomBytes(12));
  const [id, created] = [store.randomUUID(), store.now()];
  const added = await store.db
    .prepare(
      `INSERT INTO trunks (application_key, id, shown, ciphertext, iv, created)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6
       WHERE EXISTS (SELECT 1 FROM applications WHERE key = ?1)
         AND (SELECT count(*) FROM trunks WHERE application_key = ?1) < ?7
       RETURNING id`,
    )
    .bind(applicationKey, id, JSON.stringify(shown), sealed.ciphertext, sealed.iv, created, most)
    .first();
  if (added) return ok({ id, created, ...shown });
  if (await isGone(store.db, applicationKey)) return fail("unauthorized");
  return fail("conflict", { detail: `An application has at most ${most} trunks: remove one.` });
}

/**
 * Without a password it keeps the one that it has, as long as that goes to the same gateway for the same
 * user: another one could have it guessed. Errors: notFound, invalidRequest.
 */
export async function replaceTrunk(
  store: Store,
  applicationKey: string,
  id: string,
  trunk: PublicTrunk & { password?: string },
): Promise<Result<TrunkSummary>> {
  const { password, ...shown } = trunk;
  if (password === undefined) {
    const before = (await listTrunks(store.db, applicationKey)).find((other) => other.id === id);
    if (!before) return fail("notFound");
    if (before.url !== shown.url || before.user !== shown.user)
      return fail("invalidRequest", { detail: "password: has to be given with another url or user" });
  }
  const sealed =
    password === undefined
      ? {}
      : await sealSecret(store.masterKey, applicationKey, password, store.randomBytes(12));
  const [replaced] = await database(store.db)
    .update(trunks)
    .set({ shown, ...sealed })
    .where(one(applicationKey, id))
    .returning({ created: trunks.created });
  return replaced ? ok({ id, created: replaced.created, ...shown }) : fail("notFound");
}

/** Errors: notFound. */
export async function removeTrunk(db: D1Database, applicationKey: string, id: string): Promise<Result<null>> {
  const removed = await database(db)
    .delete(trunks)
    .where(one(applicationKey, id))
    .returning({ id: trunks.id });
  return removed.length > 0 ? ok(null) : fail("notFound");
}

const most = serverLimits.trunksPerApplication;

const one = (applicationKey: string, id: string) =>
  and(eq(trunks.applicationKey, applicationKey), eq(trunks.id, id));

/** There are few: they are sorted here. */
async function rowsOf(db: D1Database, applicationKey: string) {
  const rows = await database(db).select().from(trunks).where(eq(trunks.applicationKey, applicationKey));
  const ids = (left: string, right: string) => (left < right ? -1 : 1);
  return rows.sort(
    (left, right) =>
      left.shown.preference - right.shown.preference ||
      left.created - right.created ||
      ids(left.id, right.id),
  );
}
