/** The credentials that an application pushes with, in D1: their private keys sealed, the rest to be shown. */
import { and, desc, eq } from "drizzle-orm";
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { isGone } from "../applications/deletion";
import { openSecret, sealSecret } from "../applications/secret-box";
import type { Store } from "../applications/store";
import { database } from "../db/database";
import { pushCredentials } from "../db/schema";
import type { PublicPushCredential, PushCredentialData } from "./credentials";

interface Stored {
  /** Another one for each upload. */
  id: string;
  /** Milliseconds since 1970. */
  created: number;
}

/** A credential that can be pushed with. */
export type StoredPushCredential = PushCredentialData & Stored;

/** A credential as it is listed: without its private key. */
export type PushCredentialSummary = PublicPushCredential & Stored;

/** The credentials of an application, newest first. */
export async function loadPushCredentials(
  store: Store,
  applicationKey: string,
): Promise<StoredPushCredential[]> {
  const rows = await rowsOf(store.db, applicationKey);
  return Promise.all(
    rows.map(async (row) => {
      const privateKey = await openSecret(store.masterKey, applicationKey, row);
      return { ...row.shown, privateKey, id: row.id, created: row.created };
    }),
  );
}

/** The same without their private keys. */
export async function listPushCredentials(
  db: D1Database,
  applicationKey: string,
): Promise<PushCredentialSummary[]> {
  const rows = await rowsOf(db, applicationKey);
  return rows.map(({ id, created, shown }) => ({ id, created, ...shown }));
}

/**
 * Keeps a credential that was checked. In one statement it takes the place of the one with the same
 * scope, so that at no time there is none.
 *
 * Errors: conflict (there are too many), unauthorized (the application was deleted).
 */
export async function savePushCredential(
  store: Store,
  applicationKey: string,
  data: PushCredentialData,
): Promise<Result<PushCredentialSummary>> {
  const { privateKey, ...shown } = data;
  const sealed = await sealSecret(store.masterKey, applicationKey, privateKey, store.randomBytes(12));
  const [id, created] = [store.randomUUID(), store.now()];
  const scope = scopeOf(shown);
  const saved = await store.db
    .prepare(
      `INSERT INTO push_credentials
         (application_key, provider, scope, id, shown, ciphertext, iv, created)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
       WHERE EXISTS (SELECT 1 FROM applications WHERE key = ?1)
         AND (SELECT count(*) FROM push_credentials
              WHERE application_key = ?1 AND (provider, scope) <> (?2, ?3)) < ?9
       ON CONFLICT DO UPDATE SET id = excluded.id, shown = excluded.shown,
         ciphertext = excluded.ciphertext, iv = excluded.iv, created = excluded.created
       RETURNING id`,
    )
    .bind(
      ...[applicationKey, shown.provider, scope, id, JSON.stringify(shown)],
      ...[sealed.ciphertext, sealed.iv, created, serverLimits.pushCredentialsPerApplication],
    )
    .first();
  if (saved) return ok({ id, created, ...shown });
  if (await isGone(store.db, applicationKey)) return fail("unauthorized");
  const detail = `An application has at most ${serverLimits.pushCredentialsPerApplication} push credentials: remove one.`;
  return fail("conflict", { detail });
}

/** Errors: notFound, also when another one has taken its place. */
export async function removePushCredential(
  db: D1Database,
  applicationKey: string,
  id: string,
): Promise<Result<null>> {
  const removed = await database(db)
    .delete(pushCredentials)
    .where(and(eq(pushCredentials.applicationKey, applicationKey), eq(pushCredentials.id, id)))
    .returning({ id: pushCredentials.id });
  return removed.length > 0 ? ok(null) : fail("notFound");
}

/** There are 100 at most. */
function rowsOf(db: D1Database, applicationKey: string) {
  return database(db)
    .select()
    .from(pushCredentials)
    .where(eq(pushCredentials.applicationKey, applicationKey))
    .orderBy(desc(pushCredentials.created), desc(pushCredentials.id));
}

/** What a credential is for. An application has one for each. */
function scopeOf(credential: PublicPushCredential): string {
  switch (credential.provider) {
    case "apns":
      return `${credential.bundleId ?? "*"}/${credential.environment ?? "*"}`;
    case "fcm":
      return credential.projectId;
    case "webpush":
      return credential.publicKey;
  }
}
