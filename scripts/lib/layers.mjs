// @ts-check
/** The rooms of the house: imports go down only, and no file imports itself by way of others. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

/** What each room may import beside itself. Packages: see {@link packagesOf}. @type {Record<string, string[]>} */
const below = {
  protocol: [],
  core: ["protocol"],
  "durable-objects": ["core", "protocol"],
  workers: ["durable-objects", "core", "protocol"],
  sdk: ["protocol"],
  softphone: ["sdk"],
};

/** Rooms with few packages, or none: what ships to browsers has no dependency. @type {Record<string, string[]>} */
const packagesOf = { protocol: [], sdk: [], softphone: ["preact", "@carillon/sdk"] };

/** Packages that a room must not know. @type {Record<string, RegExp>} */
const forbidden = { core: /^(cloudflare:|hono($|\/))/ };

/**
 * @typedef {{ specifier: string, typeOnly: boolean }} Import
 * @typedef {(path: string) => string} Read
 */

/** `import … from "x"`, `export … from "x"`, `import "x"` and `import("x")`, as Biome lays them out. */
const statement =
  /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^;"']*?from\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;

/** @param {string} source @returns {Import[]} */
export function importsOf(source) {
  return Array.from(source.matchAll(statement), ([text, type, specifier, dynamic]) => ({
    specifier: specifier ?? dynamic ?? "",
    // What is imported later, or in a type, closes no circle at start-up.
    typeOnly: type !== undefined || dynamic !== undefined || onlyTypes(text),
  }));
}

/** `import { type A, type B } from "x"` loads nothing either. */
function onlyTypes(/** @type {string} */ text) {
  const names = /\{([^}]*)\}/
    .exec(text)?.[1]
    ?.split(",")
    .filter((name) => name.trim());
  return (
    names !== undefined &&
    /^\s*(import|export)\s*\{/.test(text) &&
    names.every((name) => /^\s*type\s/.test(name))
  );
}

/**
 * Everything that breaks the rule, one line each.
 *
 * @param {string} root the project's folder
 * @returns {{ problems: string[], files: number }}
 */
export function checkLayers(root) {
  const files = Object.keys(below).flatMap((room) => sources(join(root, room)));
  /** @type {Map<string, string[]>} */
  const loads = new Map();
  const problems = files.flatMap((file) => {
    const imports = importsOf(readFileSync(file, "utf8"));
    const inside = imports.filter(({ specifier }) => specifier.startsWith("."));
    const targets = inside.map((found) => ({ ...found, target: resolve(file, found.specifier) }));
    loads.set(
      file,
      targets.flatMap(({ target, typeOnly }) => (target && !typeOnly ? [target] : [])),
    );
    return isTest(file)
      ? []
      : [...packageProblems(root, file, imports), ...roomProblems(root, file, targets)];
  });
  return { problems: [...problems, ...circles(root, loads)], files: files.length };
}

/** @param {string} root @param {string} file @param {(Import & { target?: string })[]} targets */
function roomProblems(root, file, targets) {
  const room = roomOf(root, file);
  return targets.flatMap(({ specifier, target }) => {
    if (!target) return [`${relative(root, file)}: ${specifier} leads nowhere`];
    const other = roomOf(root, target);
    // package.json is where the version is.
    const allowed = other === room || below[room]?.includes(other) || target === join(root, "package.json");
    return allowed && !isTest(target)
      ? []
      : [`${relative(root, file)} may not import ${relative(root, target)}`];
  });
}

/** @param {string} root @param {string} file @param {Import[]} imports */
function packageProblems(root, file, imports) {
  const room = roomOf(root, file);
  const allowed = packagesOf[room];
  return imports
    .filter(({ specifier }) => !specifier.startsWith("."))
    .filter(
      ({ specifier }) =>
        forbidden[room]?.test(specifier) ||
        (allowed && !allowed.some((name) => specifier === name || specifier.startsWith(`${name}/`))),
    )
    .map(({ specifier }) => `${relative(root, file)} may not import the package ${specifier}`);
}

/** Depth first; a file met again on the way down closes a circle. @param {string} root @param {Map<string, string[]>} loads */
function circles(root, loads) {
  /** @type {string[]} */
  const found = [];
  /** @type {Set<string>} */
  const done = new Set();
  const visit = (/** @type {string} */ file, /** @type {string[]} */ way) => {
    const start = way.indexOf(file);
    if (start >= 0) {
      const circle = [...way.slice(start), file].map((path) => relative(root, path));
      found.push(`circle: ${circle.join(" → ")}`);
    } else if (!done.has(file)) {
      for (const next of loads.get(file) ?? []) visit(next, [...way, file]);
      done.add(file);
    }
  };
  for (const file of loads.keys()) visit(file, []);
  return found;
}

const roomOf = (/** @type {string} */ root, /** @type {string} */ file) =>
  relative(root, file).split(/[\\/]/)[0] ?? "";

/** Tests, what they share, and build scripts stand outside the rule. */
const isTest = (/** @type {string} */ file) => /\.test\.tsx?$|[\\/]testing[\\/]|\.mjs$/.test(file);

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ["node_modules", "dist"].includes(entry.name) ? [] : sources(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** @param {string} file @param {string} specifier @returns {string | undefined} */
function resolve(file, specifier) {
  const base = normalize(join(dirname(file), specifier));
  const endings = ["", ".ts", ".tsx", ".mjs", "/index.ts", "/index.tsx"];
  return endings
    .map((ending) => base + ending)
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}
