// @ts-check
/** SIP messages as a proxy wants them: read by sip.js's parser, changed header by header, written again. */
import { LoggerFactory } from "sip.js/lib/core/log/logger-factory.js";
import { IncomingRequestMessage } from "sip.js/lib/core/messages/incoming-request-message.js";
import { Parser } from "sip.js/lib/core/messages/parser.js";
import { getReasonPhrase } from "sip.js/lib/core/messages/utils.js";
import { Grammar } from "sip.js/lib/grammar/grammar.js";

/**
 * `method`: of a response, the one of its CSeq. `headers`: values by name, in their order, each value
 * by itself. `branch`: of the first Via.
 *
 * @typedef {Record<string, string[]>} Headers
 * @typedef {{ method: string, headers: Headers, body: string, branch: string, callId: string, fromTag: string, toTag: string }} Common
 * @typedef {Common & { uri: string, status?: undefined, reason?: undefined }} Request
 * @typedef {Common & { uri?: undefined, status: number, reason: string }} Response
 */

const loggers = new LoggerFactory();
loggers.builtinEnabled = false;
const logger = loggers.getLogger("telephony");

/** Those that may come several in one line. */
const lists = ["Via", "Route", "Record-Route", "Contact"];

/** @param {string} text @returns {Request | Response | undefined} undefined: that is no SIP */
export function parse(text) {
  const read = Parser.parseMessage(text, logger);
  if (!read) return undefined;
  /** @type {Headers} */
  const headers = {};
  for (const [name, values] of Object.entries(read.headers)) {
    const raw = values.map((value) => value.raw);
    headers[name] = lists.includes(name) ? raw.flatMap(splitList) : raw;
  }
  const [, method = ""] = /^\d{1,10}\s+([A-Z]+)$/.exec(headers.CSeq?.[0] ?? "") ?? [];
  const [, branch = ""] = /;\s*branch\s*=\s*([^;,\s]+)/i.exec(headers.Via?.[0] ?? "") ?? [];
  const [callId = ""] = headers["Call-ID"] ?? [];
  const { fromTag = "", toTag = "" } = read;
  const common = { headers, body: read.body ?? "", branch, callId, fromTag, toTag };
  if (read instanceof IncomingRequestMessage) {
    return { ...common, method: read.method, uri: String(read.ruri ?? "") };
  }
  return { ...common, method, status: read.statusCode ?? 0, reason: read.reasonPhrase ?? "" };
}

/** What RFC 3261, 8.1.1, wants and is not there. @param {Request} request @returns {string | undefined} */
export function problemOf({ method, uri, headers, body, branch, fromTag }) {
  const missing = ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards"].find(
    (name) => !headers[name]?.[0],
  );
  if (missing) return `Missing ${missing}`;
  if (!uri.startsWith("sip:") && !uri.startsWith("sips:")) return "Request-URI Is No SIP URI";
  if (!branch.startsWith("z9hG4bK")) return "Branch Does Not Begin With z9hG4bK";
  if (!fromTag) return "Missing Tag In From";
  if (headers.CSeq?.[0]?.split(/\s+/)[1] !== method) return "CSeq Of Another Method";
  if (!/^\d{1,3}$/.test(headers["Max-Forwards"]?.[0] ?? "")) return "Max-Forwards Is No Number";
  if (method === "INVITE" && headers.Contact?.length !== 1) return "Missing Contact";
  const length = headers["Content-Length"]?.[0];
  if (length !== undefined && Number(length) !== Buffer.byteLength(body)) return "Wrong Content-Length";
  if (body && !headers["Content-Type"]) return "Missing Content-Type";
  return undefined;
}

/** @param {Request | Response} message */
export function write({ method, uri, status, reason, headers, body }) {
  const first = status === undefined ? `${method} ${uri} SIP/2.0` : `SIP/2.0 ${status} ${reason}`;
  const all = { ...headers, "Content-Length": [String(Buffer.byteLength(body))] };
  const lines = Object.entries(all).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  return [first, ...lines, "", body].join("\r\n");
}

/**
 * @param {Request} request @param {number} status
 * @param {{ reason?: string, headers?: Headers, toTag?: string }} [more]
 * @returns {Response}
 */
export function responseTo(request, status, { reason, headers = {}, toTag = "" } = {}) {
  const { method, branch, callId, fromTag } = request;
  const copied = Object.fromEntries(
    ["Via", "From", "To", "Call-ID", "CSeq"].map((name) => [name, request.headers[name] ?? []]),
  );
  // Whoever answers has a tag, but for 100.
  const tagged = request.toTag || status === 100 ? "" : toTag;
  if (tagged) copied.To = [`${request.headers.To?.[0]};tag=${tagged}`];
  return {
    ...{ method, status, reason: reason ?? (getReasonPhrase(status) || "Unknown") },
    ...{ headers: { ...copied, ...headers }, body: "", branch, callId, fromTag },
    toTag: request.toTag || tagged,
  };
}

/** Of the same transaction: a CANCEL, or the ACK of a failure. @param {Request} request @param {string} method @returns {Request} */
export function companionOf(request, method, to = request.headers.To ?? []) {
  const { "Call-ID": callId = [], From = [], CSeq = [], Via = [] } = request.headers;
  const headers = {
    ...{ Via: Via.slice(0, 1), From, To: to, "Call-ID": callId, "Max-Forwards": ["70"] },
    CSeq: [`${CSeq[0]?.split(/\s+/)[0]} ${method}`],
  };
  return { ...request, method, headers, body: "" };
}

/** What finds a socket by an address: `user@host:port`, nothing of its parameters. @param {string} address a URI, or a value of Contact */
export function contactKey(address) {
  const uri = address.startsWith("sip")
    ? Grammar.URIParse(address)
    : Grammar.nameAddrHeaderParse(address)?.uri;
  return uri && `${uri.user ?? ""}@${uri.host}:${uri.port ?? ""}`.toLowerCase();
}

/** At commas outside of quotes and brackets. @param {string} value */
function splitList(value) {
  const parts = value.match(/(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+/g) ?? [value];
  return parts.map((part) => part.trim());
}
