import { describe, expect, it } from "vitest";
import { Alarm } from "./scheduler";

/** A storage's alarm, and how often it was written. */
function storage(set: number | null = null) {
  const state = { set, written: 0 };
  const getAlarm = async () => state.set;
  const setAlarm = async (time: number | Date) => {
    state.set = Number(time);
    state.written += 1;
  };
  return { state, alarm: new Alarm({ getAlarm, setAlarm }) };
}

describe("an alarm", () => {
  it.each([
    ["first", [5, 1_000]],
    ["last", [1_000, 5]],
  ])("of two that are asked for at once keeps the earlier, be it the %s", async (_, times) => {
    const { state, alarm } = storage();
    await Promise.all(times.map((time) => alarm.by(time)));
    expect(state.set).toBe(5);
  });

  it("that was set before a sleep is not put off, and costs no row", async () => {
    const { state, alarm } = storage(5);
    await Promise.all([alarm.by(1_000), alarm.by(7)]);
    expect(state).toEqual({ set: 5, written: 0 });
  });

  it("that has rung is set again", async () => {
    const { state, alarm } = storage();
    await alarm.by(5);
    alarm.rang();
    await alarm.by(1_000);
    expect(state).toEqual({ set: 1_000, written: 2 });
  });
});
