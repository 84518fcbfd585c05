import { drizzle } from "drizzle-orm/d1";

/** Drizzle over a D1 binding, with the columns named as in the migrations. */
export function database(d1: D1Database) {
  return drizzle(d1, { casing: "snake_case" });
}

/** The bindings of D1: `DB`, and `DB_1`, `DB_2` … where the archive is spread. */
export interface DatabaseBindings {
  DB: D1Database;
}

/**
 * The database that holds messages, calls and statistics of an application: one D1 takes 10 GB and about a
 * thousand queries a second, so a large deployment binds several. Everything else is in `DB`.
 *
 * The choice is a hash of the key modulo the number of databases: decide on the number before
 * there are records to keep, since an added database moves applications.
 */
export function archiveFor(bindings: DatabaseBindings, applicationKey: string): D1Database {
  const databases = archives(bindings);
  return databases[hash(applicationKey) % databases.length] ?? bindings.DB;
}

/** All databases that hold messages, calls and statistics. */
export function archives(bindings: DatabaseBindings): D1Database[] {
  const named = bindings as unknown as Record<string, D1Database | undefined>;
  const databases = [bindings.DB];
  for (let next = named.DB_1; next; next = named[`DB_${databases.length}`]) databases.push(next);
  return databases;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return value;
}
