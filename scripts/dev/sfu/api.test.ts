/** What the stand-in refuses. That media comes through is seen in browsers: test/browser/sfu.test.ts. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RTCPeerConnection } from "werift";
import { startSfu } from "./api.mjs";

type Sfu = Awaited<ReturnType<typeof startSfu>>;

let sfu: Sfu;
beforeAll(async () => {
  sfu = await startSfu();
});
afterAll(() => sfu.close());

async function ask(
  method: string,
  path: string,
  body?: unknown,
  secret = sfu.settings.SFU_APP_SECRET,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${sfu.settings.SFU_URL}/apps/${sfu.settings.SFU_APP_ID}/${path}`, {
    method,
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { ...answer, status: response.status };
}

async function newSession(): Promise<string> {
  const { status, sessionId } = await ask("POST", "sessions/new");
  expect(status).toBe(201);
  return `sessions/${sessionId}`;
}

test("without the secret nothing is said", async () => {
  expect(await ask("POST", "sessions/new", undefined, "guess")).toMatchObject({
    ...{ status: 401, errorCode: "unauthorized" },
  });
});

test("a session that is not there is gone", async () => {
  expect(await ask("POST", "sessions/none/tracks/new", { tracks: [{ location: "remote" }] })).toMatchObject({
    ...{ status: 410, errorCode: "session_error" },
  });
});

test("requests that are wrong are refused as a whole", async () => {
  const session = await newSession();
  const remote = { location: "remote", sessionId: "none", trackName: "a" };
  const wrong: [string, string, object, number][] = [
    ["POST", "tracks/new", { tracks: [] }, 406],
    ["POST", "tracks/new", { tracks: [remote, { location: "local", mid: "0", trackName: "b" }] }, 406],
    ["POST", "tracks/new", { tracks: Array.from({ length: 65 }, () => remote) }, 406],
    ["POST", "tracks/new", { tracks: [{ location: "local", mid: "0", trackName: "b" }] }, 406],
    ["POST", "tracks/new", { tracks: [{ ...remote, trackName: 5 }] }, 400],
    ["PUT", "renegotiate", { sessionDescription: { type: "answer", sdp: "v=0" } }, 406],
    ["PUT", "tracks/close", { tracks: [{ mid: "0" }], force: false }, 406],
    ["PUT", "tracks/close", { tracks: [], force: true }, 406],
    ["PUT", "elsewhere", {}, 404],
  ];
  for (const [method, path, body, status] of wrong)
    expect(await ask(method, `${session}/${path}`, body)).toMatchObject({ status });
});

test("tracks that are not there fail one by one", async () => {
  const session = await newSession();
  const remote = { location: "remote", sessionId: "none", trackName: "a" };
  const failed = (errorCode: string) => ({ status: 200, tracks: [{ errorCode }] });
  expect(await ask("POST", `${session}/tracks/new`, { tracks: [remote] })).toMatchObject(
    failed("not_found_track_error"),
  );
  expect(await ask("PUT", `${session}/tracks/update`, { tracks: [{ ...remote, mid: "7" }] })).toMatchObject(
    failed("not_found_track_error"),
  );
  expect(await ask("PUT", `${session}/tracks/close`, { tracks: [{ mid: "7" }], force: true })).toMatchObject(
    failed("close_track_error"),
  );
  expect(await ask("GET", session)).toEqual({ status: 200, tracks: [], dataChannels: [] });
});

test("one change at a time, and each publication once", async () => {
  const session = await newSession();
  const connection = new RTCPeerConnection({ iceServers: [] });
  connection.addTransceiver("audio", { direction: "sendonly" });
  await connection.setLocalDescription(await connection.createOffer());
  const { type, sdp } = connection.localDescription ?? {};
  const body = {
    sessionDescription: { type, sdp },
    tracks: [{ location: "local", mid: connection.getTransceivers()[0]?.mid, trackName: "voice" }],
  };
  const found = sfu.sessions.get(session.replace("sessions/", ""));
  const first = found?.closeTracks([{ mid: "9" }], true, undefined);
  const second = found?.closeTracks([{ mid: "9" }], true, undefined);
  await expect(second).rejects.toMatchObject({ status: 406 });
  await first;
  expect(await ask("POST", `${session}/tracks/new`, body)).toMatchObject({
    status: 200,
    sessionDescription: {},
  });
  expect(await ask("POST", `${session}/tracks/new`, body)).toMatchObject({
    ...{ status: 200, tracks: [{ errorCode: "invalid_params" }] },
  });
  const track = { location: "local", trackName: "voice", status: "active" };
  expect(await ask("GET", session)).toMatchObject({ tracks: [track] });
  await connection.close();
});

test("a session that nobody connects to is forgotten after 30 seconds", async () => {
  const session = await newSession();
  const found = sfu.sessions.get(session.replace("sessions/", ""));
  expect(found?.sweep(performance.now() + 29_000)).toBe(true);
  expect(found?.sweep(performance.now() + 31_000)).toBe(false);
  expect(await ask("GET", session)).toMatchObject({ status: 410 });
});

test("50 requests in a second are enough for a session", async () => {
  const session = await newSession();
  const statuses = await Promise.all(
    Array.from({ length: 120 }, async () => (await ask("GET", session)).status),
  );
  expect(statuses).toContain(200);
  expect(statuses).toContain(429);
});
