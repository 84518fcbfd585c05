// @ts-check
/** What the SDK weighs in a page: bundled, minified, gzipped; 20 KB at most. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "./lib/project.mjs";
import { Problem, runScript, say } from "./lib/terminal.mjs";

const limit = 20 * 1024;

await runScript(async () => {
  const entryPoints = [join(root, "sdk/dist/index.js")];
  const options = {
    entryPoints,
    bundle: true,
    minify: true,
    write: false,
    format: /** @type {const} */ ("esm"),
  };
  const { outputFiles } = await build(options);
  const bytes = gzipSync(outputFiles?.[0]?.contents ?? "", { level: 9 }).length;
  if (bytes > limit || bytes < 100) throw new Problem(`The SDK is ${bytes} bytes; ${limit} are allowed.`);
  say(`The SDK is ${(bytes / 1024).toFixed(1)} KB minified and gzipped.`);
});
