/**
 * The tokens that Apple and Google want beside each push, made with the application's key.
 *
 * Sources: Apple, “Establishing a token-based connection to APNs” (20 to 60 minutes; one that is
 * made too often is refused); Google, “Using OAuth 2.0 for server to server applications”.
 */
import { importPKCS8, SignJWT } from "jose";
import * as z from "zod/mini";
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { toBase64, utf8 } from "../authentication/bytes";
import type { ApnsCredential, FcmCredential } from "./credentials";
import { jsonOf, type PostMeans, post } from "./post";
import type { PushSettings } from "./settings";

export type TokenCredential = ApnsCredential | FcmCredential;

export interface MintedToken {
  token: string;
  /** Milliseconds since 1970, both. */
  minted: number;
  goodUntil: number;
}

const apnsGoodMs = 50 * 60_000;
const timeoutMs = 5_000;
const scope = "https://www.googleapis.com/auth/firebase.messaging";

/**
 * The name of a key, the same wherever it was uploaded: Apple counts by key, and one is often used
 * for several applications.
 */
export async function providerKeyName(credential: TokenCredential): Promise<string> {
  const { provider, privateKey } = credential;
  const ids =
    credential.provider === "apns"
      ? [credential.keyId, credential.teamId]
      : [credential.privateKeyId, credential.clientEmail];
  const digest = await crypto.subtle.digest("SHA-256", utf8([provider, ...ids, privateKey].join("\n")));
  return `${provider}/${toBase64(new Uint8Array(digest))}`;
}

/** Whether a token stays in use. One that was refused is replaced, but not more often than Apple allows. */
export function stays(held: MintedToken, refused: string | undefined, now: number): boolean {
  if (now >= held.goodUntil) return false;
  return held.token !== refused || now < held.minted + serverLimits.providerTokenMinutes * 60_000;
}

/** Errors: invalidValue (the key is refused, with what was said), unavailable. */
export async function mintToken(
  credential: TokenCredential,
  settings: PushSettings,
  means: Pick<PostMeans, "fetch" | "now">,
): Promise<Result<MintedToken>> {
  if (credential.provider === "fcm") return accessToken(credential, settings, means);
  const now = means.now();
  const { privateKey, keyId, teamId } = credential;
  const token = await signed(privateKey, "ES256", (key) =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .setIssuer(teamId)
      .setIssuedAt(seconds(now))
      .sign(key),
  );
  return token.ok ? ok({ token: token.value, minted: now, goodUntil: now + apnsGoodMs }) : token;
}

const granted = z.object({ access_token: z.string(), expires_in: z.number() });
const denied = z.object({ error: z.string(), error_description: z.optional(z.string()) });

async function accessToken(
  { privateKey, privateKeyId, clientEmail }: FcmCredential,
  settings: PushSettings,
  means: Pick<PostMeans, "fetch" | "now">,
): Promise<Result<MintedToken>> {
  const now = means.now();
  const url = settings.FCM_TOKEN_URL || "https://oauth2.googleapis.com/token";
  const assertion = await signed(privateKey, "RS256", (key) =>
    new SignJWT({ scope })
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: privateKeyId })
      .setIssuer(clientEmail)
      .setAudience(url)
      .setIssuedAt(seconds(now))
      .setExpirationTime(seconds(now) + 3_600)
      .sign(key),
  );
  if (!assertion.ok) return assertion;
  const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  const request = {
    url,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ grant_type: grant, assertion: assertion.value }).toString(),
  };
  const answer = await post(request, { ...means, timeoutMs });
  if ("kind" in answer) return fail("unavailable", { detail: `Google's tokens: ${answer.reason}` });
  const { status, text } = answer;
  const body = jsonOf(text);
  if (status === 200) {
    const { data } = granted.safeParse(body);
    if (!data) return fail("unavailable", { detail: "Google's tokens: an answer without a token" });
    // Renewed before its end.
    const goodUntil = now + data.expires_in * 900;
    return ok({ token: data.access_token, minted: now, goodUntil });
  }
  const { data } = denied.safeParse(body);
  const words = [data?.error, data?.error_description].filter(Boolean).join(": ").slice(0, 200);
  const detail = `Google's tokens: answered ${status}${words && ` ${words}`}`;
  const refused = data && (status === 400 || status === 401 || status === 403);
  return fail(refused ? "invalidValue" : "unavailable", { detail });
}

async function signed(
  pem: string,
  algorithm: "ES256" | "RS256",
  sign: (key: CryptoKey) => Promise<string>,
): Promise<Result<string>> {
  let key: CryptoKey;
  try {
    key = await importPKCS8(pem, algorithm);
  } catch {
    return fail("invalidValue", { detail: "The private key cannot be read." });
  }
  return ok(await sign(key));
}

const seconds = (now: number) => Math.floor(now / 1_000);
