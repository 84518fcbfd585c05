// @ts-check
/** Counts tests from vitest's JSON report. Nothing passes by not running. */

/**
 * @typedef {{ passed: number, failed: number, why?: string }} Count
 * @typedef {{ status?: string, message?: string, assertionResults?: { status?: string, fullName?: string }[] }} FileReport
 */

/**
 * @param {{ testResults?: FileReport[] } | undefined} report undefined when vitest wrote none
 * @param {number} code vitest's exit code
 * @returns {Count}
 */
export function countReport(report, code) {
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults ?? []);
  const passed = tests.filter(({ status }) => status === "passed").length;
  // Skipped and todo tests have not passed either, and a file that does not load has no tests.
  const broken = files.filter((file) => file.status === "failed" && !file.assertionResults?.length).length;
  const skipped = tests.filter(({ status }) => status !== "passed" && status !== "failed").length;
  const failed = tests.length - passed + broken;
  if (tests.length === 0) return { passed: 0, failed: Math.max(1, failed), why: "no test ran" };
  // Errors outside of tests: an unhandled rejection, a setup that failed.
  if (failed === 0 && code !== 0) return { passed, failed: 1, why: `vitest ended with ${code}` };
  return { passed, failed, why: skipped > 0 ? `${skipped} skipped` : undefined };
}
