// @ts-check
/** What the page is made of: its script and JsSIP in one file. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** @returns {Promise<Record<string, { type: string, body: string }>>} by path */
export async function pageFiles() {
  const { outputFiles } = await build({
    entryPoints: [at("page/phones.mjs")],
    bundle: true,
    write: false,
    format: "esm",
    target: ["chrome123", "firefox120", "safari17.5"],
    logLevel: "warning",
  });
  return {
    "/": { type: "text/html; charset=utf-8", body: readFileSync(at("page/page.html"), "utf8") },
    "/phones.js": { type: "text/javascript; charset=utf-8", body: outputFiles[0]?.text ?? "" },
  };
}
