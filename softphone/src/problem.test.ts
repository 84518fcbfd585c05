import { CarillonError } from "@carillon/sdk";
import { describe, expect, it } from "vitest";
import { problemOf, signInProblem } from "./problem";

const error = (errorCode: number) =>
  new CarillonError({ errorCode, name: "replayed", message: "No.", hint: "Do.", reference: "r1" });

describe("problems", () => {
  it("keep what the SDK says", () => {
    expect(problemOf(error(40102))).toEqual({ message: "No.", hint: "Do.", code: 40102, reference: "r1" });
  });

  it.each([
    ["not a user id", "A user id has 1 to 40 letters, digits or signs, and no spaces."],
    ["applicationKey: not a lowercase GUID", "An application key is a GUID in lowercase letters."],
    ["too many calls", "Too many calls."],
    ["Said already.", "Said already."],
  ])("say of a wrong argument what is wrong with it: %s", (detail, message) => {
    const body = { errorCode: 60007, name: "invalidUse" as const, message: "No.", hint: "See `detail`." };
    expect(problemOf(new CarillonError({ ...body, detail }))).toEqual({ message, hint: "", code: 60007 });
  });

  it("say which rule a value breaks", () => {
    const wrong = new CarillonError({
      errorCode: 40002,
      name: "invalidValue",
      message: "No.",
      hint: "See `detail`.",
      detail: "to: not a user id",
    });
    expect(problemOf(wrong)).toMatchObject({ message: "No. to: not a user id", hint: "" });
  });

  it("have something to say about anything", () => {
    expect(problemOf(new Error("odd")).message).toBe("odd");
    expect(problemOf(7).message).toBe("7");
  });

  it("tell where a new token comes from when this one is used up or too old", () => {
    expect(signInProblem(error(40103)).hint).toContain("user token");
    expect(signInProblem(error(40104)).hint).toContain("user token");
    expect(signInProblem(error(40102)).hint).toBe("Do.");
  });
});
