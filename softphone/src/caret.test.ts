import { expect, it } from "vitest";
import { erased, typed } from "./caret";

it("writes where the caret is, and over what is selected", () => {
  expect(typed("+4670", 3, 3, "1")).toEqual({ text: "+46170", caret: 4 });
  expect(typed("+4670", 0, 5, "+")).toEqual({ text: "+", caret: 1 });
});

it("erases what is before the caret, or what is selected", () => {
  expect(erased("+4670", 3, 3)).toEqual({ text: "+470", caret: 2 });
  expect(erased("+4670", 1, 3)).toEqual({ text: "+70", caret: 1 });
  expect(erased("a\u{1f600}", 3, 3)).toEqual({ text: "a", caret: 1 });
  expect(erased("+4670", 0, 0)).toEqual({ text: "+4670", caret: 0 });
});
