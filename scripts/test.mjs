// @ts-check
/** `npm test`: everything. Its last line is `N passed, N failed`. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allChecks } from "./lib/checks.mjs";
import { countReport } from "./lib/counts.mjs";
import { install } from "./lib/install.mjs";
import { run } from "./lib/processes.mjs";
import { checkNode, root, toolEnvironment } from "./lib/project.mjs";
import { bringPrograms } from "./lib/requirements.mjs";
import { runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  checkNode();
  await install();
  await bringPrograms();
  const folder = mkdtempSync(join(tmpdir(), "carillon-test-"));
  const total = { passed: 0, failed: 0 };
  try {
    for (const check of allChecks(folder)) {
      const { passed, failed } = await runCheck(check);
      total.passed += passed;
      total.failed += failed;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
});

/** @param {import("./lib/checks.mjs").Check} check @returns {Promise<import("./lib/counts.mjs").Count>} */
async function runCheck({ name, command, suite }) {
  const start = Date.now();
  const { code, output } = await run(command, { cwd: root, env: { ...toolEnvironment(), CI: "1" } });
  const count = suite ? countReport(readReport(suite), code) : single(code);
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  const tests = suite ? ` ${count.passed} passed${count.failed ? `, ${count.failed} failed` : ""}` : "";
  const why = count.why ? ` (${count.why})` : "";
  say(
    `${count.failed ? "✗" : "✓"} ${name}:${tests || (count.failed ? " failed" : " ok")}${why}, ${seconds} s`,
  );
  if (count.failed) say(output.trim());
  return count;
}

/** @param {number} code @returns {import("./lib/counts.mjs").Count} */
function single(code) {
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** @param {string} path */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
