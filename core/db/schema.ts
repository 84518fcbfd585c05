/**
 * The tables in D1. `npx drizzle-kit generate` turns a change here into a file under `migrations/`.
 *
 * An index costs one written row per insert, so there is none beside the primary keys: what is
 * listed is listed in the order of a primary key. Times are milliseconds since 1970.
 */
import { integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { CallStatistics, CallTimes, EndCause } from "../../protocol";

/** A team. */
export const accounts = sqliteTable("accounts", {
  id: text().primaryKey(),
  name: text().notNull(),
  /** Its applications may call each other. */
  allowCrossApplication: integer({ mode: "boolean" }).notNull().default(false),
  created: integer().notNull(),
});

export const applications = sqliteTable("applications", {
  key: text().primaryKey(),
  accountId: text()
    .notNull()
    .references(() => accounts.id),
  name: text().notNull(),
  created: integer().notNull(),
  /** Instances registered before this are revoked, whether or not their hub has heard of it yet. */
  instancesValidFrom: integer().notNull().default(0),
});

/**
 * Revocations of all instances of an application that hubs are still being told of. No reference:
 * it outlives an application that was deleted.
 */
export const revocations = sqliteTable("revocations", {
  applicationKey: text().primaryKey(),
  /** The last user whose hub was told, or is in `failed`. */
  after: text().notNull(),
  since: integer().notNull(),
  /** Users whose hubs could not be told yet; at most 1,000. */
  failed: text({ mode: "json" }).$type<string[]>().notNull().default([]),
  /** All hubs know: what is left of a deleted application is cleared away. */
  told: integer({ mode: "boolean" }).notNull().default(false),
  /** When the cron last worked on it, so that each one has its turn. */
  served: integer().notNull().default(0),
});

/** A table of its own, so that an old and a new secret can be valid side by side. */
export const applicationSecrets = sqliteTable(
  "application_secrets",
  {
    applicationKey: text()
      .notNull()
      .references(() => applications.key, { onDelete: "cascade" }),
    id: text().notNull(),
    /** AES-GCM with the application key as additional data; base64, as is `iv`. */
    ciphertext: text().notNull(),
    iv: text().notNull(),
    created: integer().notNull(),
    revokedAt: integer(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.id] })],
);

export const users = sqliteTable(
  "users",
  {
    applicationKey: text().notNull(),
    userId: text().notNull(),
    created: integer().notNull(),
    blocked: integer({ mode: "boolean" }).notNull().default(false),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.userId] })],
);

/** Signatures of write requests that were accepted, until their timestamp has expired anyway. */
export const usedSignatures = sqliteTable(
  "used_signatures",
  {
    applicationKey: text().notNull(),
    signature: text().notNull(),
    expires: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.signature] })],
);

/** One row per call. */
export const calls = sqliteTable(
  "calls",
  {
    /** The caller's application: the call is its own. */
    applicationKey: text().notNull(),
    callId: text().notNull(),
    callerUserId: text().notNull(),
    calleeApplicationKey: text().notNull(),
    calleeUserId: text().notNull(),
    video: integer({ mode: "boolean" }).notNull(),
    times: text({ mode: "json" }).$type<CallTimes>().notNull(),
    endCause: text().$type<EndCause>().notNull(),
    errorCode: integer(),
    /** Established to ended, milliseconds. */
    duration: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.callId] })],
);

/** What a party's SDK measured, once per call and instance. */
export const callStatistics = sqliteTable(
  "call_statistics",
  {
    /** The application that the call belongs to. */
    applicationKey: text().notNull(),
    callId: text().notNull(),
    userId: text().notNull(),
    instanceId: text().notNull(),
    /** The party's own application. */
    userApplicationKey: text().notNull(),
    created: integer().notNull(),
    mos: real(),
    statistics: text({ mode: "json" }).$type<CallStatistics>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.callId, table.userId, table.instanceId] })],
);

/** How far the deletion of old rows has come, in every database that holds calls: `core/calls/retention.ts`. */
export const sweeps = sqliteTable("sweeps", {
  /** The table that is swept. */
  name: text().primaryKey(),
  /** The last call that was looked at; both empty when the end was reached. */
  applicationKey: text().notNull(),
  callId: text().notNull(),
  /** When this sweep began. */
  begun: integer().notNull(),
});
