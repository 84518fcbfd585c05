/** The values that several endpoints read. Each message follows the name of the field. */
import * as z from "zod/mini";
import {
  byteLength,
  fail,
  isApplicationKey,
  isConferenceId,
  isUserId,
  isUuid,
  limits,
  ok,
  parseAddress,
  type Result,
  serverLimits,
} from "../protocol";

export const applicationKey = z.string().check(z.refine(isApplicationKey, "has to be a lowercase GUID"));
export const userId = z
  .string()
  .check(z.refine(isUserId, "has to be 1 to 40 printable ASCII characters without spaces"));
/** In a query: the empty one is the application itself. */
export const participant = z
  .string()
  .check(
    z.refine(
      (value) => value === "" || isUserId(value),
      "has to be a user id, or empty for the application itself",
    ),
  );
/**
 * Of a user who registers. What callees read as a user of an application, and dial as one, must not
 * be the name of somebody else.
 */
export const newUserId = userId.check(
  z.refine(
    (value) => parseAddress(value).applicationKey === undefined,
    "must not end with @ and an application key, which is the address of that application's user",
  ),
);
export const uuid = z.string().check(z.refine(isUuid, "has to be a lowercase UUID"));

/** Errors: invalidValue. */
export function conferenceIdOf(value: string): Result<string> {
  const rule = `conferenceId: has to be 1 to ${limits.conferenceIdCharacters} printable characters`;
  return isConferenceId(value) ? ok(value) : fail("invalidValue", { detail: rule });
}

/** An object of these fields and no other: a misspelled one must not mean that it was left out. */
export function strict<T extends z.core.$ZodShape>(fields: T) {
  return z.strictObject(fields, {
    error: (issue) => (issue.code === "unrecognized_keys" ? `there is no field ${issue.keys[0]}` : undefined),
  });
}

/** A text of bounded length. */
export function text(max: number, min = 1) {
  const rule = `has to have ${min} to ${max} characters`;
  return z.string().check(z.minLength(min, rule), z.maxLength(max, rule));
}

/** A number in a range. */
export function between(min: number, max: number) {
  const rule = `has to be from ${min} to ${max}`;
  return z.number().check(z.minimum(min, rule), z.maximum(max, rule));
}

export const deviceId = text(serverLimits.deviceIdCharacters);

export const displayName = z
  .string()
  .check(
    z.refine(
      (value) => byteLength(value) <= serverLimits.displayNameBytes,
      `has to have at most ${serverLimits.displayNameBytes} bytes`,
    ),
  );

/** Of an app of Apple's. A wildcard is none: a push needs the whole of it. */
export const bundleId = text(155).check(
  z.regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/, "has to be a bundle id, as in com.example.app"),
);
export const apnsEnvironment = z.enum(["development", "production"], "has to be development or production");
/** Of Google's. It becomes part of a URL. */
export const projectId = text(100).check(
  z.regex(/^([a-z0-9.-]+:)?[a-z][a-z0-9-]*$/, "has to be the id of a Firebase project, as in my-app-1234"),
);

const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;
/** In a query: ISO 8601 or milliseconds since 1970, which it is read as. */
export const time = z.pipe(
  z.pipe(
    z.string(),
    z.transform((value) => {
      if (/^\d{1,15}$/.test(value)) return Number(value);
      return isoTime.test(value) ? Date.parse(value) : Number.NaN;
    }),
  ),
  z.custom<number>(
    (value) => Number.isFinite(value),
    "has to be a time in ISO 8601, or in milliseconds since 1970",
  ),
);

/** How many entries of a list one answer has. */
function pageLimitTo(max: number) {
  return z.pipe(
    z.pipe(
      z._default(z.string(), "50"),
      z.transform((value) => (/^\d{1,4}$/.test(value) ? Number(value) : Number.NaN)),
    ),
    z.custom<number>(
      (value) => typeof value === "number" && value >= 1 && value <= max,
      `has to be from 1 to ${max}`,
    ),
  );
}
export const pageLimit = pageLimitTo(200);

/** The fields of a request for a page of messages; `before` is the `next` of another page. */
export const historyPage = {
  before: z.optional(z.string().check(z.maxLength(200))),
  limit: pageLimitTo(serverLimits.historyPage),
};

/** A page, and the cursor that leads to the next one when there may be more. */
export function pageOf<T>(entries: T[], limit: number, cursorOf: (last: T) => string): { cursor?: string } {
  const last = entries.at(-1);
  return entries.length === limit && last !== undefined ? { cursor: cursorOf(last) } : {};
}
