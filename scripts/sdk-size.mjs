// @ts-check
/** What the SDK weighs in a page: minified and gzipped, what it loads at first, and what the first conference adds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "./lib/project.mjs";
import { Problem, runScript, say } from "./lib/terminal.mjs";

const dist = join(root, "sdk/dist");
/** KB. */
const limits = { index: 20, conference: 12 };

/** The module and what it imports statically; not what it loads when it is needed. */
function loaded(/** @type {string} */ file, known = new Set()) {
  if (known.has(file)) return known;
  known.add(file);
  for (const [, next = ""] of readFileSync(join(dist, file), "utf8").matchAll(
    /^(?:import|export) .*from "\.\/(.*)";$/gm,
  )) {
    loaded(next, known);
  }
  return known;
}

async function weigh(/** @type {string} */ file) {
  const options = { entryPoints: [join(dist, file)], minify: true, write: false };
  const { outputFiles } = await build({ ...options, format: /** @type {const} */ ("esm") });
  return gzipSync(outputFiles?.[0]?.contents ?? "", { level: 9 }).length;
}

await runScript(async () => {
  const first = loaded("index.js");
  for (const [name, limit] of Object.entries(limits)) {
    const files = [...loaded(`${name}.js`)].filter((file) => name === "index" || !first.has(file));
    const bytes = (await Promise.all(files.map(weigh))).reduce((sum, each) => sum + each, 0);
    if (bytes > limit * 1024 || bytes < 100) {
      throw new Problem(`The SDK's ${name} is ${bytes} bytes; ${limit * 1024} are allowed.`);
    }
    say(`The SDK's ${name} is ${(bytes / 1024).toFixed(1)} KB minified and gzipped.`);
  }
});
