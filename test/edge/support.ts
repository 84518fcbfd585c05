/** What the tests of the edge share: requests as a server, a device and the administrator make them. */
import { env, exports } from "cloudflare:workers";
import { issueRegistrationToken } from "../../core/authentication/registration-token";
import { requestSignature, stringToSign } from "../../core/authentication/rest";
import { registrationSignature } from "../../core/authentication/signature";
import type { Env } from "../../durable-objects/env";
import type { ErrorBody } from "../../protocol";

export const bindings = env as unknown as Env;
export const base = "https://carillon.test";

const worker = (exports as unknown as { default: { fetch: typeof fetch } }).default;

export interface TestApplication {
  key: string;
  secret: string;
}

export interface TestInstance {
  application: TestApplication;
  userId: string;
  instanceId: string;
  token: string;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came.
  body: any;
}

export function fetchWorker(path: string, init?: RequestInit): Promise<Response> {
  return worker.fetch(path.startsWith("http") ? path : base + path, init);
}

/** Sends a request and reads the answer. A body that is no text is sent as JSON. */
export async function request(
  method: string,
  path: string,
  options: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const init: RequestInit = { method, headers: options.headers };
  if (options.body !== undefined) init.body = textOf(options.body);
  const response = await fetchWorker(path, init);
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // No content, or an asset.
  }
  return { status: response.status, headers: response.headers, text, body };
}

export const textOf = (body: unknown): string => (typeof body === "string" ? body : JSON.stringify(body));

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
export const adminHeaders = () => bearer(bindings.ADMIN_TOKEN);
export const basic = ({ key, secret }: TestApplication) => ({
  authorization: `Basic ${btoa(`${key}:${secret}`)}`,
});

/** Headers of a signed request. */
export async function signed(
  application: TestApplication,
  method: string,
  path: string,
  body?: unknown,
  timestamp = new Date().toISOString(),
): Promise<Record<string, string>> {
  const headers = new Headers(body === undefined ? {} : { "content-type": "application/json" });
  const bytes = new TextEncoder().encode(body === undefined ? "" : textOf(body)) as Uint8Array<ArrayBuffer>;
  const text = await stringToSign({ method, url: new URL(base + path), headers, body: bytes }, timestamp);
  const signature = await requestSignature(text, application.secret);
  return {
    ...Object.fromEntries(headers),
    "x-timestamp": timestamp,
    authorization: `Application ${application.key}:${signature}`,
  };
}

let counter = 0;
export const unique = (name: string) => `${name}-${++counter}`;

export async function newApplication(account = unique("account")): Promise<TestApplication> {
  const { status, body } = await request("POST", "/v1/admin/applications", {
    body: { name: "Test", account },
    headers: adminHeaders(),
  });
  if (status !== 201) throw new Error(`no application: ${status}`);
  return { key: body.applicationKey, secret: body.applicationSecret };
}

/** A registration by scheme 2. */
export async function signedRegistration(
  application: TestApplication,
  userId: string,
  sequence: number | string,
) {
  const what = { applicationKey: application.key, userId, sequence: String(sequence) };
  const signature = await registrationSignature(what, application.secret);
  return { applicationKey: application.key, userId, signature, sequence };
}

/** A registration by scheme 3. */
export async function tokenRegistration(application: TestApplication, userId: string, now = Date.now()) {
  const user = { applicationKey: application.key, userId };
  const how = { now, ttlSeconds: 600, nonce: crypto.randomUUID() };
  return { ...user, token: await issueRegistrationToken(user, application.secret, how) };
}

export async function newInstance(
  application: TestApplication,
  userId: string,
  deviceId?: string,
): Promise<TestInstance> {
  const body = { ...(await tokenRegistration(application, userId)), deviceId };
  const answer = await request("POST", "/v1/instances", { body });
  if (answer.status !== 201) throw new Error(`no instance: ${answer.text}`);
  const { instanceId, instanceToken: token } = answer.body;
  return { application, userId, instanceId, token };
}

/** Every error has this shape, and tells nothing else. */
export function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== "object" || body === null) return false;
  const error = body as ErrorBody;
  const allowed = ["errorCode", "name", "message", "hint", "detail", "retryAfter", "reference"];
  return (
    Number.isInteger(error.errorCode) &&
    [error.name, error.message, error.hint].every((text) => typeof text === "string" && text !== "") &&
    /^[0-9a-f]{16}$/.test(error.reference ?? "") &&
    Object.keys(error).every((key) => allowed.includes(key))
  );
}

/** Opens the active connection and reads what the server says until it closes, or until `count` frames. */
export async function openSocket(
  protocols: string[],
  count: number,
  hello?: unknown,
): Promise<{ response: Response; frames: unknown[]; code: number | null; socket: WebSocket }> {
  const response = await fetchWorker("/v1/connect", {
    headers: { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", ") },
  });
  const socket = response.webSocket;
  if (!socket) throw new Error(`no socket: ${response.status}`);
  const frames: unknown[] = [];
  let code: number | null = null;
  await new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      frames.push(JSON.parse(String(data)));
      if (frames.length >= count) resolve();
    });
    socket.addEventListener("close", (event) => {
      code = event.code;
      resolve();
    });
    socket.accept();
    if (hello !== undefined) socket.send(JSON.stringify(hello));
  });
  return { response, frames, code, socket };
}
