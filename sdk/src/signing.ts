/** Scheme 1: the app has the application's secret and signs for itself. For development: loaded when it is used. */
import { must } from "./errors";
import type { Credentials, RegistrarOptions } from "./registration";
import { isLocal } from "./runtime";
import { toBase64 } from "./values";

/** Credentials with the next sequence, which is kept under `key`. */
export async function sign(options: RegistrarOptions, key: string, secret: string): Promise<Credentials> {
  const { applicationKey, userId, log, storage, runtime } = options;
  if (!isLocal(globalThis.location?.hostname ?? "localhost")) {
    log("warning", "registration", "applicationSecret is for development only.");
  }
  const now = runtime.now() * 1_000 + Math.floor(runtime.random() * 1_000);
  const sequence = Math.max(now, Number((await storage.get(key)) ?? 0) + 1);
  await storage.set(key, String(sequence));
  return { signature: await signRegistration(userId, applicationKey, sequence, secret), sequence };
}

/** Scheme 2's signature, which scheme 1 makes here: base64(sha1(userId + applicationKey + sequence + secret)). */
export async function signRegistration(
  userId: string,
  applicationKey: string,
  sequence: number,
  applicationSecret: string,
): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  must(subtle, "signing needs https://");
  const text = userId + applicationKey + sequence + applicationSecret;
  const digest = await subtle.digest("SHA-1", new TextEncoder().encode(text));
  return toBase64(new Uint8Array(digest));
}
