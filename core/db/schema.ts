/**
 * The tables in D1. `npx drizzle-kit generate` turns a change here into a file under `migrations/`.
 *
 * An index costs one written row per insert, so there are two only, that of messages by their id
 * and that of dead tokens by their user: what is listed is listed in the order of a primary key. Times are milliseconds since 1970.
 */
import { sql } from "drizzle-orm";
import {
  check,
  index,
  integer,
  primaryKey,
  real,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import type { CallStatistics, CallTimes, EndCause, MessageState } from "../../protocol";
import type { Line } from "../calls/call-data";
import type { Rate } from "../credits/rate";
import type { DeletionPosition } from "../messages/archive-deletion";
import type { PublicPushCredential, PushProvider } from "../push/credentials";
import type { PublicTrunk } from "../telephony/trunk";

/** A team. */
export const accounts = sqliteTable("accounts", {
  id: text().primaryKey(),
  name: text().notNull(),
  /** Its applications may call each other. */
  allowCrossApplication: integer({ mode: "boolean" }).notNull().default(false),
  /** Users of its applications may read its balance. */
  showBalance: integer({ mode: "boolean" }).notNull().default(false),
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
    /** Of a phone call the number, of a SIP call the address, of a call to a conference its id. */
    calleeUserId: text().notNull(),
    /** Null when the caller is a user; else a conference, which has called somebody in. */
    callerLine: text().$type<Line>(),
    /** Null when the callee is a user. */
    line: text().$type<Line>(),
    video: integer({ mode: "boolean" }).notNull(),
    times: text({ mode: "json" }).$type<CallTimes>().notNull(),
    endCause: text().$type<EndCause>().notNull(),
    errorCode: integer(),
    /** Established to ended, milliseconds. */
    duration: integer().notNull(),
    /** Of a phone call, micro-units. */
    cost: integer(),
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

/**
 * One row per message, in the order of its conversation. The unique index makes the insert
 * idempotent, finds a message by its id, and is in the order of time, for the expiry.
 */
export const messages = sqliteTable(
  "messages",
  {
    applicationKey: text().notNull(),
    /** The key of the set of its participants: `core/messages/conversation.ts`. */
    conversation: text().notNull(),
    /** When the server took it. */
    time: integer().notNull(),
    messageId: text().notNull(),
    /** The empty text is the application itself. */
    sender: text().notNull(),
    recipients: text({ mode: "json" }).$type<string[]>().notNull(),
    text: text().notNull(),
    headers: text({ mode: "json" }).$type<Record<string, string>>().notNull(),
    /** By recipient, those who took it. */
    states: text({ mode: "json" }).$type<Record<string, MessageState>>().notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.applicationKey, table.conversation, table.time, table.messageId, table.sender],
    }),
    uniqueIndex("messages_by_id").on(
      table.messageId,
      table.applicationKey,
      table.sender,
      // An id that is used for two messages makes two rows: nobody gets one past the history.
      table.conversation,
    ),
  ],
);

/** Who takes part in a conversation, the application itself left out. */
export const conversations = sqliteTable(
  "conversations",
  {
    applicationKey: text().notNull(),
    userId: text().notNull(),
    conversation: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.userId, table.conversation] })],
);

/**
 * Users that were deleted, where their messages and calls are: what was before `time` must not be
 * written any more, by whomever it comes late.
 */
export const deletedUsers = sqliteTable(
  "deleted_users",
  {
    applicationKey: text().notNull(),
    userId: text().notNull(),
    time: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.userId] })],
);

/** Deletions of users that are under way: `workers/user-deletion.ts`. */
export const userDeletions = sqliteTable(
  "user_deletions",
  {
    applicationKey: text().notNull(),
    userId: text().notNull(),
    /** What is not later than this is deleted. */
    time: integer().notNull(),
    /** The user's hub has forgotten everything. */
    reached: integer({ mode: "boolean" }).notNull().default(false),
    /** Where the user's messages are looked for next. */
    position: text({ mode: "json" }).$type<DeletionPosition>().notNull(),
    /** When the cron last worked on it, so that each one has its turn. */
    served: integer().notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.userId] })],
);

/** What an application pushes with. A row is what one scope has: another credential for it takes its place. */
export const pushCredentials = sqliteTable(
  "push_credentials",
  {
    applicationKey: text()
      .notNull()
      .references(() => applications.key, { onDelete: "cascade" }),
    provider: text().$type<PushProvider>().notNull(),
    /** What it is for, in the words of its provider: `core/push/credential-store.ts`. */
    scope: text().notNull(),
    /** Another one for each upload. */
    id: text().notNull(),
    /** What may be shown. */
    shown: text({ mode: "json" }).$type<PublicPushCredential>().notNull(),
    /** The private key: AES-GCM with the application key as additional data; base64, as is `iv`. */
    ciphertext: text().notNull(),
    iv: text().notNull(),
    created: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.provider, table.scope] })],
);

/** Tokens that their provider called dead, in the order in which they are listed. */
export const pushFeedback = sqliteTable(
  "push_feedback",
  {
    /** The user's application. */
    applicationKey: text().notNull(),
    /** When it was written here; none twice in an application. */
    time: integer().notNull(),
    /** A digest of the instance and the token. */
    id: text().notNull(),
    userId: text().notNull(),
    instanceId: text().notNull(),
    provider: text().$type<PushProvider>().notNull(),
    token: text().notNull(),
    reason: text().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.applicationKey, table.time, table.id] }),
    // What there is of a user: dead tokens are few, and there may be many of an application in an hour.
    index("push_feedback_user").on(table.applicationKey, table.userId, table.time),
  ],
);

/** Gateways to the phone network. */
export const trunks = sqliteTable(
  "trunks",
  {
    applicationKey: text()
      .notNull()
      .references(() => applications.key, { onDelete: "cascade" }),
    id: text().notNull(),
    /** What may be shown. */
    shown: text({ mode: "json" }).$type<PublicTrunk>().notNull(),
    /** The password: AES-GCM with the application key as additional data; base64, as is `iv`. */
    ciphertext: text().notNull(),
    iv: text().notNull(),
    created: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.applicationKey, table.id] })],
);

/** The rate card: what a minute to the numbers below a prefix costs, micro-units. */
export const rates = sqliteTable("rates", {
  /** Digits, without the +. */
  prefix: text().primaryKey(),
  name: text().notNull(),
  perMinute: integer().notNull(),
  connectFee: integer().notNull(),
  /** Seconds. */
  increment: integer().notNull(),
});

export type LedgerKind = "topUp" | "reserve" | "charge" | "release" | "refund";

/** What has moved an account's balance, nothing of it ever changed. The last entry's balance is the account's. */
export const ledger = sqliteTable(
  "ledger",
  {
    accountId: text().notNull(),
    /** From 1, without gaps. */
    seq: integer().notNull(),
    time: integer().notNull(),
    kind: text().$type<LedgerKind>().notNull(),
    /** Micro-units; below zero when it takes away. */
    amount: integer().notNull(),
    /** After this entry: the sum of all up to here. */
    balance: integer().notNull(),
    /** A second entry with it is none. */
    key: text().notNull(),
    /** The call that it is about. */
    applicationKey: text(),
    callId: text(),
    note: text(),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.seq] }),
    uniqueIndex("ledger_key").on(table.accountId, table.key),
    check("ledger_balance", sql`balance >= 0`),
  ],
);

/** What a phone call holds of its account's credit, and what it cost: one row per call, kept with the ledger. */
export const reservations = sqliteTable(
  "reservations",
  {
    applicationKey: text().notNull(),
    callId: text().notNull(),
    accountId: text().notNull(),
    rate: text({ mode: "json" }).$type<Rate>().notNull(),
    /** Micro-units, all slices together. */
    held: integer().notNull(),
    /** How often it was added to; the first one counts. */
    slices: integer().notNull(),
    opened: integer().notNull(),
    /** When somebody looks whether the call is there still. */
    checkAt: integer().notNull(),
    /** When it was released and charged. */
    settled: integer(),
    charged: integer().notNull().default(0),
    refunded: integer().notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.applicationKey, table.callId] }),
    index("reservations_open").on(table.checkAt).where(sql`settled is null`),
  ],
);

/** How far the sweeps have come, in every database that holds an archive: `core/db/sweep.ts`. */
export const sweeps = sqliteTable("sweeps", {
  /** The table that is swept. */
  name: text().primaryKey(),
  /** The primary key of the last row that was looked at; null when the end was reached. */
  position: text({ mode: "json" }).$type<(string | number)[]>(),
  /** When this sweep began. */
  begun: integer().notNull(),
});
