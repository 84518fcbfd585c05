/** An SFU for tests, in this process: Cloudflare Realtime's API, and real media. */
import { startSfu as start } from "../../scripts/dev/sfu/api.mjs";

export type Sfu = Awaited<ReturnType<typeof start>>;

/** A platform uses it with `settings` in its environment. `port`: below 32768, so that no browser has it. */
export function startSfu(port = 0): Promise<Sfu> {
  return start({ port });
}
