import { CarillonError } from "@carillon/sdk";
import { describe, expect, it } from "vitest";
import { problemOf, signInProblem } from "./problem";

const error = (errorCode: number) =>
  new CarillonError({ errorCode, name: "replayed", message: "No.", hint: "Do.", reference: "r1" });

describe("problems", () => {
  it("keep what the SDK says", () => {
    expect(problemOf(error(40102))).toEqual({ message: "No.", hint: "Do.", code: 40102, reference: "r1" });
  });

  it("say of a wrong argument what is wrong with it", () => {
    const wrong = new CarillonError({
      errorCode: 60007,
      name: "invalidUse",
      message: "No.",
      hint: "See `detail`.",
      detail: "userId is too long.",
    });
    expect(problemOf(wrong)).toEqual({ message: "userId is too long.", hint: "", code: 60007 });
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
