/** What a request carries through the edge. */
import type { Context, Env as HonoEnv } from "hono";
import { ApplicationCache } from "../core/applications/application-cache";
import { type Application, loadApplication } from "../core/applications/applications";
import type { Store } from "../core/applications/store";
import type { InstanceClaims } from "../core/authentication/instance-token";
import type { Env } from "../durable-objects/env";
import type { ErrorName } from "../protocol";

export interface EdgeEnv extends HonoEnv {
  Bindings: Env;
  Variables: {
    reference: string;
    /** The application that the request speaks for, or (administration) is about. */
    application: Application;
    /** The instance that the request comes from. */
    instance: InstanceClaims;
    /** Milliseconds since 1970: a token is issued as of then, so that a later revocation ends it. */
    asOf: number;
    /** The error that the request was answered with. */
    refused: ErrorName;
    /** The body, at most 128 KiB; of a rate card more. */
    body: Uint8Array<ArrayBuffer>;
  };
}

export type EdgeContext = Context<EdgeEnv>;

/** One for the isolate: what is remembered of applications serves all of its requests. */
const applications = new ApplicationCache();

/** The means of `core/applications`, from the platform. */
export function storeOf(env: Env): Store {
  return {
    db: env.DB,
    masterKey: env.MASTER_KEY,
    now: () => Date.now(),
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    randomUUID: () => crypto.randomUUID(),
  };
}

/**
 * The application with this key, from memory when that is no older than `maxAge` milliseconds (30
 * seconds at most). What lasts goes by the application as it is now, 0: a secret that was revoked
 * elsewhere must not buy an instance for as long as memory is behind.
 */
export function findApplication(env: Env, key: string, maxAge?: number): Promise<Application | undefined> {
  const store = storeOf(env);
  const load = () => loadApplication(store, key);
  return applications.find(key, { now: store.now, load }, maxAge);
}

/** After a change of an application. */
export function forgetApplication(key: string): void {
  applications.forget(key);
}
