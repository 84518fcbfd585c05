/**
 * The package's modules: one for each entry, and those that the first one loads on demand. What these use of the
 * first one they import from there: esbuild's splitting would put it into a third file, which all pages had to load.
 */
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const src = join(dirname(fileURLToPath(import.meta.url)), "src");

const entries = ["service-worker", "web-push", "credits"];
/** By what they are called in the package. */
const onDemand = {
  conference: "conference/engine",
  "conference-phones": "conference/bridge",
  environment: "environment",
  frame: "grab-frame",
  signing: "signing",
};
/** What they use of the first one, by the file where it is. Not part of the API. */
const shared = {
  alarm: ["Alarm"],
  "call-media": ["CallMedia"],
  errors: ["CarillonError", "makeError", "must", "toError"],
  "media-watch": ["MediaWatch"],
  quality: ["readSample"],
  runtime: ["isLocal"],
  values: ["toBase64"],
};

const nameOf = (path) => relative(src, path).replace(/\.ts$/, "");

/** Leaves the modules that are loaded on demand where they are. */
const apart = {
  name: "apart",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^\./ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
      if (pluginData === "resolved") return undefined;
      const found = await resolve(path, { kind, resolveDir, importer, pluginData: "resolved" });
      const name = nameOf(found.path);
      const [module] = Object.entries(onDemand).find(([, file]) => file === name) ?? [];
      if (kind === "dynamic-import" && module) return { path: `./${module}.js`, external: true };
      return undefined;
    });
  },
};

/** For the modules that are loaded on demand: what the first one has comes from it. */
const besideFirst = {
  name: "beside-first",
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^\./ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
      if (pluginData === "resolved" || kind !== "import-statement") return undefined;
      const found = await resolve(path, { kind, resolveDir, importer, pluginData: "resolved" });
      const name = nameOf(found.path);
      return name in shared ? { path: "./index.js", external: true } : undefined;
    });
  },
};

/**
 * @param {import("esbuild").BuildOptions} options what is different from the usual
 * @returns {Promise<{ path: string, contents: Uint8Array }[]>} the modules, unless they are written
 */
export async function bundle(options) {
  const usual = {
    outdir: "dist",
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    ...options,
  };
  const lines = Object.entries(shared).map(
    ([file, names]) => `export { ${names.join(", ")} } from "./${file}";`,
  );
  const contents = ['export * from "./index";', ...lines].join("\n");
  const pathOf = (file) => join(src, `${file}.ts`);
  const built = await Promise.all([
    build({
      ...usual,
      stdin: { contents, resolveDir: src, sourcefile: "first.ts" },
      entryNames: "index",
      plugins: [apart],
    }),
    build({
      ...usual,
      entryPoints: Object.entries(onDemand).map(([out, file]) => ({ in: pathOf(file), out })),
      plugins: [apart, besideFirst],
    }),
    build({ ...usual, entryPoints: entries.map(pathOf) }),
  ]);
  return built.flatMap(({ outputFiles = [] }) => outputFiles);
}

/** The name of a module: `index`. */
export const moduleOf = ({ path }) => basename(path, ".js");
