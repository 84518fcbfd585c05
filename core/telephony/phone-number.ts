/** Phone numbers in E.164, as libphonenumber knows them. */
import {
  type NumberType,
  parsePhoneNumberFromString,
  validatePhoneNumberLength,
} from "libphonenumber-js/max";
import { fail, ok, type Result } from "../../protocol";

/** It answers by itself, says that the call is connected, and costs nothing. Source: SPEC section 3. */
export const testNumber = "+46000000000";

export interface PhoneNumber {
  /** `+` and digits. */
  number: string;
  countryCallingCode: string;
  /** Who calls it pays for more than the way, or nobody knows. */
  premium: boolean;
}

/** Those that do not earn by being called. */
const ordinary = new Set<NumberType>([
  ...(["FIXED_LINE", "MOBILE", "FIXED_LINE_OR_MOBILE", "TOLL_FREE", "VOIP", "UAN", "VOICEMAIL"] as const),
]);

const lengths = {
  INVALID_COUNTRY: "no country has this calling code",
  TOO_SHORT: "too short",
  TOO_LONG: "too long",
  INVALID_LENGTH: "no number of this country has so many digits",
  NOT_A_NUMBER: "not a number",
};

/** Errors: invalidValue, whose detail says what is wrong with it. */
export function readPhoneNumber(text: string): Result<PhoneNumber> {
  const wrong = (detail: string) => fail("invalidValue", { detail: `to: ${detail}` });
  if (!text.startsWith("+")) return wrong("a number has to begin with + and the calling code of its country");
  if (!/^\+[0-9]+$/.test(text)) return wrong("a number has digits only after the +");
  const problem = validatePhoneNumberLength(text);
  if (problem) return wrong(lengths[problem]);
  const parsed = parsePhoneNumberFromString(text);
  if (!parsed) return wrong("not a number");
  // A 0 after the calling code is for calls within the country, but networks may well put up with it.
  if (parsed.number !== text) return wrong(`write it as ${parsed.number}`);
  const { countryCallingCode } = parsed;
  return ok({ number: text, countryCallingCode, premium: !ordinary.has(typeOf(text)) });
}

/** Networks do not look at digits that are too many: what a number begins with is what is called. */
function typeOf(text: string): NumberType {
  for (let length = text.length; length > 5; length -= 1) {
    const type = parsePhoneNumberFromString(text.slice(0, length))?.getType();
    if (type) return type;
  }
  return undefined;
}
