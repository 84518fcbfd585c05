import { describe, expect, it } from "vitest";
import { asText, EventLog, filtered } from "./log";

function logOf(...texts: string[]) {
  let changes = 0;
  const log = new EventLog(
    () => 1_700_000_000_000,
    () => changes++,
  );
  for (const text of texts) log.add("call", text);
  return { log, changes: () => changes };
}

describe("the event log", () => {
  it("tells of each change and forgets what is old", () => {
    const { log, changes } = logOf(...Array.from({ length: 1_005 }, (_, n) => `event ${n}`));
    expect(changes()).toBe(1_005);
    expect(log.entries).toHaveLength(1_000);
    expect(log.entries[0]?.text).toBe("event 5");
    log.clear();
    expect(log.entries).toEqual([]);
  });

  it("filters by all words", () => {
    const { log } = logOf("ringing bob", "ringing carol", "ended bob");
    expect(filtered(log.entries, "BOB ring").map(({ text }) => text)).toEqual(["ringing bob"]);
    expect(filtered(log.entries, "  ")).toHaveLength(3);
  });

  it("becomes text with UTC times", () => {
    expect(asText(logOf("ringing").log.entries)).toBe("2023-11-14T22:13:20.000Z info call: ringing\n");
  });
});
