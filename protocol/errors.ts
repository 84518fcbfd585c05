/**
 * Every error that Carillon can answer with: one table for the SDK, the sockets and REST.
 *
 * The first three digits of a code are the HTTP status it travels with; codes from 60000 never
 * leave the client. A message says what happened, a hint says what to do about it.
 *
 * Source: SPEC "REST API" for 40001 to 50300.
 */
type ErrorTable = Record<string, { code: number; message: string; hint: string }>;

/**
 * The errors that a client finds by itself, too: in few words, for they are in its bundle. What comes from
 * the server comes with the server's words.
 */
export const clientErrors = {
  invalidValue: {
    code: 40002,
    message: "A value is not allowed.",
    hint: "See `detail`.",
  },
  tooLarge: {
    code: 40003,
    message: "It is too large.",
    hint: "Send less.",
  },
  expired: {
    code: 41000,
    message: "It is too old.",
    hint: "Send a new one.",
  },
  internal: {
    code: 50000,
    message: "Something went wrong.",
    hint: "Try again.",
  },
  rateLimited: {
    code: 42900,
    message: "Too many requests.",
    hint: "Try again later.",
  },
  mediaFailed: {
    code: 50400,
    message: "No media came through.",
    hint: "Check the network.",
  },
  permissionDenied: {
    code: 60001,
    message: "The microphone or camera is refused.",
    hint: "Allow it to this site.",
  },
  deviceMissing: {
    code: 60002,
    message: "The microphone or camera is missing or in use.",
    hint: "Choose another one.",
  },
  networkLost: {
    code: 60003,
    message: "The server cannot be reached.",
    hint: "Check the network.",
  },
  webrtcUnavailable: {
    code: 60004,
    message: "There is no WebRTC.",
    hint: "Pass one in the options.",
  },
  terminated: {
    code: 60005,
    message: "The client was terminated.",
    hint: "Make a new one.",
  },
  credentialsRequired: {
    code: 60006,
    message: "Nobody answered credentialsRequired.",
    hint: "Listen for it.",
  },
  invalidUse: {
    code: 60007,
    message: "This is not allowed now.",
    hint: "See `detail`.",
  },
} as const satisfies ErrorTable;

const serverErrors = {
  invalidRequest: {
    code: 40001,
    message: "A field is missing or malformed.",
    hint: "Mend the field that `detail` names and send the request again.",
  },
  invalidValue: {
    code: 40002,
    message: "A field has a value that is not allowed.",
    hint: "See `detail` for the rule that the value breaks.",
  },
  tooLarge: {
    code: 40003,
    message: "The request, or a field in it, is larger than allowed.",
    hint: "Send less: `detail` and the documentation have the limit.",
  },
  unauthorized: {
    code: 40100,
    message: "Unknown application, or no credentials.",
    hint: "Check the application key and that the credentials belong to this environment.",
  },
  timestampOutOfRange: {
    code: 40101,
    message: "The x-timestamp header is missing or more than 5 minutes off.",
    hint: "Set the clock of the signing machine and sign again.",
  },
  wrongSignature: {
    code: 40102,
    message: "The signature does not match.",
    hint: "Check the application secret, the user id and the string that is signed.",
  },
  replayed: {
    code: 40103,
    message: "The sequence is not greater than the last one, or the nonce or signature was used before.",
    hint: "Sign again with a larger sequence, or with a fresh nonce and timestamp.",
  },
  tokenExpired: {
    code: 40104,
    message: "The token is expired or not yet valid.",
    hint: "Ask your server for a new token; check the clocks if it was just issued.",
  },
  instanceRevoked: {
    code: 40105,
    message: "This instance has been revoked or has expired.",
    hint: "Register again with a signature or a token from your server.",
  },
  invalidToken: {
    code: 40106,
    message: "The token cannot be read, or was signed with another key.",
    hint: "Check the secret, the key id and the claims that the token was made with.",
  },
  schemeNotSupported: {
    code: 40108,
    message: "This authorization scheme is not supported here.",
    hint: "Use `Application`, `Basic` or `Bearer`, as the endpoint's documentation says.",
  },
  insufficientFunds: {
    code: 40200,
    message: "The account has not enough credit.",
    hint: "Top up the account.",
  },
  forbidden: {
    code: 40300,
    message: "These credentials may not do this.",
    hint: "Use credentials of the application or instance that owns it.",
  },
  userBlocked: {
    code: 40301,
    message: "This user is blocked.",
    hint: "Unblock the user, or do not let it register.",
  },
  destinationNotAllowed: {
    code: 40302,
    message: "This destination may not be called.",
    hint: "The rate card and the trunks say which numbers and SIP domains may be. See `detail`.",
  },
  removed: {
    code: 40303,
    message: "The app's server has taken this participant out of the conference.",
    hint: "Join again, if the app allows it.",
  },
  notFound: {
    code: 40400,
    message: "There is no such thing here.",
    hint: "Check the id; what belongs to another application is never found.",
  },
  userUnknown: {
    code: 40401,
    message: "No device has ever registered this user.",
    hint: "Check the user id. The user has to start the app once before it can be called.",
  },
  userOffline: {
    code: 40402,
    message: "None of the user's devices is connected.",
    hint: "Try later, or send the user a message.",
  },
  messagingUnsupported: {
    code: 40403,
    message: "None of the user's devices takes messages.",
    hint: "The user's app has to support messaging: setSupportMessaging().",
  },
  trunkMissing: {
    code: 40405,
    message: "The application has no trunk to the phone network.",
    hint: "Add one: npm run carillon -- trunk add.",
  },
  conflict: {
    code: 40900,
    message: "This does not fit the present state.",
    hint: "See `detail`; read the state again before you retry.",
  },
  conferenceFull: {
    code: 40901,
    message: "The conference is full.",
    hint: "50 participants are the most; wait until somebody leaves.",
  },
  sfuMissing: {
    code: 40902,
    message: "A conference of more than 6 needs an SFU, and none is configured.",
    hint: "Set SFU_APP_ID and SFU_APP_SECRET (Cloudflare Realtime) and deploy: docs/conferences.md.",
  },
  hostMissing: {
    code: 40903,
    message: "A phone needs somebody in the conference whose app carries its voice.",
    hint: "Call it when a user has joined.",
  },
  expired: {
    code: 41000,
    message: "The message is too old to be delivered.",
    hint: "Send it again as a new message, if it still matters.",
  },
  rateLimited: {
    code: 42900,
    message: "Too many requests.",
    hint: "Wait for `retryAfter` seconds and try again.",
  },
  versionRefused: {
    code: 42600,
    message: "Client and server have no protocol version in common.",
    hint: "Update @carillon/sdk, or deploy a newer Carillon.",
  },
  internal: {
    code: 50000,
    message: "Something went wrong on our side.",
    hint: "Try again; if it stays, report the reference.",
  },
  mediaFailed: {
    code: 50400,
    message: "The call was answered but no media came through, or media stopped for 20 seconds.",
    hint: "Check the network, and configure a TURN server for networks that block peer-to-peer traffic.",
  },
  sipFailed: {
    code: 50200,
    message: "The other side's network has refused or ended the call.",
    hint: "See `sip`, its status and reason.",
  },
  trunkUnreachable: {
    code: 50201,
    message: "The gateway to the phone network cannot be reached.",
    hint: "Check the trunk: npm run carillon -- trunk check.",
  },
  unavailable: {
    code: 50300,
    message: "A part that this needs is not available.",
    hint: "Try again in a moment.",
  },
  mailboxFull: {
    code: 50700,
    message: "Too many messages wait for this user.",
    hint: "Try again when the user has been online.",
  },
} as const satisfies ErrorTable;

/** All of them. */
export const errorTable = /* @__PURE__ */ Object.assign({}, clientErrors, serverErrors);

/** The name of an error: the key of {@link errorTable}. */
export type ErrorName = keyof typeof errorTable;

/** The name of an error that a client finds by itself. */
export type ClientErrorName = keyof typeof clientErrors;

/** An error as it travels in a frame or an HTTP answer. */
export interface ErrorBody {
  /** The code of {@link errorTable}. */
  errorCode: number;
  name: ErrorName;
  message: string;
  hint: string;
  /** What exactly was wrong, when there is more to say than the message does. */
  detail?: string;
  /** Seconds until it makes sense to try again. */
  retryAfter?: number;
  /** Runs through the log lines of everything that handled the request. */
  reference?: string;
  /** Of `sipFailed`: what the other side's network said (RFC 3261, 21). */
  sip?: { status: number; reason: string };
}

/** What may be added to an error of the table. */
export type ErrorExtra = Pick<ErrorBody, "detail" | "retryAfter" | "reference" | "sip">;

/** A value or an error: how functions that can fail answer, inside an object and across RPC. */
export type Result<T> = { ok: true; value: T } | { ok: false; error: ErrorBody };

/** The body of an error of the table. */
export function errorBody(name: ErrorName, extra: ErrorExtra = {}): ErrorBody {
  const { code, message, hint } = errorTable[name];
  return { errorCode: code, name, message, hint, ...extra };
}

/** The body of an error that a client finds by itself. */
export function clientErrorBody(name: ClientErrorName, extra: ErrorExtra = {}): ErrorBody {
  const { code, message, hint } = clientErrors[name];
  return { errorCode: code, name, message, hint, ...extra };
}

/** A failed {@link Result}. */
export function fail(name: ErrorName, extra?: ErrorExtra): { ok: false; error: ErrorBody } {
  return { ok: false, error: errorBody(name, extra) };
}

/** A good {@link Result}. */
export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

/** The HTTP status that an error travels with, 400 to 599. */
export function statusOf(error: ErrorBody): number {
  const status = Math.floor(error.errorCode / 100);
  return status >= 400 && status < 600 ? status : 500;
}
