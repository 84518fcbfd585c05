import { describe, expect, test, vi } from "vitest";
import { performChange } from "./api";
import type { SentTrack, SfuChange } from "./seat";

const settings = { SFU_APP_ID: "app", SFU_APP_SECRET: "secret", SFU_URL: "http://sfu/v1" };
const offer = { type: "offer", sdp: "v=0" } as const;
const answer = { type: "answer", sdp: "v=1" } as const;
const voice: SentTrack = { mid: "0", kind: "audio", name: "audio-1" };
const wanted = (name: string) => ({ session: "s2", name, id: "bob", kind: "audio" as const });
const pull: SfuChange = { type: "pull", generation: 1, session: "s1", tracks: [wanted("a"), wanted("b")] };

interface Asked {
  what: string;
  body?: unknown;
  authorization: string | null;
}

/** Answers in turn; what was asked is kept. */
function sfu(...answers: (Response | Error)[]) {
  const asked: Asked[] = [];
  const fetcher: typeof fetch = async (url, init) => {
    const headers = new Headers(init?.headers);
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    asked.push({ what: `${init?.method} ${url}`, body, authorization: headers.get("authorization") });
    const next = answers.shift() ?? new Error("nothing more was expected");
    if (next instanceof Error) throw next;
    return next;
  };
  return { asked, perform: (change: SfuChange) => performChange(settings, fetcher, change) };
}

const says = (body: object, status = 200) => Response.json(body, { status });

describe("the SFU's API", () => {
  test("a first publication makes the session, and answers with it", async () => {
    const { asked, perform } = sfu(
      says({ sessionId: "s1" }, 201),
      says({ sessionDescription: answer, tracks: [{ mid: "0", trackName: "audio-1" }] }),
    );
    const head = { type: "publish", generation: 1, description: offer } as const;
    const outcome = await perform({ ...head, keep: [], add: [voice], remove: [] });
    expect(outcome).toEqual({ kind: "done", session: "s1", description: answer, tracks: [{ mid: "0" }] });
    const tracks = [{ location: "local", mid: "0", trackName: "audio-1" }];
    expect(asked).toEqual([
      { what: "POST http://sfu/v1/apps/app/sessions/new", authorization: "Bearer secret" },
      {
        what: "POST http://sfu/v1/apps/app/sessions/s1/tracks/new",
        body: { sessionDescription: offer, tracks },
        authorization: "Bearer secret",
      },
    ]);
  });

  test("an offer goes with what changes: with new tracks, else with those that end, else alone", async () => {
    const ways = [
      { add: [voice], remove: ["5"], asked: ["POST tracks/new", "PUT tracks/close"] },
      { add: [], remove: ["5"], asked: ["PUT tracks/close"] },
      { add: [], remove: [], asked: ["PUT renegotiate"] },
    ];
    for (const { add, remove, asked: expected } of ways) {
      const result = { sessionDescription: answer, tracks: [{ mid: "0", trackName: "audio-1" }] };
      const { asked, perform } = sfu(says(result), says({}));
      const head = { type: "publish", generation: 1, session: "s1", description: offer } as const;
      expect(await perform({ ...head, keep: [], add, remove })).toMatchObject({ description: answer });
      expect(asked.map(({ what }) => what.replace("http://sfu/v1/apps/app/sessions/s1/", ""))).toEqual(
        expected,
      );
    }
  });

  test("each track has its own outcome, whatever the order of the answer", async () => {
    const tracks = [
      { sessionId: "s2", trackName: "b", errorCode: "not_found_track_error", errorDescription: "no" },
      { sessionId: "s2", trackName: "a", mid: "7" },
    ];
    const { perform } = sfu(
      says({ sessionDescription: offer, requiresImmediateRenegotiation: true, tracks }),
    );
    expect(await perform(pull)).toMatchObject({
      kind: "done",
      description: offer,
      tracks: [{ mid: "7" }, { error: "not_found_track_error" }],
    });
  });

  test("a track that the answer leaves out has failed", async () => {
    const { perform } = sfu(says({ tracks: [{ sessionId: "s2", trackName: "a", mid: "7" }] }));
    expect(await perform(pull)).toMatchObject({ tracks: [{ mid: "7" }, { error: "missing" }] });
  });

  test("a layer is asked for by its name, and nothing is where there are none", async () => {
    const { asked, perform } = sfu(says({ tracks: [] }));
    const tracks = [{ ...wanted("a"), rid: "h" }, wanted("b")];
    await perform({ type: "pull", generation: 1, session: "s1", tracks });
    const simulcast = {
      preferredRid: "h",
      priorityOrdering: "asciibetical",
      ridNotAvailable: "asciibetical",
    };
    expect(asked[0]?.body).toEqual({
      tracks: [
        { location: "remote", sessionId: "s2", trackName: "a", simulcast },
        { location: "remote", sessionId: "s2", trackName: "b" },
      ],
    });
  });

  test.each([
    [says({ errorCode: "session_error" }, 410), "gone"],
    [says({ errorCode: "not_found" }, 404), "gone"],
    [says({ errorCode: "session_error" }, 425), "later"],
    [says({}, 429), "later"],
    [new Response("<html>", { status: 502 }), "later"],
    [new Response("<html>", { status: 200 }), "later"],
    [new Response(null, { status: 302 }), "later"],
    [new TypeError("connection refused"), "later"],
    [says({ errorCode: "internal_error" }, 400), "later"],
    [says({ errorCode: "retryable_transient_error" }), "later"],
    [says({ errorCode: "unauthorized" }, 401), "refused"],
    [says({ errorCode: "invalid_session_description" }, 406), "refused"],
    [says({ errorCode: "invalid_params" }), "refused"],
  ])("answer %# is read as what it is", async (response, kind) => {
    expect(await sfu(response).perform(pull)).toMatchObject({ kind });
  });

  test("whoever does not answer is not waited for", async () => {
    vi.useFakeTimers();
    try {
      const never: typeof fetch = (_url, init) =>
        new Promise((_, reject) =>
          init?.signal?.addEventListener("abort", () => reject(new Error("aborted"))),
        );
      const outcome = performChange(settings, never, pull);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await outcome).toEqual({ kind: "later", detail: "no answer in time" });
    } finally {
      vi.useRealTimers();
    }
  });
});
