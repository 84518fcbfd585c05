/** `npm run bench [signalling|messages|memory|sizes|cost|media …]`: without a name, all of it. Judges nothing, exits 0. */
import { cpus } from "node:os";
import { benchMedia } from "./media";
import { benchMemory } from "./memory";
import { benchMessages } from "./messages";
import { startFloor, startPlatform } from "./programs";
import { benchSignalling } from "./signalling";
import { benchCost, benchSizes } from "./sizes";

const names = process.argv.slice(2);
const wanted = (name: string) => names.length === 0 || names.includes(name);

console.log(`Carillon's benchmark: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}`);
const [platform, floor] = await Promise.all([startPlatform(), startFloor()]);
try {
  if (wanted("signalling")) await benchSignalling(platform.demo, floor);
  if (wanted("media")) await benchMedia(platform.demo);
  if (wanted("memory")) await benchMemory(platform.demo, platform);
  if (wanted("messages")) await benchMessages(platform.demo, floor);
} finally {
  await Promise.all([platform.stop(), floor.stop()]);
}
if (wanted("cost")) benchCost();
if (wanted("sizes")) await benchSizes();
