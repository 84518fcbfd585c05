/** Phone numbers in E.164, as libphonenumber knows them. */
import { parsePhoneNumberFromString, validatePhoneNumberLength } from "libphonenumber-js/max";
import { fail, ok, type Result } from "../../protocol";

/** It answers by itself, says that the call is connected, and costs nothing. Source: SPEC section 3. */
export const testNumber = "+46000000000";

export interface PhoneNumber {
  /** `+` and digits. */
  number: string;
  countryCallingCode: string;
  /** Who calls it pays for more than the way. */
  premium: boolean;
}

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
  const type = parsed.getType();
  return ok({
    number: text,
    countryCallingCode: parsed.countryCallingCode,
    premium: type === "PREMIUM_RATE" || type === "SHARED_COST",
  });
}
