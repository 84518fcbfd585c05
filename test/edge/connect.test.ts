import { expect, test } from "vitest";
import { issueInstanceToken } from "../../core/authentication/instance-token";
import { protocolVersions } from "../../protocol";
import {
  adminHeaders,
  bearer,
  bindings,
  fetchWorker,
  isErrorBody,
  newApplication,
  newInstance,
  openSocket,
  request,
  type TestInstance,
  unique,
} from "./support";

const app = await newApplication();
const hello = {
  type: "hello",
  versions: [1],
  connectionId: "0f3f8a3e-3f6f-4b57-9a59-0f2f7a1b7f10",
  sdk: "test",
  state: { listening: true, background: false },
  calls: [],
};
const protocols = (token: string) => ["carillon.v1", `token.${token}`];

async function expectRefusal(offered: string[], errorCode: number, code: number): Promise<Response> {
  const answer = await openSocket(offered, 2);
  expect(answer.frames).toEqual([
    { type: "refused", versions: protocolVersions, error: expect.objectContaining({ errorCode }) },
  ]);
  expect(isErrorBody((answer.frames[0] as { error: unknown }).error)).toBe(true);
  expect(answer.code).toBe(code);
  return answer.response;
}

test("a good token is welcome, and the subprotocol is selected", async () => {
  const { token, instanceId, userId } = await newInstance(app, unique("alice"));
  const { response, frames, socket } = await openSocket(protocols(token), 1, hello);
  expect(response.headers.get("sec-websocket-protocol")).toBe("carillon.v1");
  expect(frames[0]).toMatchObject({ type: "welcome", version: 1, userId, instanceId });
  socket.close();
});

test("without an upgrade: 426 and why", async () => {
  const { status, body } = await request("GET", "/v1/connect");
  expect(status).toBe(426);
  expect(body.errorCode).toBe(42600);
  expect(isErrorBody(body)).toBe(true);
});

test("what is no token: told on the socket, closed with 4401", async () => {
  await expectRefusal(protocols("x.y.z"), 40106, 4401);
});

test("no token", async () => {
  await expectRefusal(["carillon.v1"], 40100, 4401);
});

test("another protocol version: 4426, and one of the offered is selected so that a browser listens", async () => {
  const response = await expectRefusal(["carillon.v9", "token.x"], 42600, 4426);
  expect(response.headers.get("sec-websocket-protocol")).toBe("carillon.v9");
});

test("no subprotocol at all", async () => {
  const response = await fetchWorker("/v1/connect", { headers: { upgrade: "websocket" } });
  expect(response.status).toBe(101);
  expect(response.headers.get("sec-websocket-protocol")).toBeNull();
  response.webSocket?.accept();
});

test("a token that has expired", async () => {
  const { application, userId, instanceId } = await newInstance(app, unique("alice"));
  const identity = { applicationKey: application.key, userId, instanceId };
  const old = await issueInstanceToken(bindings.MASTER_KEY, identity, Date.now() - 31 * 86_400_000);
  await expectRefusal(protocols(old.token), 40104, 4401);
});

test("an instance that was revoked", async () => {
  const one = await newInstance(app, unique("alice"));
  await request("DELETE", `/v1/instances/${one.instanceId}`, { headers: bearer(one.token) });
  await expectRefusal(protocols(one.token), 40105, 4401);
});

test("an application that was deleted", async () => {
  const gone = await newApplication();
  const { token } = await newInstance(gone, "alice");
  await request("DELETE", `/v1/admin/applications/${gone.key}`, { headers: adminHeaders() });
  await expectRefusal(protocols(token), 40100, 4401);
});

test("claims that the client makes up are not believed", async () => {
  const alice = await newInstance(app, unique("alice"));
  const bob = await newInstance(app, unique("bob"));
  const claims = (of: TestInstance) =>
    JSON.stringify({ applicationKey: app.key, userId: of.userId, instanceId: of.instanceId, reference: "x" });
  const response = await fetchWorker("/v1/connect", {
    headers: {
      upgrade: "websocket",
      "sec-websocket-protocol": protocols(alice.token).join(", "),
      "x-carillon-claims": claims(bob),
    },
  });
  const socket = response.webSocket;
  const welcome = new Promise((resolve) => {
    socket?.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data))));
  });
  socket?.accept();
  socket?.send(JSON.stringify(hello));
  expect(await welcome).toMatchObject({ userId: alice.userId, instanceId: alice.instanceId });
  socket?.close();
});

test("revokeInstances closes open sockets at once", async () => {
  const other = await newApplication();
  const { token } = await newInstance(other, "alice");
  const { socket } = await openSocket(protocols(token), 1, hello);
  const closed = new Promise<number>((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve(code));
  });
  await request("POST", `/v1/admin/applications/${other.key}/rotate`, {
    body: { revokeInstances: true },
    headers: adminHeaders(),
  });
  expect(await closed).toBe(4401);
});
