/** For the browser tests: one platform with a relay. `inject("server")` gives it to a test file. */
import type { TestProject } from "vitest/node";
import { startRelay } from "./coturn";
import { removeState, type Server, startServer } from "./server";

/** The part of a {@link Server} that can be handed to the tests' processes. */
export type ServerFacts = Omit<Server, "output" | "stop" | "kill">;

declare module "vitest" {
  interface ProvidedContext {
    server: ServerFacts;
  }
}

export default async function setup(project: TestProject) {
  const relay = await startRelay();
  const { output: _output, stop, kill: _kill, ...facts } = await startServer({ env: relay.env });
  project.provide("server", facts);
  return async () => {
    await stop();
    await relay.stop();
    removeState(facts.state);
  };
}
