/** Applications: their keys, their secrets, and which of them may call each other. */
import { and, asc, between, eq, gt, isNull, ne } from "drizzle-orm";
import { fail, ok, type Result } from "../../protocol";
import { toBase64 } from "../authentication/bytes";
import { database } from "../db/database";
import { accounts, applicationSecrets, applications, revocations } from "../db/schema";
import { openSecret, sealSecret } from "./secret-box";
import type { Store } from "./store";

/** An application as requests are checked against it. */
export interface Application {
  key: string;
  accountId: string;
  name: string;
  /** Milliseconds since 1970. Instance tokens issued before are revoked. */
  instancesValidFrom: number;
  /** The valid ones, newest first, base64 of 16 bytes. */
  secrets: { id: string; secret: string }[];
}

/** What a list shows: no secret. */
export interface ApplicationSummary {
  applicationKey: string;
  accountId: string;
  name: string;
  created: number;
  secrets: { id: string; created: number }[];
}

/** A secret as it is shown, once. */
export interface NewSecret {
  applicationSecret: string;
  secretId: string;
}

/** Makes an application, and its account when there is none with that id. */
export async function createApplication(
  store: Store,
  what: { name: string; account: string },
): Promise<NewSecret & { applicationKey: string; accountId: string }> {
  const db = database(store.db);
  const created = store.now();
  const key = store.randomUUID();
  const secret = await newSecret(store, key);
  await db.batch([
    db.insert(accounts).values({ id: what.account, name: what.account, created }).onConflictDoNothing(),
    db.insert(applications).values({ key, accountId: what.account, name: what.name, created }),
    db.insert(applicationSecrets).values(secret.row),
  ]);
  return { applicationKey: key, accountId: what.account, ...secret.shown };
}

/** Reads an application with its valid secrets. Requests go through {@link ApplicationCache}. */
export async function loadApplication(store: Store, key: string): Promise<Application | undefined> {
  const db = database(store.db);
  const [found, sealed] = await db.batch([
    db.select().from(applications).where(eq(applications.key, key)),
    db.select().from(applicationSecrets).where(isValid(key)),
  ]);
  const application = found[0];
  if (!application) return undefined;
  const newestFirst = sealed.sort((one, other) => other.created - one.created);
  const secrets = newestFirst.map(async (row) => ({
    id: row.id,
    secret: await openSecret(store.masterKey, key, row),
  }));
  const { accountId, name, instancesValidFrom } = application;
  return { key, accountId, name, instancesValidFrom, secrets: await Promise.all(secrets) };
}

/** In the order of their keys, from above the key `after`. */
export async function listApplications(
  store: Store,
  page: { after?: string; limit: number },
): Promise<ApplicationSummary[]> {
  const db = database(store.db);
  const found = await db
    .select()
    .from(applications)
    .where(page.after === undefined ? undefined : gt(applications.key, page.after))
    .orderBy(asc(applications.key))
    .limit(page.limit);
  const [first, last] = [found[0], found.at(-1)];
  if (!first || !last) return [];
  const { applicationKey, id, created, revokedAt } = applicationSecrets;
  const secrets = await db
    .select({ applicationKey, id, created })
    .from(applicationSecrets)
    .where(and(between(applicationKey, first.key, last.key), isNull(revokedAt)));
  return found.map((row) => ({
    applicationKey: row.key,
    accountId: row.accountId,
    name: row.name,
    created: row.created,
    secrets: secrets
      .filter((secret) => secret.applicationKey === row.key)
      .map((secret) => ({ id: secret.id, created: secret.created })),
  }));
}

/**
 * Adds a secret. The old ones stay valid until they are revoked one by one, or end now (`keepOld`
 * false). With `revokeInstances`, all instances registered so far are revoked: their tokens at
 * once, and a revocation is noted that `continueRevocation` carries to the hubs.
 *
 * Errors: notFound.
 */
export async function rotateSecret(
  store: Store,
  key: string,
  how: { keepOld: boolean; revokeInstances: boolean },
): Promise<Result<NewSecret>> {
  const db = database(store.db);
  if (!(await exists(store, key))) return fail("notFound");
  const now = store.now();
  const secret = await newSecret(store, key);
  const insert = db.insert(applicationSecrets).values(secret.row);
  const end = db
    .update(applicationSecrets)
    .set({ revokedAt: now })
    .where(and(isValid(key), ne(applicationSecrets.id, secret.row.id)));
  const cutOff = db.update(applications).set({ instancesValidFrom: now }).where(eq(applications.key, key));
  await db.batch([
    insert,
    ...(how.keepOld ? [] : [end]),
    ...(how.revokeInstances ? [cutOff, noteRevocation(store, key)] : []),
  ]);
  return ok(secret.shown);
}

/** Ends a secret. Errors: notFound, conflict (it is the last one). */
export async function revokeSecret(store: Store, key: string, id: string): Promise<Result<null>> {
  const db = database(store.db);
  const valid = await db.select().from(applicationSecrets).where(isValid(key));
  if (!valid.some((secret) => secret.id === id)) return fail("notFound");
  if (valid.length === 1) return fail("conflict", { detail: "This is the only valid secret: rotate first." });
  await db
    .update(applicationSecrets)
    .set({ revokedAt: store.now() })
    .where(and(eq(applicationSecrets.applicationKey, key), eq(applicationSecrets.id, id)));
  return ok(null);
}

/** Deletes an application; what is left of it goes as its revocation is carried out. Errors: notFound. */
export async function deleteApplication(store: Store, key: string): Promise<Result<null>> {
  if (!(await exists(store, key))) return fail("notFound");
  const db = database(store.db);
  await db.batch([noteRevocation(store, key), db.delete(applications).where(eq(applications.key, key))]);
  return ok(null);
}

/** What an account allows. Errors: notFound. */
export async function changeAccount(
  store: Store,
  accountId: string,
  change: { allowCrossApplication?: boolean; showBalance?: boolean },
): Promise<Result<null>> {
  const changed = await database(store.db)
    .update(accounts)
    .set(change)
    .where(eq(accounts.id, accountId))
    .returning({ id: accounts.id });
  return changed.length > 0 ? ok(null) : fail("notFound", { detail: "There is no such account." });
}

/** Whether a user of one application may call a user of another: one account has both, and allows it. */
export async function mayCall(db: D1Database, from: string, to: string): Promise<boolean> {
  if (from === to) return true;
  const row = await db
    .prepare(
      `SELECT 1 FROM applications caller
       JOIN applications callee ON callee.account_id = caller.account_id
       JOIN accounts ON accounts.id = caller.account_id
       WHERE caller.key = ? AND callee.key = ? AND accounts.allow_cross_application`,
    )
    .bind(from, to)
    .first();
  return row !== null;
}

async function exists(store: Store, key: string): Promise<boolean> {
  const found = await database(store.db).select().from(applications).where(eq(applications.key, key));
  return found.length > 0;
}

function isValid(key: string) {
  return and(eq(applicationSecrets.applicationKey, key), isNull(applicationSecrets.revokedAt));
}

/** A revocation starts from the first user, also when another one is under way. */
function noteRevocation(store: Store, applicationKey: string) {
  const fresh = { after: "", since: store.now(), failed: [], told: false, served: 0 };
  return database(store.db)
    .insert(revocations)
    .values({ applicationKey, ...fresh })
    .onConflictDoUpdate({ target: revocations.applicationKey, set: fresh });
}

async function newSecret(store: Store, applicationKey: string) {
  const applicationSecret = toBase64(store.randomBytes(16));
  const sealed = await sealSecret(store.masterKey, applicationKey, applicationSecret, store.randomBytes(12));
  const id = store.randomUUID();
  const row = { applicationKey, id, ...sealed, created: store.now() };
  return { row, shown: { applicationSecret, secretId: id } };
}
