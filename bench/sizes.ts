/** Bundles, start-up, and what a call costs in requests and rows. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const kilobytes = (bytes: number) => `${(bytes / 1_024).toFixed(1)} KB`;

export async function benchSizes(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "carillon-bundle-"));
  const wrangler = ["node_modules/wrangler/bin/wrangler.js"];
  const quiet = { env: { ...process.env, WRANGLER_SEND_METRICS: "false" }, stdio: "ignore" } as const;
  execFileSync(process.execPath, [...wrangler, "deploy", "--dry-run", "--minify", "--outdir", folder], quiet);
  const script = readdirSync(folder).find((name) => name.endsWith(".js"));
  const worker = script ? readFileSync(join(folder, script)) : Buffer.alloc(0);
  const sdk = await build({
    entryPoints: ["sdk/src/index.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  const client = sdk.outputFiles[0]?.contents ?? new Uint8Array();
  console.log("\nSizes, minified");
  console.log(
    `  Worker ${kilobytes(worker.length)}, ${kilobytes(gzipSync(worker).length)} gzipped   aim ≤ 250 KB`,
  );
  console.log(
    `  SDK    ${kilobytes(client.length)}, ${kilobytes(gzipSync(client).length)} gzipped   aim ≤ 20 KB`,
  );
  console.log(`  Worker start-up: ${startUp(wrangler)}`);
  rmSync(folder, { recursive: true });
}

/** `wrangler check startup` leaves a CPU profile of the script's top level. */
function startUp(wrangler: string[]): string {
  const profile = "worker-startup.cpuprofile";
  const run = spawnSync(process.execPath, [...wrangler, "check", "startup", "--outfile", profile], {
    encoding: "utf8",
  });
  try {
    if (run.status !== 0 || statSync(profile).size === 0)
      return `not measured: ${run.stderr.trim().split("\n").at(-1)}`;
    const { startTime, endTime } = JSON.parse(readFileSync(profile, "utf8")) as {
      startTime: number;
      endTime: number;
    };
    return `${((endTime - startTime) / 1_000).toFixed(1)} ms (the top level's CPU profile)`;
  } finally {
    rmSync(profile, { force: true });
  }
}

/** Cloudflare's prices of November 2026, dollars per million. */
const price = { request: 0.15, row: 1 };

/** The tests that bound the cost of a call and of messages also print it. */
export function benchCost(): void {
  const files = ["cost", "message-cost", "phone-cost", "conference-cost"].map(
    (name) => `test/integration/${name}.test.ts`,
  );
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--project", "workers", ...files];
  const { stdout } = spawnSync(process.execPath, vitest, { encoding: "utf8" });
  const rows = stdout.split("\n").filter((row) => /cost of a (call|message|conference)/.test(row));
  console.log(rows.length > 0 ? "" : "\nCost: not measured");
  for (const row of rows) console.log(`${row.replace(/^.*cost/, "Cost")}\n  ${priceOf(row)}`);
}

/** For a million, from what such a line says. */
function priceOf(row: string): string {
  const [, calls, frames] = /(\d+) RPC and alarms .*\+ (\d+) socket frames/.exec(row) ?? [];
  const requests = calls
    ? Number(calls) + Number(frames) / 20
    : Number(/billed as ([\d.]+)/.exec(row)?.[1] ?? /([\d.]+) object requests/.exec(row)?.[1]);
  const rows = Number(/([\d.]+) rows/.exec(row)?.[1]);
  const dollars = requests * price.request + rows * price.row;
  return `a million: $${dollars.toFixed(2)}, of which rows $${(rows * price.row).toFixed(2)}`;
}
