import { expect, test } from "vitest";
import { relayBody, relayType, tonesOf } from "./tones";

test.each([..."0123456789*#ABCD"])("%s comes back as it was sent", (key) => {
  expect(tonesOf(relayType, relayBody(key))).toBe(key);
  expect(relayBody(key.toLowerCase())).toBe(relayBody(key));
});

test.each<[string | undefined, string, string | undefined]>([
  ["Application/DTMF-Relay; charset=utf-8", "Duration=100\nsignal =  d\n", "D"],
  ["application/dtmf-relay", "Signal=10\r\n", "*"],
  ["application/dtmf-relay", "Signal=11", "#"],
  ["application/dtmf-relay", "Signal=12", "A"],
  ["application/dtmf-relay", "Signal=16", ""],
  ["application/dtmf-relay", "Signal=!", ""],
  ["application/dtmf-relay", "", ""],
  ["application/dtmf", " 7\r\n", "7"],
  ["application/dtmf", "77", ""],
  ["text/plain", "7", undefined],
  [undefined, "7", undefined],
])("%s %j is %j", (type, body, expected) => {
  expect(tonesOf(type, body)).toBe(expected);
});
