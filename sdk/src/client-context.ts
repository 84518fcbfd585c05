import type { CarillonClientOptions } from "./client-types";
import type { Connection } from "./connection";
import type { Log } from "./log";
import type { Registrar } from "./registration";
import type { Runtime } from "./runtime";
import type { CarillonStorage } from "./storage";

/** What messages and pushes need of the client. */
export interface ClientContext {
  runtime: Runtime;
  log: Log;
  storage: CarillonStorage;
  userId: string;
  registrar: Registrar;
  connection: Connection;
  /** Its display name is what pushes call this user. */
  options: CarillonClientOptions;
  /** Milliseconds since 1970. */
  serverNow(): number;
  /** @throws CarillonError when the client is terminated. */
  mustLive(): void;
}
