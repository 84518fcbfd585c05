/** A request to a provider, which may be down, slow, or cut off. */
import type { PushOutcome } from "./outcome";

export interface ProviderRequest {
  url: string;
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer>;
}

export interface ProviderAnswer {
  status: number;
  /** Its beginning. */
  text: string;
  /** Seconds. */
  retryAfter?: number;
}

/** What reaches outside; a test puts its own here. */
export interface PostMeans {
  fetch: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  timeoutMs: number;
}

/** Reasons are short, whoever answers. */
const answerBytes = 8_192;

/** The answer, or why there is none. A redirect is an answer: nobody sends our keys elsewhere. */
export async function post(
  { url, headers, body }: ProviderRequest,
  means: PostMeans,
): Promise<ProviderAnswer | Extract<PushOutcome, { kind: "temporary" }>> {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), means.timeoutMs);
  const { signal } = aborter;
  try {
    const response = await means.fetch(url, { method: "POST", redirect: "manual", headers, body, signal });
    const retryAfter = secondsOf(response.headers.get("retry-after"), means.now());
    const text = await beginningOf(response, signal).catch(() => null);
    // Why it was refused is lost; that it was accepted is not.
    if (text === null && !response.ok) return { kind: "temporary", reason: "cut off" };
    return { status: response.status, text: text ?? "", retryAfter };
  } catch {
    return { kind: "temporary", reason: signal.aborted ? "no answer in time" : "cannot be reached" };
  } finally {
    clearTimeout(timer);
  }
}

/** Read to the end or cancelled, or the connection stays taken. */
async function beginningOf({ body }: Response, signal: AbortSignal): Promise<string> {
  if (!body) return "";
  const reader = body.getReader();
  const late = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(new Error("late"));
    signal.addEventListener("abort", () => reject(new Error("late")));
  });
  // Nobody may be waiting when it is aborted.
  late.catch(() => {});
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let bytes = 0; bytes < answerBytes; ) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      bytes += value.byteLength;
      text += decoder.decode(value, { stream: true });
    }
    return text;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** `Retry-After` in seconds: RFC 9110 allows a number or a date. */
function secondsOf(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = /^\s*\d+\s*$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1_000;
  return Number.isFinite(seconds) ? Math.max(Math.ceil(seconds), 0) : undefined;
}

/** Undefined when it is none: a stranger answered in the provider's place. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
