/** `GET /v1/connect`: the upgrade to the active connection. */
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import type { SocketClaims } from "../../durable-objects/user-hub/rpc";
import {
  closeCodes,
  type ErrorBody,
  errorBody,
  protocolVersions,
  type Refused,
  subprotocol,
  tokenSubprotocolPrefix,
} from "../../protocol";
import type { EdgeContext } from "../context";
import { acceptToken } from "../guards";
import { refuseWith } from "../respond";

/**
 * Checks the token and hands the socket to the user's hub. A refusal is told on the socket: a
 * browser does not let a page read the HTTP answer to an upgrade.
 */
export async function connect(context: EdgeContext): Promise<Response> {
  if (context.req.header("upgrade")?.toLowerCase() !== "websocket") {
    return refuseWith(context, "versionRefused", {
      detail: "This is a WebSocket endpoint: send `Upgrade: websocket`.",
    });
  }
  const { env } = context;
  const { reference } = context.var;
  const offered = (context.req.header("sec-websocket-protocol") ?? "")
    .split(",")
    .map((entry) => entry.trim());
  const claims = await claimsOf(env, offered, reference);
  if ("error" in claims) return refuseSocket({ ...claims.error, reference }, offered);
  const headers = new Headers(context.req.raw.headers);
  // Whatever the client wrote there is not ours.
  headers.set("x-carillon-claims", JSON.stringify(claims));
  return userHub(env, claims).fetch(new Request(context.req.raw, { headers }));
}

async function claimsOf(
  env: Env,
  offered: readonly string[],
  reference: string,
): Promise<SocketClaims | { error: ErrorBody }> {
  if (!offered.includes(subprotocol)) {
    return { error: errorBody("versionRefused", { detail: `Offer the subprotocol ${subprotocol}.` }) };
  }
  const token = offered.find((entry) => entry.startsWith(tokenSubprotocolPrefix));
  if (token === undefined) {
    const detail = `Offer the subprotocol ${tokenSubprotocolPrefix}{instanceToken}.`;
    return { error: errorBody("unauthorized", { detail }) };
  }
  const accepted = await acceptToken(env, token.slice(tokenSubprotocolPrefix.length));
  if (!accepted.ok) return accepted;
  const { applicationKey, userId, instanceId, expires } = accepted.value;
  return { applicationKey, userId, instanceId, expires, reference };
}

function refuseSocket(error: ErrorBody, offered: readonly string[]): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  const refused: Refused = { type: "refused", versions: protocolVersions, error };
  server.accept();
  server.send(JSON.stringify(refused));
  server.close(
    error.name === "versionRefused" ? closeCodes.versionRefused : closeCodes.unauthorized,
    error.name,
  );
  // A browser drops a connection that selects none of the subprotocols that it offered.
  const selected = offered.includes(subprotocol) ? subprotocol : offered[0];
  const headers: HeadersInit = selected ? { "sec-websocket-protocol": selected } : {};
  return new Response(null, { status: 101, webSocket: client, headers });
}
