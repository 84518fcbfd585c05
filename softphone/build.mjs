/** Bundles the softphone to `dist/softphone`, from where the Worker serves it as static assets. */
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Builds the softphone.
 *
 * @param {string} [outdir] the folder to fill; what it held before is gone afterwards
 * @returns {Promise<string>} that folder
 */
export async function buildSoftphone(outdir = at("../dist/softphone")) {
  await mkdir(outdir, { recursive: true });
  const options = {
    outdir,
    bundle: true,
    minify: true,
    format: "esm",
    // light-dark() has to stay: the theme switch works through color-scheme.
    target: ["chrome123", "firefox120", "safari17.5"],
    jsx: "automatic",
    jsxImportSource: "preact",
    // From the source, so that no build of the SDK has to come first.
    alias: {
      "@carillon/sdk": at("../sdk/src/index.ts"),
      "@carillon/sdk/service-worker": at("../sdk/src/service-worker.ts"),
      "@carillon/sdk/credits": at("../sdk/src/credits.ts"),
      "@carillon/sdk/web-push": at("../sdk/src/web-push.ts"),
    },
    metafile: true,
    logLevel: "warning",
  };
  const [, ...results] = await Promise.all([
    // What is served as it is: page, icon, manifest and the security headers.
    cp(at("public"), outdir, { recursive: true }),
    // What the SDK loads on demand is in files of its own.
    build({ ...options, entryPoints: { app: at("src/main.tsx"), style: at("style.css") }, splitting: true }),
    // At the root, for that is as far as its pages go; and one file, for it is no module where it runs.
    build({ ...options, entryPoints: { "service-worker": at("src/service-worker.ts") } }),
  ]);
  // In place and tidied afterwards: a server that is running has its page all the time.
  const outputs = results.flatMap(({ metafile }) => Object.keys(metafile.outputs));
  const built = new Set([...(await readdir(at("public"))), ...outputs.map((path) => basename(path))]);
  const stale = (await readdir(outdir)).filter((name) => !built.has(name));
  await Promise.all(stale.map((name) => rm(join(outdir, name), { recursive: true })));
  return outdir;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildSoftphone(process.argv[2]);
}
