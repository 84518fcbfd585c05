/** What went wrong and what to do about it, for the person at the page. */
import { CarillonError } from "@carillon/sdk";

export interface Problem {
  message: string;
  hint: string;
  code?: number;
  /** Names the request in the server's log. */
  reference?: string;
}

/** Any thrown value as a {@link Problem}. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof CarillonError) {
    const { message, hint, code, reference, body } = thrown;
    // Of a wrong argument only the detail means something to the person who typed it.
    if (thrown.errorName === "invalidUse" && body.detail) {
      return { message: plainly(body.detail), hint: "", code };
    }
    // Its hint says to look at the detail, which is a part of the message.
    const seen = thrown.errorName === "invalidValue" && body.detail !== undefined;
    return { message, hint: seen ? "" : hint, code, reference };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { message, hint: "Reload the page and try again; the event log below may say more." };
}

/** What the SDK says tersely to a developer, for whoever typed it. */
function plainly(detail: string): string {
  if (detail === "not a user id") return "A user id has 1 to 40 letters, digits or signs, and no spaces.";
  if (detail.startsWith("applicationKey")) return "An application key is a GUID in lowercase letters.";
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}${/[.!?]$/.test(detail) ? "" : "."}`;
}

const newToken =
  "Make a new one with `npm run carillon -- user token`, or start `npm start` again for new links.";

/** The same, for a failed sign-in: a token from a link has its own ways to be of no use. */
export function signInProblem(thrown: unknown): Problem {
  const problem = problemOf(thrown);
  if (problem.code === 40103) {
    return { ...problem, message: "This token has been used; each one works once.", hint: newToken };
  }
  return problem.code === 40104 ? { ...problem, hint: newToken } : problem;
}
