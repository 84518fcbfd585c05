import { describe, expect, it } from "vitest";
import { actionOf } from "./shortcuts";

const press = (key: string, more = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  repeat: false,
  ...more,
});

describe("shortcuts", () => {
  it("reads letters in either case", () => {
    expect([actionOf(press("m")), actionOf(press("M")), actionOf(press("Escape"))]).toEqual([
      "mute",
      "mute",
      "hangup",
    ]);
  });

  it("leaves the browser's own combinations and held keys alone", () => {
    expect(actionOf(press("d", { ctrlKey: true }))).toBeUndefined();
    expect(actionOf(press("s", { metaKey: true }))).toBeUndefined();
    expect(actionOf(press("m", { repeat: true }))).toBeUndefined();
    expect(actionOf(press("x"))).toBeUndefined();
  });
});
