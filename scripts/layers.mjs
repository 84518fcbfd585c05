// @ts-check
/** `node scripts/layers.mjs`: says which imports go up. */
import { checkLayers } from "./lib/layers.mjs";
import { root } from "./lib/project.mjs";
import { Problem, runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  const { problems, files } = checkLayers(root);
  if (problems.length > 0 || files === 0)
    throw new Problem(problems.join("\n") || "There is nothing to check.");
  say(`${files} files import only downwards.`);
});
