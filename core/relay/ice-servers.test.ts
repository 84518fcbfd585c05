import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { iceServersFor } from "./ice-servers";

const now = () => 1_700_000_000_000;
const expiresAt = 1_700_086_400_000;
const cloudflare = { TURN_KEY_ID: "key", TURN_KEY_API_TOKEN: "token" };
const never: typeof fetch = () => Promise.reject(new Error("no fetch expected"));

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("nothing configured: no servers", async () => {
  expect(await iceServersFor({}, "alice", { fetch: never, now })).toEqual({
    ok: true,
    value: { iceServers: [], expiresAt },
  });
});

test("shared secret: the credential is the base64 HMAC-SHA1 of the name", async () => {
  const settings = {
    TURN_URLS: "turn:r.example:3478?transport=udp, turns:r.example:5349",
    TURN_SECRET: "s3cret",
    STUN_URLS: "stun:r.example:3478",
  };
  const result = await iceServersFor(settings, "app/alice", { fetch: never, now });
  const username = "1700086400:app/alice";
  expect(result).toEqual({
    ok: true,
    value: {
      expiresAt,
      iceServers: [
        { urls: ["stun:r.example:3478"] },
        {
          urls: ["turn:r.example:3478?transport=udp", "turns:r.example:5349"],
          username,
          // printf 1700086400:app/alice | openssl dgst -sha1 -hmac s3cret -binary | base64
          credential: "PhCzjE/g/mX7lxOp2UD3RYxu/hg=",
        },
      ],
    },
  });
});

test("Cloudflare: asks with the token for a day, drops port 53 and nothing else, always gives arrays", async () => {
  const requests: { url: string; init?: RequestInit }[] = [];
  const fetcher: typeof fetch = async (url, init) => {
    requests.push({ url: String(url), init });
    return Response.json(
      {
        iceServers: [
          { urls: ["stun:stun.example:3478", "stun:stun.example:53"] },
          {
            urls: [
              "turn:turn.example:53?transport=udp",
              "turn:turn.example:5349",
              "turns:t.example:443?transport=tcp",
            ],
            username: "u",
            credential: "c",
          },
          { urls: "stun:one.example" },
          { urls: ["turn:turn.example:53"] },
        ],
      },
      { status: 201 },
    );
  };
  const settings = {
    ...cloudflare,
    TURN_API_URL: "http://127.0.0.1:9",
    TURN_URLS: "turn:x",
    TURN_SECRET: "y",
  };
  const result = await iceServersFor(settings, "alice", { fetch: fetcher, now });
  expect(result).toEqual({
    ok: true,
    value: {
      expiresAt,
      iceServers: [
        { urls: ["stun:stun.example:3478"] },
        {
          urls: ["turn:turn.example:5349", "turns:t.example:443?transport=tcp"],
          username: "u",
          credential: "c",
        },
        { urls: ["stun:one.example"] },
      ],
    },
  });
  expect(requests[0]?.url).toBe("http://127.0.0.1:9/v1/turn/keys/key/credentials/generate-ice-servers");
  expect(requests[0]?.init).toMatchObject({
    method: "POST",
    body: '{"ttl":86400}',
    headers: { authorization: "Bearer token" },
  });
});

test.each([
  ["an error status", async () => new Response("no", { status: 401 }), "The TURN service answered 401."],
  ["no JSON", async () => new Response("<html>", { status: 201 }), "The TURN service cannot be reached."],
  ["another shape", async () => Response.json({ ok: true }), "The TURN service gave no ICE servers."],
  ["no connection", () => Promise.reject(new TypeError("x")), "The TURN service cannot be reached."],
] satisfies [string, typeof fetch, string][])(
  "Cloudflare answers with %s: unavailable",
  async (_, fetcher, detail) => {
    const result = await iceServersFor(cloudflare, "alice", { fetch: fetcher, now });
    expect(result).toMatchObject({ ok: false, error: { errorCode: 50300, detail } });
  },
);

test("Cloudflare does not answer within 5 seconds: unavailable", async () => {
  const hanging: typeof fetch = (_url, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
    });
  const result = iceServersFor(cloudflare, "alice", { fetch: hanging, now });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await result).toMatchObject({ ok: false, error: { errorCode: 50300 } });
});
