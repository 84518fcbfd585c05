/** Gives the test's D1 databases their tables: before each test file, and free when they are there. */
import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { archives } from "../core/db/database";

const bindings = env as unknown as { DB: D1Database; TEST_MIGRATIONS: D1Migration[] };
for (const database of archives(bindings)) await applyD1Migrations(database, bindings.TEST_MIGRATIONS);
