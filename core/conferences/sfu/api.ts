/** Cloudflare Realtime's Connection API: https://developers.cloudflare.com/realtime/sfu/api/ */
import * as z from "zod/mini";
import type { SessionDescription } from "../../../protocol";
import type { SfuChange, SfuOutcome, TrackOutcome, Wanted } from "./seat";

/** The part of a deployment's settings that is about the SFU. */
export interface SfuSettings {
  /** An app of Cloudflare Realtime, and its secret. */
  SFU_APP_ID?: string;
  SFU_APP_SECRET?: string;
  /** Where the API is: a stand-in on a laptop and in tests. */
  SFU_URL?: string;
}

export function hasSfu({ SFU_APP_ID, SFU_APP_SECRET }: SfuSettings): boolean {
  return Boolean(SFU_APP_ID && SFU_APP_SECRET);
}

/** What waits for a peer connection takes the SFU up to five seconds. */
const timeoutMs = 10_000;

const answered = z.object({
  sessionId: z.optional(z.string()),
  sessionDescription: z.optional(z.object({ type: z.enum(["offer", "answer"]), sdp: z.string() })),
  tracks: z.optional(z.array(z.record(z.string(), z.unknown()))),
  errorCode: z.optional(z.string()),
  errorDescription: z.optional(z.string()),
});
const resulted = z.object({
  mid: z.optional(z.string()),
  sessionId: z.optional(z.string()),
  trackName: z.optional(z.string()),
  errorCode: z.optional(z.string()),
});

type Answered = z.infer<typeof answered>;
type Failure = Exclude<SfuOutcome, { kind: "done" }>;
type Answer = { kind: "answered"; body: Answered } | Failure;
type Ask = (method: "POST" | "PUT", path: string, body?: unknown) => Promise<Answer>;

/** Carries a change out: one request, or a few in order. Never throws. */
export async function performChange(
  settings: SfuSettings,
  fetcher: typeof fetch,
  change: SfuChange,
): Promise<SfuOutcome> {
  const ask: Ask = (method, path, body) => request(settings, fetcher, method, path, body);
  let session = change.type === "open" ? undefined : change.session;
  if (session === undefined) {
    const made = await ask("POST", "sessions/new");
    if (made.kind !== "answered") return made;
    session = made.body.sessionId;
    if (!session) return { kind: "later", detail: "no session in the answer" };
  }
  const path = `sessions/${encodeURIComponent(session)}`;
  switch (change.type) {
    case "open":
      return { kind: "done", session, tracks: [] };
    case "publish":
      return publish(ask, session, path, change);
    case "answer":
      return done(
        session,
        await ask("PUT", `${path}/renegotiate`, { sessionDescription: change.description }),
        [],
      );
    case "pull":
      return done(
        session,
        await ask("POST", `${path}/tracks/new`, { tracks: change.tracks.map(remote) }),
        change.tracks.map(({ session: sessionId, name: trackName }) => ({ sessionId, trackName })),
      );
    case "layers": {
      const tracks = change.tracks.map((track) => ({ ...remote(track), mid: track.mid }));
      return done(
        session,
        await ask("PUT", `${path}/tracks/update`, { tracks }),
        change.tracks.map(({ mid }) => ({ mid })),
      );
    }
    case "close": {
      const tracks = change.mids.map((mid) => ({ mid }));
      return done(session, await ask("PUT", `${path}/tracks/close`, { tracks, force: true }), tracks);
    }
  }
}

/** The participant's offer goes with what has changed, if anything has. */
async function publish(
  ask: Ask,
  session: string,
  path: string,
  { description: sessionDescription, add, remove }: Extract<SfuChange, { type: "publish" }>,
): Promise<SfuOutcome> {
  const gone = remove.map((mid) => ({ mid }));
  if (add.length === 0) {
    const closing = { tracks: gone, sessionDescription, force: false };
    return done(
      session,
      gone.length > 0
        ? await ask("PUT", `${path}/tracks/close`, closing)
        : await ask("PUT", `${path}/renegotiate`, { sessionDescription }),
      [],
    );
  }
  const tracks = add.map(({ mid, name: trackName }) => ({ location: "local", mid, trackName }));
  const outcome = done(
    session,
    await ask("POST", `${path}/tracks/new`, { sessionDescription, tracks }),
    add.map(({ name }) => ({ trackName: name })),
  );
  // Nobody receives them any more, and the SFU forgets them by and by if it does not hear this.
  if (outcome.kind === "done" && gone.length > 0)
    await ask("PUT", `${path}/tracks/close`, { tracks: gone, force: true });
  return outcome;
}

/** Without simulcast there is nothing to prefer. Where the layer is missing, or too much, another will do. */
function remote({ session: sessionId, name: trackName, rid: preferredRid }: Wanted) {
  const simulcast = preferredRid && {
    simulcast: { preferredRid, priorityOrdering: "asciibetical", ridNotAvailable: "asciibetical" },
  };
  return { location: "remote", sessionId, trackName, ...simulcast };
}

/** The results of tracks in the order in which they were asked for: the SFU need not keep it. */
function done(session: string, answer: Answer, asked: Partial<z.infer<typeof resulted>>[]): SfuOutcome {
  if (answer.kind !== "answered") return answer;
  const { sessionDescription, tracks = [] } = answer.body;
  const results = tracks.map((track) => resulted.safeParse(track).data ?? {});
  const isOf = (wanted: (typeof asked)[number]) => (result: (typeof results)[number]) =>
    (["mid", "sessionId", "trackName"] as const).every(
      (name) => !wanted[name] || result[name] === wanted[name],
    );
  const outcomes = asked.map((wanted): TrackOutcome => {
    const { mid, errorCode = mid === undefined ? "missing" : undefined } = results.find(isOf(wanted)) ?? {};
    return { ...(mid !== undefined && { mid }), ...(errorCode !== undefined && { error: errorCode }) };
  });
  const description: SessionDescription | undefined = sessionDescription;
  return { kind: "done", session, ...(description && { description }), tracks: outcomes };
}

async function request(
  { SFU_APP_ID, SFU_APP_SECRET, SFU_URL }: SfuSettings,
  fetcher: typeof fetch,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const base = SFU_URL || "https://rtc.live.cloudflare.com/v1";
  // AbortSignal.timeout would keep the Durable Object awake until it fires, also after the answer.
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), timeoutMs);
  try {
    const response = await fetcher(`${base}/apps/${encodeURIComponent(SFU_APP_ID ?? "")}/${path}`, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${SFU_APP_SECRET}`, "content-type": "application/json" },
      signal: aborter.signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return read(response.status, await response.text());
  } catch {
    return { kind: "later", detail: aborter.signal.aborted ? "no answer in time" : "cannot be reached" };
  } finally {
    clearTimeout(timer);
  }
}

/** Codes of the SFU's own trouble: https://developers.cloudflare.com/realtime/sfu/observability/error-codes/ */
const passing = new Set([
  "retryable_transient_error",
  "temporarily_unavailable_error",
  "transport_unavailable_error",
  "backend_error",
  "internal_error",
]);

function read(status: number, text: string): Answer {
  const body = answered.safeParse(json(text)).data;
  const isOk = status >= 200 && status < 300;
  if (isOk && body && body.errorCode === undefined) return { kind: "answered", body };
  const why = [status, body?.errorCode, body?.errorDescription?.slice(0, 200)].filter(Boolean).join(" ");
  if (status === 404 || status === 410) return { kind: "gone", detail: why };
  // 425: the participant's connection is not there yet.
  const later = status < 400 ? !body?.errorCode : status >= 500 || [408, 425, 429].includes(status);
  return { kind: later || passing.has(body?.errorCode ?? "") ? "later" : "refused", detail: why };
}

function json(text: string): unknown {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}
