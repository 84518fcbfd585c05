// @ts-check
/** What `npm test` does, in order: each is one command, and counts its tests or itself as one. */
import { tool, toolNode } from "./project.mjs";

/** One tsconfig for each world: Workers, browsers, Node. */
export const typeProjects = [
  "tsconfig.json",
  "sdk/tsconfig.json",
  "softphone/tsconfig.json",
  "tsconfig.node.json",
  "tsconfig.sdk-tests.json",
];

/**
 * @typedef {{ name: string, command: string[], suite?: string }} Check
 * A check passes with exit code 0; a suite of vitest is counted from its report.
 */

/** @param {string} name @param {string} folder for the report @returns {Check} */
function suite(name, folder) {
  const report = `${folder}/${name}.json`;
  const command = tool("vitest", "run", "--project", name, "--reporter", "json", "--reporter", "default");
  return { name: `${name} tests`, suite: report, command: [...command, "--outputFile.json", report] };
}

/** @param {string} folder where reports and bundles go @returns {Check[]} */
export function allChecks(folder) {
  return [
    ...typeProjects.map((config) => ({
      name: `types: ${config}`,
      command: tool("tsc", "-p", config, "--noEmit"),
    })),
    { name: "lint", command: tool("biome", "check", ".") },
    { name: "unused code", command: tool("knip") },
    { name: "layers", command: [toolNode(), "scripts/layers.mjs"] },
    suite("unit", folder),
    suite("workers", folder),
    suite("shards", folder),
    { name: "build", command: [toolNode(), "scripts/build.mjs"] },
    { name: "SDK package: size", command: [toolNode(), "scripts/sdk-size.mjs"] },
    { name: "SDK package: publint", command: tool("publint", "--strict", "sdk") },
    { name: "SDK package: types", command: tool("attw", "--pack", "sdk", "--profile", "esm-only") },
    suite("scripts", folder),
    suite("browser", folder),
    suite("gateway", folder),
    suite("crash", folder),
    ...["sandbox", "production"].map((name) => ({
      name: `bundle for ${name}`,
      command: tool("wrangler", "deploy", "--dry-run", "--env", name, "--outdir", `${folder}/bundle-${name}`),
    })),
  ];
}
