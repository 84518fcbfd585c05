// @ts-check
/** `npm run typecheck`: every tsconfig. */
import { typeProjects } from "./lib/checks.mjs";
import { run } from "./lib/processes.mjs";
import { root, tool } from "./lib/project.mjs";
import { runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  const runs = typeProjects.map((config) => run(tool("tsc", "-p", config, "--noEmit"), { cwd: root }));
  const outcomes = await Promise.all(runs);
  for (const { output } of outcomes) if (output.trim()) say(output.trim());
  return outcomes.some(({ code }) => code !== 0) ? 1 : 0;
});
