// @ts-check
/** `npm run build`: the SDK's package into `sdk/dist`, the softphone into `dist/softphone`. */
import { buildSdk, buildSoftphone } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { checkNode } from "./lib/project.mjs";
import { runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  checkNode();
  await install();
  await Promise.all([buildSdk({ always: true }), buildSoftphone({ always: true })]);
  say("Built sdk/dist and dist/softphone.");
});
