import { mkdirSync } from "node:fs";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

// wrangler.toml names it as the assets' folder, and workerd wants it to be there.
mkdirSync("dist/softphone", { recursive: true });

/** Real programs (servers, browsers, coturn, a gateway): one file at a time, or they fight for two cores. */
const realPrograms = {
  environment: "node",
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

/** Real Durable Objects and D1. */
function inWorkerd(name: string, files: { include: string[]; exclude?: string[] }, databases = ["DB"]) {
  const plugin = cloudflareTest(async () => ({
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: {
      bindings: {
        MASTER_KEY: "dGVzdC1tYXN0ZXIta2V5LTMyLWJ5dGVzLWxvbmctISE=",
        ADMIN_TOKEN: "test-admin-token-of-32-characters-or-more",
        TEST_MIGRATIONS: await readD1Migrations("./migrations"),
      },
      d1Databases: databases,
    },
  }));
  return {
    plugins: [plugin],
    test: { name, ...files, setupFiles: ["./test/setup-d1.ts"], testTimeout: 15_000 },
  };
}

export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      {
        // From its source, so that no build of the SDK has to come first.
        resolve: {
          alias: [
            { find: /^@carillon\/sdk$/, replacement: `${import.meta.dirname}/sdk/src/index.ts` },
            { find: /^@carillon\/sdk\//, replacement: `${import.meta.dirname}/sdk/src/` },
          ],
        },
        test: {
          name: "unit",
          environment: "node",
          include: [
            "{protocol,core,sdk,softphone,examples,bench,scripts}/**/*.test.ts",
            "test/{push-providers,telephony}/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/dist/**"],
        },
      },
      inWorkerd("workers", {
        include: ["{workers,durable-objects}/**/*.test.ts", "test/{edge,integration}/**/*.test.ts"],
        exclude: ["test/edge/shards.test.ts"],
      }),
      // The archive in two databases: applications are in the one or the other, as their keys have it.
      inWorkerd("shards", { include: ["test/edge/{shards,messages,user-deletion}.test.ts"] }, ["DB", "DB_1"]),
      {
        test: {
          ...realPrograms,
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: ["./test/support/browser-setup.ts"],
        },
      },
      {
        test: {
          ...realPrograms,
          name: "gateway",
          include: ["test/gateway/**/*.test.ts"],
          globalSetup: ["./test/support/browser-setup.ts"],
        },
      },
      { test: { ...realPrograms, name: "crash", include: ["test/crash/**/*.test.ts"] } },
      { test: { ...realPrograms, name: "scripts", include: ["test/scripts/**/*.test.ts"] } },
    ],
  },
});
