/** The floor of a push: an object hands posts to the Worker, which answers at once and sends them, six at a time. */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { Post } from "./post";

const connections = 6;

export class Courier extends WorkerEntrypoint {
  async send(posts: Post[]): Promise<void> {
    const left = posts.values();
    const sender = async () => {
      for (const { url, ...post } of left) await (await fetch(url, { method: "POST", ...post })).text();
    };
    this.ctx.waitUntil(Promise.all(Array.from({ length: connections }, sender)));
  }
}

export function courier({ exports }: Pick<DurableObjectState, "exports">): Pick<Courier, "send"> {
  // Typed by a file that wrangler would generate from its configuration.
  return (exports as unknown as { Courier: Pick<Courier, "send"> }).Courier;
}
