/** Alice, Bob and Carol, each with a device of their own, and the room in which they meet. Needs fake timers. */
import type { Call, CarillonClient } from "..";
import type { FakeRoom } from "./room";
import { type Device, World } from "./world";

export const names = ["alice", "bob", "carol"] as const;
type Name = (typeof names)[number];

export class Gathering {
  readonly world = new World();
  readonly #people = new Map<Name, { device: Device; client: CarillonClient }>();

  static async begin(): Promise<Gathering> {
    const gathering = new Gathering();
    for (const name of names) {
      const device = gathering.world.device(name);
      gathering.#people.set(name, { device, client: await device.started() });
    }
    return gathering;
  }

  get room(): FakeRoom {
    return this.world.server.room("team");
  }

  device(name: Name): Device {
    return this.#of(name).device;
  }

  client(name: Name): CarillonClient {
    return this.#of(name).client;
  }

  async join(name: Name, options: { video?: boolean } = {}): Promise<Call> {
    const call = this.client(name).callClient.callConference("team", options);
    await this.world.pass(1_000);
    return call;
  }

  #of(name: Name): { device: Device; client: CarillonClient } {
    const found = this.#people.get(name);
    if (!found) throw new Error("Nobody of that name.");
    return found;
  }
}
