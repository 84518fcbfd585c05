/**
 * Limits per address, where `wrangler.toml` binds the platform's rate limiting.
 * https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
 */
import { createMiddleware } from "hono/factory";
import type { ErrorName } from "../protocol";
import type { EdgeContext, EdgeEnv } from "./context";
import { refuseWith } from "./respond";

/** The period of the limit in `wrangler.toml`. */
const retryAfter = 10;
const heldOffMax = 10_000;

/** What a guess is answered with (`forbidden`: of a call's key). Other refusals need credentials that were good once. */
const guesses = new Set<ErrorName | undefined>([
  "unauthorized",
  "wrongSignature",
  "invalidToken",
  "forbidden",
]);

/** Addresses that this isolate does not listen to, and until when (milliseconds since 1970). */
const heldOff = new Map<string, number>();

/** Counts the guesses of an address. Above the limit, nothing from there is looked at for 10 seconds. */
export const limitGuesses = createMiddleware<EdgeEnv>(async (context, next) => {
  const address = addressOf(context);
  if ((heldOff.get(address) ?? 0) > Date.now()) return refuseRate(context);
  await next();
  // Who has shown an instance's token asks for too much, and guesses nothing.
  if (context.var.instance || !guesses.has(context.var.refused)) return;
  if (await isWithinLimit(context, `guess ${address}`)) return;
  const oldest = heldOff.keys().next().value;
  if (heldOff.size >= heldOffMax && oldest !== undefined) heldOff.delete(oldest);
  heldOff.delete(address);
  heldOff.set(address, Date.now() + retryAfter * 1_000);
});

/** Whether this address may register one more user of the application now. */
export function mayRegister(context: EdgeContext, applicationKey: string): Promise<boolean> {
  return isWithinLimit(context, `register ${applicationKey} ${addressOf(context)}`);
}

/** 42900. */
export function refuseRate(context: EdgeContext): Response {
  return refuseWith(context, "rateLimited", { retryAfter });
}

/** Without the binding there is no limit, and nobody is turned away because the limiter fails. */
async function isWithinLimit({ env }: EdgeContext, key: string): Promise<boolean> {
  const outcome = await env.RATE_LIMIT?.limit({ key }).catch(() => undefined);
  return outcome?.success ?? true;
}

/** An IPv4 address, or the network of an IPv6 one: whoever has one address there has all of them. */
function addressOf(context: EdgeContext): string {
  const address = context.req.header("cf-connecting-ip") ?? "";
  if (!address.includes(":") || address.includes(".")) return address;
  const [left = [], right = []] = address.split("::").map((part) => part.split(":").filter(Boolean));
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
