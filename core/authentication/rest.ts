/** How a server shows which application it speaks for: signed requests and Basic. Source: SPEC section 1. */
import { fail, ok, type Result } from "../../protocol";
import { type Bytes, constantTimeEqual, fromBase64, hmacSha256, someSequential, toBase64 } from "./bytes";

/** What is worth a look-up. */
const mayBeKey = /^[0-9a-f-]{1,64}$/;
const timestampToleranceMs = 300_000;
const timestampForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$/;

/** The parts of a request that are signed, or tell whether Basic may be used. */
export interface RestRequest {
  method: string;
  url: URL;
  headers: Headers;
  body: Bytes;
}

/** What the check needs to know of an application. */
export interface KnownApplication {
  key: string;
  /** Valid ones, base64. */
  secrets: readonly { secret: string }[];
}

export interface RestMeans<A extends KnownApplication> {
  /** Milliseconds since 1970. */
  now: number;
  find: (applicationKey: string) => Promise<A | undefined>;
  /** Takes note of a signature until `expires`; false when it was there already. */
  useSignature: (applicationKey: string, signature: string, expires: number) => Promise<boolean>;
}

/**
 * The application that a request comes from.
 *
 * Errors: unauthorized, schemeNotSupported, timestampOutOfRange, wrongSignature, replayed.
 */
export async function authenticateRequest<A extends KnownApplication>(
  request: RestRequest,
  means: RestMeans<A>,
): Promise<Result<A>> {
  const header = request.headers.get("authorization");
  if (header === null) return fail("unauthorized", { detail: "There is no Authorization header." });
  const [, scheme, credentials] = /^(\S+)\s+(.+)$/.exec(header.trim()) ?? [];
  if (scheme === undefined || credentials === undefined) return fail("unauthorized");
  switch (scheme.toLowerCase()) {
    case "application":
      return signed(request, credentials, means);
    case "basic":
      return basic(request, credentials, means);
    default:
      return fail("schemeNotSupported");
  }
}

async function signed<A extends KnownApplication>(
  request: RestRequest,
  credentials: string,
  means: RestMeans<A>,
): Promise<Result<A>> {
  const { key, rest: signature } = splitAtColon(credentials);
  const application = mayBeKey.test(key) ? await means.find(key) : undefined;
  if (!application) return fail("unauthorized");
  const timestamp = request.headers.get("x-timestamp") ?? "";
  const signedAt = timestampForm.test(timestamp) ? Date.parse(timestamp) : Number.NaN;
  if (!(Math.abs(means.now - signedAt) <= timestampToleranceMs)) return fail("timestampOutOfRange");
  const text = await stringToSign(request, timestamp);
  const fits = await someSequential(application.secrets, async ({ secret }) =>
    constantTimeEqual(await requestSignature(text, secret), signature),
  );
  if (!fits) return fail("wrongSignature");
  const expires = signedAt + timestampToleranceMs;
  if (isWrite(request.method) && !(await means.useSignature(application.key, signature, expires))) {
    return fail("replayed");
  }
  return ok(application);
}

async function basic<A extends KnownApplication>(
  request: RestRequest,
  credentials: string,
  means: RestMeans<A>,
): Promise<Result<A>> {
  if (!isPrivate(request.url)) return fail("schemeNotSupported", { detail: "Basic needs TLS." });
  const bytes = fromBase64(credentials);
  const { key, rest: secret } = splitAtColon(bytes ? new TextDecoder().decode(bytes) : "");
  const application = mayBeKey.test(key) ? await means.find(key) : undefined;
  if (!application) return fail("unauthorized");
  const fits = await someSequential(application.secrets, async (known) =>
    constantTimeEqual(known.secret, secret),
  );
  return fits ? ok(application) : fail("wrongSignature", { detail: "This is not the application's secret." });
}

/** `VERB \n Content-MD5 \n Content-Type \n x-timestamp:… \n path`. MD5 is there in workerd, not in Node. */
export async function stringToSign(request: RestRequest, timestamp: string): Promise<string> {
  const { method, url, headers, body } = request;
  const md5 = body.length > 0 ? toBase64(new Uint8Array(await crypto.subtle.digest("MD5", body))) : "";
  return [
    method.toUpperCase(),
    md5,
    headers.get("content-type") ?? "",
    `x-timestamp:${timestamp}`,
    url.pathname,
  ].join("\n");
}

/** Base64 of the HMAC-SHA256 under the decoded secret. */
export async function requestSignature(text: string, secret: string): Promise<string> {
  return toBase64(await hmacSha256(fromBase64(secret) ?? new Uint8Array(), text));
}

/** Application keys are compared in lower case: there are clients that write them in capitals. */
function splitAtColon(text: string): { key: string; rest: string } {
  const at = text.indexOf(":");
  return at < 0 ? { key: "", rest: "" } : { key: text.slice(0, at).toLowerCase(), rest: text.slice(at + 1) };
}

function isWrite(method: string): boolean {
  return method !== "GET" && method !== "HEAD";
}

function isPrivate(url: URL): boolean {
  return url.protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
}
