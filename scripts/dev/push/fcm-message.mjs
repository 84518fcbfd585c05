// @ts-check
/** The form of a message of FCM HTTP v1: Firebase, “REST Resource: projects.messages” and “ErrorCode”. */

/**
 * `field` when it is a value's form that is wrong, as Google's JSON reader says it; without it FCM itself
 * does not want it.
 * @typedef {{ message: string, field?: string }} Wrong
 */

/** The fields of each part, as JSON names them; Google takes camel case as well. @type {Record<string, string[]>} */
const fieldsOf = {
  "": ["message", "validate_only"],
  message: [
    ...["name", "data", "notification", "android", "webpush", "apns", "fcm_options"],
    ...["token", "topic", "condition"],
  ],
  "message.android": [
    ...["collapse_key", "priority", "ttl", "restricted_package_name", "data", "notification", "fcm_options"],
    ...["direct_boot_ok", "bandwidth_constrained_ok", "restricted_satellite_ok"],
  ],
};

const mostBytes = 4_096;
/** Four weeks. */
const mostSeconds = 2_419_200;

/** @param {Record<string, unknown> | undefined} body @returns {Wrong | undefined} */
export function wrongMessage(body) {
  if (!body) return { message: "Invalid JSON payload received. Unexpected token.", field: "" };
  const message = asObject(body.message);
  if (!message) return { message: "Invalid value at 'message'", field: "message" };
  const unknown = unknownField(body, "") ?? unknownField(message, "message");
  if (unknown) return unknown;
  const targets = ["token", "topic", "condition"].filter((name) => message[name] !== undefined);
  if (targets.length !== 1 || typeof message[targets[0] ?? ""] !== "string")
    return { message: "Recipient of the message is not set.", field: "message" };
  return wrongData(message) ?? wrongAndroid(message);
}

/** @param {Record<string, unknown>} message @returns {Wrong | undefined} */
function wrongData(message) {
  if (message.data === undefined) return undefined;
  const data = asObject(message.data);
  if (!data) return { message: "Invalid value at 'message.data'", field: "message.data" };
  const entries = Object.entries(data);
  const at = entries.findIndex(([, value]) => typeof value !== "string");
  if (at >= 0) {
    const field = `message.data[${at}].value`;
    return { message: `Invalid value at '${field}' (TYPE_STRING), ${entries[at]?.[1]}`, field };
  }
  const reserved = entries.find(
    ([name]) => ["from", "message_type"].includes(name) || /^(google|gcm)/.test(name),
  );
  if (reserved) return { message: `Invalid data payload key: ${reserved[0]}` };
  const notification = message.notification ? JSON.stringify(message.notification) : "";
  const bytes = Buffer.byteLength(entries.flat().join("") + notification);
  if (bytes > mostBytes) return { message: "Android message is too big" };
  return undefined;
}

/** @param {Record<string, unknown>} message @returns {Wrong | undefined} */
function wrongAndroid(message) {
  if (message.android === undefined) return undefined;
  const android = asObject(message.android);
  if (!android) return { message: "Invalid value at 'message.android'", field: "message.android" };
  const unknown = unknownField(android, "message.android");
  if (unknown) return unknown;
  const { priority, ttl } = android;
  if (priority !== undefined && !/^(NORMAL|HIGH)$/i.test(String(priority)))
    return {
      message: `Invalid value at 'message.android.priority', ${priority}`,
      field: "message.android.priority",
    };
  if (ttl === undefined) return undefined;
  const field = "message.android.ttl";
  if (typeof ttl !== "string" || !/^\d+(\.\d{1,9})?s$/.test(ttl))
    return { message: `Invalid value at '${field}' (type.googleapis.com/google.protobuf.Duration)`, field };
  if (Number.parseFloat(ttl) > mostSeconds) return { message: "Invalid time to live" };
  return undefined;
}

/** @param {Record<string, unknown>} part @param {string} path @returns {Wrong | undefined} */
function unknownField(part, path) {
  const camel = (/** @type {string} */ name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
  const known = (fieldsOf[path] ?? []).flatMap((name) => [name, camel(name)]);
  const unknown = Object.keys(part).find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  const where = path && ` at '${path}'`;
  return {
    message: `Invalid JSON payload received. Unknown name "${unknown}"${where}: Cannot find field.`,
    field: path,
  };
}

/** @param {unknown} value @returns {Record<string, unknown> | undefined} */
function asObject(value) {
  const is = typeof value === "object" && value !== null && !Array.isArray(value);
  return is ? /** @type {Record<string, unknown>} */ (value) : undefined;
}
