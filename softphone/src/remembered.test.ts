import { describe, expect, it } from "vitest";
import { recall, remember, withRecent } from "./remembered";

function memory(initial?: string) {
  let value = initial ?? null;
  return {
    getItem: () => value,
    setItem: (_: string, next: string) => {
      value = next;
    },
  };
}

describe("what the page remembers", () => {
  it("comes back as it went", () => {
    const storage = memory();
    const what = {
      key: "k",
      user: "alice",
      recent: ["bob"],
      theme: "dark" as const,
      name: "Alice",
      wake: true,
    };
    remember(storage, what);
    expect(recall(storage)).toEqual(what);
  });

  it.each(["", "{", "7", "null", '{"recent":"bob","theme":5,"key":[],"name":1,"wake":"yes"}'])(
    "starts afresh from %j",
    (text) => {
      expect(recall(memory(text))).toEqual({
        key: "",
        user: "",
        recent: [],
        theme: "auto",
        name: "",
        wake: false,
      });
    },
  );

  it("survives a storage that refuses", () => {
    const refusing = {
      getItem: () => {
        throw new Error("denied");
      },
      setItem: () => {
        throw new Error("full");
      },
    };
    expect(() => remember(refusing, recall(refusing))).not.toThrow();
  });
});

describe("recent people", () => {
  it("puts the last one first, each once, six at most", () => {
    expect(withRecent(["a", "b"], "b")).toEqual(["b", "a"]);
    expect(withRecent(["a", "b", "c", "d", "e", "f"], "g")).toEqual(["g", "a", "b", "c", "d", "e"]);
  });
});
