/** The network between a browser and the platform: a TCP relay that can go dead without telling anybody. */
import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../../support/programs";

export interface Gate {
  /** The platform as it is reached through here. */
  url: string;
  /** Nothing comes through any more, and nobody is told: what a lost radio network looks like. */
  shut(): void;
  /** The same, and both ends are told. */
  cut(): void;
  /** New connections come through. Those of before stay dead, as after a change of networks. */
  open(): void;
  close(): Promise<void>;
}

export async function openGate(target: number): Promise<Gate> {
  const port = await freePort();
  const ends = new Set<Socket>();
  let shut = false;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => ends.delete(end));
    }
    if (shut) return;
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    shut() {
      shut = true;
      for (const end of ends) end.unpipe().pause();
    },
    cut() {
      shut = true;
      for (const end of ends) end.destroy();
    },
    open() {
      shut = false;
    },
    async close() {
      for (const end of ends) end.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
