import {
  type ClientErrorName,
  clientErrorBody,
  type ErrorBody,
  type ErrorName,
  isUserId,
} from "../../protocol";

/** What an error is about: the server's answer, the phone network, the way to the server, microphone and camera, or the client. */
export type ErrorDomain = "api" | "sip" | "network" | "media" | "session";

/** By code: `api` is the rest. */
const domains: Record<number, ErrorDomain> = {
  40105: "session",
  50200: "sip",
  50201: "sip",
  50300: "network",
  50400: "media",
  60001: "media",
  60002: "media",
  60003: "network",
  60004: "media",
  60005: "session",
  60006: "session",
  60007: "session",
};

/** Every error that the SDK throws, rejects with, or gives to an event. */
export class CarillonError extends Error {
  override readonly name = "CarillonError";
  /** The number in the documentation's table of errors. */
  readonly code: number;
  /** The literal to switch on. */
  readonly errorName: ErrorName;
  readonly domain: ErrorDomain;
  /** What to do about it. */
  readonly hint: string;
  /** Names the request in the server's log. */
  readonly reference?: string;
  /** Seconds until it makes sense to try again. */
  readonly retryAfter?: number;
  /** Of `sipFailed`: what the other side's network said (RFC 3261, 21). */
  readonly sip: ErrorBody["sip"];

  constructor(
    /** As it travels. */
    readonly body: ErrorBody,
    cause?: unknown,
  ) {
    super(body.detail ? `${body.message} ${body.detail}` : body.message, { cause });
    this.code = body.errorCode;
    this.errorName = body.name;
    this.domain = domains[this.code] ?? "api";
    this.hint = body.hint;
    this.reference = body.reference;
    this.retryAfter = body.retryAfter;
    this.sip = body.sip;
  }
}

/** An error that the client finds by itself. */
export function makeError(name: ClientErrorName, detail?: string, cause?: unknown): CarillonError {
  return new CarillonError(clientErrorBody(name, { detail }), cause);
}

/** @throws CarillonError `invalidUse` unless it is so. */
export function must(so: unknown, detail: string): asserts so {
  if (!so) throw makeError("invalidUse", detail);
}

/** @throws CarillonError `invalidUse` for what is no user id. */
export function mustBeUserId(value: unknown): asserts value is string {
  must(isUserId(value), "not a user id");
}

/** @throws CarillonError `invalidUse` for what is no number of a phone. */
export function mustBeNumber(value: string): void {
  must(/^\+\d+$/.test(value), "number: not +digits");
}

/** @throws CarillonError `invalidUse` for what is no SIP address. */
export function mustBeAddress(value: string): void {
  must(/.@./.test(value), "address: no user@domain");
}

/** The server does not accept who asks. */
export function isUnauthorized({ errorCode }: ErrorBody): boolean {
  return Math.floor(errorCode / 100) === 401;
}

/** Any thrown value as a {@link CarillonError}; `name` says what an unknown one means here. */
export function toError(thrown: unknown, name: ClientErrorName = "internal"): CarillonError {
  if (thrown instanceof CarillonError) return thrown;
  return makeError(name, thrown instanceof Error ? thrown.message : String(thrown), thrown);
}
