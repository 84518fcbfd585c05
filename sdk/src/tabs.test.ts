import { expect, test } from "vitest";
import { type Locks, locked, openTabChannel, takeTurn } from "./tabs";

// Node has both, and so these are the real ones.
const locks = globalThis.navigator.locks as Locks;

test("one has the turn at a time, and one that was withdrawn never gets it", async () => {
  const turns: string[] = [];
  const begun: (() => void)[] = [];
  const turn = (name: string) => {
    const begins = new Promise<void>((resolve) => begun.push(resolve));
    const begin = () => {
      turns.push(name);
      begun[Number(name)]?.();
    };
    const end = takeTurn(locks, "turn", false, begin, () => {});
    return { begins, end };
  };
  const [first, second, third] = [turn("0"), turn("1"), turn("2")];
  await first?.begins;
  expect(turns).toEqual(["0"]);
  second?.end();
  first?.end();
  await third?.begins;
  expect(turns).toEqual(["0", "2"]);
  third?.end();
  await locked(locks, "turn", async () => turns.push("free"));
  expect(turns).toEqual(["0", "2", "free"]);
});

test("a turn that is stolen is lost to the one who had it, and nobody else", async () => {
  const turns: string[] = [];
  const turn = (name: string, steal: boolean) =>
    new Promise<() => void>((resolve) => {
      const end = takeTurn(
        locks,
        "stolen",
        steal,
        () => resolve(() => end()),
        () => turns.push(`${name} lost it`),
      );
    });
  await turn("first", false);
  takeTurn(
    locks,
    "stolen",
    false,
    () => turns.push("second"),
    () => turns.push("second lost it"),
  )();
  const end = await turn("third", true);
  end();
  await locked(locks, "stolen", async () => turns.push("free"));
  expect(turns).toEqual(["first lost it", "free"]);
});

test("what one tab posts all others hear, until they close", async () => {
  const heard: unknown[] = [];
  const hears = new Promise<void>((resolve) => {
    openTabChannel("tabs.test", (message) => {
      heard.push(message);
      if (message === "last") resolve();
    });
  });
  const closed = openTabChannel("tabs.test", () => heard.push("after its end"));
  const tab = openTabChannel("tabs.test", () => heard.push("its own"));
  closed?.close();
  tab?.post({ a: 1 });
  tab?.post("last");
  await hears;
  expect(heard).toEqual([{ a: 1 }, "last"]);
  tab?.close();
});
