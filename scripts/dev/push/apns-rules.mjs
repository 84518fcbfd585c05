// @ts-check
/**
 * What APNs wants of a request: Apple, “Sending notification requests to APNs”, “Generating a remote
 * notification”, “Pushing background updates to your app”. Each rule gives the reason that Apple documents
 * for it; where Apple says only that it “may return an error”, this does.
 */
import { parseObject } from "./jwt.mjs";

/** Status by reason: Apple, “Handling notification responses from APNs”. @type {Record<string, number>} */
export const statusOf = {
  BadCollapseId: 400,
  BadDeviceToken: 400,
  BadExpirationDate: 400,
  BadMessageId: 400,
  BadPriority: 400,
  BadTopic: 400,
  DeviceTokenNotForTopic: 400,
  DuplicateHeaders: 400,
  InvalidPushType: 400,
  MissingDeviceToken: 400,
  MissingTopic: 400,
  PayloadEmpty: 400,
  TopicDisallowed: 400,
  BadEnvironmentKeyIdInToken: 403,
  ExpiredProviderToken: 403,
  InvalidProviderToken: 403,
  MissingProviderToken: 403,
  UnrelatedKeyIdInToken: 403,
  BadPath: 404,
  MethodNotAllowed: 405,
  Unregistered: 410,
  PayloadTooLarge: 413,
  TooManyProviderTokenUpdates: 429,
  TooManyRequests: 429,
};

/** Those whose topic is the bundle id itself, or with `.voip`. Others are no business of a call. */
const pushTypes = ["alert", "background", "voip"];

/** @param {import("./listen.mjs").Asked} asked @returns {string | undefined} what is wrong with the headers */
export function wrongHeader({ headers, repeated }) {
  if (repeated.some((name) => name.startsWith("apns-") || name === "authorization"))
    return "DuplicateHeaders";
  const { "apns-topic": topic, "apns-push-type": type = "", "apns-priority": priority = "10" } = headers;
  const { "apns-id": id, "apns-expiration": expiration, "apns-collapse-id": collapse } = headers;
  if (id !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return "BadMessageId";
  // Seconds: who sends milliseconds has three digits too many.
  if (expiration !== undefined && !/^(0|[1-9]\d{0,9})$/.test(expiration)) return "BadExpirationDate";
  if (!["1", "5", "10"].includes(priority)) return "BadPriority";
  if (collapse !== undefined && (collapse === "" || Buffer.byteLength(collapse) > 64)) return "BadCollapseId";
  if (topic === undefined) return "MissingTopic";
  if (!/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(topic)) return "BadTopic";
  if (!pushTypes.includes(type) || (type === "voip") !== topic.endsWith(".voip")) return "InvalidPushType";
  // “Always use priority 5. Using priority 10 is an error.”
  if (type === "background" && priority !== "5") return "BadPriority";
  return undefined;
}

/** @param {Buffer} body @param {string} type the push type @returns {string | undefined} what is wrong with the payload */
export function wrongPayload(body, type) {
  if (body.length > (type === "voip" ? 5_120 : 4_096)) return "PayloadTooLarge";
  const payload = parseObject(body.toString());
  // Apple has no reason of its own for what is no JSON.
  if (!payload || Object.keys(payload).length === 0) return "PayloadEmpty";
  // “The value of this header must accurately reflect the contents of your notification’s payload.”
  const aps = /** @type {Record<string, unknown>} */ (payload.aps ?? {});
  const seen = ["alert", "sound", "badge"].some((name) => aps[name] !== undefined);
  if (type === "alert" && !seen) return "InvalidPushType";
  if (type === "background" && (seen || aps["content-available"] !== 1)) return "InvalidPushType";
  return undefined;
}
