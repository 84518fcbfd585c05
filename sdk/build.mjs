/** Builds dist/: an ES module for each entry and for what is loaded on demand, and the declarations, with protocol/ inlined. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { bundle, moduleOf } from "./bundle.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
rmSync(dist, { recursive: true, force: true });

const { name, version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
await bundle({ outdir: dist, sourcemap: true });

const tsc = join(here, "../node_modules/typescript/lib/tsc.js");
const types = join(dist, "types");
const project = join(here, "tsconfig.build.json");
const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

// Node's resolution wants extensions, which the sources do without.
for (const entry of readdirSync(types, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const text = readFileSync(path, "utf8");
  writeFileSync(
    path,
    text.replace(/(from |import\()"(\.[^"]*)"/g, (_, word, specifier) => {
      const file = /\/protocol$/.test(specifier) ? `${specifier}/index.js` : `${specifier}.js`;
      return `${word}"${file}"`;
    }),
  );
}

for (const module of await bundle({ minify: true, write: false })) {
  const kilobytes = gzipSync(module.contents, { level: 9 }).length / 1024;
  console.log(`${name} ${version}: ${moduleOf(module)} ${kilobytes.toFixed(1)} KB minified and gzipped`);
}
