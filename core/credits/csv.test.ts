import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCsvLine, toCsvLine } from "./csv";

test.each([
  ["a,b", ["a", "b"]],
  ["", [""]],
  [",", ["", ""]],
  ['"a,b",c', ["a,b", "c"]],
  ['"say ""hi""",', ['say "hi"', ""]],
  ['""', [""]],
  [" a , b ", [" a ", " b "]],
])("%s", (line, fields) => {
  expect(parseCsvLine(line)).toEqual(fields);
});

test.each(['a"b', '"a"b', '"a', 'a,"b', '"a" ,b', '"""'])("%s is none", (line) => {
  expect(parseCsvLine(line)).toBeUndefined();
});

test("what is written is read as the same", () => {
  const field = fc.string({ unit: fc.constantFrom('"', ",", "a", " ", "å", ";") });
  fc.assert(
    fc.property(fc.array(field, { minLength: 1 }), (fields) => {
      expect(parseCsvLine(toCsvLine(fields).slice(0, -2))).toEqual(fields);
    }),
  );
});

test("a line break is quoted", () => {
  expect(toCsvLine(["a\nb", 1])).toBe('"a\nb",1\r\n');
});
