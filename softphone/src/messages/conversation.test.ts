import { describe, expect, it } from "vitest";
import {
  conversationOf,
  conversationWith,
  faceOf,
  historyOf,
  parseRecipients,
  personOf,
  titleOf,
} from "./conversation";

const of = (senderId: string | null, ...recipientIds: string[]) =>
  conversationOf("me", { senderId, recipientIds });

describe("a conversation", () => {
  it("is the set of those who take part, whoever writes", () => {
    const ids = [
      of("me", "bob", "carol"),
      of("bob", "carol", "me"),
      of("carol", "me", "bob", "bob"),
      conversationWith("me", ["carol", "bob"]),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(1);
    expect(of("bob", "me").id).not.toBe(ids[0]);
  });

  it("is one's own when nobody else takes part", () => {
    expect(of("me", "me")).toEqual({ id: "me", others: ["me"], application: false });
  });

  it("keeps what the application says apart", () => {
    const alone = of(null, "me");
    expect(alone).toMatchObject({ others: [], application: true });
    expect(of(null, "me", "bob").id).not.toBe(of("bob", "me").id);
    expect([historyOf(alone), historyOf(of(null, "me", "bob"))]).toEqual([[""], ["", "bob"]]);
    expect(historyOf(of("bob", "me"))).toEqual(["bob"]);
  });

  it("has a name and letters", () => {
    const title = (conversation: ReturnType<typeof of>) => titleOf("me", conversation);
    expect([of("carol", "me", "bob"), of(null, "me"), of("me", "me")].map(title)).toEqual([
      "bob, carol",
      "The app",
      "me (you)",
    ]);
    expect(faceOf("bob, carol", of("bob", "carol", "me"))).toBe("BC");
    expect(faceOf("anna-maria", of("anna-maria", "me"))).toBe("AM");
  });

  it("has somebody to call only when that is one other person", () => {
    const people = [of("bob", "me"), of("bob", "me", "carol"), of("me", "me"), of(null, "me", "bob")];
    expect(people.map((conversation) => personOf("me", conversation))).toEqual([
      "bob",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("is typed with commas or spaces", () => {
    expect(parseRecipients(" bob,carol , bob\tdave,")).toEqual(["bob", "carol", "dave"]);
    expect(parseRecipients(" , ")).toEqual([]);
  });
});
