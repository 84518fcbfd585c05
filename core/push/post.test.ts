import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { post } from "./post";

const now = Date.UTC(2026, 10, 21, 12, 0, 0);
const request = { url: "https://provider.example/x", headers: { a: "b" }, body: "text" };
const send = (fetcher: typeof fetch) => post(request, { fetch: fetcher, now: () => now, timeoutMs: 5_000 });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A body that gives a part and then what `next` does. */
const broken = (next: (controller: ReadableStreamDefaultController) => void) =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"reason":'));
      next(controller);
    },
  });

describe("a request to a provider", () => {
  test("is posted, and follows no redirect", async () => {
    const fetcher = vi.fn(
      async () => new Response("no", { status: 302, headers: { location: "https://b/" } }),
    );
    expect(await send(fetcher)).toEqual({ status: 302, text: "no", retryAfter: undefined });
    expect(fetcher.mock.calls).toEqual([
      [
        request.url,
        expect.objectContaining({
          method: "POST",
          redirect: "manual",
          headers: request.headers,
          body: "text",
        }),
      ],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([
    ["12", 12],
    [new Date(now + 90_000).toUTCString(), 90],
    [new Date(now - 90_000).toUTCString(), 0],
    ["soon", undefined],
    ["", undefined],
  ])("reads Retry-After: %s", async (header, seconds) => {
    const answer = await send(
      async () => new Response("", { status: 503, headers: { "retry-after": header } }),
    );
    expect(answer).toMatchObject({ status: 503 });
    expect(answer).toHaveProperty("retryAfter", seconds);
  });

  test("reads no more than the beginning of an answer", async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000).fill(120));
      },
    });
    const answer = await send(async () => new Response(endless, { status: 400 }));
    expect("text" in answer && answer.text.length).toBe(9_000);
    expect(pulled).toBeLessThan(20);
  });

  test("that is not answered is given up in time", async () => {
    const silent: typeof fetch = (_, init) =>
      new Promise((_, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      });
    const sending = send(silent);
    await vi.advanceTimersByTimeAsync(4_999);
    await vi.advanceTimersByTimeAsync(1);
    expect(await sending).toEqual({ kind: "temporary", reason: "no answer in time" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("whose answer never ends is given up in time", async () => {
    const sending = send(
      async () =>
        new Response(
          broken(() => {}),
          { status: 400 },
        ),
    );
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await sending).toEqual({ kind: "temporary", reason: "cut off" });
  });

  test("whose answer is cut is not judged by half of it", async () => {
    const cut = () => broken((controller) => controller.error(new Error("reset")));
    expect(await send(async () => new Response(cut(), { status: 400 }))).toMatchObject({ reason: "cut off" });
    expect(await send(async () => new Response(cut(), { status: 200 }))).toEqual({
      status: 200,
      text: "",
      retryAfter: undefined,
    });
  });

  test("that reaches nobody says so", async () => {
    const refused = send(() => Promise.reject(new TypeError("connection refused")));
    expect(await refused).toEqual({ kind: "temporary", reason: "cannot be reached" });
  });
});
