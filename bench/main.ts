/** `npm run bench [signalling|messages|push|phone|conference|memory|sizes|cost|media …]`: without a name, all of it. Judges nothing, exits 0. */
import { cpus } from "node:os";
import { PushServices } from "../test/support/push";
import { benchConference } from "./conference";
import { benchMedia } from "./media";
import { benchMemory } from "./memory";
import { benchMessages } from "./messages";
import { benchPhone } from "./phone";
import { startFloor, startPlatform } from "./programs";
import { benchPush } from "./push";
import { benchSignalling } from "./signalling";
import { benchCost, benchSizes } from "./sizes";

const names = process.argv.slice(2);
const wanted = (name: string) => names.length === 0 || names.includes(name);

console.log(`Carillon's benchmark: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}`);
const push = await PushServices.start();
const [platform, floor] = await Promise.all([startPlatform(push.services.settings), startFloor()]);
try {
  if (wanted("signalling")) await benchSignalling(platform.demo, floor);
  if (wanted("media")) await benchMedia(platform.demo);
  if (wanted("memory")) await benchMemory(platform.demo, platform);
  if (wanted("messages")) await benchMessages(platform.demo, floor);
  if (wanted("push")) await benchPush(platform.demo, floor, push);
  if (wanted("phone")) await benchPhone(platform, floor);
  if (wanted("conference")) await benchConference(platform.demo, floor);
} finally {
  await Promise.all([platform.stop(), floor.stop(), push.close()]);
}
if (wanted("cost")) benchCost();
if (wanted("sizes")) await benchSizes();
