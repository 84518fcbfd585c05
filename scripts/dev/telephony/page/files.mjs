// @ts-check
/** What the page is made of: its script and JsSIP in one file. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { book } from "../book.mjs";

const at = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

/** @returns {Promise<Record<string, { type: string, body: string }>>} by path */
export async function pageFiles() {
  const { outputFiles } = await build({
    entryPoints: [at("main.mjs")],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: ["chrome123", "firefox120", "safari17.5"],
    logLevel: "warning",
  });
  const numbers = book.map(({ ends, means }) => `<dt>… ${ends}</dt><dd>${means}</dd>`).join("");
  const page = readFileSync(at("page.html"), "utf8").replace("<!-- book -->", numbers);
  return {
    "/": { type: "text/html; charset=utf-8", body: page },
    "/phones.js": { type: "text/javascript; charset=utf-8", body: outputFiles[0]?.text ?? "" },
  };
}
